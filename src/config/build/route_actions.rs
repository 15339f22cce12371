//! What routes do beside leading to a pool: redirects, answers, changes of paths.

use super::Builder;
use super::headers::Direction;
use crate::config::decode::Spanned;
use crate::config::document::{PathMatch, Redirect, Respond, Rewrite, RoutePool};
use crate::config::source::Mark;
use crate::config::written;
use crate::types::{Placeholder, Wording};

/// Statuses that send a client elsewhere (RFC 9110 §15.4).
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// Octets of a body that is written in the configuration.
const BODY_MAX: usize = 64 * 1024;

impl Builder<'_> {
    /// Where a route leads, if that is written.
    pub(super) fn destination(
        &self,
        written: &written::Route,
        path: Option<&PathMatch>,
    ) -> Option<RoutePool> {
        let keys = [
            written.pool.as_ref().map(|pool| ("pool", pool.key)),
            written.split.as_ref().map(|split| ("split", split.key)),
            written.redirect.as_ref().map(|redirect| ("redirect", redirect.key)),
            written.respond.as_ref().map(|respond| ("respond", respond.key)),
            written
                .rewrite
                .as_ref()
                .filter(|_| written.pool.is_none() && written.split.is_none())
                .map(|rewrite| ("rewrite", rewrite.key)),
        ];
        let mut there = keys.into_iter().flatten();
        if let (Some((one, _)), Some((other, key))) = (there.next(), there.next()) {
            self.findings
                .error("conflicting-keys", key, format!("`{one}` and `{other}` are both there"))
                .hint("a route leads to a pool or splits over several, redirects or responds: keep one");
        }
        if let Some(split) = &written.split {
            return Some(RoutePool::Split(self.split(split)));
        }
        if let Some(redirect) = &written.redirect {
            return Some(RoutePool::Redirect(self.redirect(&redirect.value, path)));
        }
        if let Some(respond) = &written.respond {
            return Some(RoutePool::Respond(self.respond(&respond.value, path)));
        }
        written.pool.as_ref().map(|pool| self.route_pool(pool))
    }

    fn redirect(&self, written: &written::Redirect, path: Option<&PathMatch>) -> Redirect {
        let to = &written.to;
        let text = to.value.0.as_str();
        let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let host = authority.map(host_of);
        // What a client writes into its path must not choose the host that it is sent to.
        let is_chosen = host.is_some_and(|host| host.is_empty() || has_foreign_part(host));
        if is_chosen || (host.is_none() && (!text.starts_with('/') || text.starts_with("//"))) {
            self.findings
                .error("invalid-value", to.mark, format!("`{text}` is neither a path nor a URL"))
                .hint("write it like /new{path.rest} or https://www.example.com{path}; of placeholders a host may have {host}, {tenant.id} and {tenant.label.NAME}");
        }
        self.path_parts(&to.value.0, path, to.mark);
        let status = written.status.as_ref().map_or(302, |status| status.value);
        if let Some(written) = written.status.as_ref().filter(|_| !REDIRECTS.contains(&status)) {
            self.findings
                .error("invalid-value", written.mark, format!("{status} is no status of a redirect"))
                .hint("write 301 or 308 for good, 302, 303 or 307 for now");
        }
        Redirect { to: to.value.0.clone(), status }
    }

    fn respond(&self, written: &written::Respond, path: Option<&PathMatch>) -> Respond {
        let status = written.status.as_ref().map_or(200, |status| status.value);
        if let Some(written) = written.status.as_ref().filter(|_| !(200..=599).contains(&status)) {
            self.findings
                .error("invalid-value", written.mark, format!("{status} is no status of a response"))
                .hint("write a number from 200 to 599");
        }
        let body = written.body.as_ref().map(|body| body.value.clone()).unwrap_or_default();
        if let Some(written) = written.body.as_ref().filter(|body| body.value.len() > BODY_MAX) {
            let message = format!("a body of {} bytes is too large", body.len());
            self.findings
                .error("invalid-value", written.mark, message)
                .hint("write up to 64KiB, or serve it from a pool");
        }
        if let (Some(_), Some(file)) = (&written.body, &written.file) {
            self.findings
                .error("conflicting-keys", file.key, "`body` and `file` are both there")
                .hint("keep the one that is to be sent");
        }
        let own_body = written.body.as_ref().filter(|body| !body.value.is_empty());
        let has_none = matches!(status, 204 | 205 | 304);
        if let Some(written) = own_body.or(written.file.as_ref()).filter(|_| has_none) {
            self.findings
                .error("invalid-value", written.mark, format!("a response of {status} has no body"))
                .hint("remove the body, or write another status");
        }
        let file = written.file.as_ref().and_then(|file| self.answer_file(file));
        let rules = written::HeaderRules { set: written.headers.clone(), ..written::HeaderRules::default() };
        Respond { status, headers: self.header_rules(&rules, Direction::Response, path), body, file }
    }

    pub(super) fn rewrite(
        &self,
        written: &Spanned<written::Rewrite>,
        path: Option<&PathMatch>,
    ) -> Option<Rewrite> {
        let written::Rewrite { prefix, path: to_path, regex, to } = &written.value;
        match (prefix, to_path, regex, to) {
            (Some(prefix), None, None, None) => {
                if matches!(path, Some(PathMatch::Template(_) | PathMatch::Pattern(_))) {
                    self.findings
                        .error(
                            "invalid-value",
                            prefix.key,
                            "this route matches no prefix that could be replaced",
                        )
                        .hint("write `path:` instead, with {path.NAME} for parts of what matched");
                }
                Some(Rewrite::Prefix(self.path_of(prefix)))
            }
            (None, Some(to), None, None) => {
                self.path_wording(to, path).then(|| Rewrite::Path(to.value.0.clone()))
            }
            (None, None, Some(regex), Some(to)) => {
                let pattern = self.pattern(&regex.value, regex.mark)?;
                let groups = PathMatch::Pattern(pattern.clone());
                self.path_wording(to, Some(&groups)).then(|| Rewrite::Pattern(pattern, to.value.0.clone()))
            }
            _ => {
                // A part that can't be read was reported.
                if self.findings.errors_in(written.mark.file) == 0 {
                    self.findings
                        .error("invalid-value", written.mark, "a path is rewritten in one way")
                        .hint("write { prefix: /new }, { path: \"/new/{path.id}\" } or { regex: \"/old/(.*)\", to: \"/new/{path.1}\" }");
                }
                None
            }
        }
    }

    fn path_wording(&self, to: &Spanned<written::Text<Wording>>, path: Option<&PathMatch>) -> bool {
        let text = to.value.0.as_str();
        let is_path =
            text.starts_with('/') && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#'));
        if !is_path {
            self.findings
                .error("invalid-value", to.mark, format!("`{text}` is no path"))
                .hint("write a path like \"/new/{path.id}\"; the query stays as it is");
        }
        self.path_parts(&to.value.0, path, to.mark);
        is_path
    }

    /// Refuses parts of the path that the match doesn't have.
    pub(super) fn path_parts(&self, wording: &Wording, path: Option<&PathMatch>, mark: Mark) {
        let Some(path) = path else { return };
        for placeholder in wording.placeholders() {
            let Placeholder::PathPart(name) = placeholder else { continue };
            if !path.has_part(name) {
                self.findings
                    .error("unknown-placeholder", mark, format!("the path that matches has no part `{name}`"))
                    .hint("name it in `path_template`, or as a group (?<name>…) of the expression; groups have numbers, too");
            }
        }
    }
}

