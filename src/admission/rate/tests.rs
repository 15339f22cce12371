use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::admission::{Label, StandingList, Violation};
use crate::time::{Clock, ManualClock};

const ONE: NonZeroU32 = NonZeroU32::MIN;

fn policy(units: u32, period: Duration, burst: u32) -> RatePolicy {
    RatePolicy { units: NonZeroU32::new(units).unwrap(), period, burst: NonZeroU32::new(burst).unwrap() }
}

fn per_second(units: u32, burst: u32) -> RatePolicy {
    policy(units, Duration::from_secs(1), burst)
}

/// A clock, and the limits of a tenant over states that outlive them.
struct Bench {
    clock: Clock,
    hand: ManualClock,
    states: Vec<Arc<RateState>>,
    limits: Arc<RateLimits>,
}

impl Bench {
    fn new(policies: &[RatePolicy]) -> Self {
        let (clock, hand) = Clock::manual();
        hand.advance(Duration::from_secs(1000));
        let states: Vec<_> = policies.iter().map(|_| Arc::default()).collect();
        let mut bench =
            Self { limits: Arc::new(RateLimits::new(Vec::new(), &[], clock.clone())), clock, hand, states };
        bench.reload(policies);
        bench
    }

    fn reload(&mut self, policies: &[RatePolicy]) {
        let names = ["default", "second", "third"];
        let limits = policies.iter().zip(&self.states).zip(names).map(|((policy, state), name)| {
            let definition = Arc::new(RateDefinition::new(name, *policy));
            RateLimit::new(definition, Arc::clone(state), self.clock.now_ns())
        });
        self.limits = Arc::new(RateLimits::new(limits.collect(), &[], self.clock.clone()));
    }

    fn charge(&self, cost: u32) -> RateCharges {
        self.limits.charge(NonZeroU32::new(cost).unwrap()).unwrap()
    }

    /// Asks, and stays if let in.
    fn asks(&self, cost: u32) -> bool {
        let mut charges = self.charge(cost);
        charges.keep();
        charges.violation().is_none()
    }

    /// What a client is told of a request that stays.
    fn told(&self, cost: u32) -> String {
        let mut charges = self.charge(cost);
        charges.keep();
        told(&charges)
    }

    fn left(&self) -> String {
        let mut list = StandingList::default();
        self.limits.tell(&mut list);
        list.field().unwrap().to_str().unwrap().to_owned()
    }
}

