//! Routes, compiled: those of the base once, and with a plan's or a tenant's differences once for all who have the same.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use hashbrown::HashMap;
use http::StatusCode;

use super::cors;
use super::mold::header_rules;
use crate::config::{
    self, Document, Domain, PathMatch, PlacedRoute, RouteMatch, RouteOverride, RouteParts, RoutePool,
};
use crate::proxy::RouteTarget;
use crate::routing::{
    HeaderRules, HostRule, MatchRule, Mirror, PathRule, Redirect, Respond, Rewrite, Route, Split, Sticky,
    Target,
};
use crate::tenant::Routes;
use crate::types::{Access, ValueTest, WebHosts};
use crate::upstream::Pool;

/// See the module.
#[derive(Debug)]
pub(super) struct RouteTables {
    base: Arc<Routes>,
    /// The base routes, by their places.
    shared: Vec<Option<Arc<Route<RouteTarget>>>>,
    /// Those of tenants with differences of their own, while there is such a tenant.
    own: Mutex<OwnTables>,
}

#[derive(Debug, Default)]
struct OwnTables {
    by_differences: HashMap<u64, Vec<Own>>,
    count: usize,
    /// From how many on the tables of tenants that are gone are looked for.
    sweep_at: usize,
}

/// A table, and what it differs by.
#[derive(Debug)]
struct Own {
    plan: Option<Box<str>>,
    overrides: Vec<RouteOverride>,
    table: Weak<Routes>,
}

/// The first number of tables at which they are looked through.
const SWEEP_AT_MIN: usize = 64;

impl RouteTables {
    /// The base routes of a document.
    pub(super) fn new(document: &Document, pools: &HashMap<Arc<str>, Arc<Pool>>) -> Self {
        let routes = document.routes.iter().enumerate();
        let shared: Vec<_> = routes.map(|(at, written)| route(at, written, pools).map(Arc::new)).collect();
        let base = Arc::new(Routes::new(shared.iter().flatten().cloned().collect()));
        Self { base, shared, own: Mutex::default() }
    }

    /// The base routes.
    pub(super) fn base(&self) -> &Arc<Routes> {
        &self.base
    }

    /// The routes of all tenants of a plan that differ in nothing from it.
    pub(super) fn of_plan(
        &self,
        document: &Document,
        plan: &config::Plan,
        pools: &HashMap<Arc<str>, Arc<Pool>>,
    ) -> Arc<Routes> {
        match plan.routes.is_empty() {
            true => Arc::clone(&self.base),
            false => Arc::new(self.of(document.routes_of_plan(plan), pools)),
        }
    }

    /// The routes of a tenant with differences of its own: the table of another with the same plan and differences, where there is
    /// one.
    pub(super) fn of_tenant(
        &self,
        document: &Document,
        tenant: &config::Tenant,
        pools: &HashMap<Arc<str>, Arc<Pool>>,
    ) -> Arc<Routes> {
        let key = key_of(tenant);
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = own.by_differences.get(&key).into_iter().flatten();
        let mut alike = alike.filter(|other| {
            other.plan.as_deref() == tenant.plan.as_deref() && other.overrides == tenant.routes
        });
        if let Some(table) = alike.find_map(|other| other.table.upgrade()) {
            return table;
        }
        let table = Arc::new(self.of(document.routes_of(tenant), pools));
        let plan = tenant.plan.as_deref().map(Box::from);
        let made = Own { plan, overrides: tenant.routes.clone(), table: Arc::downgrade(&table) };
        own.insert(key, made);
        table
    }

    /// What is as in the base is the base's.
    fn of(&self, placed: Vec<PlacedRoute<'_>>, pools: &HashMap<Arc<str>, Arc<Pool>>) -> Routes {
        let routes = placed.into_iter().filter_map(|placed| match placed.is_base {
            true => self.shared.get(placed.place)?.clone(),
            false => route(placed.place, &placed.route, pools).map(Arc::new),
        });
        Routes::new(routes.collect())
    }
}

impl OwnTables {
    fn insert(&mut self, key: u64, own: Own) {
        if self.count >= self.sweep_at.max(SWEEP_AT_MIN) {
            self.by_differences.retain(|_, alike| {
                alike.retain(|own| own.table.strong_count() > 0);
                !alike.is_empty()
            });
            self.count = self.by_differences.values().map(Vec::len).sum();
            self.sweep_at = self.count * 2;
        }
        self.by_differences.entry(key).or_default().push(own);
        self.count += 1;
    }
}

/// The same for tenants with the same differences; whether they are is looked at then.
fn key_of(tenant: &config::Tenant) -> u64 {
    let mut hasher = DefaultHasher::new();
    tenant.plan.hash(&mut hasher);
    for change in &tenant.routes {
        (&change.name, change.disabled).hash(&mut hasher);
        change.matches.as_ref().map(|matches| matches.path.to_string()).hash(&mut hasher);
        change.parts.named_pools().for_each(|pool| pool.hash(&mut hasher));
    }
    hasher.finish()
}

