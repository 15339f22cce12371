//! How a pool's requests are sent again.

use std::sync::Arc;
use std::time::Duration;

use crate::retry::{Backoff, Budget, BudgetTerms, Conditions};

/// When a request of a pool is sent again, and how often.
#[derive(Debug)]
pub struct RetryTerms {
    /// The most retries of one request.
    pub max: u32,
    /// After what.
    pub on: Conditions,
    /// How many of the pool's requests may be retries. It outlives reloads.
    pub budget: Arc<Budget>,
    /// How many of a tenant's.
    pub tenant_budget: BudgetTerms,
    /// How long a try may take to its response's head, if that is less than `timeouts.response_header`.
    pub per_try: Option<Duration>,
    /// Octets of a request's body that are kept to be sent again.
    pub buffer_max: usize,
    /// The wait before a retry.
    pub backoff: Backoff,
}
