//! Routes.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

use super::Builder;
use super::headers::Direction;
use crate::config::decode::{List, Spanned};
use crate::config::document::{HeaderRules, PathMatch, Route, RouteMatch, RoutePool};
use crate::config::source::Mark;
use crate::config::written::{self, Match};

/// The route setting that leads to the tenant's own pool.
pub(super) const TENANT_POOL: &str = "{tenant.pool}";

impl Builder<'_> {
    pub(super) fn routes(&self, written: Option<&List<written::Route>>, file: Mark) -> Vec<Route> {
        let Some(written) = written else { return vec![self.route_for_everything(file)] };
        let mut names: HashMap<&str, Mark> = HashMap::new();
        for name in written.0.iter().filter_map(|route| route.name.as_ref()) {
            self.check_name(name, "route");
            if let Some(first) = names.insert(&name.value, name.mark) {
                self.findings
                    .error("duplicate-route", name.mark, format!("the route `{}` is there twice", name.value))
                    .hint("give each route a name of its own, or leave it out")
                    .see(first, "the other one is");
            }
        }
        let mut taken: HashSet<String> = names.keys().map(|name| (*name).to_owned()).collect();
        let mut routes: Vec<(Mark, Route)> = Vec::new();
        for (index, route) in written.0.iter().enumerate() {
            let matches = self.matches(&route.matches.value);
            if let Some((first, _)) = routes.iter().find(|(_, other)| same(&other.matches, &matches)) {
                self.findings
                    .warning(
                        "unreachable-route",
                        route.matches.mark,
                        "no request reaches this route: an earlier one matches the same",
                    )
                    .hint("remove one of the two, or tell them apart by method, header or query")
                    .see(*first, "the earlier one is");
            }
            let name = match &route.name {
                Some(name) => name.value.clone(),
                None => own_name(&matches, index, &mut taken),
            };
            routes.push((route.matches.mark, self.route(route, name, matches)));
        }
        routes.into_iter().map(|(_, route)| route).collect()
    }

    fn route_for_everything(&self, file: Mark) -> Route {
        let path = PathMatch::Prefix("/".into());
        Route {
            name: "/".into(),
            matches: RouteMatch { path, methods: Vec::new(), headers: Vec::new(), query: Vec::new() },
            pool: RoutePool::Tenant,
            requires_feature: None,
            request_headers: HeaderRules::default(),
            response_headers: HeaderRules::default(),
            cost: NonZeroU32::MIN,
            rate_limit: None,
            timeout: None,
            origin: self.findings.sources.origin(file),
        }
    }

    fn route(&self, written: &written::Route, name: String, matches: RouteMatch) -> Route {
        if let Some(feature) = &written.requires_feature {
            self.check_name(feature, "feature");
        }
        let rate_limit = written.rate_limit.as_ref().map(|limit| self.route_rate_limit(limit, &name));
        let cost = self.positive(written.cost.as_ref(), "a route's cost can't be zero");
        Route {
            name,
            matches,
            pool: self.route_pool(written.pool.as_ref()),
            requires_feature: written.requires_feature.as_ref().map(|feature| feature.value.clone()),
            request_headers: self.header_rules(&written.request_headers, Direction::Request),
            response_headers: self.header_rules(&written.response_headers, Direction::Response),
            cost: cost.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN),
            rate_limit,
            timeout: written.timeout.as_ref().map(|_| self.deadline(written.timeout.as_ref(), 0)),
            origin: self.findings.sources.origin(written.matches.key),
        }
    }

    fn route_pool(&self, written: Option<&Spanned<String>>) -> RoutePool {
        match written {
            None => RoutePool::Tenant,
            Some(pool) if pool.value == TENANT_POOL => RoutePool::Tenant,
            Some(pool) if pool.value.contains('{') => {
                let message = format!("`{}` stands for no pool", pool.value);
                let hint = format!("write a pool's name, or \"{TENANT_POOL}\"");
                self.findings.error("invalid-value", pool.mark, message).hint(hint);
                RoutePool::Tenant
            }
            Some(pool) => self.known_pool(pool).map_or(RoutePool::Tenant, RoutePool::Named),
        }
    }

    fn matches(&self, written: &Match) -> RouteMatch {
        let path = match (&written.path, &written.path_prefix) {
            (Some(_), Some(prefix)) => {
                self.findings
                    .error("conflicting-keys", prefix.key, "`path` and `path_prefix` are both there")
                    .hint("`path` matches the whole path, `path_prefix` all below it: keep one");
                PathMatch::Prefix(self.path_of(prefix))
            }
            (Some(path), None) => PathMatch::Exact(self.path_of(path)),
            (None, Some(prefix)) => PathMatch::Prefix(self.path_of(prefix)),
            (None, None) => PathMatch::Prefix("/".into()),
        };
        let mut methods = Vec::new();
        for method in &written.methods.0 {
            if !methods.contains(&method.value.0) {
                methods.push(method.value.0.clone());
            }
        }
        let query = written.query.iter().map(|(name, value)| (name.value.clone(), value.clone())).collect();
        RouteMatch { path, methods, headers: self.header_matches(&written.headers), query }
    }

    fn path_of(&self, written: &Spanned<String>) -> String {
        let path = written.value.as_str();
        let problem = if !path.starts_with('/') {
            Some("does not start with `/`".to_owned())
        } else if let Some(c) = path.chars().find(|c| matches!(c, '?' | '#' | '*' | '{' | '}')) {
            Some(format!("has a `{c}`, which no path has"))
        } else if path.chars().any(|c| !c.is_ascii_graphic()) {
            Some("has a character that stands percent-encoded in a path".to_owned())
        } else {
            None
        };
        if let Some(problem) = problem {
            let hint = match path {
                path if path.contains(['*', '{']) => {
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
}

/// A route without a name goes by its path, or, where that is taken, by its number.
fn own_name(matches: &RouteMatch, index: usize, taken: &mut HashSet<String>) -> String {
    let (PathMatch::Exact(path) | PathMatch::Prefix(path)) = &matches.path;
    let numbered = (index + 1..).map(|number| format!("route-{number}"));
    let name = std::iter::once(path.clone()).chain(numbered).find(|name| !taken.contains(name));
    let name = name.unwrap_or_default();
    taken.insert(name.clone());
    name
}

/// Whether two matches hold for the same requests, whatever the order of their parts.
fn same(a: &RouteMatch, b: &RouteMatch) -> bool {
    fn equal<T: PartialEq>(a: &[T], b: &[T]) -> bool {
        a.len() == b.len() && a.iter().all(|item| b.contains(item))
    }
    a.path == b.path
        && equal(&a.methods, &b.methods)
        && equal(&a.headers, &b.headers)
        && equal(&a.query, &b.query)
}
