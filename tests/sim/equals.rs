//! Tenants that want everything, with equal rights.

use crate::size::{MS, S, Size};
use crate::tenant::Habit;
use crate::world::World;
use crate::{jain, seeded};

/// Every kind of request that there is, the shortest first.
fn kinds() -> Vec<Size> {
    vec![
        Size::Constant(MS),
        Size::Constant(10 * MS),
        Size::Constant(10 * S),
        Size::Uniform(MS, 100 * MS),
        Size::Exponential(50 * MS),
        Size::Exponential(2 * S),
        Size::Pareto(5 * MS, 1.1),
        Size::Pareto(50 * MS, 1.5),
        // What was learnt is always wrong: too little for the long ones, too much for the short.
        Size::Cycle(vec![MS, MS, MS, MS, MS, MS, MS, MS, S]),
        Size::Cycle(vec![5 * S, MS]),
        // And what changes.
        Size::Turning(60 * S, Box::new(Size::Constant(5 * MS)), Box::new(Size::Constant(500 * MS))),
        Size::Turning(600 * S, Box::new(Size::Pareto(5 * MS, 1.5)), Box::new(Size::Exponential(S))),
    ]
}

/// What they get of four seats in so many minutes, with so many connections each.
fn received(seed: u64, connections: u32, pause_ns: u64, kinds: Vec<Size>, minutes: u64) -> Vec<f64> {
    let mut world = World::new(seed, 4);
    for size in kinds {
        world.add(Habit::closed(connections, size).pausing(pause_ns));
    }
    world.run(60 * S);
    let received = world.run(minutes * 60 * S);
    world.drain();
    eprintln!("{connections} connections: {} of {received:?}", jain(&received));
    received
}

#[test]
fn all_get_the_same_whatever_their_requests_take() {
    seeded(|seed| {
        let received = received(seed, 16, 0, kinds(), 6);
        assert!(jain(&received) >= 0.99, "{received:?}");
    });
}

#[test]
fn all_get_the_same_over_hours() {
    seeded(|seed| {
        let slow = kinds().into_iter().enumerate().filter(|(nth, _)| [2, 5, 7, 8, 9].contains(nth));
        let received = received(seed, 16, 0, slow.map(|(_, size)| size).collect(), 180);
        assert!(jain(&received) >= 0.9999, "{received:?}");
    });
}

/// With one connection nothing waits while it is served, and a client that asks again at once must not come back
/// without what it owes. Those of 1 ms and 10 ms are left out: one connection that has to wait for others' seconds after
/// each of its milliseconds can't use its part.
#[test]
fn a_single_connection_counts_as_wanting_everything() {
    seeded(|seed| {
        let received = received(seed, 1, 300_000, kinds().split_off(2), 40);
        assert!(jain(&received) >= 0.99, "{received:?}");
    });
}

#[test]
fn a_thousand_tenants_get_the_same() {
    seeded(|seed| {
        let mut world = World::new(seed, 64);
        for nth in 0..1000 {
            let size = match nth % 4 {
                0 => Size::Constant(S),
                1 => Size::Exponential(S),
                2 => Size::Uniform(100 * MS, 1900 * MS),
                _ => Size::Pareto(400 * MS, 1.8),
            };
            world.add(Habit::closed(2, size));
        }
        world.run(100 * S);
        let received = world.run(900 * S);
        eprintln!("a thousand: {}", jain(&received));
        assert!(jain(&received) >= 0.99);
    });
}
