//! The keys of a limit against a model that forgets none.

use std::collections::HashMap;

use proptest::prelude::*;

use super::gcra::{UNIT, debt, give_back, take};
use super::shard::{KeyCharge, Shard};

/// What every key has used, each in a cell of its own for ever.
#[derive(Default)]
struct Exact(HashMap<u64, u64>);

impl Exact {
    fn charge(&mut self, key: u64, now: u64, cost: u64, burst: u64) -> bool {
        let arrival = self.0.entry(key).or_insert(now);
        match take(*arrival, now, cost, burst) {
            Ok(after) => {
                *arrival = after;
                true
            }
            Err(_) => false,
        }
    }

    fn debt(&self, key: u64, now: u64) -> u64 {
        self.0.get(&key).map_or(0, |arrival| debt(*arrival, now))
    }

    fn give_back(&mut self, key: u64, cost: u64) {
        if let Some(arrival) = self.0.get_mut(&key) {
            *arrival = give_back(*arrival, cost);
        }
    }
}

/// Any number, as a hash would be.
fn hash(key: u64) -> u64 {
    // SplitMix64's finaliser.
    let mixed = (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).max(1)
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Ask {
        key: u64,
        cost: u64,
    },
    /// Asks, and may be given back later.
    Hold {
        key: u64,
        cost: u64,
    },
    GiveBack(usize),
    Shrink(usize),
}

fn steps(keys: u64) -> impl Strategy<Value = Vec<Step>> {
    let ask = (0..keys, 1_u64..4);
    proptest::collection::vec(
        prop_oneof![
            2 => (1..3 * UNIT).prop_map(Step::Wait),
            8 => ask.clone().prop_map(|(key, cost)| Step::Ask { key: hash(key), cost: cost * UNIT }),
            3 => ask.prop_map(|(key, cost)| Step::Hold { key: hash(key), cost: cost * UNIT }),
            2 => (0_usize..6).prop_map(Step::GiveBack),
            1 => (4_usize..40).prop_map(Step::Shrink),
        ],
        1..400,
    )
}

proptest! {
    /// Whatever is evicted, shared, given back and shrunk: what a key is let in for, it would be let in for if it
    /// had a cell of its own from its first request on. And no more cells than there may be.
    #[test]
    fn no_key_is_let_in_where_a_model_that_forgets_none_would_refuse(
        steps in steps(60), burst in 1_u64..6, slots in 4_usize..40,
    ) {
        let (mut shard, mut exact, mut keys_max) = (Shard::default(), Exact::default(), slots);
        let (mut now, burst, mut held) = (u64::MAX - 50 * UNIT, burst * UNIT, Vec::new());
        for step in steps {
            match step {
                Step::Wait(grains) => now = now.wrapping_add(grains),
                Step::Ask { key, cost } | Step::Hold { key, cost } => {
                    let charge = shard.charge(key, now, cost, burst, keys_max);
                    if !matches!(charge, KeyCharge::Refused(_)) {
                        prop_assert!(exact.charge(key, now, cost, burst), "the model refuses");
                        if matches!(step, Step::Hold { .. }) {
                            held.push((key, cost, charge));
                        }
                    }
                }
                Step::GiveBack(at) if at < held.len() => {
                    let (key, cost, charge) = held.swap_remove(at);
                    exact.give_back(key, cost);
                    if matches!(charge, KeyCharge::Own(_)) {
                        shard.refund(key, now, cost);
                    }
                }
                Step::GiveBack(_) => {}
                Step::Shrink(slots) => {
                    keys_max = slots;
                    shard.shrink(now, keys_max);
                }
            }
            prop_assert!(shard.slots() < keys_max.max(4) + 4);
            for key in exact.0.keys() {
                prop_assert!(shard.debt(*key, now) >= exact.debt(*key, now), "a key has come back with more");
            }
        }
    }

    /// Counted against limits of their own that know nothing of what the table refused: never more in total either.
    #[test]
    fn no_key_is_let_in_more_often_than_alone(
        asks in proptest::collection::vec((0_u64..30, 0..2 * UNIT), 1..500), burst in 1_u64..6,
    ) {
        let (mut shard, mut alone, mut now, burst) = (Shard::default(), Exact::default(), 0_u64, burst * UNIT);
        let mut counts: HashMap<u64, (u64, u64)> = HashMap::new();
        for (key, wait) in asks {
            now += wait / 8;
            let key = hash(key);
            let (passed, passed_alone) = counts.entry(key).or_default();
            *passed += u64::from(!matches!(shard.charge(key, now, UNIT, burst, 8), KeyCharge::Refused(_)));
            *passed_alone += u64::from(alone.charge(key, now, UNIT, burst));
            prop_assert!(passed <= passed_alone);
        }
    }

    /// As long as there is room, it is exact.
    #[test]
    fn keys_that_have_room_are_counted_exactly(steps in steps(60), burst in 1_u64..6) {
        let (mut shard, mut exact) = (Shard::default(), Exact::default());
        let (mut now, burst, mut held) = (0_u64, burst * UNIT, Vec::new());
        for step in steps {
            match step {
                Step::Wait(grains) => now += grains,
                Step::Ask { key, cost } | Step::Hold { key, cost } => {
                    let charge = shard.charge(key, now, cost, burst, 1000);
                    let passed = exact.charge(key, now, cost, burst);
                    let expected = if passed {
                        KeyCharge::Own(exact.debt(key, now))
                    } else {
                        KeyCharge::Refused(exact.debt(key, now))
                    };
                    prop_assert_eq!(charge, expected);
                    if passed && matches!(step, Step::Hold { .. }) {
                        held.push((key, cost));
                    }
                }
                Step::GiveBack(at) if at < held.len() => {
                    let (key, cost) = held.swap_remove(at);
                    exact.give_back(key, cost);
                    prop_assert_eq!(shard.refund(key, now, cost), exact.debt(key, now));
                }
                Step::GiveBack(_) | Step::Shrink(_) => {}
            }
            prop_assert!(!shard.shares());
        }
    }
}

