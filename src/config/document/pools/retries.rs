//! Retries of requests.

use std::time::Duration;

use crate::types::Percent;

/// When a request is sent again, and how often. Never one that may have had an effect and isn't idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// The most for one request, from 0 to [`Retries::MAX`].
    pub max: u8,
    /// After what.
    pub on: RetryOn,
    /// The largest part of the pool's requests in flight that may be retries.
    pub budget: Percent,
    /// The largest part of one tenant's requests in flight that may be retries.
    pub tenant_budget: Percent,
    /// How long each try may take to its response's head; above zero.
    pub per_try_timeout: Option<Duration>,
    /// The wait before a retry.
    pub backoff: Backoff,
    /// The largest request body that is kept to be sent again, in bytes.
    pub buffer_bytes: u64,
}

/// What a retry follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryOn {
    /// No connection could be made.
    pub connect_failure: bool,
    /// The connection ended before the response's head.
    pub reset: bool,
    /// One of these statuses, in order and each once. 504 is also what a try becomes that takes too long.
    pub statuses: Vec<u16>,
}

/// The wait before a retry: a random one up to a bound that doubles from `base` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound before the first retry.
    pub base: Duration,
    /// The greatest bound; at least `base`.
    pub max: Duration,
}

impl Retries {
    /// The most retries that one request may have.
    pub const MAX: u8 = 10;
}
