//! Who has taken how much of a worker's time.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

use hashbrown::HashMap;
use tokio::time::Duration;

use super::line::{Both, Which};
use super::moment::Moment;

/// A connection takes much of its worker's time when it takes more than one part in so many.
const PARTS: u32 = 16;
/// And more than this beyond it.
const CREDIT: Duration = Duration::from_micros(500);
/// What one turn is charged at the most: the system may have stopped the thread meanwhile, which is nobody's doing.
const TURN_MAX: Duration = Duration::from_micros(500);
/// What is owed at the most: a second's part.
pub(super) const DEBT_MAX: Duration = Duration::from_millis(64);
/// What a connection owes that has just come: half a second's part.
const NEWCOMER: Duration = Duration::from_millis(32);
/// What a turn is taken to take of whom nothing is known.
const ESTIMATE: Duration = Duration::from_micros(50);
/// So many clients may be there before those are looked for that are gone.
const FEW: usize = 64;

/// What a connection has taken of its worker's time beyond its part: that is paid off at one part in [`PARTS`].
#[derive(Debug)]
pub(super) struct Account {
    /// When all will be paid.
    paid: Moment,
}

impl Account {
    pub(super) fn with_debt(debt: Duration) -> Self {
        Self { paid: Moment::now().and(debt * PARTS) }
    }

    /// Who has just come has no credit: it is earned by being there.
    pub(super) fn of_newcomer() -> Self {
        Self::with_debt(NEWCOMER)
    }

    #[cfg(test)]
    pub(super) fn debt(&self, now: Moment) -> Duration {
        self.paid.since(now) / PARTS
    }

    /// Whether it takes much.
    pub(super) fn is_overdrawn(&self, now: Moment) -> bool {
        self.paid >= now.and(CREDIT * PARTS)
    }

    /// Time passed that does not count.
    pub(super) fn pause(&mut self, passed: Duration) {
        self.paid = self.paid.and(passed);
    }

    pub(super) fn charge(&mut self, now: Moment, took: Duration) {
        let owed = self.paid.max(now).and(took.min(TURN_MAX) * PARTS);
        self.paid = owed.min(now.and(DEBT_MAX * PARTS));
    }
}

/// A client, with all its connections: in a line, clients have their turns one after the other, however many connections they have
/// (start-time fair queueing: Goyal, Vin, Cheng, SIGCOMM 1996; but what a turn takes is known only afterwards).
#[derive(Debug)]
pub(super) struct Client {
    /// The virtual times, of either line, at which the turns that it has had, and those that it waits for, are over.
    finish: Both<Cell<Duration>>,
    /// What its turns take, on average.
    usual: Cell<Duration>,
}

/// A turn that a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    /// The virtual time at which it begins.
    pub(super) start: Duration,
    /// What it is taken to take.
    takes: Duration,
}

impl Default for Client {
    fn default() -> Self {
        Self { finish: Both::default(), usual: Cell::new(ESTIMATE) }
    }
}

impl Client {
    /// Enters a line whose virtual time this is.
    pub(super) fn enter(&self, line: Which, time: Duration) -> Expected {
        let finish = self.finish.of(line);
        let expected = Expected { start: finish.get().max(time), takes: self.usual.get() };
        finish.set(expected.start + expected.takes);
        expected
    }

    /// Leaves the line without a turn.
    pub(super) fn leave(&self, line: Which, expected: Expected) {
        let finish = self.finish.of(line);
        finish.set(finish.get().saturating_sub(expected.takes));
    }

    /// The turn took so much.
    pub(super) fn charge(&self, line: Which, expected: Expected, took: Duration) {
        let took = took.min(TURN_MAX);
        self.leave(line, expected);
        self.finish.of(line).set(self.finish.of(line).get() + took);
        self.usual.set((self.usual.get() * 7 + took) / 8);
    }
}

/// The clients of a worker. They outlive their connections as long as what they have taken counts, so that nobody is new by
/// coming again.
#[derive(Debug)]
pub(super) struct Clients {
    known: RefCell<HashMap<IpAddr, Rc<Client>>>,
    /// How many there are when those that are gone are looked for.
    look_at: Cell<usize>,
}

