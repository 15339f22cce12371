//! What holds of every policy, and of each.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const POLICIES: [Policy; 4] =
    [Policy::RoundRobin, Policy::LeastRequest, Policy::PeakEwma, Policy::ConsistentHash];

/// A pool of gauges with these weights, and its roster.
struct Pool {
    balancer: Balancer,
    members: Vec<Member>,
    roster: Roster,
}

impl Pool {
    fn new(rules: Rules, weights: &[u32]) -> Self {
        let balancer = Balancer::new(rules);
        let member = |(nth, &weight): (usize, &u32)| {
            Member::new(&format!("http://10.0.0.{nth}:80"), balancer.gauge(weight, 0))
        };
        let members: Vec<_> = weights.iter().enumerate().map(member).collect();
        let roster = balancer.roster(&members);
        Self { balancer, members, roster }
    }

    fn of(policy: Policy, weights: &[u32]) -> Self {
        Self::new(Rules::of(policy), weights)
    }

    fn gauge(&self, at: usize) -> &Arc<Gauge> {
        self.members[at].gauge()
    }

    fn in_flight(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.gauge().in_flight()).collect()
    }

    /// How often each is picked.
    fn counts(&self, picks: usize, now_ns: u64) -> Vec<usize> {
        let mut counts = vec![0; self.members.len()];
        for nth in 0..picks {
            let at = self.roster.pick(Ask { now_ns, ..ask(nth as u64) });
            counts[at.unwrap()] += 1;
        }
        counts
    }
}

fn ask(random: u64) -> Ask<'static> {
    Ask { now_ns: 0, random, key: None, tried: &[] }
}

fn policy() -> impl Strategy<Value = Policy> {
    prop::sample::select(&POLICIES[..])
}

/// Requests begin and end at random; what is in flight meanwhile.
fn load(pool: &Pool, loads: &[u8]) -> Vec<Running> {
    let each = pool.members.iter().zip(loads);
    each.flat_map(|(member, &load)| (0..load).map(|_| member.gauge().begin(0))).collect()
}

