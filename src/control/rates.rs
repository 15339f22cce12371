//! Rate limits, compiled: a plan's once for all of its tenants that have none of their own.

use std::num::NonZeroU32;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::admission::quota::Quotas;
use crate::admission::{Label, LimitedRoute, RateKey, RateLimits, RatePolicy, RateRule, RateRules};
use crate::config::{self, DEFAULT_RATE_LIMIT, Document};
use crate::telemetry::Metrics;
use crate::tenant::Account;
use crate::time::Clock;

/// Compiles the rate limits of tenants.
pub(super) struct Rates<'d> {
    document: &'d Document,
    metrics: &'d Metrics,
    clock: &'d Clock,
    /// Places of routes in file order.
    routes: HashMap<&'d str, usize>,
    /// Of tenants that differ in nothing from their plan, by its name; those without a plan have none.
    shared: HashMap<Option<&'d str>, Arc<RateRules>>,
}

impl<'d> Rates<'d> {
    pub(super) fn new(document: &'d Document, metrics: &'d Metrics, clock: &'d Clock) -> Self {
        let routes =
            document.routes.iter().enumerate().map(|(at, route)| (route.name.as_str(), at)).collect();
        Self { document, metrics, clock, routes, shared: HashMap::new() }
    }

    /// A tenant's limits, over what it has used.
    pub(super) fn of(
        &mut self,
        tenant: &'d config::Tenant,
        account: &Account,
        quotas: &Quotas,
    ) -> Arc<RateLimits> {
        let own = &tenant.limits;
        // What clients are told of quotas stands behind the rates, in the same text.
        let like_plan = own.rate_limit.is_none() && own.rate_limits.is_empty() && own.quotas.is_empty();
        let rules = if like_plan {
            let plan = tenant.plan.as_deref();
            match self.shared.get(&plan) {
                Some(rules) => Arc::clone(rules),
                None => {
                    let rules = self.rules(tenant, quotas);
                    self.shared.insert(plan, Arc::clone(&rules));
                    rules
                }
            }
        } else {
            self.rules(tenant, quotas)
        };
        Arc::new(RateLimits::new(rules, &account.rates, self.clock.clone()))
    }

    fn rules(&self, tenant: &config::Tenant, quotas: &Quotas) -> Arc<RateRules> {
        let default = self.document.rate_limit_of(tenant);
        let default = default.and_then(|limit| self.rule(DEFAULT_RATE_LIMIT, &limit));
        let named = self.document.rate_limits_of(tenant);
        let named = named.into_iter().filter_map(|written| {
            let rule = self.rule(&written.name, &written.limit)?;
            let route = |name: &String| {
                let index = *self.routes.get(name.as_str())?;
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
        let others: Vec<Label> = quotas.labels().cloned().collect();
        Arc::new(RateRules::new(default.into_iter().chain(named).collect(), &others))
    }

    fn rule(&self, name: &str, written: &config::RateLimit) -> Option<RateRule> {
        let units = NonZeroU32::new(written.rate.count)?;
        let burst = NonZeroU32::new(written.burst())?;
        let policy = RatePolicy { units, period: written.rate.period, burst };
        let shadow = written.shadow.then(|| self.metrics.limit(name));
        Some(RateRule { shadow, ..RateRule::new(name, policy) })
    }
}
