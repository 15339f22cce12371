//! Unequal parts: weights, wants, maxima and reservations.

use crate::size::{MS, S, Size};
use crate::tenant::Habit;
use crate::world::World;
use crate::{assert_near, seeded};

#[test]
fn weights_are_kept() {
    seeded(|seed| {
        for size in [Size::Constant(S), Size::Exponential(2 * S), Size::Pareto(300 * MS, 1.3)] {
            let mut world = World::new(seed, 8);
            for weight in [1, 2, 10] {
                world.add(Habit::closed(32, size.clone()).weight(weight));
            }
            world.run(60 * S);
            let received = world.run(2 * 3600 * S);
            let ratios = [received[1] / received[0], received[2] / received[0]];
            eprintln!("1:2:10 with {size:?}: 1:{:.4}:{:.4}", ratios[0], ratios[1]);
            assert_near(ratios[0], 2.0, 0.02, "weight 2");
            assert_near(ratios[1], 10.0, 0.02, "weight 10");
            world.drain();
        }
    });
}

#[test]
fn connections_and_durations_buy_nothing() {
    seeded(|seed| {
        for (connections, sizes) in [
            ([448, 64], [10 * MS, 100 * MS]),
            ([448, 64], [100 * MS, 10 * MS]),
            ([448, 64], [10 * MS, 10 * MS]),
            ([256, 256], [10 * MS, 100 * MS]),
        ] {
            let mut world = World::new(seed, 64);
            for nth in 0..2 {
                let habit = Habit::closed(connections[nth], Size::Constant(sizes[nth]));
                world.add(habit.pausing(2 * MS));
            }
            world.run(2 * S);
            let received = world.run(6 * S);
            assert_near(received[0] / (64.0 * 6.0), 0.5, 0.02, "the first one's part");
            assert_near(received[0] + received[1], 64.0 * 6.0, 0.001, "all the seats");
        }
    });
}

#[test]
fn who_wants_less_gets_it_and_the_rest_is_shared() {
    seeded(|seed| {
        let mut world = World::new(seed, 10);
        // Half a seat, one and a half, and two who want everything: eight for them.
        world.add(Habit::open(40 * MS, Size::Exponential(20 * MS)));
        world.add(Habit::open(100 * MS, Size::Constant(150 * MS)));
        world.add(Habit::closed(40, Size::Exponential(100 * MS)));
        world.add(Habit::closed(40, Size::Pareto(100 * MS, 1.5)));
        world.run(60 * S);
        let received = world.run(1200 * S);
        eprintln!("max-min: {received:?}");
        assert_near(received[0], 0.5 * 1200.0, 0.05, "what the first wants");
        assert_near(received[1], 1.5 * 1200.0, 0.05, "what the second wants");
        assert_near(received[2], received[3], 0.01, "the others alike");
        assert_near(received.iter().sum(), 12_000.0, 0.000_1, "all the seats");
        world.drain();
    });
}

#[test]
fn a_maximum_holds_and_what_it_leaves_is_shared() {
    seeded(|seed| {
        let mut world = World::new(seed, 12);
        world.add(Habit::closed(50, Size::Exponential(50 * MS)).max(2).weight(10));
        world.add(Habit::closed(50, Size::Exponential(50 * MS)));
        world.add(Habit::closed(50, Size::Uniform(MS, S)));
        world.run(60 * S);
        let received = world.watch(400 * S, |world| assert!(world.tenants[0].running <= 2));
        eprintln!("max: {received:?}");
        assert_near(received[0], 2.0 * 400.0, 0.01, "its two seats, always");
        assert_near(received[1], 5.0 * 400.0, 0.01, "half of the rest");
        assert_near(received[2], 5.0 * 400.0, 0.01, "half of the rest");
        world.drain();
    });
}

#[test]
fn a_reservation_is_kept_when_wanted_and_lent_when_not() {
    seeded(|seed| {
        let mut world = World::new(seed, 8);
        let gold = world.add(Habit::closed(50, Size::Exponential(50 * MS)).reserved(4));
        for _ in 0..7 {
            world.add(Habit::closed(50, Size::Exponential(200 * MS)));
        }
        world.run(60 * S);
        // Four of eight, though its part is one; the others share what is left.
        let received = world.run(400 * S);
        eprintln!("reserved: {received:?}");
        assert_near(received[gold], 4.0 * 400.0, 0.03, "what is reserved");
        assert!(crate::jain(&received[1..]) > 0.999);
        world.tenants[gold].silent = true;
        world.run(10 * S);
        let received = world.run(200 * S);
        assert_near(received[1..].iter().sum(), 8.0 * 200.0, 0.000_1, "what is lent");
        world.drain();
    });
}
