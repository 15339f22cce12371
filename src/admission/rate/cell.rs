//! What has been used of a limit that counts all of a tenant's requests together: one word, outside of the limiter.

use std::sync::atomic::{AtomicU64, Ordering};

use super::gcra;

/// What a tenant has used of a limit. Outlives reloads: whoever reads it brings the limit's time.
#[derive(Debug, Default)]
pub(super) struct Cell(
    /// When everything used will have come back, in the limit's time.
    AtomicU64,
);

impl Cell {
    /// Grains in use.
    pub(super) fn debt(&self, now: u64) -> u64 {
        gcra::debt(self.0.load(Ordering::Acquire), now)
    }

    /// Uses `cost` grains if all of them are there. What is in use then, or, refused, what is in use now.
    pub(super) fn charge(&self, now: u64, cost: u64, burst: u64) -> Result<u64, u64> {
        let next = |arrival| gcra::take(arrival, now, cost, burst).ok();
        match self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(before) => Ok(gcra::debt(before, now).saturating_add(cost)),
            Err(arrival) => Err(gcra::debt(arrival, now)),
        }
    }

    /// Gives back `cost` grains that were charged. What is in use then.
    pub(super) fn refund(&self, now: u64, cost: u64) -> u64 {
        gcra::debt(gcra::give_back(self.0.fetch_sub(cost, Ordering::AcqRel), cost), now)
    }
}
