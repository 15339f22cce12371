//! Circuit breaking: how much there may be at once towards a pool.

/// Bounds on what goes to a pool at once. What is beyond is refused at once, so that a pool in trouble isn't given more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// Of all tenants together.
    pub pool: CircuitLimits,
    /// Of each tenant.
    pub per_tenant: CircuitLimits,
}

/// The bounds of a circuit breaker; `None`: without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CircuitLimits {
    /// The most connections, idle ones included; at least 1.
    pub max_connections: Option<u32>,
    /// The most requests that wait for a connection.
    pub max_pending: Option<u32>,
    /// The most requests; at least 1.
    pub max_requests: Option<u32>,
    /// The most retries.
    pub max_retries: Option<u32>,
}
