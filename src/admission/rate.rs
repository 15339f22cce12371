//! Rate limits: the generic cell rate algorithm (ITU-T I.371), one cell state a tenant, by governor.
//!
//! The state, a theoretical arrival time, lives apart from the limiter that reads it: a reload
//! makes a new limiter over the old state, so that no limit is ever reset by changing another line.
//! A changed rate carries over the units that were used, not the time they were worth.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use governor::clock::{self, Reference};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{NotUntil, Quota};
use http::HeaderValue;

use crate::time::Clock;

/// So many units a period, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatePolicy {
    /// Units that come back in a period.
    pub units: NonZeroU32,
    /// The period.
    pub period: Duration,
    /// Units that may be used at once, after a rest.
    pub burst: NonZeroU32,
}

impl RatePolicy {
    fn interval_ns(&self) -> u64 {
        (self.period.as_nanos() as u64 / u64::from(self.units.get())).max(1)
    }

    fn quota(&self) -> Option<Quota> {
        Some(Quota::with_period(Duration::from_nanos(self.interval_ns()))?.allow_burst(self.burst))
    }
}

/// What a tenant has used of its rate: outlives reloads.
#[derive(Debug, Default)]
pub struct RateState {
    /// When everything used will have come back: nanoseconds of the gateway's clock.
    arrival_ns: AtomicU64,
    /// What one unit was worth when that was written, in nanoseconds.
    interval_ns: AtomicU64,
}

impl RateState {
    /// Whether nothing is used at that moment, so that forgetting the state changes nothing.
    #[must_use]
    pub fn is_rested(&self, now_ns: u64) -> bool {
        self.arrival_ns.load(Ordering::Relaxed) <= now_ns
    }

    /// Under a new interval the same number of units is used.
    fn adopt(&self, interval_ns: u64, now_ns: u64) {
        let before = self.interval_ns.swap(interval_ns, Ordering::AcqRel);
        if before == 0 || before == interval_ns {
            return;
        }
        let _ = self.arrival_ns.fetch_update(Ordering::AcqRel, Ordering::Acquire, |arrival| {
            let debt = u128::from(arrival.saturating_sub(now_ns));
            let scaled = debt * u128::from(interval_ns) / u128::from(before);
            Some(now_ns.saturating_add(u64::try_from(scaled).unwrap_or(u64::MAX / 2)))
        });
    }
}

/// A tenant's rate limit: uncontended, one compare-and-swap a request.
#[derive(Debug)]
pub struct RateLimiter {
    limiter: governor::RateLimiter<NotKeyed, SharedState, GovernorClock, StateInformationMiddleware>,
    limiter_state: Arc<RateState>,
    policy: RatePolicy,
    policy_field: HeaderValue,
    clock: Clock,
}

/// The outcome of charging a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Whether the request may go on. If not, nothing was charged.
    pub allowed: bool,
    /// Units left.
    pub remaining: u32,
    /// Allowed: seconds until all units are back. Refused: seconds until this request would be allowed.
    /// Rounded up, so `Retry-After` of this many seconds is never too early.
    pub reset_s: u64,
}

