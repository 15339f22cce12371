//! Limits against buckets that are counted, with charges that are kept and given back in any order.

use std::time::Duration;

use proptest::prelude::*;

use super::tests::{Bench, per_second, policy};

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
        let bench = Bench::of(&[policy(units, Duration::from_nanos(UNIT_NS * u64::from(units)), burst)]);
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
        let mut bench = Bench::of(&[per_second(policies[0].0, policies[0].1)]);
        let burst_max = policies.iter().map(|(_, burst)| f64::from(*burst)).fold(0.0, f64::max);
        let (mut held, mut used, mut regained) = (Vec::new(), 0.0, 0.0);
        for (at, step) in steps.into_iter().enumerate() {
            let (units, burst) = policies[at * policies.len() / 200];
            bench.reload(Bench::rules(&[per_second(units, burst)]));
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
