//! The seats as workers use them.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::time::{Clock, ManualClock};
use crate::types::TenantId;

fn pool(limit: u32) -> (Arc<Seats>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Seats::new(limit, clock), hand)
}

fn share(seats: &Arc<Seats>, id: &str) -> Arc<Share> {
    seats.share(TenantId::parse(id).unwrap())
}

#[track_caller]
fn seated(share: &Arc<Share>, terms: SeatTerms) -> Seat {
    match share.ask(terms) {
        Ok(Asked::Seated(seat)) => seat,
        other => panic!("no seat: {other:?}"),
    }
}

#[track_caller]
fn waits(share: &Arc<Share>, terms: SeatTerms) -> Waiting {
    match share.ask(terms) {
        Ok(Asked::Waits(waiting)) => waiting,
        other => panic!("does not wait: {other:?}"),
    }
}

/// Its seat, if its turn has come.
fn turn(waiting: Waiting) -> Result<Seat, Waiting> {
    match waiting.now() {
        Asked::Seated(seat) => Ok(seat),
        Asked::Waits(waiting) => Err(waiting),
    }
}

#[test]
fn free_seats_are_taken_at_once_and_given_back() {
    let (seats, _) = pool(2);
    let acme = share(&seats, "acme");
    let one = seated(&acme, SeatTerms::default());
    let two = seated(&acme, SeatTerms::default());
    assert_eq!((seats.in_use(), acme.standing().held), (2, 2));
    drop(one);
    drop(two);
    assert_eq!((seats.in_use(), acme.standing().held), (0, 0));
    seats.check_invariants().unwrap();
}

#[test]
fn a_freed_seat_goes_to_the_tenant_that_has_had_least() {
    let (seats, hand) = pool(1);
    let (greedy, modest) = (share(&seats, "greedy"), share(&seats, "modest"));
    let held = seated(&greedy, SeatTerms::default());
    let first = waits(&greedy, SeatTerms::default());
    let second = waits(&greedy, SeatTerms::default());
    hand.advance(Duration::from_millis(10));
    let late = waits(&modest, SeatTerms::default());
    drop(held);
    // Both start at virtual time; the one that was charged for what it held comes second.
    let seat = turn(late).expect("the modest tenant's turn");
    hand.advance(Duration::from_millis(10));
    drop(seat);
    let seat = turn(first).expect("the greedy tenant's turn");
    drop(seat);
    drop(turn(second).expect("its last turn"));
    assert_eq!((seats.in_use(), seats.waiting()), (0, 0));
    seats.check_invariants().unwrap();
}

#[test]
fn who_leaves_frees_its_place_and_a_seat_on_its_way_is_not_lost() {
    let (seats, _) = pool(1);
    let acme = share(&seats, "acme");
    let terms = SeatTerms { queue: 1, ..SeatTerms::default() };
    let held = seated(&acme, terms);
    let waiting = waits(&acme, terms);
    assert!(matches!(acme.ask(terms), Err(QueueFull)));
    drop(waiting);
    let waiting = waits(&acme, terms);
    drop(held);
    // Its seat has been sent, and it goes without having looked.
    drop(waiting);
    assert_eq!((seats.in_use(), seats.waiting(), acme.standing().held), (0, 0, 0));
    seats.check_invariants().unwrap();
}

#[test]
fn a_tenant_at_its_maximum_waits_and_others_do_not() {
    let (seats, _) = pool(10);
    let (acme, globex) = (share(&seats, "acme"), share(&seats, "globex"));
    let terms = SeatTerms { max: 1, ..SeatTerms::default() };
    let held = seated(&acme, terms);
    let waiting = waits(&acme, terms);
    let other = seated(&globex, SeatTerms::default());
    seats.check_invariants().unwrap();
    drop(held);
    drop(turn(waiting).expect("its turn"));
    drop(other);
    assert_eq!(seats.in_use(), 0);
    seats.check_invariants().unwrap();
}

#[test]
fn a_reservation_comes_first_and_is_lent_while_it_is_not_wanted() {
    let (seats, hand) = pool(2);
    let (gold, other) = (share(&seats, "gold"), share(&seats, "other"));
    let reserved = SeatTerms { reserved: 1, ..SeatTerms::default() };
    let lent = [seated(&other, SeatTerms::default()), seated(&other, SeatTerms::default())];
    let first = waits(&other, SeatTerms::default());
    hand.advance(Duration::from_millis(1));
    let wanted = [waits(&gold, reserved), waits(&gold, reserved)];
    let [one, two] = lent;
    drop(one);
    let [mine, next] = wanted;
    let mine = turn(mine).expect("what is reserved");
    drop(two);
    drop((turn(first).or_else(|first| turn(next).map_err(|_| first)).expect("a turn"), mine));
}

