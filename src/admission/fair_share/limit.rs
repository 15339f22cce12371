//! How many seats a pool has at this moment, and why.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::adaptive::{Adaptive, Sample};

/// How many seats a pool is to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SeatLimit {
    /// As many as are wanted.
    #[default]
    None,
    /// So many.
    Fixed(u32),
    /// As latency tells, within bounds.
    Adaptive {
        /// The fewest.
        min: u32,
        /// The most.
        max: u32,
    },
}

/// A limit that may change at any time, and be read without a lock.
#[derive(Debug)]
pub(super) struct Limit {
    seats: AtomicU32,
    follows: AtomicBool,
    adaptive: Mutex<Option<Adaptive>>,
}

impl Limit {
    pub(super) fn new(seats: u32) -> Self {
        Self { seats: AtomicU32::new(seats), follows: AtomicBool::new(false), adaptive: Mutex::default() }
    }

    /// How many seats there are; the largest number stands for no limit.
    pub(super) fn get(&self) -> u32 {
        self.seats.load(Ordering::Relaxed)
    }

    /// Changes the policy; whether there are more seats now. An adaptive limit that stays one keeps what it
    /// has learnt.
    pub(super) fn set(&self, policy: SeatLimit) -> bool {
        let mut adaptive = self.adaptive.lock().unwrap_or_else(PoisonError::into_inner);
        let seats = match policy {
            SeatLimit::None => u32::MAX,
            SeatLimit::Fixed(seats) => seats,
            SeatLimit::Adaptive { min, max } => {
                let adaptive = adaptive.get_or_insert_with(|| Adaptive::new(min, max));
                adaptive.set_bounds(min, max);
                adaptive.limit()
            }
        };
        let follows = matches!(policy, SeatLimit::Adaptive { .. });
        if !follows {
            *adaptive = None;
        }
        self.follows.store(follows, Ordering::Relaxed);
        self.seats.swap(seats, Ordering::AcqRel) < seats
    }

    /// Takes a sample, if the limit follows latency; whether there are more seats now. One that comes while
    /// another is being taken is passed over: nobody waits here.
    pub(super) fn observe(&self, now_ns: impl FnOnce() -> u64, sample: Sample) -> bool {
        if !self.follows.load(Ordering::Relaxed) {
            return false;
        }
        let Ok(mut adaptive) = self.adaptive.try_lock() else { return false };
        let Some(seats) = adaptive.as_mut().and_then(|adaptive| adaptive.observe(now_ns(), sample)) else {
            return false;
        };
        self.seats.swap(seats, Ordering::AcqRel) < seats
    }
}
