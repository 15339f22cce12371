//! How exactly the cache learns who is in use: once a turn of each tenant, instead of at every request.
//!
//! What moka does to know who was asked for last, and how often, costs a request a microsecond where tenants are so many that
//! nothing of it is in the processor's caches. It is of use only where somebody is evicted: turns are short then, and long elsewhere.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Seconds of a turn while nobody is evicted, and for how many seconds after an eviction turns are of one second.
const LONG: u32 = 60;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns {
    number: AtomicU32,
    evicted: AtomicBool,
    /// Seconds since somebody was evicted, and of this turn.
    quiet: AtomicU32,
    age: AtomicU32,
}

impl Turns {
    /// The number of this turn.
    pub(super) fn now(&self) -> u32 {
        self.number.load(Ordering::SeqCst)
    }

    /// Ends the turn.
    pub(super) fn end(&self) {
        self.number.fetch_add(1, Ordering::SeqCst);
        self.age.store(0, Ordering::Relaxed);
    }

    /// Somebody was evicted.
    pub(super) fn evicted(&self) {
        if !self.evicted.load(Ordering::Relaxed) {
            self.evicted.store(true, Ordering::Relaxed);
        }
    }

    /// A second has passed.
    pub(super) fn tick(&self) {
        let quiet = if self.evicted.swap(false, Ordering::Relaxed) {
            0
        } else {
            self.quiet.load(Ordering::Relaxed).saturating_add(1)
        };
        self.quiet.store(quiet, Ordering::Relaxed);
        let age = self.age.fetch_add(1, Ordering::Relaxed) + 1;
        if quiet < LONG || age >= LONG {
            self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_short_after_an_eviction_and_long_elsewhere() {
        let turns = Turns::default();
        let passed = |seconds: u32| {
            let before = turns.now();
            (0..seconds).for_each(|_| turns.tick());
            turns.now() - before
        };
        passed(LONG);
        assert_eq!(passed(10 * LONG), 10);
        turns.evicted();
        assert_eq!(passed(LONG), LONG);
        assert_eq!(passed(10 * LONG), 10);
    }
}
