//! Circuit breaking.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::decode::Spanned;

/// How much there may be at once towards a pool. Without a key there is no bound of that kind; retries are bounded by
/// their budget anyway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CircuitBreaker {
    /// The most connections, idle ones included.
    #[schemars(range(min = 1))]
    pub max_connections: Option<Spanned<u32>>,
    /// The most requests that wait for a connection.
    pub max_pending: Option<Spanned<u32>>,
    /// The most requests.
    #[schemars(range(min = 1))]
    pub max_requests: Option<Spanned<u32>>,
    /// The most retries.
    pub max_retries: Option<Spanned<u32>>,
    /// The same for each tenant, so that one can't trip the others.
    #[serde(default)]
    pub per_tenant: CircuitLimits,
}

/// The bounds of each tenant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CircuitLimits {
    /// The most connections, which bounds those that are used for this tenant alone (`isolate_connections`).
    #[schemars(range(min = 1))]
    pub max_connections: Option<Spanned<u32>>,
    /// The most requests that wait for a connection.
    pub max_pending: Option<Spanned<u32>>,
    /// The most requests.
    #[schemars(range(min = 1))]
    pub max_requests: Option<Spanned<u32>>,
    /// The most retries.
    pub max_retries: Option<Spanned<u32>>,
}
