//! The gateway's clock: monotonic nanoseconds since the clock was made, and the wall's time beside it.
//!
//! Only what a client can observe as a limit reads it: rates (GCRA) the monotonic side, which nothing turns
//! back, quotas the wall's, whose days and months are the calendar's. So a test can turn an hour of refill or a
//! month of quota into one call. Deadlines of I/O use the runtime's own timers.

mod deadline;
mod priority;
mod turn;

pub use deadline::Deadline;
pub use priority::{be_prompt, give_way};
use turn::unix_ms_of;
pub use turn::{in_turn, turn_began, turn_unix_ms, turn_wall};

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A monotonic clock, shared by cloning.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System(Instant),
    Manual(Arc<Hands>),
}

/// The hands of a [`Clock::manual`] clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Hands>);

/// What a manual clock shows.
#[derive(Debug)]
struct Hands {
    monotonic_ns: AtomicU64,
    wall_ms: AtomicI64,
}

/// Where the wall's time of a manual clock begins: noon (UTC) of Wednesday, 15 January 2025, so that a test that
/// advances by hours stays within a day, a week and a month until it means to leave them.
const MANUAL_WALL_MS: i64 = 1_736_942_400_000;

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
        let hands = Hands { monotonic_ns: AtomicU64::new(0), wall_ms: AtomicI64::new(MANUAL_WALL_MS) };
        let hands = Arc::new(hands);
        (Self(Source::Manual(Arc::clone(&hands))), ManualClock(hands))
    }

    /// Nanoseconds since the clock was made (it lasts 584 years).
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        match &self.0 {
            Source::System(start) => {
                turn_began().into_std().saturating_duration_since(*start).as_nanos() as u64
            }
            Source::Manual(hands) => hands.monotonic_ns.load(Ordering::Acquire),
        }
    }

    /// The wall's time, in milliseconds since 1970 (UTC). It can step, also backwards.
    #[must_use]
    pub fn unix_ms(&self) -> i64 {
        self.wall_ms(turn_unix_ms)
    }

    /// The same, read now and not once a turn.
    #[must_use]
    pub fn unix_ms_anew(&self) -> i64 {
        self.wall_ms(|| unix_ms_of(SystemTime::now()))
    }

    fn wall_ms(&self, read: impl FnOnce() -> i64) -> i64 {
        match &self.0 {
            Source::System(_) => read(),
            Source::Manual(hands) => hands.wall_ms.load(Ordering::Acquire),
        }
    }
}

impl ManualClock {
    /// Moves both sides of the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.monotonic_ns.fetch_add(by.as_nanos() as u64, Ordering::AcqRel);
        self.0.wall_ms.fetch_add(by.as_millis() as i64, Ordering::AcqRel);
    }

    /// Sets the wall's time alone, as an operator or NTP does: forwards or backwards.
    pub fn set_unix_ms(&self, unix_ms: i64) {
        self.0.wall_ms.store(unix_ms, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_both_sides_and_its_wall_can_step() {
        let (clock, hand) = Clock::manual();
        let (ns, ms) = (clock.now_ns(), clock.unix_ms());
        hand.advance(Duration::from_millis(1_500));
        assert_eq!((clock.now_ns() - ns, clock.unix_ms() - ms), (1_500_000_000, 1_500));
        hand.set_unix_ms(ms - 10);
        assert_eq!((clock.now_ns() - ns, clock.unix_ms() - ms), (1_500_000_000, -10));
    }

    #[test]
    fn the_system_clock_tells_this_century() {
        assert!(Clock::system().unix_ms() > MANUAL_WALL_MS);
    }
}