#[test]
fn a_flood_of_keys_neither_displaces_nor_frees_a_key_in_use() {
    let (mut shard, mut exact, burst) = (Shard::default(), Exact::default(), 10 * UNIT);
    let regular = hash(0);
    let mut now = 0;
    // It comes first, and asks twice as fast as it may, throughout.
    for stranger in 0..20_000 {
        if stranger % 100 == 0 {
            now += UNIT / 2;
            let charge = shard.charge(regular, now, UNIT, burst, 64);
            let passed = exact.charge(regular, now, UNIT, burst);
            assert_eq!(matches!(charge, KeyCharge::Own(_)), passed, "at stranger {stranger}");
        }
        let _ = shard.charge(hash(stranger + 1), now, UNIT, burst, 64);
        assert!(shard.slots() <= 64);
    }
}

#[test]
fn a_key_that_was_driven_out_does_not_come_back_full() {
    let (mut shard, burst) = (Shard::default(), UNIT);
    let spent = |charge| matches!(charge, KeyCharge::Refused(_));
    // More keys than slots: most of them share cells.
    let keys: Vec<u64> = (0..40).map(hash).collect();
    for key in &keys {
        let _ = shard.charge(*key, 0, UNIT, burst, 8);
    }
    for key in &keys {
        assert!(spent(shard.charge(*key, UNIT / 2, UNIT, burst, 8)), "it has used its only unit");
    }
    for key in &keys {
        assert!(
            !spent(shard.charge(*key, 100 * UNIT, UNIT, burst, 1000)),
            "all have rested, and there is room"
        );
    }
}

#[test]
fn few_keys_share_while_there_are_slots_for_all() {
    for (keys, share_max) in [(0.8, 0.005), (0.9, 0.01), (1.0, 0.05)] {
        let (mut shared, mut all) = (0, 0);
        for run in 0..20 {
            let mut shard = Shard::default();
            for key in 0..(624.0 * keys) as u64 {
                let charge = shard.charge(hash(run * 10_000 + key), 0, UNIT, UNIT, 624);
                all += 1;
                shared += usize::from(!matches!(charge, KeyCharge::Own(_)));
            }
        }
        let part = shared as f64 / f64::from(all);
        assert!(part <= share_max, "{part} of the keys share where there are {keys} as many as slots");
    }
}

#[test]
fn memory_grows_with_the_keys_that_are_in_use() {
    let (mut shard, mut now) = (Shard::default(), 0);
    for key in 0..100_000 {
        // One at a time: each has rested when the next comes.
        now += UNIT;
        let _ = shard.charge(hash(key), now, UNIT, UNIT, 10_000);
    }
    assert!(shard.slots() <= 8, "{} cells for one key at a time", shard.slots());
    assert!(!shard.is_rested(now));
    assert!(shard.is_rested(now + UNIT));
    assert_eq!((shard.keys_in_use(now), shard.keys_in_use(now + UNIT)), (1, 0));
}
