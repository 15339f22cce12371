//! The seats, atomics and all, under anything that may happen to them, one thing at a time.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::time::Clock;
use crate::types::TenantId;

const TENANTS: usize = 5;

#[derive(Debug, Clone)]
enum Step {
    Ask(usize),
    GiveBack(usize),
    /// A waiting request looks whether its turn has come.
    Look(usize),
    /// A waiting request goes away, whether its seat is on its way or not.
    Leave(usize),
    Limit(u32),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..TENANTS).prop_map(Step::Ask),
        4 => any::<usize>().prop_map(Step::GiveBack),
        3 => any::<usize>().prop_map(Step::Look),
        2 => any::<usize>().prop_map(Step::Leave),
        1 => (0..8_u32).prop_map(Step::Limit),
        3 => (0..50_u64).prop_map(Step::Pass),
    ];
    vec(step, 0..250)
}

fn terms() -> impl Strategy<Value = Vec<SeatTerms>> {
    let terms = (1..5_u32, 1..7_u32, 0..5_u32, 0..3_u32);
    let terms = terms.prop_map(|(weight, max, queue, reserved)| SeatTerms { weight, max, queue, reserved });
    vec(terms, TENANTS)
}

/// What is held and what waits, by tenant. A seat may be on its way to one that waits.
struct Held {
    seats: Vec<(usize, Seat)>,
    waiting: Vec<(usize, Waiting)>,
}

impl Held {
    fn look(&mut self) {
        for (who, waiting) in std::mem::take(&mut self.waiting) {
            match waiting.now() {
                Asked::Seated(seat) => self.seats.push((who, seat)),
                Asked::Waits(waiting) => self.waiting.push((who, waiting)),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_seat_is_lost_or_made_and_none_is_idle(terms in terms(), steps in steps()) {
        let (clock, hand) = Clock::manual();
        let seats = Seats::new(3, clock);
        let shares: Vec<Arc<Share>> =
            (0..TENANTS).map(|n| seats.share(TenantId::parse(&format!("t{n}")).unwrap())).collect();
        let mut held = Held { seats: Vec::new(), waiting: Vec::new() };
        for step in steps {
            let in_use_before = seats.in_use();
            match step {
                Step::Ask(who) => match shares[who].ask(terms[who]) {
                    Ok(Asked::Seated(seat)) => held.seats.push((who, seat)),
                    Ok(Asked::Waits(waiting)) => held.waiting.push((who, waiting)),
                    Err(QueueFull) => {
                        prop_assert!(shares[who].standing().waiting >= terms[who].queue);
                    }
                },
                Step::GiveBack(nth) if !held.seats.is_empty() => {
                    drop(held.seats.swap_remove(nth % held.seats.len()));
                }
                Step::Look(nth) if !held.waiting.is_empty() => {
                    let (who, waiting) = held.waiting.swap_remove(nth % held.waiting.len());
                    match waiting.now() {
                        Asked::Seated(seat) => held.seats.push((who, seat)),
                        Asked::Waits(waiting) => held.waiting.push((who, waiting)),
                    }
                }
                Step::Leave(nth) if !held.waiting.is_empty() => {
                    drop(held.waiting.swap_remove(nth % held.waiting.len()));
                }
                Step::Limit(limit) => seats.set_limit(SeatLimit::Fixed(limit)),
                Step::Pass(ms) => hand.advance(Duration::from_millis(ms)),
                _ => {}
            }
            seats.check_invariants().unwrap();
            prop_assert!(seats.in_use() <= seats.limit().max(in_use_before), "seats were made");
            let count = seats.in_use() as usize + seats.waiting();
            prop_assert_eq!(count, held.seats.len() + held.waiting.len(), "a request was lost");
            for (share, terms) in shares.iter().zip(&terms) {
                let standing = share.standing();
                prop_assert!(standing.held <= terms.max && standing.waiting <= terms.queue);
            }
        }
        held.look();
        for (who, share) in shares.iter().enumerate() {
            let standing = share.standing();
            let count = |whose: &mut dyn Iterator<Item = usize>| whose.filter(|whose| *whose == who).count();
            let seated = count(&mut held.seats.iter().map(|(whose, _)| *whose));
            let waiting = count(&mut held.waiting.iter().map(|(whose, _)| *whose));
            prop_assert_eq!((standing.held, standing.waiting), (seated as u32, waiting as u32));
        }
        // Everybody's turn comes, then everything is free.
        seats.set_limit(SeatLimit::Fixed(seats.limit().max(1)));
        held.look();
        while !held.waiting.is_empty() {
            prop_assert!(!held.seats.is_empty(), "who waits, waits for nothing");
            drop(held.seats.swap_remove(0));
            held.look();
        }
        drop(held);
        prop_assert_eq!((seats.in_use(), seats.waiting()), (0, 0));
        prop_assert!(shares.iter().all(|share| share.standing().held == 0));
        seats.check_invariants().unwrap();
    }
}
