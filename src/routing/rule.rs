//! Which requests a route takes.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};
use ipnet::IpNet;

use super::query;
use crate::types::{Labelled, PathTemplate, Pattern, ValueTest, cookie};

/// What is asked of a route.
#[derive(Clone, Copy)]
pub struct Asked<'r> {
    /// The method.
    pub method: &'r Method,
    /// The host in its comparable form, where the request has one.
    pub host: Option<&'r str>,
    /// The path, normalised.
    pub path: &'r str,
    /// The query as it was sent.
    pub query: Option<&'r str>,
    /// The fields as they were sent.
    pub fields: &'r HeaderMap,
    /// The client's address, where that is known for sure.
    pub client: Option<IpAddr>,
    /// Whether its tenant has a feature.
    pub has_feature: &'r dyn Fn(&str) -> bool,
    /// Its tenant's labels.
    pub labels: &'r dyn Labelled,
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, host, path, .. } = self;
        write!(f, "{method} {} {path}", host.unwrap_or_default())
    }
}

/// Which requests a route takes. All parts must hold.
#[derive(Debug, Clone, Default)]
pub struct MatchRule {
    /// Any of these hosts; empty: any at all.
    pub hosts: Vec<HostRule>,
    /// The path.
    pub path: PathRule,
    /// Any of these methods; empty: any at all.
    pub methods: Vec<Method>,
    /// Fields, of which one line is enough.
    pub headers: Vec<(HeaderName, ValueTest)>,
    /// The first query parameter of each name.
    pub query: Vec<(Box<str>, ValueTest)>,
    /// The first cookie of each name.
    pub cookies: Vec<(Box<str>, ValueTest)>,
    /// The client's address is in one of these networks; empty: any at all.
    pub clients: Vec<IpNet>,
    /// Features that the tenant has, all of them.
    pub features: Vec<Arc<str>>,
    /// Labels of the tenant.
    pub labels: Vec<(Box<str>, ValueTest)>,
}

/// Which hosts a route takes. Names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRule {
    /// This one.
    Exact(String),
    /// Every one below this one, at any depth.
    Below(String),
}

/// Which paths a route takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRule {
    /// This path.
    Exact(String),
    /// What has these segments.
    Template(PathTemplate),
    /// What the expression holds for, as a whole.
    Pattern(Pattern),
    /// This path and all below it: `/api` takes `/api` and `/api/x`, but not `/apix`. A slash at the end is as none.
    Prefix(String),
}

impl Default for PathRule {
    fn default() -> Self {
        Self::Prefix("/".to_owned())
    }
}

/// How many conditions a rule has beside host and path, in the order in which they count.
pub(super) type Specificity = (bool, usize, usize, usize, bool, usize, usize);

impl MatchRule {
    pub(super) fn specificity(&self) -> Specificity {
        (
            !self.methods.is_empty(),
            self.headers.len(),
            self.query.len(),
            self.cookies.len(),
            !self.clients.is_empty(),
            self.features.len(),
            self.labels.len(),
        )
    }

    /// Whether all holds but host and path, which have been looked at.
    pub(super) fn holds(&self, asked: &Asked<'_>) -> bool {
        self.takes_method(asked)
            && self.headers.iter().all(|(name, test)| has_header(asked, name, test))
            && self.query.iter().all(|(name, test)| query::holds(asked.query, name, test))
            && self.cookies.iter().all(|(name, test)| has_cookie(asked, name, test))
            && self.takes_client(asked)
            && self.features.iter().all(|feature| (asked.has_feature)(feature))
            && self.labels.iter().all(|(name, test)| has_label(asked, name, test))
    }

    pub(super) fn takes_method(&self, asked: &Asked<'_>) -> bool {
        self.methods.is_empty() || self.methods.contains(asked.method)
    }

    pub(super) fn takes_client(&self, asked: &Asked<'_>) -> bool {
        let takes = |client| self.clients.iter().any(|network| network.contains(&client));
        self.clients.is_empty() || asked.client.is_some_and(takes)
    }
}

pub(super) fn has_header(asked: &Asked<'_>, name: &HeaderName, test: &ValueTest) -> bool {
    test.holds_for_any(asked.fields.get_all(name).iter())
}

pub(super) fn has_label(asked: &Asked<'_>, name: &str, test: &ValueTest) -> bool {
    let mut holds = false;
    asked.labels.label(name, &mut |value| holds = test.holds_for_any(value.into_iter()));
    holds
}

pub(super) fn has_cookie(asked: &Asked<'_>, name: &str, test: &ValueTest) -> bool {
    test.holds_for_any(cookie(asked.fields, name).into_iter())
}