impl RateLimiter {
    /// A limit over a state. `None` when the policy is faster than one unit a nanosecond.
    #[must_use]
    pub fn new(policy: RatePolicy, state: Arc<RateState>, clock: Clock) -> Option<Self> {
        let quota = policy.quota()?;
        let now_ns = clock.now_ns();
        state.adopt(policy.interval_ns(), now_ns);
        let limiter = governor::RateLimiter::<_, _, _, StateInformationMiddleware>::new(
            quota,
            SharedState { state: Arc::clone(&state), start_ns: now_ns },
            GovernorClock(clock.clone()),
        );
        let window = u128::from(policy.interval_ns()) * u128::from(policy.burst.get());
        let field = format!("\"default\";q={};w={}", policy.burst, window.div_ceil(1_000_000_000));
        let policy_field = HeaderValue::try_from(field).ok()?;
        Some(Self { limiter, limiter_state: state, policy, policy_field, clock })
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> RatePolicy {
        self.policy
    }

    /// Charges `cost` units if all of them are there.
    #[must_use]
    pub fn charge(&self, cost: NonZeroU32) -> Charge {
        match self.limiter.check_n(cost) {
            Ok(Ok(after)) => {
                let remaining = after.remaining_burst_capacity().min(self.policy.burst.get());
                let used = u64::from(self.policy.burst.get() - remaining);
                let reset_ns = used.saturating_mul(self.policy.interval_ns());
                Charge { allowed: true, remaining, reset_s: reset_ns.div_ceil(1_000_000_000) }
            }
            Ok(Err(not_until)) => {
                let wait = self.wait(&not_until);
                let missing = (wait.as_nanos() as u64).div_ceil(self.policy.interval_ns());
                let remaining = u64::from(cost.get()).saturating_sub(missing.max(1));
                let remaining = u32::try_from(remaining).unwrap_or(0);
                Charge { allowed: false, remaining, reset_s: ceil_s(wait).max(1) }
            }
            // A cost above the burst can never pass; the configuration refuses to load it.
            Err(_) => {
                let all = Duration::from_nanos(self.policy.interval_ns()) * self.policy.burst.get();
                Charge { allowed: false, remaining: 0, reset_s: ceil_s(all).max(1) }
            }
        }
    }

    /// What is left, with nothing charged.
    #[must_use]
    pub fn peek(&self) -> Charge {
        let arrival = self.limiter_state.arrival_ns.load(Ordering::Acquire);
        let debt_ns = arrival.saturating_sub(self.clock.now_ns());
        let used = debt_ns.div_ceil(self.policy.interval_ns());
        let remaining = u64::from(self.policy.burst.get()).saturating_sub(used);
        Charge {
            allowed: true,
            remaining: u32::try_from(remaining).unwrap_or(0),
            reset_s: debt_ns.div_ceil(1_000_000_000),
        }
    }

    fn wait(&self, not_until: &NotUntil<Nanos>) -> Duration {
        not_until.wait_time_from(Nanos::new(self.clock.now_ns()))
    }

    /// `RateLimit-Policy`: the units that may be used at once, and the seconds in which all come back.
    #[must_use]
    pub fn policy_field(&self) -> &HeaderValue {
        &self.policy_field
    }
}

impl Charge {
    /// `RateLimit`: `"default";r=73;t=12`.
    #[must_use]
    pub fn field(&self) -> HeaderValue {
        let mut text = Vec::with_capacity(32);
        text.extend_from_slice(b"\"default\";r=");
        push_number(&mut text, u64::from(self.remaining));
        text.extend_from_slice(b";t=");
        push_number(&mut text, self.reset_s);
        HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

fn push_number(text: &mut Vec<u8>, mut number: u64) {
    let start = text.len();
    loop {
        text.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = text.get_mut(start..) {
        digits.reverse();
    }
}

fn ceil_s(duration: Duration) -> u64 {
    duration.as_nanos().div_ceil(1_000_000_000) as u64
}

/// Keeps governor's state (which counts from its own start) as a moment of the gateway's clock.
#[derive(Debug)]
struct SharedState {
    state: Arc<RateState>,
    start_ns: u64,
}

impl StateStore for SharedState {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let arrival = &self.state.arrival_ns;
        let mut before = arrival.load(Ordering::Acquire);
        loop {
            let (outcome, next) = decide(Some(Nanos::new(before.saturating_sub(self.start_ns))))?;
            let next = next.as_u64().saturating_add(self.start_ns);
            match arrival.compare_exchange_weak(before, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(outcome),
                Err(now) => before = now,
            }
        }
    }
}

#[derive(Debug, Clone)]
struct GovernorClock(Clock);

impl clock::Clock for GovernorClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.now_ns())
    }
}

