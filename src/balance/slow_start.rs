//! How an endpoint that has just come in is warmed up.

use std::time::Duration;

/// An endpoint's weight grows with the time since it came in, linearly, from a tenth to all of it: an application that has
/// just started has cold caches and no connections yet. As Envoy's slow start with an aggression of 1 and its
/// smallest weight: `weight · max(10 %, age / window)`. It is relative to the others: when all of a pool are new, all
/// are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowStart {
    window_ns: u64,
}

impl SlowStart {
    /// What an endpoint has at least.
    const LEAST: f32 = 0.1;

    /// A slow start over this time.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self { window_ns: u64::try_from(window.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// When an endpoint that came in at this moment has all its weight.
    pub(super) fn ends_ns(self, since_ns: u64) -> u64 {
        since_ns.saturating_add(self.window_ns)
    }

    /// The part of its weight that an endpoint has now: 0.1 to 1.
    pub(super) fn part(self, since_ns: u64, now_ns: u64) -> f32 {
        let age_ns = now_ns.saturating_sub(since_ns);
        if age_ns >= self.window_ns {
            return 1.0;
        }
        (age_ns as f32 / self.window_ns as f32).max(Self::LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_grows_from_a_tenth_to_all() {
        let slow = SlowStart::new(Duration::from_nanos(1_000));
        let parts = [50, 99, 100, 200, 350, 600, 1_099, 1_100, 9_999].map(|now| slow.part(100, now));
        assert_eq!(parts, [0.1, 0.1, 0.1, 0.1, 0.25, 0.5, 0.999, 1.0, 1.0]);
        assert_eq!(slow.ends_ns(100), 1_100);
        assert_eq!(SlowStart::new(Duration::ZERO).part(5, 5), 1.0);
        assert_eq!(SlowStart::new(Duration::MAX).ends_ns(5), u64::MAX);
    }
}
