//! Rate limits, compiled.

use std::num::NonZeroU32;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::admission::quota::QuotaSpec;
use crate::admission::{Label, LimitedRoute, RateKey, RatePolicy, RateRule, RateRules};
use crate::config::{self, DEFAULT_RATE_LIMIT, Document};
use crate::telemetry::Metrics;
use crate::time::Clock;

/// Compiles rate limits.
#[derive(Debug)]
pub(super) struct Rates {
    metrics: Arc<Metrics>,
    clock: Clock,
    /// Places of routes in file order.
    routes: HashMap<String, usize>,
}

impl Rates {
    pub(super) fn new(document: &Document, metrics: &Arc<Metrics>, clock: &Clock) -> Self {
        let routes = document.routes.iter().enumerate().map(|(at, route)| (route.name.clone(), at));
        Self { metrics: Arc::clone(metrics), clock: clock.clone(), routes: routes.collect() }
    }

    /// Whether a tenant has the rules of its plan. What clients are told of quotas stands behind the rates, in
    /// the same text.
    pub(super) fn are_those_of_plan(tenant: &config::Tenant) -> bool {
        let own = &tenant.limits;
        own.rate_limit.is_none()
            && own.rate_limits.is_empty()
            && own.quotas.is_empty()
            && tenant.routes.is_empty()
    }

    /// The rules of a tenant that has these quotas.
    pub(super) fn rules(
        &self,
        document: &Document,
        tenant: &config::Tenant,
        quotas: &[Arc<QuotaSpec>],
    ) -> Arc<RateRules> {
        let default = document.rate_limit_of(tenant);
        let default = default.and_then(|limit| self.rule(DEFAULT_RATE_LIMIT, &limit));
        let has_own =
            !tenant.routes.is_empty() || document.plan_of(tenant).is_some_and(|plan| !plan.routes.is_empty());
        let own_places: Option<HashMap<String, usize>> = has_own.then(|| {
            let routes = document.routes_of(tenant).into_iter();
            routes.map(|placed| (placed.route.name.clone(), placed.place)).collect()
        });
        let places = own_places.as_ref().unwrap_or(&self.routes);
        let named = document.rate_limits_of(tenant);
        let named = named.into_iter().filter_map(|written| {
            let rule = self.rule(&written.name, &written.limit)?;
            let route = |name: &String| {
                let index = *places.get(name.as_str())?;
                Some(LimitedRoute { index, name: name.as_str().into() })
            };
            Some(RateRule {
                by: written.by.as_ref().map(|by| match by {
                    config::RateKey::ClientIp => RateKey::ClientIp,
                    config::RateKey::Header(name) => RateKey::Header(name.clone()),
                }),
                keys_max: written.keys,
                routes: written.routes.as_ref().map(|routes| routes.iter().filter_map(route).collect()),
                ..rule
            })
        });
        let others: Vec<Label> = quotas.iter().map(|spec| spec.label.clone()).collect();
        let rules = default.into_iter().chain(named).collect();
        Arc::new(RateRules::new(rules, &others, self.clock.clone()))
    }

    fn rule(&self, name: &str, written: &config::RateLimit) -> Option<RateRule> {
        let units = NonZeroU32::new(written.rate.count)?;
        let burst = NonZeroU32::new(written.burst())?;
        let policy = RatePolicy { units, period: written.rate.period, burst };
        let shadow = written.shadow.then(|| self.metrics.limit(name));
        Some(RateRule { shadow, ..RateRule::new(name, policy) })
    }
}
