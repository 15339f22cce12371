//! Lines of the gateway's own log that clients could have written as often as they like.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Each thread tells at most once in so long: a flood of connections must not be one of lines.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What is told seldom, however often it happens. One a thread (`thread_local!`) and kind of line.
#[derive(Debug, Default)]
pub struct Seldom {
    told: Cell<Option<Instant>>,
    untold: Cell<u64>,
}

impl Seldom {
    /// One that has told nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { told: Cell::new(None), untold: Cell::new(0) }
    }

    /// Has it told, if that is due, with the number of those before that were not.
    pub fn tell(&self, line: impl FnOnce(u64)) {
        self.tell_at(Instant::now(), line);
    }

    fn tell_at(&self, now: Instant, line: impl FnOnce(u64)) {
        if self.told.get().is_some_and(|told| now.duration_since(told) < TELL_EVERY) {
            self.untold.set(self.untold.get().saturating_add(1));
            return;
        }
        self.told.set(Some(now));
        line(self.untold.replace(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_one_line_a_second_is_told_and_how_many_were_not() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        let mut told = Vec::new();
        for tenth in 0..25 {
            let at = start + tenth * Duration::from_millis(100);
            seldom.tell_at(at, |untold| told.push((tenth, untold)));
        }
        assert_eq!(told, [(0, 0), (10, 9), (20, 9)]);
    }
}
