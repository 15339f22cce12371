//! Whose requests failed: few numbers for any number of tenants.

use super::TENANTS_MAX;

/// Tenants that are counted apart; the more, the closer the counts.
const PLACES: usize = 2 * TENANTS_MAX;

/// An endpoint's failures in a window, by tenant: the Space-Saving sketch (Metwally, Agrawal, El Abbadi 2005).
///
/// A tenant that has no place takes the one with the fewest failures, and its count. So a count is never too
/// small, and too large by no more than an eighth of all failures: what is left when the worst tenants are
/// taken away errs in the endpoint's favour, by little.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Blame {
    places: [(u64, u64); PLACES],
    total: u64,
}

impl Blame {
    pub(super) fn add(&mut self, tenant: u64) {
        self.total += 1;
        let own = self.places.iter_mut().find(|(whose, _)| *whose == tenant);
        if let Some((_, count)) = own {
            *count += 1;
        } else if let Some(place) = self.places.iter_mut().min_by_key(|(_, count)| *count) {
            *place = (tenant, place.1 + 1);
        }
    }

    /// Failures without those of the `worst` tenants that had most.
    pub(super) fn without(&self, worst: usize) -> u64 {
        let mut counts = self.places.map(|(_, count)| count);
        counts.sort_unstable_by(|a, b| b.cmp(a));
        self.total.saturating_sub(counts.iter().take(worst).sum())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_left_is_never_too_much_and_hardly_too_little(
            tenants in vec(prop_oneof![1..4_u64, 1..100_u64], 0..400), worst in 0..TENANTS_MAX,
        ) {
            let (mut blame, mut exact) = (Blame::default(), HashMap::<u64, u64>::new());
            for tenant in &tenants {
                blame.add(*tenant);
                *exact.entry(*tenant).or_default() += 1;
            }
            let mut counts: Vec<_> = exact.into_values().collect();
            counts.sort_unstable_by(|a, b| b.cmp(a));
            let left = counts.iter().skip(worst).sum::<u64>();
            let error = (worst * tenants.len()).div_ceil(PLACES) as u64;
            prop_assert!(blame.without(worst) <= left);
            prop_assert!(blame.without(worst) + error >= left);
            if counts.len() <= PLACES {
                prop_assert_eq!(blame.without(worst), left);
            }
        }
    }
}