impl Clients {
    pub(super) fn new() -> Self {
        Self { known: RefCell::default(), look_at: Cell::new(FEW) }
    }

    /// The client at an address; at none, one of its own. The times are those of the lines.
    pub(super) fn at(&self, address: Option<IpAddr>, times: &Both<Duration>) -> Rc<Client> {
        let Some(address) = address else { return Rc::default() };
        let mut known = self.known.borrow_mut();
        if known.len() >= self.look_at.get() {
            known.retain(|_, client| {
                let owes = |line| client.finish.of(line).get() > *times.of(line);
                Rc::strong_count(client) > 1 || owes(Which::Little) || owes(Which::Much)
            });
            known.shrink_to(FEW);
            self.look_at.set((known.len() * 2).max(FEW));
        }
        Rc::clone(known.entry(address).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_micros(100);

    #[tokio::test(start_paused = true)]
    async fn credit_is_earned_by_being_there() {
        let mut account = Account::of_newcomer();
        assert!(account.is_overdrawn(Moment::now()), "who has just come has none");
        tokio::time::advance(NEWCOMER * PARTS).await;
        assert!(!account.is_overdrawn(Moment::now()));
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(!account.is_overdrawn(Moment::now()));
        account.charge(Moment::now(), CREDIT);
        assert!(account.is_overdrawn(Moment::now()), "no more than so much is saved");
        for _ in 0..1000 {
            account.charge(Moment::now(), TURN_MAX * 9);
        }
        tokio::time::advance(DEBT_MAX * PARTS).await;
        assert!(!account.is_overdrawn(Moment::now()), "no more than a second's part is owed");
    }

    fn both(little: Duration, much: Duration) -> Both<Duration> {
        Both { little, much }
    }

    #[test]
    fn a_client_waits_for_what_it_has_taken_and_for_what_it_waits_for() {
        let client = Client::default();
        let first = client.enter(Which::Little, TURN * 9);
        assert_eq!(first.start, TURN * 9, "nothing is saved");
        let second = client.enter(Which::Little, TURN * 9);
        assert_eq!(second.start, TURN * 9 + ESTIMATE);
        assert_eq!(client.enter(Which::Much, TURN).start, TURN, "lines are apart");
        client.charge(Which::Little, first, TURN);
        client.leave(Which::Little, second);
        let third = client.enter(Which::Little, TURN * 9);
        assert_eq!(third.start, TURN * 10);
        assert_eq!(third.takes, (ESTIMATE * 7 + TURN) / 8, "as they usually are");
        client.charge(Which::Little, third, TURN_MAX * 9);
        assert_eq!(client.enter(Which::Little, TURN * 9).start, TURN * 10 + TURN_MAX);
    }

    #[test]
    fn who_comes_again_is_not_new_and_who_is_gone_is_forgotten() {
        let clients = Clients::new();
        let address = |last: u16| Some(IpAddr::from([192, 0, (last / 256) as u8, (last % 256) as u8]));
        let there = clients.at(address(1), &both(Duration::ZERO, Duration::ZERO));
        let gone = clients.at(address(2), &both(Duration::ZERO, Duration::ZERO));
        let turn = gone.enter(Which::Much, Duration::ZERO);
        gone.charge(Which::Much, turn, TURN);
        drop(gone);
        assert!(!Rc::ptr_eq(&clients.at(None, &both(TURN, TURN)), &clients.at(None, &both(TURN, TURN))));
        let grow = |times: &Both<Duration>| {
            for other in 3..1000 {
                drop(clients.at(address(other), times));
                assert!(clients.known.borrow().len() <= FEW);
            }
            let known = clients.known.borrow();
            [1, 2].map(|last| known.contains_key(&address(last).unwrap()))
        };
        assert_eq!(grow(&both(TURN, TURN / 2)), [true, true], "there, or has taken something");
        assert_eq!(grow(&both(TURN, TURN)), [true, false]);
        drop(there);
        assert_eq!(grow(&both(TURN, TURN)), [false, false]);
    }
}
