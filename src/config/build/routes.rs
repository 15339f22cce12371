//! Routes.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

use super::Builder;
use super::headers::Direction;
use super::matches::Earlier;
use super::tenants::access;
use crate::config::decode::{List, Spanned};
use crate::config::document::{PathMatch, Route, RouteMatch, RouteParts, RoutePool};
use crate::config::source::Mark;
use crate::config::written;
use crate::types::WebHost;

/// The route setting that leads to the tenant's own pool.
pub(super) const TENANT_POOL: &str = "{tenant.pool}";

impl Builder<'_> {
    pub(super) fn routes(&self, written: Option<&List<written::Route>>, file: Mark) -> Vec<Route> {
        let Some(written) = written else { return vec![self.route_for_everything(file)] };
        let mut names: HashMap<&str, Mark> = HashMap::new();
        for name in written.0.iter().filter_map(|route| route.name.as_ref()) {
            self.check_name(name, "route");
            if let Some(first) = names.insert(&name.value, name.mark) {
                self.named_twice(name, first, "give each route a name of its own, or leave it out");
            }
        }
        let mut taken: HashSet<String> = names.keys().map(|name| (*name).to_owned()).collect();
        let mut routes = Vec::with_capacity(written.0.len());
        let mut earlier = Earlier::default();
        for (index, route) in written.0.iter().enumerate() {
            let Some(matches) = &route.matches else {
                self.match_is_missing(route, file);
                continue;
            };
            if let Some(disabled) = &route.disabled {
                self.findings
                    .error("invalid-value", disabled.key, "only a plan or a tenant can disable a route")
                    .hint("remove the route, or write `disabled` in the `routes` of a plan or a tenant");
            }
            let mark = matches.mark;
            let matches = self.matches(&matches.value);
            let first = earlier.find_or_enter(&matches, mark);
            // What can't be read matches something else than is meant.
            if let Some(first) = first.filter(|_| self.findings.errors_in(mark.file) == 0) {
                self.unreachable(mark, first);
            }
            let name = match &route.name {
                Some(name) => name.value.clone(),
                None => own_name(&matches, index, &mut taken),
            };
            let parts = self.route_parts(route, &name, Some(&matches.path));
            let origin =
                self.findings.sources.origin(route.matches.as_ref().map_or(mark, |matches| matches.key));
            routes.push(Route { name, matches, parts, origin });
        }
        routes
    }

    pub(super) fn unreachable(&self, mark: Mark, first: Mark) {
        self.findings
            .warning(
                "unreachable-route",
                mark,
                "no request reaches this route: an earlier one matches the same",
            )
            .hint("remove one of the two, or tell them apart by method, header or query")
            .see(first, "the earlier one is");
    }

    /// That a route's name is another's, too.
    pub(super) fn named_twice(&self, name: &Spanned<String>, first: Mark, hint: &'static str) {
        self.findings
            .error("duplicate-route", name.mark, format!("the route `{}` is there twice", name.value))
            .hint(hint)
            .see(first, "the other one is");
    }

    fn route_for_everything(&self, file: Mark) -> Route {
        Route {
            name: "/".into(),
            matches: RouteMatch::of(PathMatch::Prefix("/".into())),
            parts: RouteParts::default(),
            origin: self.findings.sources.origin(file),
        }
    }

    fn match_is_missing(&self, route: &written::Route, otherwise: Mark) {
        // One that can't be read was reported.
        let mark = route.mark().unwrap_or(otherwise);
        if self.findings.errors_in(mark.file) == 0 {
            self.findings
                .error("missing-key", mark, "this route has no `match`")
                .hint("add `match: { path_prefix: / }`, or what else it takes");
        }
    }

    /// What is written of a route that has this name.
    pub(super) fn route_parts(
        &self,
        written: &written::Route,
        name: &str,
        path: Option<&PathMatch>,
    ) -> RouteParts {
        if let Some(feature) = &written.requires_feature {
            self.check_name(feature, "feature");
        }
        let headers = |rules: &written::HeaderRules, direction| {
            Some(self.header_rules(rules, direction, path)).filter(|rules| !rules.is_empty())
        };
        let cost = self.positive(written.cost.as_ref(), "a route's cost can't be zero");
        RouteParts {
            pool: self.destination(written, path),
            mirror: self.mirror(written),
            rewrite: written.rewrite.as_ref().and_then(|rewrite| self.rewrite(rewrite, path)),
            access: written.access.as_ref().map(access),
            request_body_max: written.request_body.as_ref().and_then(|body| body.max).map(|max| max.0),
            requires_feature: written.requires_feature.as_ref().map(|feature| feature.value.clone()),
            request_headers: headers(&written.request_headers, Direction::Request),
            response_headers: headers(&written.response_headers, Direction::Response),
            cost: cost.and_then(NonZeroU32::new),
            rate_limit: written.rate_limit.as_ref().map(|limit| self.route_rate_limit(limit, name)),
            timeout: written.timeout.as_ref().map(|_| self.deadline(written.timeout.as_ref(), 0)),
            cors: self.cors(written.cors.as_ref()),
            internal_hosts: self.route_hosts(written),
        }
    }

    fn route_hosts(&self, written: &written::Route) -> Option<Vec<WebHost>> {
        let hosts = written.internal_hosts.as_ref()?;
        if written.redirect.is_some() || written.respond.is_some() {
            self.findings
                .error("conflicting-keys", hosts.key, "a route that answers itself has no application")
                .hint("remove `internal_hosts`");
        }
        Some(self.each_once(&hosts.value))
    }

    pub(super) fn route_pool(&self, pool: &Spanned<String>) -> RoutePool {
        match pool.value.as_str() {
            TENANT_POOL => RoutePool::Tenant,
            other if other.contains('{') => {
                let message = format!("`{}` stands for no pool", pool.value);
                let hint = format!("write a pool's name, or \"{TENANT_POOL}\"");
                self.findings.error("invalid-value", pool.mark, message).hint(hint);
                RoutePool::Tenant
            }
            _ => self.known_pool(pool).map_or(RoutePool::Tenant, RoutePool::Named),
        }
    }
}

/// A route without a name goes by its path, or, where that is taken or a regular expression, by its number.
fn own_name(matches: &RouteMatch, index: usize, taken: &mut HashSet<String>) -> String {
    let path = match &matches.path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => Some(path.clone()),
        PathMatch::Template(template) => Some(template.to_string()),
        PathMatch::Pattern(_) => None,
    };
    let numbered = (index + 1..).map(|number| format!("route-{number}"));
    let name = path.into_iter().chain(numbered).find(|name| !taken.contains(name));
    let name = name.unwrap_or_default();
    taken.insert(name.clone());
    name
}