fn route(
    place: usize,
    written: &config::Route,
    pools: &HashMap<Arc<str>, Arc<Pool>>,
) -> Option<Route<RouteTarget>> {
    let parts: &RouteParts = &written.parts;
    let target = match parts.pool() {
        RoutePool::Tenant => Target::Tenant,
        RoutePool::Named(name) => Target::Pool(Arc::clone(pools.get(name.as_str())?)),
        RoutePool::Split(split) => Target::Split(split_over(split, pools)?),
        RoutePool::Redirect(written) => Target::Redirect(Redirect {
            to: written.to.clone(),
            status: StatusCode::from_u16(written.status).ok()?,
        }),
        RoutePool::Respond(written) => Target::Respond(Respond {
            status: StatusCode::from_u16(written.status).ok()?,
            headers: header_rules(&written.headers),
            media_type: written.file.as_ref().map_or("text/plain; charset=utf-8", |file| file.media_type),
            body: match &written.file {
                Some(file) => Bytes::from_owner(Arc::clone(&file.content)),
                None => written.body.clone().into(),
            },
        }),
    };
    let mirror = match &parts.mirror {
        Some(written) => {
            let to = Arc::clone(pools.get(written.pool.as_str())?);
            Some(Mirror { to, millionths: written.millionths })
        }
        None => None,
    };
    let rules = |rules: &Option<config::HeaderRules>| -> HeaderRules {
        rules.as_ref().map(header_rules).unwrap_or_default()
    };
    Some(Route {
        name: written.name.as_str().into(),
        index: place,
        rule: match_rule(&written.matches),
        target,
        mirror,
        rewrite: parts.rewrite.as_ref().map(rewrite),
        access: parts.access.clone().map(|access| Access::new(access.allow, access.deny)).unwrap_or_default(),
        request_body_max: parts.request_body_max,
        requires_feature: parts.requires_feature.as_deref().map(Into::into),
        cost: parts.cost(),
        timeout: parts.timeout,
        cors: cors::of_route(parts.cors.as_ref()),
        internal_hosts: parts.internal_hosts.clone().map(|hosts| Arc::new(WebHosts::new(hosts))),
        request_headers: rules(&parts.request_headers),
        response_headers: rules(&parts.response_headers),
    })
}

fn split_over(written: &config::Split, pools: &HashMap<Arc<str>, Arc<Pool>>) -> Option<Split<RouteTarget>> {
    let mut parts = Vec::with_capacity(written.parts.len());
    for part in &written.parts {
        parts.push(match &part.pool {
            Some(name) => (name.as_str(), Some(Arc::clone(pools.get(name.as_str())?)), part.weight),
            // No pool has such a name.
            None => ("{tenant.pool}", None, part.weight),
        });
    }
    let sticky = written.sticky.as_ref().map(|sticky| match sticky {
        config::Sticky::Tenant => Sticky::Tenant,
        config::Sticky::Cookie(name) => Sticky::Cookie(name.as_str().into()),
        config::Sticky::Header(name) => Sticky::Header(name.clone()),
    });
    Some(Split::new(parts, sticky))
}

fn rewrite(written: &config::Rewrite) -> Rewrite {
    match written {
        config::Rewrite::Prefix(prefix) => Rewrite::Prefix(prefix.as_str().into()),
        config::Rewrite::Path(path) => Rewrite::Path(path.clone()),
        config::Rewrite::Pattern(pattern, to) => Rewrite::Pattern(pattern.clone(), to.clone()),
    }
}

fn match_rule(written: &RouteMatch) -> MatchRule {
    let host = |host: &Domain| match host {
        Domain::Exact(name) => HostRule::Exact(name.clone()),
        Domain::Wildcard(name) => HostRule::Below(name.clone()),
    };
    let named = |(name, test): &(String, ValueTest)| (name.as_str().into(), test.clone());
    MatchRule {
        hosts: written.hosts.iter().map(host).collect(),
        path: match &written.path {
            PathMatch::Exact(path) => PathRule::Exact(path.clone()),
            PathMatch::Template(template) => PathRule::Template(template.clone()),
            PathMatch::Pattern(pattern) => PathRule::Pattern(pattern.clone()),
            PathMatch::Prefix(path) => PathRule::Prefix(path.clone()),
        },
        methods: written.methods.clone(),
        headers: written.headers.clone(),
        query: written.query.iter().map(named).collect(),
        cookies: written.cookies.iter().map(named).collect(),
        clients: written.client_ip.clone(),
        features: written.features.iter().map(|feature| feature.as_str().into()).collect(),
        labels: written.labels.iter().map(named).collect(),
    }
}
