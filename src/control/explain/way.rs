//! The way of a request, as it was decided: its route and why others do not get it, its pool, and its limits.

use std::sync::Arc;

use http::HeaderMap;
use http::header::ORIGIN;
use serde_json::{Value, json};

use super::sources::Sources;
use super::words;
use crate::admission::RateLook;
use crate::config::{self, Document};
use crate::proxy::{RouteTarget, Witness};
use crate::routing::{Asked, Cors, Rewrite, Route, RouteCors, Sticky, Target};
use crate::tenant::Routes;
use crate::types::{ByteSize, TimeSpan};
use crate::upstream::Pool;

/// How many routes are told of that do not get the request: the nearest ones.
const MISSES_MAX: usize = 20;

/// What is told while it is decided.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) path: Option<String>,
    pub(super) route: Option<Arc<Route<RouteTarget>>>,
    misses: Vec<Miss>,
    misses_left_out: usize,
    /// The pool that it goes to, and the one that serves it.
    pub(super) pools: Option<(Arc<Pool>, Arc<Pool>)>,
    pub(super) rates: Vec<RateLook>,
    /// What a browser is told of who may use what it asked for.
    pub(super) cors: HeaderMap,
    /// Where it goes is drawn: among which pools.
    pub(super) drawn: Option<Vec<String>>,
}

#[derive(Debug)]
struct Miss {
    index: usize,
    name: Arc<str>,
    /// How far it is from taking the request: the smaller the nearer.
    distance: (bool, usize),
    why: Vec<String>,
}

impl Witness for Way {
    fn routed(&mut self, routes: &Routes, asked: &Asked<'_>, found: Option<&Arc<Route<RouteTarget>>>) {
        self.path = Some(asked.path.to_owned());
        self.route = found.cloned();
        self.drawn = found.and_then(|found| match &found.target {
            Target::Split(split) if !split.is_certain(asked.fields) => {
                let parts = split.parts().filter(|(_, weight)| *weight > 0);
                let name = |to: Option<&RouteTarget>| {
                    to.map_or("the tenant's pool".to_owned(), |pool| pool.name().to_string())
                };
                Some(parts.map(|(to, _)| name(to)).collect())
            }
            _ => None,
        });
        let others = routes.routes().into_iter();
        let others = others.filter(|route| found.is_none_or(|found| !Arc::ptr_eq(found, route)));
        let miss = |route: &Arc<Route<RouteTarget>>| {
            let unmet = route.rule.unmet(asked);
            let by_place = unmet.iter().any(|unmet| words::is_of_place(*unmet));
            let mut why: Vec<String> = unmet.iter().map(|unmet| words::unmet(*unmet, asked)).collect();
            if let Some(found) = found.filter(|_| why.is_empty()) {
                why.push(words::precedence(found.rule.precedes_by(&route.rule, asked), &found.name));
            }
            let distance = (by_place, unmet.len());
            Miss { index: route.index, name: Arc::clone(&route.name), distance, why }
        };
        let mut misses: Vec<Miss> = others.map(miss).collect();
        // Stable: what is as near stays in the order of places.
        misses.sort_by_key(|miss| miss.distance);
        self.misses_left_out = misses.len().saturating_sub(MISSES_MAX);
        misses.truncate(MISSES_MAX);
        self.misses = misses;
    }

    fn leads_to(&mut self, pool: &Arc<Pool>, serving: &Arc<Pool>) {
        self.pools = Some((Arc::clone(pool), Arc::clone(serving)));
    }

    fn cors(&mut self, cors: Option<&Arc<Cors>>, fields: &HeaderMap) {
        self.cors = HeaderMap::new();
        if let Some(cors) = cors {
            cors.tell(&mut self.cors, fields.get(ORIGIN));
        }
    }

    fn rated(&mut self, rates: &[RateLook]) {
        self.rates = rates.to_vec();
    }
}

