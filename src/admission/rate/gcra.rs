//! The generic cell rate algorithm (ITU-T I.371 Annex A, virtual scheduling) in a limit's own time.
//!
//! A cell is one word: the *theoretical arrival*, the moment at which everything that was used will have come
//! back. What lies ahead of now is the debt. A request of a cost passes if the debt and its cost are within the
//! burst, and moves the arrival on by its cost.
//!
//! Here that word counts units, not nanoseconds: a [`Pace`] maps the gateway's clock to the time of the limit, in
//! which one unit comes back every [`UNIT`] grains, whatever the rate. So a reload that changes the rate writes no
//! cell: what is used stays used, and only comes back at another pace. A unit that is given back is the unit that
//! was taken, also if the rate changed between the two. And no rate is rounded to an interval.
//!
//! The word wraps, and is compared as serial numbers are (RFC 1982): no debt is larger than [`DEBT_MAX`], so
//! what seems further ahead lies behind.

use std::num::NonZeroU32;
use std::time::Duration;

/// Grains of a unit: the finest part of one that comes back by itself.
pub(super) const UNIT: u64 = 1 << 16;

/// Grains: more than the largest burst, and little beside all that a word holds.
const DEBT_MAX: u64 = 1 << 56;

/// So many units a period, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatePolicy {
    /// Units that come back in a period.
    pub units: NonZeroU32,
    /// The period; never zero.
    pub period: Duration,
    /// Units that may be used at once, after a rest.
    pub burst: NonZeroU32,
}

/// The time of a limit over the gateway's clock: it passes as fast as units come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    since_ns: u64,
    grains_at_since: u64,
    /// Grains a nanosecond, with 64 binary places.
    speed: u128,
    units: NonZeroU32,
    period_ns: u64,
}

impl RatePolicy {
    /// Whole seconds, rounded up, in which a used-up burst comes back.
    #[must_use]
    pub fn window_s(&self) -> u64 {
        let grains = u64::from(self.burst.get()) * UNIT;
        Pace::new(self).wait_ns(grains).div_ceil(NS_PER_S)
    }
}

const NS_PER_S: u64 = 1_000_000_000;

impl Pace {
    /// The pace of a policy, from the clock's beginning.
    pub(super) fn new(policy: &RatePolicy) -> Self {
        let period_ns = u64::try_from(policy.period.as_nanos()).unwrap_or(u64::MAX).max(1);
        // Rounded up: a unit is there when its time has come, not a grain later.
        let speed = (u128::from(policy.units.get()) << 80).div_ceil(u128::from(period_ns));
        Self { since_ns: 0, grains_at_since: 0, speed, units: policy.units, period_ns }
    }

    /// Another policy's pace from now on: the time goes on from where it is.
    pub(super) fn changed(&self, policy: &RatePolicy, now_ns: u64) -> Self {
        let next = Self::new(policy);
        if (next.units, next.period_ns) == (self.units, self.period_ns) {
            return *self;
        }
        Self { since_ns: now_ns, grains_at_since: self.at(now_ns), ..next }
    }

    /// The limit's time, in grains, at a moment of the clock. Wraps.
    pub(super) fn at(&self, now_ns: u64) -> u64 {
        let passed = u128::from(now_ns.saturating_sub(self.since_ns)).wrapping_mul(self.speed) >> 64;
        self.grains_at_since.wrapping_add(passed as u64)
    }

    /// Nanoseconds, rounded up, in which so many grains come back.
    pub(super) fn wait_ns(&self, grains: u64) -> u64 {
        let grains_a_period = u64::from(self.units.get()) * UNIT;
        match grains.checked_mul(self.period_ns) {
            Some(product) => product.div_ceil(grains_a_period),
            None => {
                let wait = (u128::from(grains) * u128::from(self.period_ns)).div_ceil(grains_a_period.into());
                u64::try_from(wait).unwrap_or(u64::MAX)
            }
        }
    }

    /// Whole seconds, rounded up, in which so many grains come back.
    pub(super) fn wait_s(&self, grains: u64) -> u64 {
        self.wait_ns(grains).div_ceil(NS_PER_S)
    }
}

/// Grains that have not come back yet.
pub(super) fn debt(arrival: u64, now: u64) -> u64 {
    let ahead = arrival.wrapping_sub(now);
    if ahead > DEBT_MAX { 0 } else { ahead }
}

/// The arrival after `cost` grains are used, if the debt then is within `burst` grains; else how many grains have to
/// come back before it would be.
pub(super) fn take(arrival: u64, now: u64, cost: u64, burst: u64) -> Result<u64, u64> {
    let debt = debt(arrival, now).saturating_add(cost);
    if debt <= burst { Ok(now.wrapping_add(debt)) } else { Err(debt - burst) }
}

/// The arrival after `cost` grains are given back. Behind now all arrivals are the same: giving back never makes more
/// than a full burst.
pub(super) fn give_back(arrival: u64, cost: u64) -> u64 {
    arrival.wrapping_sub(cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(units: u32, period: Duration, burst: u32) -> RatePolicy {
        RatePolicy { units: NonZeroU32::new(units).unwrap(), period, burst: NonZeroU32::new(burst).unwrap() }
    }

    #[test]
    fn a_word_may_wrap() {
        let (mut arrival, mut now) = (u64::MAX - 3 * UNIT, u64::MAX - 3 * UNIT);
        for _ in 0..20 {
            arrival = take(arrival, now, UNIT, UNIT).unwrap();
            assert_eq!(take(arrival, now, UNIT, UNIT), Err(UNIT));
            now = now.wrapping_add(UNIT);
        }
        assert_eq!(debt(arrival, now), 0);
    }

    #[test]
    fn windows_are_rounded_up() {
        assert_eq!(policy(2, Duration::from_secs(1), 3).window_s(), 2);
        assert_eq!(policy(20, Duration::from_secs(1), 40).window_s(), 2);
        assert_eq!(policy(3, Duration::from_secs(1), 1).window_s(), 1);
        assert_eq!(policy(1, Duration::from_secs(30 * 86_400), 3).window_s(), 90 * 86_400);
    }

    proptest! {
        #[test]
        fn units_come_back_when_it_was_said_and_not_a_grain_earlier(
            units in 1_u32.., period_ms in 1_u64..365 * 86_400_000, now in 0..u64::MAX / 2, grains in 1_u64..1 << 40,
        ) {
            let pace = Pace::new(&policy(units, Duration::from_millis(period_ms), 1));
            let wait = pace.wait_ns(grains);
            prop_assume!(wait < u64::MAX / 4);
            let passed = |ns: u64| pace.at(now + ns).wrapping_sub(pace.at(now));
            prop_assert!(passed(wait) >= grains);
            prop_assert!(passed(wait - 1) <= grains + 1);
        }

        #[test]
        fn a_changed_pace_goes_on_from_where_the_time_is(
            units in 1_u32.., other in 1_u32.., period_ms in 1_u64..86_400_000, now in 0..u64::MAX / 2,
        ) {
            let (one, two) = (
                policy(units, Duration::from_millis(period_ms), 1),
                policy(other, Duration::from_secs(1), 1),
            );
            let pace = Pace::new(&one);
            let changed = pace.changed(&two, now);
            prop_assert_eq!(pace.at(now), changed.at(now));
            prop_assert_eq!(changed.changed(&two, now + 5), changed);
        }
    }
}
