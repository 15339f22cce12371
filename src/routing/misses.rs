//! Why routes do not get a request: for whoever explains, not for requests.
//!
//! What of a rule does not hold is asked of the very tests that a match is made of. Host and path, which the table looks up by
//! hash, are ranked here one by one; a property test holds the ranks against the table.

use std::cmp::Ordering;

use http::{HeaderName, Method};
use ipnet::IpNet;

use super::query;
use super::rule::{Asked, HostRule, MatchRule, PathRule, has_cookie, has_header, has_label};
use crate::types::{PathSegment, ValueTest};

/// A condition of a rule that a request does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet<'r> {
    /// None of these hosts is its.
    Host(&'r [HostRule]),
    /// Its path is another.
    Path(&'r PathRule),
    /// Its method is none of these.
    Method(&'r [Method]),
    /// No line of this field passes the test.
    Header(&'r HeaderName, &'r ValueTest),
    /// The query parameter does not.
    Query(&'r str, &'r ValueTest),
    /// The cookie does not.
    Cookie(&'r str, &'r ValueTest),
    /// Its client is in none of these networks, or not known for sure.
    Client(&'r [IpNet]),
    /// Its tenant does not have this feature.
    Feature(&'r str),
    /// Its tenant's label does not pass the test.
    Label(&'r str, &'r ValueTest),
}

/// What lets one of two routes that both take a request come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// Its host is named more closely.
    Host,
    /// Its path is.
    Path,
    /// It asks for more: a method, fields, and so on.
    Conditions,
    /// It stands first.
    Order,
}

/// How closely a rule names a host: exact ones before wildcards, longer wildcards before shorter ones.
type HostRank = (bool, usize);

/// How closely a rule names a path: its kind, its literal segments from the left, its length.
type PathRank = (u8, Vec<bool>, usize);

impl MatchRule {
    /// Each condition that a request does not meet; none where the rule takes it.
    #[must_use]
    pub fn unmet<'r>(&'r self, asked: &Asked<'_>) -> Vec<Unmet<'r>> {
        // Taken apart, so that a further condition is not forgotten here.
        let Self { hosts, path, methods, headers, query, cookies, clients, features, labels } = self;
        let mut unmet = Vec::new();
        if self.host_rank(asked).is_none() {
            unmet.push(Unmet::Host(hosts));
        }
        if path_rank(path, asked.path).is_none() {
            unmet.push(Unmet::Path(path));
        }
        if !self.takes_method(asked) {
            unmet.push(Unmet::Method(methods));
        }
        let failing = headers.iter().filter(|(name, test)| !has_header(asked, name, test));
        unmet.extend(failing.map(|(name, test)| Unmet::Header(name, test)));
        let failing = query.iter().filter(|(name, test)| !query::holds(asked.query, name, test));
        unmet.extend(failing.map(|(name, test)| Unmet::Query(name, test)));
        let failing = cookies.iter().filter(|(name, test)| !has_cookie(asked, name, test));
        unmet.extend(failing.map(|(name, test)| Unmet::Cookie(name, test)));
        if !self.takes_client(asked) {
            unmet.push(Unmet::Client(clients));
        }
        let failing = features.iter().filter(|feature| !(asked.has_feature)(feature));
        unmet.extend(failing.map(|feature| Unmet::Feature(feature)));
        let failing = labels.iter().filter(|(name, test)| !has_label(asked, name, test));
        unmet.extend(failing.map(|(name, test)| Unmet::Label(name, test)));
        unmet
    }

    /// What lets this rule come before another that takes the request, too.
    #[must_use]
    pub fn precedes_by(&self, other: &Self, asked: &Asked<'_>) -> Precedence {
        let paths = [&self.path, &other.path].map(|rule| path_rank(rule, asked.path));
        if self.host_rank(asked).cmp(&other.host_rank(asked)) != Ordering::Equal {
            Precedence::Host
        } else if paths.first().cmp(&paths.last()) != Ordering::Equal {
            Precedence::Path
        } else if self.specificity() != other.specificity() {
            Precedence::Conditions
        } else {
            Precedence::Order
        }
    }

    /// `None`: it takes other hosts. `Some(None)`: it takes any.
    pub(super) fn host_rank(&self, asked: &Asked<'_>) -> Option<Option<HostRank>> {
        match self.hosts.is_empty() {
            true => Some(None),
            false => self.hosts.iter().filter_map(|rule| host_rank(rule, asked.host)).max().map(Some),
        }
    }
}

fn host_rank(rule: &HostRule, host: Option<&str>) -> Option<HostRank> {
    let host = host?;
    match rule {
        HostRule::Exact(name) => (name == host).then_some((true, 0)),
        HostRule::Below(name) => {
            let above = host.strip_suffix(name.as_str())?.strip_suffix('.')?;
            (!above.is_empty()).then_some((false, name.len()))
        }
    }
}

/// `None`: it takes other paths.
pub(super) fn path_rank(rule: &PathRule, path: &str) -> Option<PathRank> {
    match rule {
        PathRule::Exact(exact) => (exact == path).then_some((3, Vec::new(), 0)),
        PathRule::Template(template) => {
            let asked: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
            let own = template.segments();
            let takes = |(own, asked): (&PathSegment, &&str)| match own {
                PathSegment::Literal(text) => **text == **asked,
                PathSegment::Any(_) => true,
            };
            let fits = own.len() == asked.len()
                && asked.iter().all(|segment| !segment.is_empty())
                && own.iter().zip(&asked).all(takes);
            fits.then(|| (2, own.iter().map(|own| matches!(own, PathSegment::Literal(_))).collect(), 0))
        }
        PathRule::Pattern(pattern) => pattern.holds(path.as_bytes()).then_some((1, Vec::new(), 0)),
        PathRule::Prefix(prefix) => {
            let prefix = prefix.trim_end_matches('/');
            let rest = path.strip_prefix(prefix)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((0, Vec::new(), prefix.len()))
        }
    }
}
