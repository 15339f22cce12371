//! Counts that keep within their bounds, and the line of those who wait.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

#[test]
fn a_lowered_bound_lets_what_is_there_end() {
    let breaker = Arc::new(Breaker::new(BreakerLimits { retries: 2, ..BreakerLimits::default() }));
    let mut held: Vec<_> = (0..2).map(|_| breaker.take(Resource::Retries).unwrap()).collect();
    breaker.set_limits(BreakerLimits { retries: 1, ..BreakerLimits::default() });
    assert!(breaker.take(Resource::Retries).is_none());
    held.pop();
    assert!(breaker.take(Resource::Retries).is_none());
    held.pop();
    assert!(breaker.take(Resource::Retries).is_some());
    assert!(breaker.take(Resource::Pending).is_some(), "resources don't share a bound");
}

proptest! {
    #[test]
    fn it_counts_as_lists_do(
        most in 0..4_u32, steps in vec((0..4_u8, select(Resource::ALL.to_vec()), any::<usize>()), 0..200),
    ) {
        let mut limits =
            BreakerLimits { connections: most, pending: most + 1, requests: u32::MAX, retries: 2 };
        let breaker = Arc::new(Breaker::new(limits));
        let mut held: Vec<Permit> = Vec::new();
        let mut trips = [0; 4];
        for (step, resource, which) in steps {
            match step {
                0 if !held.is_empty() => drop(held.swap_remove(which % held.len())),
                1 => {
                    limits.pending = (which % 5) as u32;
                    breaker.set_limits(limits);
                }
                _ => {
                    let count = held.iter().filter(|permit| permit.resource == resource).count() as u32;
                    let permit = breaker.take(resource);
                    prop_assert_eq!(permit.is_some(), count < breaker.limit(resource));
                    if permit.is_none() {
                        trips[resource as usize] += 1;
                        breaker.trip(resource);
                    }
                    held.extend(permit);
                }
            }
            for resource in Resource::ALL {
                let count = held.iter().filter(|permit| permit.resource == resource).count() as u32;
                prop_assert_eq!(breaker.in_use(resource), count);
                prop_assert_eq!(breaker.trips(resource), trips[resource as usize]);
            }
        }
        prop_assert_eq!(breaker.limit(Resource::Pending), limits.pending);
    }
}

#[test]
fn threads_together_stay_within_it() {
    let breaker = Arc::new(Breaker::new(BreakerLimits { connections: 2, ..BreakerLimits::default() }));
    let taken = std::thread::scope(|scope| {
        let workers: [_; 4] = std::array::from_fn(|_| {
            scope.spawn(|| {
                let tries = (0..20_000).map(|_| {
                    let permit = breaker.take(Resource::Connections);
                    assert!(breaker.in_use(Resource::Connections) <= 2);
                    u64::from(permit.is_some())
                });
                tries.sum::<u64>()
            })
        });
        workers.map(|worker| worker.join().unwrap()).iter().sum::<u64>()
    });
    assert_eq!(breaker.in_use(Resource::Connections), 0);
    assert!(taken >= 20_000, "{taken}");
}

fn polled(waiting: &mut Waiting) -> Option<Permit> {
    let mut nobody = Context::from_waker(Waker::noop());
    match Pin::new(waiting).poll(&mut nobody) {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

#[test]
fn a_connection_that_comes_free_goes_to_who_has_waited_longest_and_is_still_there() {
    let breaker = Arc::new(Breaker::new(BreakerLimits { connections: 1, ..BreakerLimits::default() }));
    let held = breaker.take(Resource::Connections).unwrap();
    let [mut first, gone, granted, mut last] = [(); 4].map(|()| breaker.wait());
    assert!(breaker.is_wanted() && polled(&mut first).is_none());
    drop(held);
    assert!(breaker.take(Resource::Connections).is_none(), "nobody overtakes");
    let held = polled(&mut first).unwrap();
    drop((first, gone));
    assert_eq!(breaker.first_since(), Some(granted.since()));
    drop(held);
    // It goes with the one that it was given to, and on to the next.
    drop(granted);
    let held = polled(&mut last).unwrap();
    drop((held, last));
    assert_eq!((breaker.in_use(Resource::Connections), breaker.is_wanted()), (0, false));
}

#[test]
fn a_raised_bound_lets_in_who_waits_and_a_lowered_one_wants_connections_gone() {
    let limits = |connections| BreakerLimits { connections, ..BreakerLimits::default() };
    let breaker = Arc::new(Breaker::new(limits(1)));
    let bell = Arc::new(Notify::new());
    breaker.hang(&bell);
    let _held = breaker.take(Resource::Connections).unwrap();
    let mut waits = breaker.wait();
    breaker.set_limits(limits(2));
    let _more = polled(&mut waits).unwrap();
    assert!(!breaker.is_wanted());
    breaker.set_limits(limits(1));
    assert!(breaker.is_wanted() && breaker.is_exceeded());
    let mut nobody = Context::from_waker(Waker::noop());
    assert!(pin!(bell.notified()).poll(&mut nobody).is_ready());
}

#[test]
fn nobody_waits_for_ever_while_others_come_and_go() {
    let breaker = Arc::new(Breaker::new(BreakerLimits { connections: 2, ..BreakerLimits::default() }));
    std::thread::scope(|scope| {
        for nth in 0..4_u32 {
            let breaker = &breaker;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for turn in 0..2_000_u32 {
                    let waiting = breaker.wait();
                    if (turn + nth) % 5 == 0 {
                        continue;
                    }
                    let _held = runtime.block_on(waiting);
                    assert!(breaker.in_use(Resource::Connections) <= 2);
                }
            });
        }
    });
    assert_eq!((breaker.in_use(Resource::Connections), breaker.is_wanted()), (0, false));
}
