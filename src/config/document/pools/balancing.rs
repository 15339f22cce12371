//! How an endpoint is chosen.

use http::HeaderName;

/// How an endpoint of a pool is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadBalancing {
    /// In turn.
    RoundRobin,
    /// Of two at random, the one with fewer requests in flight.
    LeastRequest,
    /// Of two at random, the one with the lower recent latency times requests in flight.
    PeakEwma,
    /// By a hash of the request.
    ConsistentHash(HashKey),
}

/// What a consistent hash is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// A header's value.
    Header(HeaderName),
    /// A cookie's value.
    Cookie(String),
    /// The client's address.
    ClientIp,
    /// The tenant's id.
    Tenant,
}

impl LoadBalancing {
    /// How, where nothing is written.
    pub const DEFAULT: Self = Self::LeastRequest;
}
