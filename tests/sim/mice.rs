//! Mice: tenants that ask rarely, beside elephants that always want more.
//!
//! What a mouse waits for, at most: one seat to become free, which takes what is left of one elephant's request; then those whose
//! finish is before its own. Its finish is `V + lead + cost`, an elephant's at least `V` but for what it was charged
//! too much and got back, so each has at most `lead + cost` before it, together `(lead + cost) · n / seats`
//! of time: the mouse's own part of the pool. World asserts that bound for each of its requests.

use crate::seeded;
use crate::size::{MS, S, Size};
use crate::tenant::Habit;
use crate::world::World;

/// A mouse that asks for 10 ms every second or less, beside so many elephants; its promise is kept. What it waited
/// at most, in ms.
fn beside(seed: u64, seats: u32, elephants: usize, size: &Size, promise_ns: u64) -> u64 {
    let mut world = World::new(seed, seats);
    let connections = if elephants > 10 { 2 } else { 2 * seats };
    for _ in 0..elephants {
        world.add(Habit::closed(connections, size.clone()));
    }
    world.run(20 * S);
    // Less than its part of the pool.
    let apart_ns = (40 * MS * elephants as u64 / u64::from(seats)).max(300 * MS);
    let mouse = world.add(Habit::open(apart_ns, Size::Constant(10 * MS)).promised(promise_ns));
    world.run(apart_ns * 200);
    let waited = world.tenants[mouse].waited_ns;
    assert!(world.tenants[mouse].served > 60);
    eprintln!("seats {seats}, elephants {elephants}, {size:?}: {} of {} ms", waited / MS, promise_ns / MS);
    waited / MS
}

const HERDS: [(u32, usize); 6] = [(1, 1), (64, 1), (1, 10), (8, 10), (64, 10), (64, 1000)];

#[test]
fn a_mouse_waits_for_one_request_and_its_own_part() {
    seeded(|seed| {
        for (seats, elephants) in HERDS {
            for (size, longest_ns) in [
                (Size::Constant(200 * MS), 200 * MS),
                (Size::Uniform(100 * MS, 700 * MS), 700 * MS),
                (Size::Exponential(400 * MS), 6 * S),
            ] {
                beside(seed, seats, elephants, &size, longest_ns);
            }
        }
    });
}

/// Where what was learnt is always too little, each elephant may have one request before the mouse.
#[test]
fn a_mouse_waits_for_a_request_of_each_where_estimates_are_wrong() {
    seeded(|seed| {
        for (seats, elephants) in HERDS.into_iter().filter(|(_, elephants)| *elephants <= 10) {
            for (size, longest_ns) in [
                (Size::Pareto(100 * MS, 1.5), 10 * S),
                (Size::Cycle([vec![10 * MS; 8], vec![S]].concat()), S),
                (Size::Cycle(vec![2 * S, 10 * MS]), 2 * S),
                (
                    Size::Turning(20 * S, Box::new(Size::Constant(2 * S)), Box::new(Size::Constant(50 * MS))),
                    2 * S,
                ),
            ] {
                let rounds = 1 + (elephants as u64).div_ceil(u64::from(seats));
                beside(seed, seats, elephants, &size, longest_ns * rounds);
            }
        }
    });
}

/// Who holds less than its part of the seats takes the next that is free, also behind requests of its own.
#[test]
fn what_a_mouse_asks_for_within_its_part_waits_for_a_free_seat_only() {
    seeded(|seed| {
        let mut world = World::new(seed, 64);
        for _ in 0..10 {
            world.add(Habit::closed(64, Size::Uniform(50 * MS, 150 * MS)));
        }
        // Two seats and a half on average, while its part is 64 / 11.
        let mouse = world.add(Habit::open(40 * MS, Size::Uniform(50 * MS, 150 * MS)));
        world.run(600 * S);
        let mouse = &world.tenants[mouse];
        let waited_us = mouse.waits_ns / 1000 / u128::from(mouse.served);
        eprintln!("within its part: {} served, waited {waited_us} µs on average", mouse.served);
        // A seat becomes free every 1.6 ms.
        assert!(mouse.served > 14_000 && waited_us < 5000);
    });
}
