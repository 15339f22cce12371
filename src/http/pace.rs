//! Whether a client keeps a minimum rate: pure, told what happens when.
//!
//! A client has an allowance of time that it may keep us waiting. Waiting uses it up; each octet earns the time that it may take
//! at the minimum rate, and no more than the allowance is ever saved. So whoever keeps the rate on the whole is never cut, however
//! unevenly it goes, and whoever has been fast for an hour can't be slow for the next. Only time counts in which the client is
//! waited for: while an origin thinks, or has nothing to say, nothing is used up.

use std::time::Duration;

use tokio::time::Instant;

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
    waiting: Option<Instant>,
}

impl Pace {
    /// With the whole allowance.
    #[must_use]
    pub fn new(rate: MinRate) -> Self {
        Self { rate, allowance: rate.grace, waiting: None }
    }

    /// From now on the client is waited for, if it wasn't already. When its allowance will be used up.
    pub fn wait(&mut self, now: Instant) -> Instant {
        let since = *self.waiting.get_or_insert(now);
        since + self.allowance
    }

    /// The client is waited for no longer, and has taken or sent this.
    pub fn moved(&mut self, now: Instant, octets: u64) {
        let waited = self.waiting.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.passed(waited, octets);
    }

    /// The client goes on being waited for: so much time of it is over, and this has come of it.
    pub fn passed(&mut self, waited: Duration, octets: u64) {
        let left = self.allowance.saturating_sub(waited);
        self.allowance = left.saturating_add(self.earned(octets)).min(self.rate.grace);
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

    #[test]
    fn nothing_at_all_ends_with_the_grace() {
        let mut pace = Pace::new(RATE);
        let start = Instant::now();
        assert_eq!(pace.wait(start), start + RATE.grace);
        // Being asked again changes nothing.
        assert_eq!(pace.wait(start + Duration::from_secs(7)), start + RATE.grace);
    }

    #[test]
    fn time_without_waiting_costs_nothing() {
        let mut pace = Pace::new(RATE);
        let start = Instant::now();
        pace.wait(start);
        pace.moved(start + Duration::from_secs(1), 240);
        let later = start + Duration::from_secs(100_000);
        assert_eq!(pace.wait(later), later + RATE.grace);
    }

    #[test]
    fn haste_is_no_excuse_for_what_comes_after() {
        let mut pace = Pace::new(RATE);
        let start = Instant::now();
        pace.wait(start);
        pace.moved(start, 1 << 40);
        assert_eq!(pace.wait(start), start + RATE.grace);
    }

    #[test]
    fn a_drip_is_cut_after_the_grace() {
        let mut pace = Pace::new(RATE);
        let start = Instant::now();
        let mut now = start;
        // An octet every five seconds, as slow readers and writers do.
        loop {
            let until = pace.wait(now);
            now += Duration::from_secs(5);
            if until <= now {
                break;
            }
            pace.moved(now, 1);
        }
        assert!(now - start <= Duration::from_secs(25), "{:?}", now - start);
    }

    proptest! {
        /// Against a model that keeps the whole history: the client is cut at the first moment at which there is a stretch,
        /// ending now, in which it has fallen short of the rate by more than the grace.
        #[test]
        fn it_is_cut_just_when_it_has_fallen_short(steps in proptest::collection::vec((0..12_000_u64, 0..6_000_u64), 1..60)) {
            let mut pace = Pace::new(RATE);
            let start = Instant::now();
            let mut now = start;
            let mut shortfalls: Vec<f64> = Vec::new();
            for (millis, octets) in steps {
                let waited = Duration::from_millis(millis);
                let until = pace.wait(now);
                now += waited;
                let seconds = waited.as_secs_f64();
                let worst = shortfalls.iter().copied().fold(0.0, f64::max) + seconds;
                let margin = worst - RATE.grace.as_secs_f64();
                if margin.abs() > 0.01 {
                    prop_assert_eq!(until <= now, margin > 0.0, "{}", margin);
                }
                if until <= now {
                    break;
                }
                pace.moved(now, octets);
                let change = seconds - octets as f64 / 240.0;
                shortfalls.iter_mut().for_each(|shortfall| *shortfall += change);
                shortfalls.push(change);
                shortfalls.push(0.0);
            }
        }
    }
}