fn told(charges: &RateCharges) -> String {
    let mut list = StandingList::default();
    charges.tell(&mut list);
    list.field().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_burst_passes_then_the_rate() {
    let bench = Bench::new(&[per_second(2, 3)]);
    assert_eq!(bench.limits.policy_field().unwrap(), "\"default\";q=3;w=2");
    assert_eq!(bench.told(1), "\"default\";r=2;t=1");
    assert_eq!(bench.told(1), "\"default\";r=1;t=1");
    assert_eq!(bench.left(), "\"default\";r=1;t=1");
    assert_eq!(bench.told(1), "\"default\";r=0;t=2");
    assert_eq!(bench.told(1), "\"default\";r=0;t=1");
    bench.hand.advance(Duration::from_millis(499));
    assert!(!bench.asks(1));
    bench.hand.advance(Duration::from_millis(1));
    assert!(bench.asks(1));
    assert!(!bench.asks(1));
}

#[test]
fn a_refused_cost_leaves_what_is_there() {
    let bench = Bench::new(&[per_second(1, 5)]);
    assert!(bench.asks(3));
    assert_eq!(bench.told(4), "\"default\";r=2;t=2");
    assert!(bench.asks(2));
    assert_eq!(bench.told(6), "\"default\";r=0;t=5", "more than the burst never passes");
}

#[test]
fn a_new_limit_goes_on_where_the_old_one_was() {
    let mut bench = Bench::new(&[per_second(10, 10)]);
    for _ in 0..10 {
        assert!(bench.asks(1));
    }
    bench.reload(&[per_second(10, 10)]);
    assert!(!bench.asks(1));
    bench.reload(&[per_second(100, 15)]);
    assert_eq!((0..20).filter(|_| bench.asks(1)).count(), 5);
    bench.hand.advance(Duration::from_millis(30));
    assert_eq!((0..20).filter(|_| bench.asks(1)).count(), 3, "it comes back at the new rate");
}

#[test]
fn a_request_is_charged_to_all_limits_or_to_none() {
    let bench = Bench::new(&[per_second(1, 5), per_second(1, 1), policy(1, Duration::from_secs(60), 1)]);
    assert_eq!(bench.told(1), "\"default\";r=4;t=1, \"second\";r=0;t=1, \"third\";r=0;t=60");
    let refused = bench.charge(1);
    let violation = refused.violation().unwrap();
    assert_eq!(violation, Violation { retry_after_s: 60, policies: vec!["second".into(), "third".into()] });
    assert_eq!(told(&refused), "\"default\";r=4;t=1, \"second\";r=0;t=1, \"third\";r=0;t=60");
    drop(refused);
    assert_eq!(bench.left(), "\"default\";r=4;t=1, \"second\";r=0;t=1, \"third\";r=0;t=60");
    bench.hand.advance(Duration::from_secs(violation.retry_after_s));
    assert!(bench.asks(1), "who waits as long as the binding limit says gets in");
}

#[test]
fn charges_are_given_back_unless_they_are_kept() {
    let bench = Bench::new(&[per_second(1, 2), per_second(1, 3)]);
    let full = bench.left();
    let waiting = bench.charge(2);
    assert!(!bench.asks(1), "what is held is in use");
    drop(waiting);
    assert_eq!(bench.left(), full);
    let mut kept = bench.charge(2);
    kept.keep();
    kept.refund();
    drop(kept);
    assert_eq!(bench.left(), "\"default\";r=0;t=2, \"second\";r=1;t=2");
    let mut refunded = Bench::new(&[per_second(1, 2)]).charge(1);
    refunded.refund();
    assert_eq!(told(&refunded), "\"default\";r=2;t=0", "a refusal tells what is left after it");
}

#[test]
fn other_kinds_of_limits_are_told_behind() {
    let (clock, _) = Clock::manual();
    let limits = RateLimits::new(Vec::new(), &[Label::new("monthly", 5, 60)], clock);
    assert_eq!(limits.policy_field().unwrap(), "\"monthly\";q=5;w=60");
    assert!(Arc::new(limits).charge(ONE).is_none());
}

/// A bucket that is counted in fractions of a unit: what the algorithm has to agree with.
struct Bucket {
    level: u64,
    full: u64,
}

impl Bucket {
    fn take(&mut self, need: u64) -> bool {
        let enough = self.level >= need;
        if enough {
            self.level -= need;
        }
        enough
    }

    fn refill(&mut self, by: u64) {
        self.level = (self.level + by).min(self.full);
    }
}

/// What may happen to a limit, in any order.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    /// Asks and stays.
    Ask(u32),
    /// Asks and waits at a later gate.
    Hold(u32),
    /// One of those that wait is let in.
    Keep(usize),
    /// One of those that wait is refused, or leaves.
    Refund(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(
        prop_oneof![
            3 => (0_u64..200).prop_map(Step::Wait),
            4 => (1_u32..4).prop_map(Step::Ask),
            4 => (1_u32..4).prop_map(Step::Hold),
            1 => (0_usize..8).prop_map(Step::Keep),
            2 => (0_usize..8).prop_map(Step::Refund),
        ],
        1..200,
    )
}

proptest! {
    /// Whatever is charged, kept and given back, in whatever order: it is let in what a bucket lets in that is
    /// filled evenly, never above its brim, and into which is put back what was taken out and not used.
    #[test]
    fn admits_exactly_what_a_bucket_admits(units in 1_u32..50, burst in 1_u32..50, steps in steps()) {
        // A unit is 2^16 ns here, so that a grain is one and the model is exact.
        const UNIT_NS: u64 = 1 << 16;
        let bench = Bench::new(&[policy(units, Duration::from_nanos(UNIT_NS * u64::from(units)), burst)]);
        let full = u64::from(burst) * UNIT_NS;
        let mut bucket = Bucket { level: full, full };
        let (mut held, mut used, mut passed) = (Vec::new(), 0, 0);
        for step in steps {
            match step {
                Step::Wait(steps) => {
                    let wait = steps * 2_531;
                    bench.hand.advance(Duration::from_nanos(wait));
                    bucket.refill(wait);
                    passed += wait;
                }
                Step::Ask(cost) | Step::Hold(cost) => {
                    let need = u64::from(cost) * UNIT_NS;
                    let mut charges = bench.charge(cost);
                    let allowed = charges.violation().is_none();
                    prop_assert_eq!(allowed, bucket.take(need));
                    if allowed {
                        used += need;
                        if matches!(step, Step::Ask(_)) {
                            charges.keep();
                        } else {
                            held.push((charges, need));
                        }
                    }
                }
                Step::Keep(at) if at < held.len() => held.swap_remove(at).0.keep(),
                Step::Refund(at) if at < held.len() => {
                    let (charges, need) = held.swap_remove(at);
                    drop(charges);
                    bucket.refill(need);
                    used -= need;
                }
                Step::Keep(_) | Step::Refund(_) => {}
            }
            let left = format!("\"default\";r={};", bucket.level / UNIT_NS);
            prop_assert!(bench.left().starts_with(&left), "{} is not {}", bench.left(), left);
            prop_assert!(used <= full + passed, "a unit was invented");
        }
    }

    /// Reloads that change rate and burst, with charges held across them, make no unit either.
    #[test]
    fn no_reload_makes_a_unit(
        policies in proptest::collection::vec((1_u32..1000, 1_u32..50), 1..6), steps in steps(),
    ) {
        let mut bench = Bench::new(&[per_second(policies[0].0, policies[0].1)]);
        let burst_max = policies.iter().map(|(_, burst)| f64::from(*burst)).fold(0.0, f64::max);
        let (mut held, mut used, mut regained) = (Vec::new(), 0.0, 0.0);
        for (at, step) in steps.into_iter().enumerate() {
            let (units, burst) = policies[at * policies.len() / 200];
            bench.reload(&[per_second(units, burst)]);
            match step {
                Step::Wait(ms) => {
                    bench.hand.advance(Duration::from_millis(ms));
                    regained += f64::from(units) * ms as f64 / 1e3;
                }
                Step::Ask(cost) | Step::Hold(cost) => {
                    let mut charges = bench.charge(cost);
                    if charges.violation().is_none() {
                        used += f64::from(cost);
                        match step {
                            Step::Ask(_) => charges.keep(),
                            _ => held.push((charges, cost)),
                        }
                    }
                }
                Step::Keep(at) if at < held.len() => held.swap_remove(at).0.keep(),
                Step::Refund(at) if at < held.len() => used -= f64::from(held.swap_remove(at).1),
                Step::Keep(_) | Step::Refund(_) => {}
            }
            prop_assert!(used <= burst_max + regained + 1e-3);
        }
    }
}
