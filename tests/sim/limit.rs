//! A limit that moves: by hand, and with the latency of an origin.

use tollgate::admission::fair_share::Adaptive;

use crate::origin::Origin;
use crate::size::{MS, S, Size};
use crate::tenant::Habit;
use crate::world::World;
use crate::{jain, seeded};

#[test]
fn a_limit_that_moves_loses_no_seat_and_stays_fair() {
    seeded(|seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new(seed, 64);
        for size in [Size::Constant(50 * MS), Size::Exponential(500 * MS), Size::Pareto(100 * MS, 1.4)] {
            world.add(Habit::closed(300, size));
        }
        for nth in 0..400 {
            world.limit_in(nth * 100 * MS + random.u64(..MS), random.u32(8..=256));
        }
        let received = world.run(41 * S);
        eprintln!("moving limit: {} {received:?}", jain(&received));
        assert!(jain(&received) >= 0.99, "{received:?}");
        world.drain();
    });
}

/// Half a minute each: long enough to arrive, and short of what Gradient2 does under saturation that never ends. Its latency
/// in the long run then learns the queue that the limit itself has made, and the limit drifts upwards from the
/// 64 that this origin can do: 103 after half a minute, 250 after one and a half, until its maximum holds it.
#[test]
fn an_adaptive_limit_finds_what_an_origin_can_do_and_follows_it() {
    seeded(|seed| {
        let mut world = World::new(seed, 20);
        world.origin = Origin::new(64);
        world.adaptive = Some(Adaptive::new(8, 512));
        let sizes =
            [Size::Uniform(20 * MS, 60 * MS), Size::Uniform(100 * MS, 300 * MS), Size::Exponential(80 * MS)];
        for size in sizes {
            world.add(Habit::closed(200, size));
        }
        let found = limits(&mut world);
        assert!(found[8..].iter().all(|limit| (56..=128).contains(limit)), "found: {found:?}");
        world.origin.slowness = 4;
        let slow = limits(&mut world);
        assert!(slow[..10].iter().any(|limit| *limit < 56), "slow: {slow:?}");
        world.origin.slowness = 1;
        let back = limits(&mut world);
        assert!(back[15..].iter().all(|limit| *limit >= 56), "back: {back:?}");
        world.adaptive = None;
        world.drain();
    });
}

/// Half a minute's limits, second by second, in which all get the same.
fn limits(world: &mut World) -> Vec<u32> {
    let mut limits = Vec::new();
    let mut sums = [0.0; 3];
    for _ in 0..30 {
        sums.iter_mut().zip(world.run(S)).for_each(|(sum, received)| *sum += received);
        limits.push(world.seats.limit());
    }
    assert!(jain(&sums) >= 0.99, "{sums:?}");
    limits
}
