//! When health is not believed any more.

/// Whether so few of a pool's endpoints are usable that all of them are used, whatever is thought of
/// their health: fewer than `threshold_percent` of `total`; never with a threshold of 0.
///
/// Envoy's `healthy_panic_threshold` (50 % by default). When most endpoints seem broken, one of two things is
/// true: the checks are wrong, or the few that are left would be crushed by everyone's traffic and follow. Either
/// way spreading requests over all of them fails some, and serves more. A pool with a `failover` fails over
/// before that, at a half; this is for when there is none, or it is no better.
#[must_use]
pub fn panics(usable: usize, total: usize, threshold_percent: u32) -> bool {
    total > 0 && (usable as u128) * 100 < (total as u128) * u128::from(threshold_percent.min(100))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_is_enough_and_less_is_not() {
        assert!(!panics(2, 4, 50));
        assert!(panics(1, 4, 50));
        assert!(panics(0, 1, 50));
        assert!(!panics(0, 4, 0), "a threshold of 0 means never");
        assert!(!panics(0, 0, 50), "an empty pool has nothing to fall back to");
        assert!(!panics(4, 4, 1000), "all are all");
    }

    proptest! {
        #[test]
        fn more_usable_endpoints_never_start_a_panic(total in 0..50_usize, usable in 0..50_usize, percent in 0..120_u32) {
            prop_assume!(usable < total);
            prop_assert!(panics(usable, total, percent) || !panics(usable + 1, total, percent));
        }
    }
}