/// `Nanos` must be comparable as governor asks; this fails to compile if that ever changes.
const _: fn() = || {
    fn is_reference<T: Reference>() {}
    is_reference::<Nanos>();
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;
    use proptest::prelude::*;

    fn policy(units: u32, period: Duration, burst: u32) -> RatePolicy {
        RatePolicy { units: NonZeroU32::new(units).unwrap(), period, burst: NonZeroU32::new(burst).unwrap() }
    }

    fn limiter(policy: RatePolicy) -> (RateLimiter, ManualClock, Arc<RateState>, Clock) {
        let (clock, hand) = Clock::manual();
        hand.advance(Duration::from_secs(1000));
        let state = Arc::new(RateState::default());
        (RateLimiter::new(policy, Arc::clone(&state), clock.clone()).unwrap(), hand, state, clock)
    }

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    #[test]
    fn a_burst_passes_then_the_rate() {
        let (limiter, hand, ..) = limiter(policy(2, Duration::from_secs(1), 3));
        assert_eq!(limiter.policy_field(), "\"default\";q=3;w=2");
        assert_eq!(limiter.charge(ONE), Charge { allowed: true, remaining: 2, reset_s: 1 });
        assert_eq!(limiter.charge(ONE), Charge { allowed: true, remaining: 1, reset_s: 1 });
        assert_eq!(limiter.peek(), Charge { allowed: true, remaining: 1, reset_s: 1 });
        assert_eq!(limiter.charge(ONE), Charge { allowed: true, remaining: 0, reset_s: 2 });
        assert_eq!(limiter.charge(ONE), Charge { allowed: false, remaining: 0, reset_s: 1 });
        hand.advance(Duration::from_millis(499));
        assert!(!limiter.charge(ONE).allowed);
        hand.advance(Duration::from_millis(1));
        assert!(limiter.charge(ONE).allowed);
        assert!(!limiter.charge(ONE).allowed);
        assert_eq!(limiter.charge(ONE).field(), "\"default\";r=0;t=1");
    }

    #[test]
    fn a_refused_cost_leaves_what_is_there() {
        let (limiter, ..) = limiter(policy(1, Duration::from_secs(1), 5));
        assert!(limiter.charge(NonZeroU32::new(3).unwrap()).allowed);
        let refused = limiter.charge(NonZeroU32::new(4).unwrap());
        assert_eq!(refused, Charge { allowed: false, remaining: 2, reset_s: 2 });
        assert!(limiter.charge(NonZeroU32::new(2).unwrap()).allowed);
        assert!(!limiter.charge(NonZeroU32::new(6).unwrap()).allowed);
    }

    #[test]
    fn a_new_limiter_goes_on_where_the_old_one_was() {
        let (old, _, state, clock) = limiter(policy(10, Duration::from_secs(1), 10));
        for _ in 0..10 {
            assert!(old.charge(ONE).allowed);
        }
        let same =
            RateLimiter::new(policy(10, Duration::from_secs(1), 10), Arc::clone(&state), clock.clone())
                .unwrap();
        assert!(!same.charge(ONE).allowed);
        let larger = RateLimiter::new(policy(100, Duration::from_secs(1), 15), state, clock).unwrap();
        let allowed = (0..20).filter(|_| larger.charge(ONE).allowed).count();
        assert_eq!(allowed, 5);
    }

    proptest! {
        /// Against counting in exact time: never more than burst + elapsed units, and never fewer
        /// while asked for often enough.
        #[test]
        fn admits_exactly_what_a_counting_model_admits(
            units in 1_u32..50, burst in 1_u32..50,
            steps in proptest::collection::vec((0_u64..200, 1_u32..4), 1..200),
        ) {
            // A period that the units divide, so that the model is exact.
            let interval_ns = 1_000_000_u64;
            let policy = policy(units, Duration::from_nanos(interval_ns * u64::from(units)), burst);
            let (limiter, hand, ..) = limiter(policy);
            let (mut level, full) = (u64::from(burst) * interval_ns, u64::from(burst) * interval_ns);
            for (wait, cost) in steps {
                let wait = wait * 37_000;
                hand.advance(Duration::from_nanos(wait));
                level = (level + wait).min(full);
                let need = u64::from(cost) * interval_ns;
                let charge = limiter.charge(NonZeroU32::new(cost).unwrap());
                prop_assert_eq!(charge.allowed, level >= need && cost <= burst);
                if charge.allowed {
                    level -= need;
                    prop_assert_eq!(u64::from(charge.remaining), level / interval_ns);
                }
            }
        }
    }
}
