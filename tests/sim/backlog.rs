//! Where a backlog ends: nothing is earned by silence, and no debt lasts.

use crate::size::{MS, S, Size};
use crate::tenant::Habit;
use crate::world::World;
use crate::{assert_near, seeded};

#[test]
fn an_hour_of_silence_earns_nothing() {
    seeded(|seed| {
        let mut world = World::new(seed, 10);
        for _ in 0..4 {
            world.add(Habit::closed(20, Size::Exponential(S)));
        }
        let silent = world.add(Habit::closed(200, Size::Exponential(S)));
        world.tenants[silent].silent = true;
        world.run(3600 * S);
        world.wake(silent);
        let received = world.run(60 * S);
        eprintln!("after silence: {received:?}");
        // Its part, and at most what its seats hold until the others' tags have followed.
        assert!(received[silent] <= 60.0 * 10.0 / 5.0 + 10.0, "{received:?}");
        assert!(received[silent] >= 60.0 * 10.0 / 5.0 - 10.0, "{received:?}");
        let received = world.run(1200 * S);
        assert!(crate::jain(&received) > 0.999, "{received:?}");
        world.drain();
    });
}

/// One request of 100 s, and then normal ones, in a pool with more tenants than seats: its part was a tenth
/// of a seat.
#[test]
fn one_slow_request_does_not_shut_its_tenant_out() {
    seeded(|seed| {
        let mut world = World::new(seed, 2);
        for _ in 0..19 {
            world.add(Habit::closed(4, Size::Exponential(50 * MS)));
        }
        let slow = world.add(Habit::open(u64::MAX / 1024, Size::Constant(20 * MS)));
        world.run(10 * S);
        world.tenants[slow].habit.size = Size::Constant(100 * S);
        world.ask_once(slow);
        world.run(105 * S);
        assert_eq!(world.tenants[slow].served, 2, "the slow one is over");
        world.tenants[slow].habit.size = Size::Constant(20 * MS);
        world.tenants[slow].habit.promise_ns = Some(S);
        for _ in 0..20 {
            world.ask_once(slow);
            world.run(3 * S);
            eprintln!("after a slow one: waited {} ms", world.tenants[slow].waited_ns / MS);
        }
        assert_eq!(world.tenants[slow].served, 22);
        world.drain();
    });
}

/// A tenant that pauses after each burst has its part of the pool while it wants it, no more.
#[test]
fn pauses_are_no_way_around_what_is_owed() {
    seeded(|seed| {
        let mut world = World::new(seed, 1);
        for _ in 0..9 {
            world.add(Habit::closed(2, Size::Exponential(100 * MS)));
        }
        // One connection of requests of two seconds, and a pause each time that ends its backlog.
        let sly = world.add(Habit::closed(1, Size::Exponential(2 * S)).pausing(120 * MS));
        world.run(100 * S);
        let received = world.run(3600 * S);
        eprintln!("pausing: {received:?}");
        assert!(received[sly] <= 1.6 * 360.0, "{received:?}");
        assert_near(received.iter().sum(), 3600.0, 0.001, "all the seats");
        world.drain();
    });
}
