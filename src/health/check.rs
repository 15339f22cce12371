//! What the results of active checks make of an endpoint: rise and fall, as HAProxy's.

use std::time::Duration;

/// How many results in a row change what is thought of an endpoint. Zero counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RiseFall {
    /// Passed checks after which an unhealthy endpoint is healthy.
    pub healthy: u32,
    /// Failed checks after which a healthy endpoint is unhealthy.
    pub unhealthy: u32,
}

/// What is thought of an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Health {
    /// Not checked yet. Counts as healthy: a pool serves from its first moment.
    #[default]
    Unknown,
    /// It passed its checks.
    Healthy,
    /// It failed them.
    Unhealthy,
}

/// One endpoint's results so far.
///
/// The first result decides at once, whatever [`RiseFall`] says: an endpoint that is down when the gateway starts
/// should not be served until it has failed three times, and nothing is known that a single result could upset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdicts {
    health: Health,
    /// Results in a row that speak against `health`.
    against: u32,
}

impl Default for RiseFall {
    fn default() -> Self {
        Self { healthy: 2, unhealthy: 3 }
    }
}

impl Health {
    /// Whether requests may go there.
    #[must_use]
    pub fn is_usable(self) -> bool {
        self != Self::Unhealthy
    }
}

impl Verdicts {
    /// What is thought of the endpoint now.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// A check's result; what the endpoint's health has become, if that changed.
    pub fn observe(&mut self, rules: RiseFall, passed: bool) -> Option<Health> {
        let (said, needed) = match passed {
            true => (Health::Healthy, rules.healthy.max(1)),
            false => (Health::Unhealthy, rules.unhealthy.max(1)),
        };
        if said == self.health {
            self.against = 0;
            return None;
        }
        self.against = self.against.saturating_add(1);
        if self.health != Health::Unknown && self.against < needed {
            return None;
        }
        *self = Self { health: said, against: 0 };
        Some(said)
    }
}

/// How long after a check the next one begins: the interval, give or take a tenth, so that many endpoints and
/// many gateways don't fall into step. `random` is any 64 random bits.
#[must_use]
pub fn next_check(interval: Duration, random: u64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fraction(random))
}

/// How long after the start the first check begins: anywhere within an interval.
#[must_use]
pub fn first_check(interval: Duration, random: u64) -> Duration {
    interval.mul_f64(fraction(random))
}

/// From 0 up to, but not including, 1.
fn fraction(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_result_decides_and_later_ones_have_to_agree() {
        let rules = RiseFall { healthy: 2, unhealthy: 3 };
        let mut verdicts = Verdicts::default();
        assert!(verdicts.health().is_usable());
        assert_eq!(verdicts.observe(rules, false), Some(Health::Unhealthy));
        assert_eq!(verdicts.observe(rules, true), None);
        assert_eq!(verdicts.observe(rules, true), Some(Health::Healthy));
        for passed in [false, false, true, false, false] {
            assert_eq!(verdicts.observe(rules, passed), None);
        }
        assert_eq!(verdicts.observe(rules, false), Some(Health::Unhealthy));
    }

    /// Judged from the whole history: the last run of equal results that was long enough.
    fn from_history(rules: RiseFall, results: &[bool]) -> Health {
        let Some(first) = results.first() else { return Health::Unknown };
        let mut up = *first;
        for end in 1..=results.len() {
            let run = results[..end].iter().rev().take_while(|passed| **passed == results[end - 1]).count();
            let needed = if results[end - 1] { rules.healthy } else { rules.unhealthy };
            if run >= needed.max(1) as usize {
                up = results[end - 1];
            }
        }
        if up { Health::Healthy } else { Health::Unhealthy }
    }

    proptest! {
        #[test]
        fn health_is_what_the_history_says(
            healthy in 0..5_u32, unhealthy in 0..5_u32, results in vec(any::<bool>(), 0..40),
        ) {
            let rules = RiseFall { healthy, unhealthy };
            let mut verdicts = Verdicts::default();
            for end in 0..results.len() {
                let before = verdicts.health();
                let change = verdicts.observe(rules, results[end]);
                prop_assert_eq!(verdicts.health(), from_history(rules, &results[..=end]));
                prop_assert_eq!(change.is_some(), before != verdicts.health());
            }
        }

        #[test]
        fn checks_are_spread(interval_ms in 1..100_000_u64, random in any::<u64>()) {
            let interval = Duration::from_millis(interval_ms);
            let next = next_check(interval, random);
            prop_assert!(next >= interval.mul_f64(0.899) && next <= interval.mul_f64(1.101));
            prop_assert!(first_check(interval, random) <= interval);
        }
    }

    #[test]
    fn the_spread_reaches_both_ends() {
        let interval = Duration::from_secs(10);
        assert_eq!(next_check(interval, 0), Duration::from_secs(9));
        assert!(next_check(interval, u64::MAX) > Duration::from_millis(10_999));
    }
}
