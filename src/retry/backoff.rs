//! How long to wait before a request is sent again.

use std::time::Duration;

/// Exponential back-off with full jitter: before the n-th retry a time anywhere from nothing to
/// `base × 2ⁿ⁻¹`, and never beyond `max`.
///
/// Full jitter, not half or none: what failed together comes back spread out, and the fewest calls are made in all
/// (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first retry.
    pub base: Duration,
    /// The longest wait before any.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(25), max: Duration::from_millis(250) }
    }
}

impl Backoff {
    /// How long to wait before the `retry`-th retry, counted from 1. `random` is any 64 random bits.
    #[must_use]
    pub fn delay(&self, retry: u32, random: u64) -> Duration {
        // 2⁻⁵³ of the longest wait is a grain finer than a nanosecond for any wait that somebody wants.
        self.longest(retry).mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// The longest that [`Backoff::delay`] can be.
    #[must_use]
    pub fn longest(&self, retry: u32) -> Duration {
        let factor = 1_u32.checked_shl(retry.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_wait_doubles_up_to_the_maximum() {
        let backoff = Backoff::default();
        let longest: Vec<_> = (1..7).map(|retry| backoff.longest(retry).as_millis()).collect();
        assert_eq!(longest, [25, 50, 100, 200, 250, 250]);
        assert_eq!(backoff.longest(0), backoff.base);
        assert_eq!(backoff.longest(u32::MAX), backoff.max);
    }

    #[test]
    fn waits_are_spread_over_all_of_it() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(1, 0), Duration::ZERO);
        assert_eq!(backoff.delay(1, 1 << 63), backoff.base / 2);
        assert!(backoff.delay(1, u64::MAX) > Duration::from_micros(24_999));
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_it_may_be(
            base_ms in 0..100_000_u64, max_ms in 0..100_000_u64, retry in any::<u32>(), random in any::<u64>(),
        ) {
            let backoff = Backoff { base: Duration::from_millis(base_ms), max: Duration::from_millis(max_ms) };
            let delay = backoff.delay(retry, random);
            prop_assert!(delay <= backoff.longest(retry));
            prop_assert!(backoff.longest(retry) <= backoff.max);
            prop_assert!(backoff.longest(retry) <= backoff.longest(retry.saturating_add(1)));
        }
    }
}
