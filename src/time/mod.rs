//! The gateway's clock: monotonic nanoseconds since the clock was made.
//!
//! Only what a client can observe as a limit (GCRA) reads it, so that a test can turn an hour
//! of refill into one call. Deadlines of I/O use the runtime's own timers.

mod deadline;

pub use deadline::Deadline;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A monotonic clock, shared by cloning.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System(Instant),
    Manual(Arc<AtomicU64>),
}

/// The hand of a [`Clock::manual`] clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicU64>);

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// The operating system's monotonic clock, counted from now.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// A clock that stands still until it is advanced.
    #[must_use]
    pub fn manual() -> (Self, ManualClock) {
        let nanos = Arc::new(AtomicU64::new(0));
        (Self(Source::Manual(Arc::clone(&nanos))), ManualClock(nanos))
    }

    /// Nanoseconds since the clock was made (it lasts 584 years).
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        match &self.0 {
            Source::System(start) => start.elapsed().as_nanos() as u64,
            Source::Manual(nanos) => nanos.load(Ordering::Acquire),
        }
    }
}

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Ordering::AcqRel);
    }
}
