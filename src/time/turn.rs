//! The time within a turn of a worker: read once, for whoever asks in it.
//!
//! To read the clock takes some 30 ns, and many parts of a request's way want to know the time: together they would read it ten times,
//! within a few microseconds. So a turn, one poll of a connection, has a moment of its own: that of its beginning. What a poll takes is
//! measured by reading the clock itself ([`Instant::now`]), as is whether a deadline has passed, which may be set in one turn and reached
//! in the next.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

thread_local! {
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
}

/// A turn's time.
#[derive(Debug, Clone, Copy)]
struct Turn {
    began: Instant,
    /// The wall's time, once somebody has asked for it, and in milliseconds.
    wall: Option<(SystemTime, i64)>,
}

/// Ends a turn, also where it panics.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        TURN.set(None);
    }
}

/// Does a turn's work, which has begun then.
pub fn in_turn<T>(began: Instant, work: impl FnOnce() -> T) -> T {
    TURN.set(Some(Turn { began, wall: None }));
    let _end = End;
    work()
}

/// When this turn began; outside of any, the present moment.
#[must_use]
pub fn turn_began() -> Instant {
    TURN.get().map_or_else(Instant::now, |turn| turn.began)
}

/// The wall's time of this turn; outside of any, the present one.
#[must_use]
pub fn turn_wall() -> SystemTime {
    wall().0
}

/// The same in milliseconds since 1970 (UTC).
#[must_use]
pub fn turn_unix_ms() -> i64 {
    wall().1
}

fn wall() -> (SystemTime, i64) {
    let turn = TURN.get();
    turn.and_then(|turn| turn.wall).unwrap_or_else(|| {
        let now = SystemTime::now();
        let wall = Some((now, unix_ms_of(now)));
        TURN.set(turn.map(|turn| Turn { wall, ..turn }));
        (now, unix_ms_of(now))
    })
}

/// A moment of the wall's in milliseconds since 1970 (UTC).
pub(super) fn unix_ms_of(wall: SystemTime) -> i64 {
    match wall.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    #[test]
    fn time_stands_still_in_a_turn_and_goes_on_behind_it() {
        let began = Instant::now() - Duration::from_secs(9);
        let (first, second) = in_turn(began, || {
            assert_eq!((turn_began(), turn_began()), (began, began));
            let first = turn_wall();
            while SystemTime::now() <= first {}
            (first, turn_wall())
        });
        assert_eq!(first, second);
        assert!(turn_began() > began && turn_wall() > first);
        let failed = catch_unwind(AssertUnwindSafe(|| in_turn(began, || panic!("on purpose"))));
        assert!(failed.is_err() && turn_began() > began);
    }
}
