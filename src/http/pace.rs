//! Whether a client keeps a minimum rate: pure, told what happens when.
//!
//! A client has an allowance of time that it may keep us waiting. Waiting uses it up; each octet earns the time that it may take
//! at the minimum rate, and no more than the allowance is ever saved. So whoever keeps the rate on the whole is never cut, however
//! unevenly it goes, and whoever has been fast for an hour can't be slow for the next. Only time counts in which the client is
//! waited for: while an origin thinks, or has nothing to say, nothing is used up.

use std::time::Duration;

/// The least rate that is put up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinRate {
    /// Octets a second; above zero.
    pub octets: u64,
    /// How long a client may fall short of it.
    pub grace: Duration,
}

/// How a client keeps to it, in one direction.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    rate: MinRate,
    allowance: Duration,
}

impl Pace {
    /// With the whole allowance.
    #[must_use]
    pub fn new(rate: MinRate) -> Self {
        Self { rate, allowance: rate.grace }
    }

    /// The client was waited for so long, and this has come of it. Whether its allowance had lasted until then: an octet at the last
    /// moment, again and again, would otherwise buy as much time again.
    pub fn passed(&mut self, waited: Duration, octets: u64) -> bool {
        let lasted = waited < self.allowance;
        let left = self.allowance.saturating_sub(waited);
        self.allowance = left.saturating_add(self.earned(octets)).min(self.rate.grace);
        lasted
    }

    /// Whether nothing of the allowance is left.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.allowance.is_zero()
    }

    /// The time that so many octets may take.
    #[must_use]
    pub fn earned(&self, octets: u64) -> Duration {
        // Twelve hours at the slowest are more than any allowance.
        let micros = u128::from(octets) * 1_000_000 / u128::from(self.rate.octets.max(1));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX).min(43_200_000_000))
    }

    /// How long the client may be waited for that was given so many octets at once.
    #[must_use]
    pub fn allowed_for(&self, octets: u64) -> Duration {
        self.allowance.saturating_add(self.earned(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: MinRate = MinRate { octets: 240, grace: Duration::from_secs(20) };
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_at_all_ends_with_the_grace() {
        let mut pace = Pace::new(RATE);
        for second in 1..=20 {
            pace.passed(SECOND, 0);
            assert_eq!(pace.is_used_up(), second == 20, "{second}");
        }
        assert_eq!(Pace::new(RATE).allowed_for(480), 22 * SECOND);
    }

    #[test]
    fn haste_is_no_excuse_for_what_comes_after() {
        let mut pace = Pace::new(RATE);
        pace.passed(SECOND, 1 << 40);
        assert_eq!(pace.allowed_for(0), RATE.grace);
    }

    #[test]
    fn a_drip_is_cut_after_the_grace() {
        let mut pace = Pace::new(RATE);
        // An octet every five seconds, as slow readers and writers do.
        let steps = (1..100).take_while(|_| pace.passed(5 * SECOND, 1)).count();
        assert_eq!(steps, 4);
    }

    proptest! {
        /// Against a model that keeps the whole history: the client is cut at the first moment at which there is a stretch,
        /// ending now, in which it has fallen short of the rate by more than the grace.
        #[test]
        fn it_is_cut_just_when_it_has_fallen_short(
            steps in proptest::collection::vec((0..12_000_u64, 0..6_000_u64), 1..60),
        ) {
            let mut pace = Pace::new(RATE);
            let mut shortfalls = vec![0.0_f64];
            for (millis, octets) in steps {
                let waited = Duration::from_millis(millis);
                let seconds = waited.as_secs_f64();
                let worst = shortfalls.iter().copied().fold(0.0, f64::max) + seconds;
                let margin = worst - RATE.grace.as_secs_f64();
                let lasted = pace.passed(waited, octets);
                if margin.abs() > 0.01 {
                    prop_assert_eq!(lasted, margin < 0.0, "{}", margin);
                }
                if !lasted {
                    break;
                }
                shortfalls.iter_mut().for_each(|shortfall| *shortfall += seconds - octets as f64 / 240.0);
                shortfalls.push(0.0);
            }
        }
    }
}
