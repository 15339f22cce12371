//! Plans: what tenants of a tier may use.

use std::sync::Arc;

use http::HeaderName;

use super::{
    Branding, Concurrency, CorsSetting, Feature, NamedRateLimit, OnOutage, Origin, Quota, RateLimit,
    RouteOverride,
};
use crate::types::FieldValue;

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Its rate limit, for each tenant on its own.
    pub rate_limit: Option<RateLimit>,
    /// Further rate limits, for each tenant on its own.
    pub rate_limits: Vec<NamedRateLimit>,
    /// A tenant's part in the seats of pools.
    pub concurrency: Concurrency,
    /// Its quotas, for each tenant on its own.
    pub quotas: Vec<Quota>,
    /// What becomes of requests while the store does not answer.
    pub on_outage: Option<OnOutage>,
    /// The largest request body, in bytes.
    pub request_body_max: Option<u64>,
    /// The features that its tenants have, each name once.
    pub features: Vec<Feature>,
    /// The pool of its tenants that name none themselves.
    pub pool: Option<String>,
    /// Its tenants' differences from the default branding.
    pub branding: Option<Arc<Branding>>,
    /// Changes to requests.
    pub request_headers: HeaderRules,
    /// Changes to responses.
    pub response_headers: HeaderRules,
    /// Cross-origin requests, where its routes don't say.
    pub cors: Option<CorsSetting>,
    /// Its differences from the base routes.
    pub routes: Vec<RouteOverride>,
    /// Where it was written.
    pub origin: Origin,
}

/// Header fields to set, to add to and to remove. No field is in two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Fields that get exactly this one value.
    pub set: Vec<(HeaderName, FieldValue)>,
    /// Fields that get one line more.
    pub add: Vec<(HeaderName, FieldValue)>,
    /// Fields that are dropped.
    pub remove: Vec<HeaderName>,
}

impl HeaderRules {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}
