//! Rate limits.

use http::HeaderName;

use crate::types::Rate;

/// The name of the limit that `rate_limit` of a plan or tenant is.
pub const DEFAULT_RATE_LIMIT: &str = "default";

/// A GCRA limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The sustained rate.
    pub rate: Rate,
    /// What may come at once, where it was written; see [`RateLimit::burst`].
    pub burst: Option<u32>,
    /// Whether it only counts what it would have refused.
    pub shadow: bool,
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
    /// Whether it only counts, where that differs.
    pub shadow: Option<bool>,
}

impl RateLimitOverride {
    /// The limit that results over a plan's. `None` where neither names a rate.
    #[must_use]
    pub fn over(&self, plan: Option<RateLimit>) -> Option<RateLimit> {
        let rate = self.rate.or(plan.map(|limit| limit.rate))?;
        let burst = self.burst.or(plan.and_then(|limit| limit.burst));
        let shadow = self.shadow.or(plan.map(|limit| limit.shadow)).unwrap_or(false);
        Some(RateLimit { rate, burst, shadow })
    }
}

/// A rate limit with a name: a further one of a plan or tenant, or a route's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRateLimit {
    /// Its name, unique among the limits of a tenant; a route's limit has the route's.
    pub name: String,
    /// How much it lets pass.
    pub limit: RateLimit,
    /// What has a rate of its own. `None`: all requests of a tenant together.
    pub by: Option<RateKey>,
    /// Keys in use for which memory is kept, where there are keys.
    pub keys: usize,
    /// The names of the routes that it applies to. `None`: all.
    pub routes: Option<Vec<String>>,
}

/// What has a rate of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateKey {
    /// Each address of a client; of IPv6 each /64.
    ClientIp,
    /// Each value of this field.
    Header(HeaderName),
}

impl NamedRateLimit {
    /// Whether it applies to requests of this route.
    #[must_use]
    pub fn applies_to(&self, route: &str) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.iter().any(|name| name == route))
    }
}