#[test]
fn a_new_limit_serves_at_once_or_waits_for_what_is_in_use() {
    let (seats, _) = pool(1);
    let acme = share(&seats, "acme");
    let held = seated(&acme, SeatTerms::default());
    let waiting = [waits(&acme, SeatTerms::default()), waits(&acme, SeatTerms::default())];
    seats.set_limit(SeatLimit::Fixed(3));
    let more = waiting.map(|waiting| turn(waiting).expect("a new seat"));
    assert_eq!(seats.in_use(), 3);
    seats.set_limit(SeatLimit::Fixed(1));
    let last = waits(&acme, SeatTerms::default());
    drop(held);
    let last = turn(last).expect_err("two seats are still in use");
    let [one, two] = more;
    drop(one);
    let last = turn(last).expect_err("one seat is still in use");
    drop(two);
    drop(turn(last).expect("the only seat"));
    assert_eq!(seats.in_use(), 0);
    seats.check_invariants().unwrap();
}

#[test]
fn no_seat_is_lost_or_made_by_workers_that_race() {
    let seats = Seats::new(3, Clock::system());
    let shares: Vec<_> = (0..4).map(|n| share(&seats, &format!("t{n}"))).collect();
    std::thread::scope(|scope| {
        for worker in 0..4_u64 {
            let (seats, shares) = (&seats, &shares);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(worker);
                let (mut held, mut waiting) = (Vec::new(), Vec::new());
                for _ in 0..20_000 {
                    let share = &shares[random.usize(..shares.len())];
                    let terms = SeatTerms { max: 2, queue: 5, ..SeatTerms::default() };
                    match random.u8(..6) {
                        0 | 1 => match share.ask(terms) {
                            Ok(Asked::Seated(seat)) => held.push(seat),
                            Ok(Asked::Waits(wait)) => waiting.push(wait),
                            Err(QueueFull) => {}
                        },
                        2 | 3 if !held.is_empty() => drop(held.swap_remove(random.usize(..held.len()))),
                        4 if !waiting.is_empty() => {
                            match turn(waiting.swap_remove(random.usize(..waiting.len()))) {
                                Ok(seat) => held.push(seat),
                                Err(wait) => waiting.push(wait),
                            }
                        }
                        5 if !waiting.is_empty() => {
                            drop(waiting.swap_remove(random.usize(..waiting.len())));
                        }
                        _ => {}
                    }
                    assert!(seats.in_use() <= 3);
                }
            });
        }
    });
    assert_eq!((seats.in_use(), seats.waiting()), (0, 0));
    assert!(shares.iter().all(|share| share.standing().held == 0));
    seats.check_invariants().unwrap();
}

/// A gateway that is busy with a thousand new connections gives back late what it took before they came.
#[test]
fn who_had_all_seats_when_the_others_came_is_not_behind_them_for_long() {
    let (seats, hand) = pool(10);
    let first = share(&seats, "first");
    let others = ["a", "b", "c", "d"].map(|id| share(&seats, id));
    let terms = SeatTerms::default();
    drop(seated(&first, terms));
    for share in others.iter().chain([&first]) {
        // What a request of each takes is known.
        let seat = seated(share, terms);
        hand.advance(Duration::from_millis(10));
        drop(seat);
    }
    let all: Vec<Seat> = (0..10).map(|_| seated(&first, terms)).collect();
    let mut queue: Vec<(bool, Waiting)> = Vec::new();
    for _ in 0..100 {
        queue.extend(others.iter().map(|share| (false, waits(share, terms))));
        queue.push((true, waits(&first, terms)));
    }
    hand.advance(Duration::from_millis(500));
    let mut held: Vec<(bool, Seat)> = Vec::new();
    drop(all);
    let mut served_of_first = 0;
    for _ in 0..40 {
        let (mut now, mut still) = (Vec::new(), Vec::new());
        for (is_first, waiting) in queue {
            match turn(waiting) {
                Ok(seat) => now.push((is_first, seat)),
                Err(waiting) => still.push((is_first, waiting)),
            }
        }
        queue = still;
        served_of_first += now.iter().filter(|(is_first, _)| *is_first).count();
        held.extend(now);
        hand.advance(Duration::from_millis(10));
        held.clear();
    }
    // A fifth of 400, less what it is charged for the ten that it had, and for what it was learnt to take. Charged
    // all that it held, it would have none.
    assert!((25..=80).contains(&served_of_first), "{served_of_first}");
}
