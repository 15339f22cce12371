//! Circuit breaking.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::decode::Spanned;

/// How much there may be at once towards a pool, by all workers together. Without a key there is no bound of that kind;
/// retries are bounded by their budget anyway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CircuitBreaker {
    /// The most connections, idle ones included. Beyond, a request waits for one to come free, up to timeouts.connect.
    #[schemars(range(min = 1))]
    pub max_connections: Option<Spanned<u32>>,
    /// The most requests that wait for a connection, being opened or to come free; beyond, 503. With 0 none waits for one to come free.
    pub max_pending: Option<Spanned<u32>>,
    /// The most requests sent and not over, streams included; beyond, 503.
    #[schemars(range(min = 1))]
    pub max_requests: Option<Spanned<u32>>,
    /// The most retries under way; beyond, none is made.
    pub max_retries: Option<Spanned<u32>>,
    /// The same for each tenant, so that one can't trip the others; beyond, 429.
    #[serde(default)]
    pub per_tenant: CircuitLimits,
}

/// The bounds of each tenant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CircuitLimits {
    /// The most connections that its requests use alone: over HTTP/1.1 one each. Beyond, a request waits for one of them to end.
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
