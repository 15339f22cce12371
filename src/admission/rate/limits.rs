//! All rate limits of a tenant, and which of them apply to a request.

use std::num::NonZeroU32;
use std::sync::Arc;

use http::HeaderValue;

use super::charges::RateCharges;
use super::limit::{RateLimit, Verdict};
use crate::admission::{Label, StandingList};
use crate::time::Clock;

/// Limits that may apply to one request.
pub const APPLYING_MAX: usize = 8;

/// A tenant's rate limits.
#[derive(Debug)]
pub struct RateLimits {
    limits: Box<[RateLimit]>,
    policy_field: Option<HeaderValue>,
    clock: Clock,
}

impl RateLimits {
    /// These limits, in the order in which they are charged and told. `others` are the labels of the tenant's limits of
    /// other kinds: they stand behind these in `RateLimit-Policy`.
    #[must_use]
    pub fn new(limits: Vec<RateLimit>, others: &[Label], clock: Clock) -> Self {
        debug_assert!(limits.len() <= APPLYING_MAX, "the configuration allows no more");
        let policy_field = Label::policy_field(limits.iter().map(RateLimit::label).chain(others));
        Self { limits: limits.into(), policy_field, clock }
    }

    /// Charges a request to every limit that applies to it. If one refuses, what was charged to the others is given
    /// back. `None` where no limit applies.
    #[must_use]
    pub fn charge(self: &Arc<Self>, cost: NonZeroU32) -> Option<RateCharges> {
        if self.limits.is_empty() {
            return None;
        }
        let mut charges = RateCharges::new(Arc::clone(self), cost);
        let now_ns = self.clock.now_ns();
        let mut refused = false;
        for limit in &self.limits {
            // All are asked, so that the client is told of the longest wait.
            let verdict = if refused { limit.look(now_ns, cost) } else { limit.charge(now_ns, cost) };
            refused |= !verdict.allowed;
            charges.push(verdict);
        }
        if refused {
            charges.refund();
        }
        Some(charges)
    }

    /// `RateLimit-Policy`: made when the limits were loaded.
    #[must_use]
    pub fn policy_field(&self) -> Option<&HeaderValue> {
        self.policy_field.as_ref()
    }

    /// Adds how the tenant stands, with nothing charged: for a request that was refused before.
    pub fn tell(&self, list: &mut StandingList) {
        let now_ns = self.clock.now_ns();
        for limit in &self.limits {
            let verdict = Verdict { allowed: true, ..limit.look(now_ns, NonZeroU32::MIN) };
            list.push(limit.label(), limit.standing(verdict, NonZeroU32::MIN));
        }
    }

    pub(super) fn applying(&self) -> impl Iterator<Item = &RateLimit> {
        self.limits.iter()
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }
}
