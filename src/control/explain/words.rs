//! Conditions of routes, in words.

use std::fmt::Display;

use http::{HeaderMap, HeaderName};

use super::redaction::{is_credential, is_secret};
use crate::routing::{Asked, HostRule, MatchRule, PathRule, Precedence, Unmet};
use crate::types::ValueTest;

/// Why a request does not meet a condition.
pub(super) fn unmet(condition: Unmet<'_>, asked: &Asked<'_>) -> String {
    match condition {
        Unmet::Host(hosts) => {
            let host = asked.host.unwrap_or("none");
            format!("its host is {}, not {host}", any(hosts.iter().map(host_word)))
        }
        Unmet::Path(rule) => format!("{} does not take {}", path(rule), asked.path),
        Unmet::Method(methods) => format!("its method is {}, not {}", any(methods), asked.method),
        Unmet::Header(name, test) => {
            format!("header {name} {}, {}", must(name.as_str(), test), there(asked.fields, name))
        }
        Unmet::Query(name, test) => format!("query parameter {name} {}", must(name, test)),
        Unmet::Cookie(name, test) => format!("cookie {name} {}", must("cookie", test)),
        Unmet::Client(networks) => match asked.client {
            Some(client) => format!("client {client} is not in {}", any(networks)),
            None => format!("it is not sure that the client is in {}", any(networks)),
        },
        Unmet::Feature(feature) => format!("the tenant has no feature `{feature}`"),
        Unmet::Label(name, test) => format!("the tenant's label {name} {}", must("", test)),
    }
}

/// Why another route that takes the request comes first.
pub(super) fn precedence(by: Precedence, first: &str) -> String {
    let why = match by {
        Precedence::Host => "its host is the closer one",
        Precedence::Path => "its path is the closer one",
        Precedence::Conditions => "it asks for more",
        Precedence::Order => {
            "of those that ask for the same, a tenant's comes before its plan's, that before the base's, and then the one that stands first"
        }
    };
    format!("takes it too, but `{first}` comes before it: {why}")
}

/// What a route takes.
pub(super) fn rule(rule: &MatchRule) -> String {
    // Taken apart, so that a further condition is not forgotten here.
    let MatchRule { hosts, path: of_path, methods, headers, query, cookies, clients, features, labels } =
        rule;
    let mut parts = vec![path(of_path)];
    if !hosts.is_empty() {
        parts.push(format!("host {}", any(hosts.iter().map(host_word))));
    }
    if !methods.is_empty() {
        parts.push(format!("method {}", any(methods)));
    }
    parts.extend(headers.iter().map(|(name, test)| format!("header {name} {}", must(name.as_str(), test))));
    parts.extend(query.iter().map(|(name, test)| format!("query parameter {name} {}", must(name, test))));
    parts.extend(cookies.iter().map(|(name, test)| format!("cookie {name} {}", must("cookie", test))));
    if !clients.is_empty() {
        parts.push(format!("client in {}", any(clients)));
    }
    parts.extend(features.iter().map(|feature| format!("feature {feature}")));
    parts.extend(labels.iter().map(|(name, test)| format!("label {name} {}", must("", test))));
    parts.join(", ")
}

fn path(rule: &PathRule) -> String {
    match rule {
        PathRule::Exact(path) => format!("path {path}"),
        PathRule::Template(template) => format!("path_template {template}"),
        PathRule::Pattern(pattern) => format!("path_regex {}", pattern.as_str()),
        PathRule::Prefix(prefix) => format!("path_prefix {prefix}"),
    }
}

fn host_word(rule: &HostRule) -> String {
    match rule {
        HostRule::Exact(name) => name.clone(),
        HostRule::Below(name) => format!("*.{name}"),
    }
}

fn must(name: &str, test: &ValueTest) -> String {
    match test {
        ValueTest::Is(_) | ValueTest::Like(_) if is_secret(name) => "must have its value".to_owned(),
        ValueTest::Is(exact) if is_credential(exact.as_bytes()) => "must have its value".to_owned(),
        ValueTest::Is(exact) => format!("must be `{exact}`"),
        ValueTest::Like(pattern) => format!("must match `{}`", pattern.as_str()),
        ValueTest::Present => "must be there".to_owned(),
        ValueTest::Absent => "must not be there".to_owned(),
    }
}

fn there(fields: &HeaderMap, name: &HeaderName) -> String {
    match fields.get(name) {
        None => "and is not there".to_owned(),
        Some(value) if is_secret(name.as_str()) || is_credential(value.as_bytes()) => {
            "and is there".to_owned()
        }
        Some(value) => format!("and is `{}`", String::from_utf8_lossy(value.as_bytes())),
    }
}

fn any<T: Display>(words: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    words.join(" or ")
}

/// Whether a condition is where the request goes, not what it says: a route that is elsewhere is no near miss.
pub(super) fn is_of_place(condition: Unmet<'_>) -> bool {
    matches!(condition, Unmet::Host(_) | Unmet::Path(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_of_a_secret_is_not_said() {
        let test = ValueTest::Is("hunter2".into());
        for name in ["x-bypass-token", "cookie", "api-key"] {
            assert_eq!(must(name, &test), "must have its value", "{name}");
        }
        assert_eq!(must("x-beta", &test), "must be `hunter2`");
        assert_eq!(must("x-back", &ValueTest::Is("Basic abc".into())), "must have its value");
    }
}
