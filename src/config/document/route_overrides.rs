//! What plans and tenants have of routes that differs from the base routes.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Document, NamedRateLimit, Origin, Plan, Route, RouteMatch, RouteParts, Tenant};

/// A difference from the routes of the base, or of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteOverride {
    /// The route that it is about. One that there is not is added. `None`: a further route, which goes by its path.
    pub name: Option<String>,
    /// Whether that route is not there.
    pub disabled: bool,
    /// What it matches: then it takes the place of that route as a whole. `None`: what that one matches, and what is not
    /// written of it stays.
    pub matches: Option<RouteMatch>,
    /// What becomes of requests.
    pub parts: RouteParts,
    /// Where it was written.
    pub origin: Origin,
}

/// A route among those of a tenant.
#[derive(Clone, Debug)]
pub struct PlacedRoute<'d> {
    /// Its place: that of the base route whose place it takes; behind all of these, if there is none.
    pub place: usize,
    /// Whether it is the base route itself.
    pub is_base: bool,
    /// The route.
    pub route: Cow<'d, Route>,
}

impl Document {
    /// The routes of a tenant, in the order in which they go before each other where they match the same: the tenant's
    /// further ones, those of its plan, those of the base in file order.
    #[must_use]
    pub fn routes_of<'d>(&'d self, tenant: &'d Tenant) -> Vec<PlacedRoute<'d>> {
        let of_plan = self.plan_of(tenant).map(|plan| plan.routes.as_slice()).unwrap_or_default();
        self.routes_under(of_plan, &tenant.routes)
    }

    /// As [`Document::routes_of`], for a tenant that has only what its plan has.
    #[must_use]
    pub fn routes_of_plan<'d>(&'d self, plan: &'d Plan) -> Vec<PlacedRoute<'d>> {
        self.routes_under(&plan.routes, &[])
    }

    /// The base routes under a plan's differences, then a tenant's own.
    #[must_use]
    pub fn routes_under<'d>(
        &'d self,
        of_plan: &'d [RouteOverride],
        own: &'d [RouteOverride],
    ) -> Vec<PlacedRoute<'d>> {
        let placed = |(place, route)| PlacedRoute { place, is_base: true, route: Cow::Borrowed(route) };
        let mut routes: Vec<_> = self.routes.iter().enumerate().map(placed).collect();
        let mut next = routes.len();
        for overrides in [of_plan, own] {
            routes = merged(routes, overrides, &mut next);
        }
        routes
    }

    /// The routes' own limits on a tenant.
    pub(super) fn route_limits_of<'d>(
        &'d self,
        of_plan: &'d [RouteOverride],
        own: &'d [RouteOverride],
    ) -> Vec<&'d NamedRateLimit> {
        let base = self.routes.iter().map(|route| (route.name.as_str(), route.parts.rate_limit.as_ref()));
        let mut limits: Vec<(&str, Option<&NamedRateLimit>)> = base.collect();
        for change in of_plan.iter().chain(own) {
            let Some(name) = change.name.as_deref() else {
                limits
                    .extend(change.parts.rate_limit.as_ref().map(|limit| (limit.name.as_str(), Some(limit))));
                continue;
            };
            let own = change.parts.rate_limit.as_ref().filter(|_| !change.disabled);
            match limits.iter_mut().find(|(known, _)| *known == name) {
                Some((_, limit)) if own.is_some() || change.disabled || change.matches.is_some() => {
                    *limit = own
                }
                Some(_) => {}
                None => limits.push((name, own)),
            }
        }
        limits.into_iter().filter_map(|(_, limit)| limit).collect()
    }

    /// Whether a route leads to the tenant's pool under these differences.
    #[must_use]
    pub fn leads_to_tenants_pool(&self, of_plan: &[RouteOverride], own: &[RouteOverride]) -> bool {
        if of_plan.is_empty() && own.is_empty() {
            return self.routes.iter().any(|route| route.parts.pool().leads_to_tenants());
        }
        let routes = self.routes_under(of_plan, own);
        routes.iter().any(|placed| placed.route.parts.pool().leads_to_tenants())
    }
}

fn merged<'d>(
    routes: Vec<PlacedRoute<'d>>,
    overrides: &'d [RouteOverride],
    next: &mut usize,
) -> Vec<PlacedRoute<'d>> {
    if overrides.is_empty() {
        return routes;
    }
    let named = overrides.iter().filter_map(|change| Some((change.name.as_deref()?, change)));
    let mut named: HashMap<&str, &RouteOverride> = named.collect();
    let mut kept = Vec::with_capacity(routes.len());
    for placed in routes {
        match named.remove(placed.route.name.as_str()) {
            None => kept.push(placed),
            Some(change) if change.disabled => {}
            Some(change) => {
                let route = Cow::Owned(change.over(&placed.route));
                kept.push(PlacedRoute { is_base: false, route, ..placed });
            }
        }
    }
    let is_added = |change: &&RouteOverride| {
        !change.disabled && change.name.as_deref().is_none_or(|name| named.contains_key(name))
    };
    let mut added: Vec<PlacedRoute<'d>> = Vec::new();
    for change in overrides.iter().filter(is_added) {
        // Without a match it names a route that there is not, which was reported.
        let Some(route) = change.added() else { continue };
        added.push(PlacedRoute { place: *next, is_base: false, route: Cow::Owned(route) });
        *next += 1;
    }
    added.extend(kept);
    added
}

impl RouteOverride {
    /// The route that it makes of another.
    fn over(&self, other: &Route) -> Route {
        let name = other.name.clone();
        match &self.matches {
            Some(matches) => Route {
                name,
                matches: matches.clone(),
                parts: self.parts.clone(),
                origin: self.origin.clone(),
            },
            None => Route {
                name,
                matches: other.matches.clone(),
                parts: self.parts.over(&other.parts),
                origin: self.origin.clone(),
            },
        }
    }

    fn added(&self) -> Option<Route> {
        let matches = self.matches.clone()?;
        let name = self.name.clone().unwrap_or_else(|| matches.path.to_string());
        Some(Route { name, matches, parts: self.parts.clone(), origin: self.origin.clone() })
    }
}
