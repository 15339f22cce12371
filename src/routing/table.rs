//! The route table: compiled once a configuration, shared by all tenants.
//!
//! Precedence is total and is Gateway API's (HTTPRouteRule): exact path, longest prefix, a method,
//! most header rules, most query rules, then file order. Paths are looked up by hash, so the cost
//! of a match grows with the depth of the path (at most the depth of the deepest prefix), not with the
//! number of routes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A route: which requests, and what becomes of them. `T` is where they go.
#[derive(Debug)]
pub struct Route<T> {
    /// Its name, for logs.
    pub name: Arc<str>,
    /// Its place in file order: what is kept for each route stands there.
    pub index: usize,
    /// Which requests.
    pub rule: MatchRule,
    /// Where to.
    pub target: Target<T>,
    /// A feature that the tenant must have.
    pub requires_feature: Option<Arc<str>>,
    /// Units of the rate limit that a request uses.
    pub cost: NonZeroU32,
    /// The most time that a request may take, from its head to its response's end.
    pub timeout: Option<Duration>,
    /// Changes to the request's fields.
    pub request_headers: HeaderRules,
    /// Changes to the response's fields.
    pub response_headers: HeaderRules,
}

/// Where a route leads.
#[derive(Debug)]
pub enum Target<T> {
    /// To the tenant's own pool.
    Tenant,
    /// To this pool.
    Pool(T),
}

/// Which requests a route takes. All parts must hold.
#[derive(Debug, Clone, Default)]
pub struct MatchRule {
    /// The path.
    pub path: PathRule,
    /// Any of these methods; empty: any at all.
    pub methods: Vec<Method>,
    /// Fields with exactly these values.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Query parameters whose first value is this (both decoded).
    pub query: Vec<(String, String)>,
}

/// Which paths a route takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRule {
    /// This path.
    Exact(String),
    /// This path and all below it: `/api` takes `/api` and `/api/x`, but not `/apix`. A slash at the end is as none.
    Prefix(String),
}

impl Default for PathRule {
    fn default() -> Self {
        Self::Prefix("/".to_owned())
    }
}

/// Fields to set and to remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Set, replacing what was there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Removed.
    pub remove: Vec<HeaderName>,
}

impl HeaderRules {
    /// Changes the fields: removals first.
    pub fn apply(&self, fields: &mut HeaderMap) {
        for name in &self.remove {
            fields.remove(name);
        }
        for (name, value) in &self.set {
            fields.insert(name.clone(), value.clone());
        }
    }
}

/// All routes, ready to be matched.
#[derive(Debug)]
pub struct RouteTable<T> {
    exact: HashMap<String, Vec<Arc<Route<T>>>>,
    prefix: HashMap<String, Vec<Arc<Route<T>>>>,
    depth_max: usize,
    routes: usize,
}

impl<T> RouteTable<T> {
    /// Compiles routes that are given in file order.
    #[must_use]
    pub fn new(routes: Vec<Route<T>>) -> Self {
        let mut table =
            Self { exact: HashMap::new(), prefix: HashMap::new(), depth_max: 0, routes: routes.len() };
        for route in routes {
            let route = Arc::new(route);
            match &route.rule.path {
                PathRule::Exact(path) => table.exact.entry(path.clone()).or_default().push(route),
                PathRule::Prefix(path) => {
                    let key = path.trim_end_matches('/').to_owned();
                    table.depth_max = table.depth_max.max(key.matches('/').count());
                    table.prefix.entry(key).or_default().push(route);
                }
            }
        }
        for bucket in table.exact.values_mut().chain(table.prefix.values_mut()) {
            // Stable: file order decides what nothing else does.
            bucket.sort_by_key(|route| std::cmp::Reverse(route.rule.specificity()));
        }
        table
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes == 0
    }

    /// The route of a request. `path` is normalised.
    #[must_use]
    pub fn find(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Option<&Arc<Route<T>>> {
        let of = |bucket: Option<&'_ Vec<Arc<Route<T>>>>| -> Option<usize> {
            bucket?.iter().position(|route| route.rule.matches(method, query, headers))
        };
        if !self.exact.is_empty() {
            let bucket = self.exact.get(path);
            if let Some(at) = of(bucket) {
                return bucket?.get(at);
            }
        }
        let mut end = prefix_end(path, self.depth_max);
        loop {
            let bucket = self.prefix.get(path.get(..end)?);
            if let Some(at) = of(bucket) {
                return bucket?.get(at);
            }
            if end == 0 {
                return None;
            }
            end = path.get(..end)?.rfind('/')?;
        }
    }
}

/// Where the longest prefix of at most `depth` segments ends.
fn prefix_end(path: &str, depth: usize) -> usize {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut slashes = 0;
    for (at, byte) in path.bytes().enumerate() {
        if byte == b'/' {
            if slashes == depth {
                return at;
            }
            slashes += 1;
        }
    }
    path.len()
}

impl MatchRule {
    fn specificity(&self) -> (bool, usize, usize) {
        (!self.methods.is_empty(), self.headers.len(), self.query.len())
    }

    fn matches(&self, method: &Method, query: Option<&str>, headers: &HeaderMap) -> bool {
        (self.methods.is_empty() || self.methods.contains(method))
            && self.headers.iter().all(|(name, value)| headers.get_all(name).iter().any(|line| line == value))
            && self.query.iter().all(|(name, value)| query.is_some_and(|query| first_is(query, name, value)))
    }
}

/// Whether the first parameter of that name has that value.
fn first_is(query: &str, name: &str, value: &str) -> bool {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(key, _)| decodes_to(key, name))
        .is_some_and(|(_, found)| decodes_to(found, value))
}

/// Compares form-encoded text with plain text, without decoding it into a new one.
fn decodes_to(encoded: &str, plain: &str) -> bool {
    let mut encoded = encoded.bytes();
    let mut plain = plain.bytes();
    loop {
        let next = match encoded.next() {
            Some(b'+') => Some(b' '),
            Some(b'%') => {
                let digits = (encoded.next(), encoded.next());
                let (Some(high), Some(low)) = digits else { return false };
                let hex = |byte: u8| char::from(byte).to_digit(16);
                let (Some(high), Some(low)) = (hex(high), hex(low)) else { return false };
                Some((high * 16 + low) as u8)
            }
            other => other,
        };
        match (next, plain.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
