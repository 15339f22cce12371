//! Plans: what tenants of a tier may use.

use http::{HeaderName, HeaderValue};

use super::{Concurrency, OnOutage, Origin, Quota};
use crate::types::Rate;

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Its rate limit, for each tenant on its own.
    pub rate_limit: Option<RateLimit>,
    /// A tenant's part in the seats of pools.
    pub concurrency: Concurrency,
    /// Its quotas, for each tenant on its own.
    pub quotas: Vec<Quota>,
    /// What becomes of requests while the store does not answer.
    pub on_outage: Option<OnOutage>,
    /// The largest request body, in bytes.
    pub request_body_max: Option<u64>,
    /// The features that its tenants have.
    pub features: Vec<String>,
    /// The pool of its tenants that name none themselves.
    pub pool: Option<String>,
    /// Changes to requests.
    pub request_headers: HeaderRules,
    /// Changes to responses.
    pub response_headers: HeaderRules,
    /// Where it was written.
    pub origin: Origin,
}

/// A GCRA limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The sustained rate.
    pub rate: Rate,
    /// What may come at once, where it was written; see [`RateLimit::burst`].
    pub burst: Option<u32>,
}

impl RateLimit {
    /// What may come at once; the rate's count unless written otherwise.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or(self.rate.count)
    }
}

/// A tenant's difference from its plan's rate limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimitOverride {
    /// The rate, where it differs.
    pub rate: Option<Rate>,
    /// The burst, where it differs.
    pub burst: Option<u32>,
}

impl RateLimitOverride {
    /// The limit that results over a plan's. `None` where neither names a rate.
    #[must_use]
    pub fn over(&self, plan: Option<RateLimit>) -> Option<RateLimit> {
        let rate = self.rate.or(plan.map(|limit| limit.rate))?;
        Some(RateLimit { rate, burst: self.burst.or(plan.and_then(|limit| limit.burst)) })
    }
}

/// Header fields to set and to remove. No field is in both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Fields that get exactly this one value.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Fields that are dropped.
    pub remove: Vec<HeaderName>,
}

impl HeaderRules {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}