#[test]
fn round_robin_is_exact_and_its_turn_outlives_a_roster() {
    let pool = Pool::of(Policy::RoundRobin, &[3, 1, 2]);
    assert_eq!(pool.counts(600, 0), [300, 100, 200]);
    let even = Pool::of(Policy::RoundRobin, &[1, 1, 1]);
    let mut order = Vec::new();
    for nth in 0..9 {
        order.extend(even.balancer.roster(&even.members).pick(ask(nth)));
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    let other = even.balancer.with_rules(Rules::of(Policy::RoundRobin));
    assert!(even.roster.pick(ask(0)).is_some());
    assert_eq!(other.roster(&even.members).pick(ask(0)), Some(1));
}

#[test]
fn with_nothing_in_flight_two_choices_spread_by_weight() {
    for policy in [Policy::LeastRequest, Policy::ConsistentHash] {
        let counts = Pool::of(policy, &[6, 3, 1]).counts(30_000, 0);
        for (count, part) in counts.iter().zip([18_000, 9_000, 3_000]) {
            assert!(count.abs_diff(part) < 500, "{policy:?}: {counts:?}");
        }
    }
}

#[test]
fn under_load_requests_in_flight_follow_the_weights() {
    for policy in [Policy::LeastRequest, Policy::PeakEwma] {
        let pool = Pool::of(policy, &[6, 3, 1]);
        let begin = |nth| pool.gauge(pool.roster.pick(ask(nth)).unwrap()).begin(0);
        let _running: Vec<_> = (0..1_000).map(begin).collect();
        let counts = pool.in_flight();
        for (count, part) in counts.iter().zip([600, 300, 100]) {
            assert!(count.abs_diff(part) < 25, "{policy:?}: {counts:?}");
        }
    }
}

#[test]
fn peak_ewma_avoids_the_slow_one_and_comes_back() {
    let pool = Pool::of(Policy::PeakEwma, &[1, 1, 1]);
    for (at, ms) in [(0, 900), (1, 5), (2, 5)] {
        pool.gauge(at).begin(0).observe(Duration::from_millis(ms));
    }
    assert_eq!(pool.counts(1_000, 900_000_000)[0], 0);
    let minutes_later = pool.counts(3_000, 300_000_000_000);
    assert!(minutes_later[0] > 800, "{minutes_later:?}");
}

#[test]
fn a_stalled_endpoint_is_left_alone() {
    for policy in [Policy::LeastRequest, Policy::PeakEwma] {
        let pool = Pool::of(policy, &[1, 1, 1]);
        let _stalled: Vec<_> = (0..20).map(|_| pool.gauge(1).begin(0)).collect();
        assert_eq!(pool.counts(1_000, 0)[1], 0, "{policy:?}");
    }
}

#[test]
fn one_that_came_in_late_has_a_part_that_grows() {
    const SECOND: u64 = 1_000_000_000;
    for policy in [Policy::RoundRobin, Policy::LeastRequest, Policy::PeakEwma] {
        let rules = Rules::of(policy).slow_start(Duration::from_secs(30));
        let mut pool = Pool::new(rules, &[1; 10]);
        pool.gauge(4).enter(100 * SECOND);
        pool.roster = pool.balancer.roster(&pool.members);
        for (age, part) in [(0, 0.1), (3, 0.1), (15, 0.5), (24, 0.8), (30, 1.0)] {
            let counts = pool.counts(40_000, (100 + age) * SECOND);
            let expected = 40_000.0 * part / (9.0 + part);
            let got = counts[4] as f64;
            // Those that pass over it choose anew, which is as it should be to within the few that give up.
            assert!(
                (got - expected).abs() < 0.08 * expected + 60.0,
                "{policy:?} at {age} s: {got} of {expected}"
            );
        }
    }
}

#[test]
fn when_all_are_new_all_are_alike() {
    for policy in [Policy::RoundRobin, Policy::LeastRequest, Policy::PeakEwma] {
        let pool = Pool::new(Rules::of(policy).slow_start(Duration::from_secs(30)), &[1; 4]);
        let counts = pool.counts(20_000, 1);
        assert!(counts.iter().all(|count| count.abs_diff(5_000) < 300), "{policy:?}: {counts:?}");
    }
}

#[test]
fn a_key_stays_where_it_is_while_there_is_room() {
    let pool = Pool::of(Policy::ConsistentHash, &[1; 7]);
    let key = Some(Key::of(b"acme"));
    let place = pool.roster.pick(Ask { key, ..ask(1) });
    assert!((0..100).all(|nth| pool.roster.pick(Ask { key, ..ask(nth) }) == place));
    let place = place.unwrap();
    let mut left = pool.members.clone();
    let gone = (place + 1) % 7;
    left.remove(gone);
    let now = pool.balancer.roster(&left).pick(Ask { key, ..ask(1) }).unwrap();
    assert!(Arc::ptr_eq(left[now].gauge(), pool.gauge(place)));
}

#[test]
fn what_has_no_weight_takes_nothing() {
    for policy in POLICIES {
        let mut pool = Pool::of(policy, &[1, 1, 1]);
        pool.gauge(1).set_weight(0);
        pool.roster = pool.balancer.roster(&pool.members);
        assert_eq!(pool.roster.len(), 2);
        let counts = pool.counts(300, 0);
        assert!(counts[0] > 0 && counts[1] == 0 && counts[2] > 0, "{policy:?}: {counts:?}");
        let all_tried = Ask { tried: &[0, 2], ..ask(0) };
        assert!(pool.roster.pick(all_tried).is_some_and(|at| at != 1));
    }
}

proptest! {
    #[test]
    fn a_pick_is_in_range_and_none_only_of_none(
        policy in policy(), weights in prop::collection::vec(0..50u32, 0..30), random: u64, key: Option<u64>,
        loads in prop::collection::vec(0..5u8, 30), slow in any::<bool>(), now_ns in 0..40_000_000_000u64,
        tried in prop::collection::vec(0..40usize, 0..6),
    ) {
        let rules = Rules::of(policy);
        let rules = if slow { rules.slow_start(Duration::from_secs(30)) } else { rules };
        let pool = Pool::new(rules, &weights);
        let _running = load(&pool, &loads);
        let key = key.map(|key| Key::of(&key.to_le_bytes()));
        let picked = pool.roster.pick(Ask { now_ns, random, key, tried: &tried });
        let open = weights.iter().filter(|&&weight| weight > 0).count();
        prop_assert_eq!((pool.roster.len(), pool.roster.is_empty()), (open, open == 0));
        prop_assert_eq!(picked.is_none(), open == 0);
        if let Some(at) = picked {
            prop_assert!(weights[at] > 0);
            let left = (0..weights.len()).any(|at| weights[at] > 0 && !tried.contains(&at));
            prop_assert!(!left || !tried.contains(&at), "{at} was tried");
        }
    }

    /// All are served until none is left: what a request that fails everywhere sees.
    #[test]
    fn a_request_that_fails_goes_to_all(
        policy in policy(), weights in prop::collection::vec(prop_oneof![1..5u32, Just(5_000)], 1..12), random: u64,
    ) {
        let pool = Pool::of(policy, &weights);
        let mut tried = Vec::new();
        for nth in 0..weights.len() as u64 {
            let key = Some(Key::of(b"acme"));
            let at = pool.roster.pick(Ask { now_ns: 0, random: random ^ nth, key, tried: &tried }).unwrap();
            prop_assert!(!tried.contains(&at));
            tried.push(at);
        }
        let again = pool.roster.pick(Ask { tried: &tried, ..ask(random) });
        prop_assert!(again.is_some());
    }

    /// Of two there are no others to draw, so that the one with less for its weight must serve.
    #[test]
    fn the_busier_of_two_is_never_picked(
        weights in prop::array::uniform2(1..9u32), loads in prop::array::uniform2(0..9u8), random: u64,
    ) {
        let pool = Pool::of(Policy::LeastRequest, &weights);
        let _running = load(&pool, &loads);
        let at = pool.roster.pick(ask(random)).unwrap();
        let load = |at: usize| u32::from(loads[at]) * weights[1 - at];
        prop_assert!(load(at) <= load(1 - at), "{at} of {weights:?} with {loads:?}");
    }

    /// With more, the busiest of all never is, if it is alone in that.
    #[test]
    fn the_busiest_is_never_picked(
        mut loads in prop::collection::vec(0..20u8, 2..15), random: u64, cost in any::<bool>(),
    ) {
        let policy = if cost { Policy::PeakEwma } else { Policy::LeastRequest };
        let pool = Pool::of(policy, &vec![1; loads.len()]);
        let busiest = random as usize % loads.len();
        loads[busiest] = 21;
        let _running = load(&pool, &loads);
        prop_assert_ne!(pool.roster.pick(ask(random)), Some(busiest));
    }

    /// Whatever keys come and whatever ends: after each pick no endpoint that was picked is above its bound.
    #[test]
    fn no_endpoint_is_hashed_above_its_bound(
        weights in prop::collection::vec(1..6u32, 1..12),
        steps in prop::collection::vec((0..4u8, any::<bool>(), any::<prop::sample::Index>()), 1..200),
    ) {
        let pool = Pool::of(Policy::ConsistentHash, &weights);
        let total: u32 = weights.iter().sum();
        let mut running = Vec::new();
        for (key, begins, which) in steps {
            if !begins && !running.is_empty() {
                drop(running.swap_remove(which.index(running.len())));
                continue;
            }
            let key = Some(Key::of(&[key]));
            let at = pool.roster.pick(Ask { key, ..ask(0) }).unwrap();
            running.push(pool.gauge(at).begin(0));
            let part = running.len() as f64 * f64::from(weights[at]) / f64::from(total);
            // A thousandth for the `f32`s.
            let bound = (1.25 * part * 1.001).ceil();
            prop_assert!(f64::from(pool.in_flight()[at]) <= bound, "{:?} of {weights:?}", pool.in_flight());
        }
    }

    /// Against the naive model: a list of turns, walked.
    #[test]
    fn round_robin_without_failures_is_its_cycle(weights in prop::collection::vec(1..9u32, 1..9), cycles in 1..4usize) {
        let pool = Pool::of(Policy::RoundRobin, &weights);
        let total: u32 = weights.iter().sum();
        let counts = pool.counts(total as usize * cycles, 0);
        let expected: Vec<_> = weights.iter().map(|&weight| weight as usize * cycles).collect();
        prop_assert_eq!(counts, expected);
    }
}
