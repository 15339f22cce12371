//! What has been used of a limit that counts all of a tenant's requests together: one word, outside of the limiter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::gcra::{self, Pace, RatePolicy};

/// What a tenant has used of a limit. Outlives reloads: whoever reads it brings the policy.
#[derive(Debug, Default)]
pub struct RateState {
    /// When everything used will have come back, in the limit's time.
    arrival: AtomicU64,
    timeline: Timeline,
}

/// A limit's time through all the policies that it has had. Read and written only where one is loaded.
#[derive(Debug, Default)]
pub(super) struct Timeline(Mutex<Option<Pace>>);

impl Timeline {
    /// Goes on at the pace of this policy.
    pub(super) fn adopt(&self, policy: &RatePolicy, now_ns: u64) -> Pace {
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = pace.map_or_else(|| Pace::new(policy), |pace| pace.changed(policy, now_ns));
        *pace = Some(next);
        next
    }

    /// The limit's time now, if it has begun.
    pub(super) fn at(&self, now_ns: u64) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|pace| pace.at(now_ns))
    }
}

impl RateState {
    /// Goes on at the pace of this policy.
    pub(super) fn adopt(&self, policy: &RatePolicy, now_ns: u64) -> Pace {
        self.timeline.adopt(policy, now_ns)
    }

    /// Whether nothing is used at that moment, so that forgetting the state changes nothing.
    #[must_use]
    pub fn is_rested(&self, now_ns: u64) -> bool {
        self.timeline.at(now_ns).is_none_or(|now| self.debt(now) == 0)
    }

    /// Grains in use.
    pub(super) fn debt(&self, now: u64) -> u64 {
        gcra::debt(self.arrival.load(Ordering::Acquire), now)
    }

    /// Uses `cost` grains if all of them are there. What is in use then, or, refused, what is in use now.
    pub(super) fn charge(&self, now: u64, cost: u64, burst: u64) -> Result<u64, u64> {
        let next = |arrival| gcra::take(arrival, now, cost, burst).ok();
        match self.arrival.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(before) => Ok(gcra::debt(before, now).saturating_add(cost)),
            Err(arrival) => Err(gcra::debt(arrival, now)),
        }
    }

    /// Gives back `cost` grains that were charged. What is in use then.
    pub(super) fn refund(&self, now: u64, cost: u64) -> u64 {
        gcra::debt(gcra::give_back(self.arrival.fetch_sub(cost, Ordering::AcqRel), cost), now)
    }
}