impl Way {
    /// The route that was found, if one was, and those that were not.
    pub(super) fn told(
        &self,
        document: &Document,
        tenant: Option<&config::Tenant>,
        sources: &Sources,
    ) -> Value {
        // Where no route was asked for, there is nothing to say of any.
        let Some(path) = &self.path else { return Value::Null };
        let placed = tenant.map(|tenant| document.routes_of(tenant)).unwrap_or_default();
        let source = |index: usize| {
            placed.iter().find(|placed| placed.place == index).map(|placed| sources.route(placed))
        };
        let misses = self
            .misses
            .iter()
            .map(|miss| json!({ "name": &*miss.name, "source": source(miss.index), "why": miss.why }));
        let misses: Vec<Value> = misses.collect();
        let mut told = json!({
            "path": path,
            "name": self.route.as_ref().map(|route| &*route.name),
            "misses": misses,
            "misses_left_out": self.misses_left_out,
        });
        if let (Some(route), Value::Object(members)) = (&self.route, &mut told) {
            let is_changed = placed.iter().any(|placed| placed.place == route.index && !placed.is_base);
            members.insert("source".to_owned(), source(route.index).into());
            members.insert("overridden".to_owned(), is_changed.into());
            members.insert("takes".to_owned(), words::rule(&route.rule).into());
            members.insert("leads".to_owned(), leads(&route.target).into());
            let rewrite = route.rewrite.as_ref().map(rewrite);
            members.insert("rewrite".to_owned(), rewrite.into());
            let mirror = route.mirror.as_ref().map(|mirror| {
                let percent = f64::from(mirror.millionths) / 10_000.0;
                format!("{percent} % to the pool {}", mirror.to.name())
            });
            members.insert("mirror".to_owned(), mirror.into());
            members.insert("requires_feature".to_owned(), route.requires_feature.as_deref().into());
            members.insert("cost".to_owned(), route.cost.get().into());
            // What a route may say in the place of its tenant, where it does.
            members.insert("limits_clients".to_owned(), (!route.access.is_open()).into());
            let body_max = route.request_body_max.map(|max| ByteSize(max).to_string());
            members.insert("request_body_max".to_owned(), body_max.into());
            members.insert("internal_hosts".to_owned(), route.internal_hosts.is_some().into());
            let cors = match &route.cors {
                RouteCors::AsTenant => None,
                RouteCors::Off => Some("off"),
                RouteCors::Own(_) => Some("its own"),
            };
            members.insert("cors".to_owned(), cors.into());
            let timeout = route.timeout.map(|timeout| TimeSpan(timeout).to_string());
            members.insert("timeout".to_owned(), timeout.into());
        }
        told
    }
}

/// What becomes of a route's requests.
fn leads(target: &Target<RouteTarget>) -> String {
    match target {
        Target::Tenant => "to the tenant's pool".to_owned(),
        Target::Pool(pool) => format!("to the pool {}", pool.name()),
        Target::Split(split) => {
            let part = |(to, weight): (Option<&RouteTarget>, u32)| {
                let to =
                    to.map_or("the tenant's pool".to_owned(), |pool| format!("the pool {}", pool.name()));
                format!("{to} ({weight})")
            };
            let parts: Vec<String> = split.parts().map(part).collect();
            format!("by weight to {}{}", parts.join(" or "), stuck(split.sticky()))
        }
        Target::Redirect(redirect) => {
            format!("elsewhere: {} {}", redirect.status.as_u16(), redirect.to.as_str())
        }
        Target::Respond(respond) => format!("nowhere: it answers {}", respond.status.as_u16()),
    }
}

/// What keeps going to the same pool of a split.
fn stuck(sticky: Option<&Sticky>) -> String {
    match sticky {
        None => ", at random".to_owned(),
        Some(Sticky::Tenant) => ", always the same for a tenant".to_owned(),
        Some(Sticky::Cookie(name)) => format!(", by the cookie {name}; at random without it"),
        Some(Sticky::Header(name)) => format!(", by the header {name}; by tenant without it"),
    }
}

fn rewrite(rewrite: &Rewrite) -> String {
    match rewrite {
        Rewrite::Prefix(prefix) => format!("prefix: {prefix}"),
        Rewrite::Path(path) => format!("path: {}", path.as_str()),
        Rewrite::Pattern(pattern, to) => format!("regex: {} to: {}", pattern.as_str(), to.as_str()),
    }
}
