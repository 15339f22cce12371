//! A count with a bound.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How many, of how many at most, and how often there was no room.
#[derive(Debug)]
pub(super) struct Counter {
    count: AtomicU32,
    max: AtomicU32,
    trips: AtomicU64,
}

impl Counter {
    pub(super) fn new(max: u32) -> Self {
        Self { count: AtomicU32::new(0), max: AtomicU32::new(max), trips: AtomicU64::new(0) }
    }

    pub(super) fn set_max(&self, max: u32) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// One more, if there is room.
    pub(super) fn take(&self) -> bool {
        let max = self.max();
        let more = |count: u32| (count < max).then_some(count + 1);
        let taken = self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok();
        if !taken {
            self.trips.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    pub(super) fn give_back(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn max(&self) -> u32 {
        self.max.load(Ordering::Relaxed)
    }

    pub(super) fn trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }
}
