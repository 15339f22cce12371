//! What routes match.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};

use super::Builder;
use crate::config::decode::{Entries, Spanned, WordOr};
use crate::config::document::{Domain, PathMatch, RouteMatch};
use crate::config::source::Mark;
use crate::config::written::{FromText, Match, ValueCondition, ValueMatch};
use crate::types::{PathTemplate, Pattern, ValueTest, normalise};

/// Octets that the expressions of a tenant of the API take, compiled.
const EXPRESSIONS_MAX: usize = 64 * 1024;

impl Builder<'_> {
    pub(super) fn matches(&self, written: &Match) -> RouteMatch {
        let mut matches = RouteMatch::of(self.path_match(written));
        for host in &written.hosts.0 {
            push_new(&mut matches.hosts, host.value.0.clone());
        }
        for method in &written.methods.0 {
            push_new(&mut matches.methods, method.value.0.clone());
        }
        matches.headers = self.header_matches(&written.headers);
        matches.query = self.value_matches(&written.query, "parameter");
        matches.cookies = self.value_matches(&written.cookies, "cookie");
        matches.labels = self.value_matches(&written.labels, "label");
        matches.client_ip = written.client_ip.0.iter().map(|network| network.0.0).collect();
        for feature in &written.features.0 {
            if self.check_name(feature, "feature") {
                push_new(&mut matches.features, feature.value.clone());
            }
        }
        matches
    }

    fn path_match(&self, written: &Match) -> PathMatch {
        let Match { path, path_template, path_regex, path_prefix, .. } = written;
        let ways = [
            ("path", path),
            ("path_template", path_template),
            ("path_regex", path_regex),
            ("path_prefix", path_prefix),
        ];
        let mut there = ways.iter().filter_map(|(key, way)| Some((*key, way.as_ref()?)));
        let Some((key, way)) = there.next() else { return PathMatch::Prefix("/".into()) };
        if let Some((other, more)) = there.next() {
            self.findings
                .error("conflicting-keys", more.key, format!("`{key}` and `{other}` are both there"))
                .hint("`path` matches the whole path, `path_prefix` all below it: keep one");
        }
        match key {
            "path" => PathMatch::Exact(self.path_of(way)),
            "path_template" => self.path_template(way),
            "path_regex" => match self.pattern(&way.value, way.mark) {
                Some(pattern) => PathMatch::Pattern(pattern),
                None => PathMatch::Prefix("/".into()),
            },
            _ => PathMatch::Prefix(self.path_of(way)),
        }
    }

    fn path_template(&self, written: &Spanned<String>) -> PathMatch {
        match PathTemplate::parse(&written.value) {
            Ok(template) => {
                let literal = written.value.replace(['{', '}'], "");
                self.path_of(&Spanned { value: literal, ..*written });
                PathMatch::Template(template)
            }
            Err(error) => {
                self.findings
                    .error("invalid-value", written.mark, format!("`{}` {error}", written.value))
                    .hint("write a path like \"/users/{id}\", where each brace is a whole segment");
                PathMatch::Prefix("/".into())
            }
        }
    }

    /// A regular expression. `None` where it is none, which is reported.
    pub(super) fn pattern(&self, text: &str, mark: Mark) -> Option<Pattern> {
        let size_max = if self.of_api { EXPRESSIONS_MAX } else { Pattern::SIZE_MAX };
        match Pattern::within(text, size_max.min(Pattern::SIZE_MAX)) {
            Ok(_) if self.of_api && self.is_too_much(text) => {
                self.findings
                    .error("invalid-regex", mark, "the tenant's regular expressions are too large together")
                    .hint("a tenant of the API has 64 KiB for them, compiled: count less, as in [0-9]+ for [0-9]{100}");
                None
            }
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.findings
                    .error("invalid-regex", mark, format!("`{text}` is no regular expression: {error}"))
                    .hint("it has to match the whole text, as in \"/v[0-9]+/.*\"; see docs/routing.md");
                None
            }
        }
    }

    /// Whether the expressions of a tenant of the API are more than it may have: what they cost a request grows with them.
    fn is_too_much(&self, text: &str) -> bool {
        let spent = self.expressions.get() + Pattern::size(text);
        self.expressions.set(spent);
        spent > EXPRESSIONS_MAX
    }

    pub(super) fn path_of(&self, written: &Spanned<String>) -> String {
        let path = written.value.as_str();
        let problem = if !path.starts_with('/') {
            Some("does not start with `/`".to_owned())
        } else if let Some(c) = path.chars().find(|c| matches!(c, '?' | '#' | '*' | '{' | '}')) {
            Some(format!("has a `{c}`, which no path has"))
        } else if path.chars().any(|c| !c.is_ascii_graphic()) {
            Some("has a character that stands percent-encoded in a path".to_owned())
        } else if path.contains(';') {
            Some("has a `;`: parameters of segments are not compared".to_owned())
        } else {
            None
        };
        if problem.is_none() && !normalise(path).is_ok_and(|normal| normal == path) {
            let message = format!("`{path}` is not what paths are compared with");
            let hint = normalise(path)
                .map_or("leave its dot segments out".to_owned(), |normal| format!("write {normal}"));
            self.findings.error("invalid-value", written.mark, message).hint(hint);
        }
        if let Some(problem) = problem {
            let hint = match path {
                path if path.contains('{') => "write a path with such segments under `path_template`",
                path if path.contains('*') => {
                    "`path_prefix` matches everything below a path: no wildcard is needed"
                }
                path if path.contains('?') => "match the query with `query: { name: value }`",
                _ => "write a path like /api/reports",
            };
            self.findings
                .error("invalid-value", written.mark, format!("`{}` {problem}", written.value))
                .hint(hint);
        }
        written.value.clone()
    }

    pub(in crate::config) fn header_matches(
        &self,
        entries: &Entries<Spanned<ValueMatch>>,
    ) -> Vec<(HeaderName, ValueTest)> {
        let mut seen = HashMap::new();
        let mut matches = Vec::new();
        for (key, value) in entries.iter() {
            match HeaderName::from_text(&key.value) {
                Ok(name) => {
                    let name = Spanned { value: name, mark: key.mark, key: key.key };
                    if self.first_time(&mut seen, &name) {
                        matches.extend(self.value_test(value, "header").map(|test| (name.value, test)));
                    }
                }
                Err(message) => {
                    self.findings.error("invalid-value", key.mark, message);
                }
            }
        }
        matches
    }

    fn value_matches(&self, entries: &Entries<Spanned<ValueMatch>>, what: &str) -> Vec<(String, ValueTest)> {
        let mut matches = Vec::with_capacity(entries.0.len());
        for (key, value) in entries.iter() {
            matches.extend(self.value_test(value, what).map(|test| (key.value.clone(), test)));
        }
        matches
    }

    fn value_test(&self, written: &Spanned<ValueMatch>, what: &str) -> Option<ValueTest> {
        match &written.value {
            WordOr::Word(exact) => self.exact_value(exact, written.mark, what),
            WordOr::Mapping(ValueCondition { exact: Some(exact), regex: None, present: None }) => {
                self.exact_value(exact, written.mark, what)
            }
            WordOr::Mapping(ValueCondition { exact: None, regex: Some(regex), present: None }) => {
                self.pattern(regex, written.mark).map(ValueTest::Like)
            }
            WordOr::Mapping(ValueCondition { exact: None, regex: None, present: Some(present) }) => {
                Some(if *present { ValueTest::Present } else { ValueTest::Absent })
            }
            WordOr::Mapping(_) => {
                // A part that can't be read was reported.
                if self.findings.errors_in(written.mark.file) == 0 {
                    let message = format!("a {what} has one condition");
                    self.findings
                        .error("invalid-value", written.mark, message)
                        .hint("write { exact: TEXT }, { regex: EXPRESSION } or { present: true }");
                }
                None
            }
        }
    }

    /// Values of headers and cookies are lines of text; blanks around them are no part of them (RFC 9110 §5.5).
    fn exact_value(&self, text: &str, mark: Mark, what: &str) -> Option<ValueTest> {
        if matches!(what, "parameter" | "label") {
            return Some(ValueTest::Is(text.into()));
        }
        let text = text.trim();
        if HeaderValue::from_str(text).is_err() {
            self.findings
                .error("invalid-value", mark, format!("the value of a {what} can't have control characters"))
                .hint("write it on one line");
            return None;
        }
        Some(ValueTest::Is(text.into()))
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// What earlier routes match, by path.
#[derive(Default)]
pub(super) struct Earlier(HashMap<String, Vec<(RouteMatch, Mark)>>);

impl Earlier {
    /// Where an earlier route is written that matches the same; else it is entered.
    pub(super) fn find_or_enter(&mut self, matches: &RouteMatch, mark: Mark) -> Option<Mark> {
        let key = match &matches.path {
            PathMatch::Exact(path) => path.clone(),
            PathMatch::Prefix(path) => path.trim_end_matches('/').to_owned(),
            PathMatch::Pattern(pattern) => pattern.as_str().to_owned(),
            // Under other names it is the same template.
            PathMatch::Template(template) => template.segments().len().to_string(),
        };
        let others = self.0.entry(key).or_default();
        let same = others.iter().find(|(other, _)| same(other, matches)).map(|(_, mark)| *mark);
        if same.is_none() {
            others.push((matches.clone(), mark));
        }
        same
    }
}

/// Whether two matches hold for the same requests, whatever the order of their parts.
fn same(a: &RouteMatch, b: &RouteMatch) -> bool {
    fn equal<T: PartialEq>(a: &[T], b: &[T]) -> bool {
        a.len() == b.len() && a.iter().all(|item| b.contains(item))
    }
    let same_path = match (&a.path, &b.path) {
        (PathMatch::Template(a), PathMatch::Template(b)) => a.is_like(b),
        (PathMatch::Prefix(a), PathMatch::Prefix(b)) => a.trim_end_matches('/') == b.trim_end_matches('/'),
        (a, b) => a == b,
    };
    same_path
        && equal::<Domain>(&a.hosts, &b.hosts)
        && equal(&a.methods, &b.methods)
        && equal(&a.headers, &b.headers)
        && equal(&a.query, &b.query)
        && equal(&a.cookies, &b.cookies)
        && equal(&a.client_ip, &b.client_ip)
        && equal(&a.features, &b.features)
        && equal(&a.labels, &b.labels)
}
