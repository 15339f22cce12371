//! Changes to header fields, and the fields that are the gateway's own.

use std::collections::HashMap;

use http::HeaderName;

use super::Builder;
use crate::config::decode::{Entries, Spanned};
use crate::config::document::{HeaderRules, PathMatch};
use crate::config::source::Mark;
use crate::config::written::{self, FromText, Text};
use crate::types::FieldValue;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Response,
}

impl Builder<'_> {
    /// Of requests of any route.
    pub(super) fn header_rules_of_any(
        &self,
        written: &written::HeaderRules,
        direction: Direction,
    ) -> HeaderRules {
        self.header_rules(written, direction, Some(&PathMatch::any()))
    }

    /// `path` is what stands behind `{path.…}` in values: `None` where that can't be told.
    pub(super) fn header_rules(
        &self,
        written: &written::HeaderRules,
        direction: Direction,
        path: Option<&PathMatch>,
    ) -> HeaderRules {
        let mut seen: HashMap<HeaderName, Mark> = HashMap::new();
        let mut rules = HeaderRules::default();
        for (written, values) in [(&written.set, &mut rules.set), (&written.add, &mut rules.add)] {
            for (name, value) in self.header_values(written) {
                if self.may_change(&name, direction)
                    && self.may_say(&name, value, direction)
                    && self.first_time(&mut seen, &name)
                {
                    if let FieldValue::Filled(wording) = &value.value.0 {
                        self.path_parts(wording, path, value.mark);
                    }
                    values.push((name.value, value.value.0.clone()));
                }
            }
        }
        for name in &written.remove.0 {
            let name = Spanned { value: name.value.0.clone(), mark: name.mark, key: name.key };
            if self.may_change(&name, direction) && self.first_time(&mut seen, &name) {
                rules.remove.push(name.value);
            }
        }
        rules
    }

    /// Names with their values, where the name is one.
    pub(super) fn header_values<'v>(
        &self,
        entries: &'v Entries<Spanned<Text<FieldValue>>>,
    ) -> Vec<(Spanned<HeaderName>, &'v Spanned<Text<FieldValue>>)> {
        let mut pairs = Vec::with_capacity(entries.0.len());
        for (key, value) in entries.iter() {
            match HeaderName::from_text(&key.value) {
                Ok(name) => pairs.push((Spanned { value: name, mark: key.mark, key: key.key }, value)),
                Err(message) => {
                    self.findings.error("invalid-value", key.mark, message);
                }
            }
        }
        pairs
    }

    /// Refuses a field that is there before, in another case or under `set` and `remove`.
    pub(super) fn first_time(
        &self,
        seen: &mut HashMap<HeaderName, Mark>,
        name: &Spanned<HeaderName>,
    ) -> bool {
        match seen.insert(name.value.clone(), name.mark) {
            None => true,
            Some(first) => {
                let message = format!("the header `{}` is named twice", name.value);
                self.findings
                    .error("duplicate-header", name.mark, message)
                    .hint("names of headers have no case: keep one of the two")
                    .see(first, "the other one is");
                false
            }
        }
    }

    /// What a response says of the gateway only that may say; nor may a tenant give cookies to others' hosts.
    fn may_say(
        &self,
        name: &Spanned<HeaderName>,
        value: &Spanned<Text<FieldValue>>,
        direction: Direction,
    ) -> bool {
        let why = match name.value.as_str() {
            _ if direction == Direction::Request => return true,
            "proxy-status" | "ratelimit" | "ratelimit-policy" | "x-request-id" => {
                "the gateway says it itself"
            }
            "set-cookie" if self.of_api && has_domain(&value.value.0) => {
                "a tenant of the API can't give cookies for a `Domain`: other tenants' hosts may be below it"
            }
            _ => return true,
        };
        let message = format!("the header `{}` can't be set: {why}", name.value);
        self.findings.error("reserved-header", name.mark, message).hint("remove it from the rule");
        false
    }

    fn may_change(&self, name: &Spanned<HeaderName>, direction: Direction) -> bool {
        // Where an application takes `_` for `-`, both are one (as `http::reserved` has it).
        let read_as = name.value.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let Some(why) = self.owned(&read_as, direction) else { return true };
        let message = format!("the header `{}` can't be changed: {why}", name.value);
        self.findings.error("reserved-header", name.mark, message).hint("remove it from the rule");
        false
    }

    /// Why a field is the gateway's own, where it is.
    fn owned(&self, name: &str, direction: Direction) -> Option<&'static str> {
        let why = owned_always(name);
        if why.is_some() || direction == Direction::Response {
            return why;
        }
        let is_identity =
            |own: &HeaderName| own.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "-") == name;
        match name {
            "host" => Some("the gateway passes on the host that the client asked for, or the pool's `host`"),
            "forwarded" => Some("the gateway sets it from the connection"),
            "x-request-id" => Some("the gateway gives every request one id everywhere"),
            "x-tollgate-context" | "x-tenant-id" => {
                Some("it tells the application the tenant, and the gateway alone sets it")
            }
            "x-tollgate-mirror" => Some("it tells a mirrored request, and the gateway alone sets it"),
            other if other.starts_with("x-forwarded-") => Some("the gateway sets it from the connection"),
            _ if self.identity.iter().any(is_identity) => {
                Some("it tells the application the tenant, and the gateway alone sets it")
            }
            _ => None,
        }
    }

    /// Refuses names for a header about the tenant that mean something else. `like` is one that does not.
    pub(super) fn identity_header(&self, name: &Spanned<Text<HeaderName>>, what: &str, like: &str) {
        let other = name.value.0.as_str();
        let taken = owned_always(other).is_some()
            || STANDARD.contains(&other)
            || ["x-forwarded-", "accept-", "access-control-", "content-", "if-", "proxy-", "sec-"]
                .iter()
                .any(|family| other.starts_with(family));
        if taken {
            let message = format!("the header `{other}` can't carry {what}: it means something else");
            self.findings
                .error("reserved-header", name.mark, message)
                .hint(format!("write a name of your own, like {like}"));
        }
    }
}

/// Fields with a meaning of their own (RFC 9110 and its neighbours), besides whole families: whoever sends them
/// means something else than a tenant, and would lose it.
const STANDARD: [&str; 32] = [
    "accept",
    "age",
    "allow",
    "authorization",
    "baggage",
    "cache-control",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "last-event-id",
    "link",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "retry-after",
    "server",
    "set-cookie",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "x-real-ip",
    "x-request-id",
];

/// Fields of one connection (RFC 9110 §7.6.1) and of the framing (RFC 9112 §6).
fn owned_always(name: &str) -> Option<&'static str> {
    match name {
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding"
        | "upgrade" => Some("it belongs to one connection, and the gateway sets it on each side"),
        "content-length" => Some("it belongs to the framing of the message"),
        _ => None,
    }
}

fn has_domain(value: &FieldValue) -> bool {
    let text = match value {
        FieldValue::Fixed(value) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        FieldValue::Filled(wording) => wording.as_str().to_owned(),
    };
    let text = text.to_ascii_lowercase();
    text.split(';').skip(1).any(|attribute| attribute.trim_start().starts_with("domain"))
}
