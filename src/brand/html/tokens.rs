//! `{{brand.KEY}}` in a page: found across pieces, and replaced by what can do no harm where it stands.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::types::{Place, is_safe_url};

/// Octets of a token, at most: what is longer is none.
pub(super) const TOKEN_MAX: usize = 80;

/// What tokens stand for.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// By key: as text or a plain attribute's value, and as a part of a URL.
    values: BTreeMap<String, (String, String)>,
}

impl Tokens {
    /// Has a key stand for a value.
    pub(super) fn insert(&mut self, key: &str, value: &str) {
        self.values.insert(key.to_owned(), (escaped(value), percent_encoded(value)));
    }

    /// Has a key stand for a URL that the gateway made.
    pub(super) fn insert_url(&mut self, key: &str, url: &str) {
        let value = escaped(url);
        self.values.insert(key.to_owned(), (value.clone(), value));
    }

    /// A text with its tokens replaced, and where a token may have begun that is not all there; `None` where nothing is to be replaced.
    /// Unless more may `follow`, nothing has begun.
    pub(super) fn replace(&self, text: &str, place: Place, follow: bool) -> (Option<String>, usize) {
        if place == Place::Code || (place == Place::Url && !is_safe_url(text)) {
            return (None, text.len());
        }
        let mut new: Option<String> = None;
        let mut copied = 0;
        let mut at = 0;
        while let Some(found) = memchr::memchr(b'{', text.as_bytes().get(at..).unwrap_or_default()) {
            let start = at + found;
            match token(text.get(start..).unwrap_or_default()) {
                Token::Whole(key, length) => {
                    at = start + length;
                    let Some((plain, url)) = self.values.get(key) else { continue };
                    let value = if place == Place::Text { plain } else { url };
                    let new = new.get_or_insert_default();
                    new.push_str(text.get(copied..start).unwrap_or_default());
                    new.push_str(value);
                    copied = at;
                }
                Token::Begun if follow => {
                    if let Some(new) = &mut new {
                        new.push_str(text.get(copied..start).unwrap_or_default());
                    }
                    return (new, start);
                }
                Token::Begun | Token::None => at = start + 1,
            }
        }
        if let Some(new) = &mut new {
            new.push_str(text.get(copied..).unwrap_or_default());
        }
        (new, text.len())
    }
}

enum Token<'t> {
    /// Its key, and its length.
    Whole(&'t str, usize),
    /// It may be one when more of it has come.
    Begun,
    None,
}

/// What begins with this `{`.
fn token(text: &str) -> Token<'_> {
    let begun =
        |rest: &str| if rest.is_empty() && text.len() < TOKEN_MAX { Token::Begun } else { Token::None };
    let blank = |c: char| c == ' ';
    let mut rest = text;
    for piece in ["{", "{", " ", "b", "r", "a", "n", "d", "."] {
        if piece == " " {
            rest = rest.trim_start_matches(blank);
            continue;
        }
        match rest.strip_prefix(piece) {
            Some(after) => rest = after,
            None => return begun(rest),
        }
    }
    let end = rest.find(|c| !is_key(c)).unwrap_or(rest.len());
    let (key, after) = rest.split_at(end);
    let after = after.trim_start_matches(blank);
    match after.strip_prefix("}}") {
        Some(after) if text.len() - after.len() <= TOKEN_MAX => Token::Whole(key, text.len() - after.len()),
        Some(_) => Token::None,
        None => begun(after.strip_prefix('}').unwrap_or(after)),
    }
}

fn is_key(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-')
}

/// Whether this is what stands between a token's braces.
pub(super) fn is_name(text: &str) -> bool {
    text.strip_prefix("brand.").is_some_and(|key| !key.is_empty() && key.chars().all(is_key))
}

/// A text as character references wherever it could be markup, and in ASCII, so that it is the same in every charset.
pub(super) fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            // A brace, so that no other template engine in the page takes it for its own.
            '&' | '<' | '>' | '"' | '\'' | '`' | '=' | '{' | '}' => _ = write!(out, "&#{};", u32::from(c)),
            ' '..='~' | '\n' => out.push(c),
            c => _ = write!(out, "&#{};", u32::from(c)),
        }
    }
    out
}

/// A part of a URL (RFC 3986 §2.3, and `@`): it can't be its scheme, nor end what it is a part of.
fn percent_encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => {
                out.push(char::from(byte))
            }
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}
