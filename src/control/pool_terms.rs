//! What a pool's document says of choosing endpoints and of retries, as what runs.

use std::sync::Arc;

use crate::balance::{Policy, Rules};
use crate::breaker::{BreakerLimits, CircuitTerms};
use crate::config::{self, HashKey, LoadBalancing};
use crate::retry::{Backoff, BudgetTerms, Conditions};
use crate::types::{Percent, WebHost, WebHosts};
use crate::upstream::{Balancing, HashOf, RetryTerms};

/// How requests are sent again. The budget goes on from where it was.
pub(super) fn retries(written: &config::Retries, before: Option<&RetryTerms>) -> RetryTerms {
    let terms = |percent: Percent, min| match percent.get() {
        0 => BudgetTerms { percent: 0, min: 0 },
        percent => BudgetTerms { percent: percent.into(), min },
    };
    let min = BudgetTerms::default().min;
    let config::RetryOn { connect_failure, reset, statuses } = &written.on;
    let on = Conditions::none();
    let on = if *connect_failure { on.connect_failure() } else { on };
    let on = if *reset { on.reset() } else { on };
    let on = statuses.iter().fold(on, |on, status| on.status(*status).unwrap_or(on));
    let budget = before.map_or_else(Arc::default, |before| Arc::clone(&before.budget));
    budget.set_terms(terms(written.budget, min));
    RetryTerms {
        max: written.max.into(),
        on,
        budget,
        tenant_budget: terms(written.tenant_budget, min / 2),
        per_try: written.per_try_timeout,
        buffer_max: usize::try_from(written.buffer_bytes).unwrap_or(usize::MAX),
        backoff: Backoff { base: written.backoff.base, max: written.backoff.max },
    }
}

/// What may be in use at a time, if that is bounded.
pub(super) fn circuit_terms(written: &config::CircuitBreaker) -> Option<CircuitTerms> {
    let limits = |written: &config::CircuitLimits| BreakerLimits {
        connections: written.max_connections.unwrap_or(u32::MAX),
        pending: written.max_pending.unwrap_or(u32::MAX),
        requests: written.max_requests.unwrap_or(u32::MAX),
        retries: written.max_retries.unwrap_or(u32::MAX),
    };
    let (pool, per_tenant) = (limits(&written.pool), limits(&written.per_tenant));
    let none = BreakerLimits::default();
    (pool != none || per_tenant != none)
        .then_some(CircuitTerms { pool, per_tenant: (per_tenant != none).then_some(per_tenant) })
}

/// The hosts by which an application knows itself, if it has any of its own.
pub(super) fn internal_hosts(written: &[WebHost]) -> Option<Arc<WebHosts>> {
    (!written.is_empty()).then(|| Arc::new(WebHosts::new(written.to_vec())))
}

/// How requests are spread. What endpoints are working on is still counted.
pub(super) fn balancing(written: &config::Pool, before: Option<&Balancing>) -> Balancing {
    let (policy, hashed) = match &written.load_balancing {
        LoadBalancing::RoundRobin => (Policy::RoundRobin, None),
        LoadBalancing::LeastRequest => (Policy::LeastRequest, None),
        LoadBalancing::PeakEwma => (Policy::PeakEwma, None),
        LoadBalancing::ConsistentHash(of) => {
            let of = match of {
                HashKey::Header(name) => HashOf::Header(name.clone()),
                HashKey::Cookie(name) => HashOf::Cookie(name.as_str().into()),
                HashKey::ClientIp => HashOf::Client,
                HashKey::Tenant => HashOf::Tenant,
            };
            (Policy::ConsistentHash, Some(of))
        }
    };
    let rules = Rules::of(policy);
    let rules = match written.slow_start {
        Some(window) => rules.slow_start(window),
        None => rules,
    };
    Balancing::new(rules, hashed, before)
}
