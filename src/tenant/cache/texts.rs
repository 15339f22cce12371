//! What a tenant has of its own in writing, in one allocation: its settings, then its domains, a line each.

use std::cmp::Ordering;
use std::fmt;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Texts {
    text: Box<str>,
    settings_len: usize,
}

impl Texts {
    /// All that it has of its own, as whoever casts it reads it; and its domains, sorted: exact ones, and wildcards with
    /// `*.`.
    #[must_use]
    pub fn new<D: AsRef<str>>(settings: Option<&str>, domains: &[D]) -> Self {
        let settings = settings.unwrap_or_default();
        let domains = domains.iter().map(AsRef::as_ref);
        let len = settings.len() + domains.clone().map(|domain| domain.len() + 1).sum::<usize>();
        let mut text = String::with_capacity(len);
        text.push_str(settings);
        for (at, domain) in domains.enumerate() {
            text.extend((at > 0).then_some('\n'));
            text.push_str(domain);
        }
        Self { text: text.into(), settings_len: settings.len() }
    }

    /// All that it has of its own but its domains.
    #[must_use]
    pub fn settings(&self) -> Option<&str> {
        self.text.get(..self.settings_len).filter(|settings| !settings.is_empty())
    }

    /// Its domains, sorted.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.lines().split_terminator('\n')
    }

    /// Its domains, and where each begins.
    pub(super) fn placed(&self) -> impl Iterator<Item = (u32, &str)> {
        let mut next = 0;
        self.domains().filter_map(move |domain| {
            let at = next;
            next += domain.len() + 1;
            Some((u32::try_from(at).ok()?, domain))
        })
    }

    /// The domain that begins there.
    pub(super) fn domain_at(&self, at: u32) -> &str {
        let rest = self.lines().get(at as usize..).unwrap_or_default();
        rest.split_once('\n').map_or(rest, |(domain, _)| domain)
    }

    /// Whether this is one of its domains. There may be thousands.
    pub(super) fn has(&self, domain: &str) -> bool {
        let mut lines = self.lines();
        while !lines.is_empty() {
            // The line in the middle, as far as octets tell.
            let middle = lines.floor_char_boundary(lines.len() / 2);
            let Some((before, behind)) = lines.split_at_checked(middle) else { return false };
            let (before, begun) = before.rsplit_once('\n').unwrap_or(("", before));
            let (ended, behind) = behind.split_once('\n').unwrap_or((behind, ""));
            lines = match compare(begun, ended, domain) {
                Ordering::Equal => return true,
                Ordering::Less => behind,
                Ordering::Greater => before,
            };
        }
        false
    }

    fn lines(&self) -> &str {
        self.text.get(self.settings_len..).unwrap_or_default()
    }
}

/// How a line in two parts compares.
fn compare(begun: &str, ended: &str, domain: &str) -> Ordering {
    begun.bytes().chain(ended.bytes()).cmp(domain.bytes())
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings may hold secrets.
        f.debug_list().entries(self.domains()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_what_was_written() {
        let texts = Texts::new(Some("{\"a\":\n1}"), &["*.a.test", "a.test"]);
        assert_eq!(texts.settings(), Some("{\"a\":\n1}"));
        assert_eq!(texts.domains().collect::<Vec<_>>(), ["*.a.test", "a.test"]);
        let none = Texts::new::<&str>(None, &[]);
        assert_eq!((none.settings(), none.domains().count(), none.has("")), (None, 0, false));
    }

    proptest! {
        #[test]
        fn the_domains_are_those_and_no_others(
            domains in proptest::collection::btree_set("[a-c.*]{1,4}", 0..20), others in proptest::collection::vec("[a-c.*]{0,5}", 20),
        ) {
            let sorted: Vec<_> = domains.iter().collect();
            let texts = Texts::new(None, &sorted);
            prop_assert!(domains.iter().all(|domain| texts.has(domain)));
            prop_assert!(others.iter().all(|other| texts.has(other) == domains.contains(other)));
            let mut placed = texts.placed().zip(&domains);
            prop_assert!(placed.all(|((at, text), domain)| text == domain && texts.domain_at(at) == domain));
        }
    }
}
