//! What is metered of the copies of requests that go to a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use prometheus::proto::Metric;

use super::families;
use super::pools::PoolMeter;

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorOutcome {
    /// It was sent, and answered, whatever the answer is.
    Sent,
    /// It was given up: it fell behind the original, the original broke off, or the gateway ended.
    Abandoned,
    /// It was not sent: as many as may be are under way.
    NoCapacity,
    /// It could not be sent, or the answer was none.
    Failed,
    /// Its time was over.
    TimedOut,
}

impl MirrorOutcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sent, Self::Abandoned, Self::NoCapacity, Self::Failed, Self::TimedOut];

    /// Its name, as in the metric's label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Abandoned => "abandoned",
            Self::NoCapacity => "no_capacity",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
        }
    }
}

/// Copies by what became of them, and those that are under way.
#[derive(Debug, Default)]
pub(super) struct MirrorMeter {
    in_flight: AtomicU32,
    ended: [AtomicU64; MirrorOutcome::ALL.len()],
}

/// A copy under way: counted as abandoned, unless it ends otherwise.
#[derive(Debug)]
pub struct Mirroring {
    pool: Arc<PoolMeter>,
    outcome: MirrorOutcome,
}

impl Mirroring {
    /// A copy begins, unless `max` are under way.
    #[must_use]
    pub fn begin(pool: &Arc<PoolMeter>, max: u32) -> Option<Self> {
        let more = |count: u32| (count < max).then_some(count + 1);
        let begun = pool.mirrors().in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        begun.ok().map(|_| Self { pool: Arc::clone(pool), outcome: MirrorOutcome::Abandoned })
    }

    /// It has ended so.
    pub fn end(mut self, outcome: MirrorOutcome) {
        self.outcome = outcome;
    }

    /// None has begun.
    pub fn refused(pool: &PoolMeter) {
        pool.mirrors().count(MirrorOutcome::NoCapacity);
    }
}

impl Drop for Mirroring {
    fn drop(&mut self) {
        self.pool.mirrors().in_flight.fetch_sub(1, Ordering::Relaxed);
        self.pool.mirrors().count(self.outcome);
    }
}

impl MirrorMeter {
    fn count(&self, outcome: MirrorOutcome) {
        if let Some(count) = self.ended.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The values of a pool that copies were sent to, or were to be; none of any other.
    pub(super) fn read(&self, pool: &str, ended: &mut Vec<Metric>, in_flight: &mut Vec<Metric>) {
        let counts = MirrorOutcome::ALL.iter().zip(&self.ended);
        let counts: Vec<_> =
            counts.map(|(outcome, count)| (outcome.name(), count.load(Ordering::Relaxed))).collect();
        let under_way = self.in_flight.load(Ordering::Relaxed);
        if under_way == 0 && counts.iter().all(|(_, count)| *count == 0) {
            return;
        }
        ended.extend(
            counts.iter().map(|(name, count)| families::MIRRORED.value(&[pool, name], *count as f64)),
        );
        in_flight.push(families::MIRRORS_IN_FLIGHT.value(&[pool], f64::from(under_way)));
    }
}
