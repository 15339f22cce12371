//! When another pool stands in for one, and when it stops.

use std::time::Duration;

/// Whether a pool's requests go to its `failover`.
///
/// They do as soon as fewer than half of its endpoints are usable, and come back when at least half of them have
/// been for some time without a break. Away at once, because requests fail meanwhile; back slowly, because a
/// pool that flaps around the half would otherwise move everyone's traffic, and its caches, each time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failover {
    active: bool,
    /// Nanoseconds: since when enough are usable, while it is active.
    well_since_ns: Option<u64>,
}

impl Failover {
    /// Whether requests go to the other pool.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// What is usable at this moment; whether requests go to the other pool from now on, if that changed. To be
    /// told of each change, and at [`Failover::next_due`]. `hold` is how long the pool must be well (its
    /// checks' interval, say).
    pub fn observe(&mut self, now_ns: u64, usable: usize, total: usize, hold: Duration) -> Option<bool> {
        if total == 0 || usable.saturating_mul(2) < total {
            self.well_since_ns = None;
            return (!std::mem::replace(&mut self.active, true)).then_some(true);
        }
        if !self.active {
            return None;
        }
        let since_ns = *self.well_since_ns.get_or_insert(now_ns);
        if now_ns < back_at(since_ns, hold) {
            return None;
        }
        *self = Self::default();
        Some(false)
    }

    /// When to observe again though nothing changes, in nanoseconds.
    #[must_use]
    pub fn next_due(&self, hold: Duration) -> Option<u64> {
        self.well_since_ns.map(|since_ns| back_at(since_ns, hold))
    }
}

fn back_at(since_ns: u64, hold: Duration) -> u64 {
    since_ns.saturating_add(u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const HOLD: Duration = Duration::from_nanos(10);

    #[test]
    fn away_at_once_and_back_after_a_time() {
        let mut failover = Failover::default();
        assert_eq!(failover.observe(0, 2, 4, HOLD), None);
        assert_eq!(failover.observe(1, 1, 4, HOLD), Some(true));
        assert_eq!(failover.observe(2, 2, 4, HOLD), None);
        assert_eq!(failover.next_due(HOLD), Some(12));
        assert_eq!(failover.observe(5, 1, 4, HOLD), None, "not well for long enough");
        assert_eq!(failover.next_due(HOLD), None);
        assert_eq!(failover.observe(6, 4, 4, HOLD), None);
        assert_eq!(failover.observe(16, 4, 4, HOLD), Some(false));
        assert!(!failover.is_active());
    }

    proptest! {
        /// Active while any observation within the time before says that fewer than half were usable.
        #[test]
        fn it_is_active_while_the_pool_was_ill_lately(steps in vec((0..8_u64, 0..=4_usize), 1..60)) {
            let (mut failover, mut now, mut seen) = (Failover::default(), 0, Vec::new());
            let mut active = false;
            for (passed, usable) in steps {
                now += passed;
                seen.push((now, usable));
                let change = failover.observe(now, usable, 4, HOLD);
                let well_since = seen.iter().rev().take_while(|(_, usable)| *usable >= 2).last();
                let expected = match well_since {
                    None => true,
                    Some((since, _)) => active && now - since < 10,
                };
                prop_assert_eq!(failover.is_active(), expected);
                prop_assert_eq!(change, (expected != active).then_some(expected));
                active = expected;
            }
        }
    }
}
