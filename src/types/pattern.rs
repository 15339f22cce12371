//! Regular expressions that operators write.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// Octets of the states that a search keeps, for each thread that searches.
const STATES_MAX: usize = 128 * 1024;

/// A regular expression that holds for a whole text, in time linear in its length: it has neither
/// back-references nor look-around. Classes like `\w` are of ASCII.
#[derive(Clone)]
pub struct Pattern {
    regex: Regex,
    text: Box<str>,
}

/// Why a text is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPattern(String);

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// [`InvalidPattern`] says what is wrong, in one line.
    pub fn new(text: &str) -> Result<Self, InvalidPattern> {
        Self::within(text, Self::SIZE_MAX)
    }

    /// Octets that a compiled expression may take.
    pub const SIZE_MAX: usize = 64 * 1024;

    /// Compiles an expression that takes so many octets at most.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn within(text: &str, size_max: usize) -> Result<Self, InvalidPattern> {
        // On its own first, so that no bracket in it can close ours.
        compile(text, size_max)?;
        Ok(Self { regex: compile(&whole(text), size_max)?, text: text.into() })
    }

    /// About how many octets an expression takes, compiled: a power of two.
    #[must_use]
    pub fn size(text: &str) -> usize {
        let mut size = 1024;
        while size < Self::SIZE_MAX && compile(text, size).is_err() {
            size *= 2;
        }
        size
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The expression with what holds it to the whole text.
    #[must_use]
    pub fn as_whole(&self) -> &str {
        self.regex.as_str()
    }

    /// Whether it holds for a text.
    #[must_use]
    pub fn holds(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The part of a text that a group stands for, by its name or number; nothing where there is none.
    #[must_use]
    pub fn group<'t>(&self, text: &'t [u8], group: &str) -> &'t [u8] {
        let Some(captures) = self.regex.captures(text) else { return b"" };
        let found = match group.parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(group),
        };
        found.map_or(b"", |found| found.as_bytes())
    }

    /// Whether it has a group of that name, or number.
    #[must_use]
    pub fn has_group(&self, name: &str) -> bool {
        match name.parse::<usize>() {
            Ok(number) => number < self.regex.captures_len(),
            Err(_) => self.regex.capture_names().flatten().any(|own| own == name),
        }
    }
}

fn whole(text: &str) -> String {
    format!(r"\A(?:{text})\z")
}

fn compile(text: &str, size_max: usize) -> Result<Regex, InvalidPattern> {
    let mut builder = RegexBuilder::new(text);
    builder.unicode(false).size_limit(size_max).dfa_size_limit(STATES_MAX).build().map_err(|error| {
        InvalidPattern(match error {
            regex::Error::CompiledTooBig(_) => "it is too large when compiled".to_owned(),
            // The last line of several says what is wrong, the others show where.
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        })
    })
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_for_the_whole_text() {
        let holds = |pattern: &str, text: &str| Pattern::new(pattern).unwrap().holds(text.as_bytes());
        assert!(holds("/v[0-9]+/.*", "/v12/x"));
        assert!(!holds("/v[0-9]+", "/v12/x"));
        assert!(holds("a|b", "b") && !holds("a|b", "ab"));
        assert!(!Pattern::new(r"\w").unwrap().holds("é".as_bytes()));
        assert!(Pattern::new(".").unwrap().holds(b"\xff"));
    }

    #[test]
    fn what_is_none_is_told_in_one_line() {
        for (text, why) in [
            ("(", "unclosed group"),
            ("a)(b", "unopened group"),
            (r"(a)\1", "backreferences are not supported"),
            ("(?=a)", "look-around, including look-ahead and look-behind, is not supported"),
            ("(?:a{1000}){1000}", "it is too large when compiled"),
        ] {
            assert_eq!(Pattern::new(text).unwrap_err().to_string(), why, "{text}");
        }
    }

    #[test]
    fn groups_have_names_and_numbers() {
        let pattern = Pattern::new("/(?<a>x)(y)").unwrap();
        assert!(pattern.has_group("0") && pattern.has_group("a") && pattern.has_group("2"));
        assert!(!pattern.has_group("3") && !pattern.has_group("b"));
    }
}
