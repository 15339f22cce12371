//! How a request stands with the limits that apply to it, and how its client is told.
//!
//! Every kind of limit (rates, quotas) says the same of itself: a [`Label`] when it is loaded, a [`Standing`] for each
//! request. The two make the fields of draft-ietf-httpapi-ratelimit-headers-10: lists of structured-field items
//! (RFC 9651 §3.1), one for each limit.

use std::sync::Arc;

use bytes::BytesMut;
use http::HeaderValue;

/// The largest integer of a structured field (RFC 9651 §3.3.1).
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// How a request stands with one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it may go on as far as this limit is concerned.
    pub allowed: bool,
    /// Units left: after the request's own if it was charged.
    pub remaining: u64,
    /// Allowed: seconds until all units are back. Refused: seconds until this request would be allowed.
    /// Rounded up, so that `Retry-After` of this many seconds is never too early.
    pub reset_s: u64,
}

/// What clients are told of a limit whatever they ask: its name and its policy, as text that is made when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    name: Arc<str>,
    /// `"default"`
    item: Box<str>,
    /// `"default";q=100;w=60`
    policy: Box<str>,
}

/// The limits that refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Seconds after which the limit that takes longest would let it in.
    pub retry_after_s: u64,
    /// Their names, as in `RateLimit-Policy`.
    pub policies: Vec<Arc<str>>,
}

/// The value of `RateLimit` in the making; nothing where no limit is added.
#[derive(Debug)]
pub struct StandingList<'t>(&'t mut BytesMut);

impl Label {
    /// A limit of `quota` units in a window of so many seconds.
    #[must_use]
    pub fn new(name: &str, quota: u64, window_s: u64) -> Self {
        let item = quoted(name);
        let policy = format!("{item};q={};w={}", quota.min(INTEGER_MAX), window_s.min(INTEGER_MAX));
        Self { name: name.into(), item: item.into(), policy: policy.into() }
    }

    /// The same limit, of something else than requests: the `qu` of its policy (draft-ietf-httpapi-ratelimit-headers-10
    /// §3.1.2).
    #[must_use]
    pub fn in_unit(mut self, unit: &'static str) -> Self {
        self.policy = format!("{};qu=\"{unit}\"", self.policy).into();
        self
    }

    /// Its name as an item of a structured field: `"default"`.
    #[must_use]
    pub fn item(&self) -> &str {
        &self.item
    }

    /// The limit's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// `RateLimit-Policy` for these limits; nothing for none. Made when a configuration is loaded, not per request.
    #[must_use]
    pub fn policy_field<'l>(labels: impl IntoIterator<Item = &'l Self>) -> Option<HeaderValue> {
        let policies: Vec<&str> = labels.into_iter().map(|label| &*label.policy).collect();
        if policies.is_empty() { None } else { HeaderValue::try_from(policies.join(", ")).ok() }
    }
}

impl Violation {
    /// The violation of those of these limits that refuse; nothing where none does.
    #[must_use]
    pub fn of<'l>(standings: impl IntoIterator<Item = (&'l Label, Standing)>) -> Option<Self> {
        let mut violation: Option<Self> = None;
        for (label, standing) in standings.into_iter().filter(|(_, standing)| !standing.allowed) {
            let violation = violation.get_or_insert(Self { retry_after_s: 1, policies: Vec::new() });
            violation.retry_after_s = violation.retry_after_s.max(standing.reset_s);
            violation.policies.push(Arc::clone(&label.name));
        }
        violation
    }
}

impl<'t> StandingList<'t> {
    /// To be written here, where nothing else stands.
    #[must_use]
    pub fn new(text: &'t mut BytesMut) -> Self {
        Self(text)
    }

    /// Adds a limit: `"default";r=73;t=12`.
    pub fn push(&mut self, label: &Label, standing: Standing) {
        let text = &mut *self.0;
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(label.item.as_bytes());
        text.extend_from_slice(b";r=");
        push_number(text, standing.remaining);
        text.extend_from_slice(b";t=");
        push_number(text, standing.reset_s);
    }
}

/// A string of a structured field (RFC 9651 §3.3.3): what is not printable ASCII can't stand in one.
fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    for c in name.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(if c == ' ' || c.is_ascii_graphic() { c } else { '_' });
    }
    text.push('"');
    text
}

fn push_number(text: &mut BytesMut, number: u64) {
    text.extend_from_slice(itoa::Buffer::new().format(number.min(INTEGER_MAX)).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(allowed: bool, remaining: u64, reset_s: u64) -> Standing {
        Standing { allowed, remaining, reset_s }
    }

    #[test]
    fn all_limits_stand_in_one_list() {
        let labels = [Label::new("default", 100, 60), Label::new("monthly", 100_000, 2_592_000)];
        assert_eq!(
            Label::policy_field(&labels).unwrap(),
            "\"default\";q=100;w=60, \"monthly\";q=100000;w=2592000"
        );
        let mut text = BytesMut::new();
        let mut list = StandingList::new(&mut text);
        list.push(&labels[0], standing(true, 73, 12));
        list.push(&labels[1], standing(true, 0, u64::MAX));
        assert_eq!(text, "\"default\";r=73;t=12, \"monthly\";r=0;t=999999999999999");
        assert_eq!(Label::policy_field(&[]), None);
    }

    #[test]
    fn a_name_is_a_string_whatever_is_in_it() {
        let label = Label::new("/a\"b\\c\u{e9}\n", 1, 1);
        assert_eq!(Label::policy_field([&label]).unwrap(), r#""/a\"b\\c__";q=1;w=1"#);
    }

    #[test]
    fn the_longest_wait_binds() {
        let labels = ["a", "b", "c"].map(|name| Label::new(name, 1, 1));
        let standings = [standing(false, 0, 5), standing(true, 3, 100), standing(false, 0, 9)];
        let violation = Violation::of(labels.iter().zip(standings)).unwrap();
        assert_eq!(violation, Violation { retry_after_s: 9, policies: vec!["a".into(), "c".into()] });
        assert_eq!(Violation::of([(&labels[1], standings[1])]), None);
    }
}
