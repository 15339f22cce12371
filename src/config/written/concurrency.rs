//! Concurrency: the seats of pools, and what tenants may have of them.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::decode::Spanned;
use crate::types::TimeSpan;

/// A tenant's part in the seats of each pool that its requests go to. A seat is a request being served.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Concurrency {
    /// Its part when the pool is busy, relative to other tenants'. Default 1.
    #[schemars(range(min = 1, max = 10_000))]
    pub weight: Option<Spanned<u32>>,
    /// The most seats that it holds; more requests wait. Default: all.
    #[schemars(range(min = 1))]
    pub max: Option<Spanned<u32>>,
    /// The most requests that wait; more are answered 429. 0: none waits. Default 128.
    #[schemars(range(max = 1_000_000))]
    pub queue: Option<Spanned<u32>>,
    /// The longest wait; then 503, or 429 where the tenant's own `max` is what it waited for. Default 2s.
    pub max_wait: Option<Spanned<TimeSpan>>,
    /// Seats that it gets before all others when it wants them, and lends while it doesn't. Default 0.
    pub reserved: Option<Spanned<u32>>,
}

/// How many seats a pool has, for all workers together: a fixed number, or one found from latency.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Seats {
    /// A fixed number.
    #[schemars(range(min = 1))]
    pub limit: Option<Spanned<u32>>,
    /// A number found from the pool's latency (Gradient2).
    pub adaptive: Option<Spanned<Adaptive>>,
    /// Long-lived streams, which have seats of their own.
    #[serde(default)]
    pub streams: Streams,
    /// After how long a response of an event stream (or gRPC) moves to a stream's seat. Default 10s.
    pub stream_after: Option<Spanned<TimeSpan>>,
}

/// Bounds on the seats of a pool.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Adaptive {
    /// The fewest. Default 8.
    #[schemars(range(min = 1))]
    pub min: Option<Spanned<u32>>,
    /// The most. Default 1024.
    #[schemars(range(min = 1))]
    pub max: Option<Spanned<u32>>,
}

/// Seats of long-lived streams: WebSockets and other upgrades, event streams.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Streams {
    /// The most of all tenants. Default 10000.
    #[schemars(range(min = 1))]
    pub limit: Option<Spanned<u32>>,
    /// The most of one tenant. Default 1000.
    #[schemars(range(min = 1))]
    pub max_per_tenant: Option<Spanned<u32>>,
}
