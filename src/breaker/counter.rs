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
        self.max.store(max, Ordering::SeqCst);
    }

    /// One more, if there is room.
    pub(super) fn take(&self) -> bool {
        // In one order with the length of the line of those who wait (`turns`): whoever frees a place sees who has
        // joined it, or whoever has joined sees the place.
        let max = self.max.load(Ordering::SeqCst);
        let more = |count: u32| (count < max).then_some(count + 1);
        self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    pub(super) fn give_back(&self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    /// Somebody was refused.
    pub(super) fn trip(&self) {
        self.trips.fetch_add(1, Ordering::Relaxed);
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
