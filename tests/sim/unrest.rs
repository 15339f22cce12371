//! Clients that go away, queues that fill, contention that comes and goes; and the same run twice.

use std::hash::Hasher;

use crate::size::{MS, S, Size};
use crate::tenant::Habit;
use crate::world::World;
use crate::{assert_near, jain, seeded};

#[test]
fn clients_that_go_away_lose_no_seat_and_no_fairness() {
    seeded(|seed| {
        let mut world = World::new(seed, 8);
        world.add(Habit::closed(64, Size::Exponential(200 * MS)));
        world.add(Habit::closed(64, Size::Exponential(200 * MS)).fickle(60));
        world.add(Habit::closed(64, Size::Pareto(50 * MS, 1.5)).patience(400 * MS));
        world.add(Habit::closed(14, Size::Constant(100 * MS)).queue(8).patience(S).fickle(20));
        world.run(30 * S);
        let received = world.run(150 * S);
        eprintln!("fickle: {} {received:?}", jain(&received));
        assert!(jain(&received) >= 0.99, "{received:?}");
        for tenant in &world.tenants[1..] {
            assert!(tenant.gave_up > 100, "{} {}", tenant.gave_up, tenant.asked);
        }
        assert!(world.tenants[3].refused > 100);
        world.drain();
    });
}

/// Golestani's measure of fairness (*A Self-Clocked Fair Queueing Scheme*, INFOCOM 1994): over any time in which
/// two tenants are both backlogged, what they receive for their weight differs by no more than a bound, which does not
/// grow with that time.
#[derive(Default)]
struct Witness {
    /// Of each pair: the least and the greatest difference since both have been backlogged, in seconds.
    pairs: std::collections::HashMap<(usize, usize), (f64, f64)>,
    widest: f64,
    pauses: u64,
}

impl Witness {
    fn look(&mut self, world: &World) {
        let got = |nth: usize| {
            let tenant = &world.tenants[nth];
            tenant.received_ns(world.now_ns) as f64 / 1e9 / f64::from(tenant.habit.terms.weight)
        };
        for a in 0..world.tenants.len() {
            for b in 0..a {
                if world.tenants[a].waiting == 0 || world.tenants[b].waiting == 0 {
                    self.pauses += u64::from(self.pairs.remove(&(a, b)).is_some());
                    continue;
                }
                let difference = got(a) - got(b);
                let (least, greatest) = self.pairs.entry((a, b)).or_insert((difference, difference));
                (*least, *greatest) = (least.min(difference), greatest.max(difference));
                self.widest = self.widest.max(*greatest - *least);
            }
        }
    }
}

/// As much is asked for as there is, give or take: contention begins and ends all the time, and between two
/// backlogs seats are taken without the queue.
#[test]
fn near_saturation_who_is_backlogged_is_served_fairly() {
    seeded(|seed| {
        for (per_cent, seats) in [(95, 8), (100, 8), (105, 8), (100, 24)] {
            let mut world = World::new(seed, seats);
            let apart = |size_ns: u64| size_ns * 100 * 3 / (per_cent * u64::from(seats));
            world.add(Habit::open(apart(20 * MS), Size::Uniform(MS, 39 * MS)));
            world.add(Habit::open(apart(100 * MS), Size::Exponential(100 * MS)).patience(30 * S));
            world.add(Habit::open(apart(200 * MS), Size::Constant(200 * MS)).patience(30 * S));
            let quiet = world.add(Habit::open(S, Size::Constant(10 * MS)).promised(2 * S));
            let mut witness = Witness::default();
            let received = world.watch(150 * S, |world| witness.look(world));
            eprintln!(
                "{per_cent} % of {seats}: widest {:.3} s, pauses {}, quiet waited {} ms, {received:?}",
                witness.widest,
                witness.pauses,
                world.tenants[quiet].waited_ns / MS
            );
            // What each may have in service, and a request: see the module's derivation.
            assert!(witness.widest <= f64::from(2 * seats + 2) * 0.5, "{}", witness.widest);
            assert!(witness.pauses > 20, "contention did not come and go");
            world.drain();
        }
    });
}

fn trace(seed: u64) -> u64 {
    let mut world = World::new(seed, 6);
    world.add(Habit::closed(20, Size::Pareto(10 * MS, 1.2)).weight(3).fickle(30));
    world.add(Habit::closed(20, Size::Exponential(80 * MS)).max(3).patience(100 * MS));
    world.add(Habit::open(50 * MS, Size::Uniform(MS, 200 * MS)).reserved(1).queue(5));
    for nth in 0..60 {
        world.limit_in(nth * S, 2 + (nth % 7) as u32);
    }
    let received = world.run(120 * S);
    assert_near(received.iter().sum(), 6.0 * 120.0, 0.5, "some of the seats");
    world.drain();
    world.trace.finish()
}

#[test]
fn the_same_seed_is_the_same_run() {
    seeded(|seed| {
        assert_eq!(trace(seed), trace(seed));
        assert_ne!(trace(seed), trace(seed + 1));
    });
}