/// Whether a part of a host is filled in that is neither the request's host nor the operator's word for the tenant.
fn has_foreign_part(host: &str) -> bool {
    let parts = host.split('{').skip(1).map(|part| part.split('}').next().unwrap_or_default());
    let mut parts = parts.filter(|part| !matches!(*part, "host" | "tenant.id"));
    parts.any(|part| !part.starts_with("tenant.label."))
}

/// The host of a URL without its scheme. What begins with a slash or a question mark, or is nothing, ends it, too.
fn host_of(rest: &str) -> &str {
    let query = rest
        .match_indices('?')
        .map(|(at, _)| at)
        .find(|at| !rest.get(..*at).is_some_and(|b| b.ends_with('{')));
    let ends = [rest.find(['/', '#']), rest.find("{path}"), query];
    match ends.into_iter().flatten().min() {
        Some(end) => rest.get(..end).unwrap_or_default(),
        None => {
            let host = rest.strip_suffix("{?query}").unwrap_or(rest);
            host.strip_suffix("{path.rest}").unwrap_or(host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_ends_where_the_path_or_query_begins() {
        for (rest, host) in [
            ("a.test", "a.test"),
            ("a.test/{path.id}", "a.test"),
            ("a.test?{query}", "a.test"),
            ("{tenant.id}.test{path.rest}{?query}", "{tenant.id}.test"),
            ("a.test{path}", "a.test"),
            ("a.test{path.rest}{path.id}", "a.test{path.rest}{path.id}"),
            ("a.test{?query}.b", "a.test{?query}.b"),
            ("{path.id}.test/", "{path.id}.test"),
        ] {
            assert_eq!(host_of(rest), host, "{rest}");
        }
    }
}
