//! Whose turn it is among a worker's connections.
//!
//! A runtime polls its tasks in the order in which they were woken, so that a client who asks for little would wait behind everybody
//! who keeps the worker busy. Here each connection has an account of the time that it takes. Those that take little are polled first;
//! those that take more than a small part of the worker's, and those that have just come, after them. Both for a while, until the
//! sockets have been looked at. Who has to wait for the next such round waits in line with its client: clients have their turns one
//! after the other, however many connections they have. Nothing is held back while there is nobody else.

mod account;
mod line;
mod moment;
mod share;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::task::yield_now;
use tokio::time::{Duration, Instant};

use self::account::{Account, Client, Clients};
use self::line::{Both, LITTLE_ROUND, Line, MUCH_ROUND, Place, State, Which};
use self::moment::Moment;
use self::share::Share;

thread_local! {
    /// How often this thread has had nothing to do.
    static PAUSES: Cell<u64> = const { Cell::new(0) };
}

/// The thread has nothing to do: the runtime says so, before it waits for its sockets.
pub(super) fn pause() {
    PAUSES.set(PAUSES.get().wrapping_add(1));
}

/// How long ago others have been seen, for them to be waited for.
const LIVELY: Duration = Duration::from_secs(1);

/// The shares of one worker's time.
#[derive(Debug)]
pub(super) struct Shares {
    /// Of those that take little, and of those that take much.
    lines: Both<Line>,
    /// How many have waited.
    waited: Cell<u64>,
    clients: Clients,
    /// How often there had been nothing to do when this round began.
    pauses: Cell<u64>,
    /// Who was polled last, and since when it has been nobody else.
    last: Cell<*const Client>,
    changed: Cell<Moment>,
    /// When one that takes little was polled.
    little_seen: Cell<Moment>,
    /// When the last poll was over, and how often there had been nothing to do then.
    over: Cell<(Instant, Moment, u64)>,
    /// Whoever ends the round, while nobody waits for that.
    idle: RefCell<Option<Waker>>,
}

impl Shares {
    pub(super) fn new() -> Self {
        let began = Instant::now();
        let now = Moment::of(began);
        Self {
            lines: Both { little: Line::new(LITTLE_ROUND), much: Line::new(MUCH_ROUND) },
            waited: Cell::default(),
            clients: Clients::new(),
            pauses: Cell::default(),
            last: Cell::new(std::ptr::null()),
            // As if somebody had been there: whoever is the first to come has nobody to wait for in any case.
            changed: Cell::new(now),
            little_seen: Cell::new(now),
            over: Cell::new((began, now, u64::MAX)),
            idle: RefCell::default(),
        }
    }

    /// Gives a connection's work its share. `client` is whose it is, where that is known and is one client.
    pub(super) fn of<F: Future>(self: &Rc<Self>, client: Option<IpAddr>, work: F) -> Share<F> {
        Share {
            shares: Rc::clone(self),
            account: Account::of_newcomer(),
            client: self.clients.at(client, &self.lines.map(|line| line.time.get())),
            is_patient: false,
            place: None,
            work,
        }
    }

    /// Has a step of a handshake taken in its turn, one a round, whether or not anybody else is there: it is long.
    pub(super) fn step<F: Future>(self: &Rc<Self>, client: Option<IpAddr>, work: F) -> Share<F> {
        let mut share = self.of(client, work);
        share.is_patient = true;
        share
    }

    /// Ends one round after the other, as long as somebody waits for that.
    pub(super) async fn keep(self: Rc<Self>) {
        loop {
            poll_fn(|cx| {
                if self.is_empty() {
                    *self.idle.borrow_mut() = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            // The runtime goes on with this when it has looked at its sockets, and behind whomever they have woken.
            yield_now().await;
            self.begin_round();
            self.call();
        }
    }

    fn begin_round(&self) {
        self.lines.map(|line| line.used.set(Duration::ZERO));
    }

    fn is_empty(&self) -> bool {
        self.lines.little.is_empty() && self.lines.much.is_empty()
    }

    /// Calls the next of those that wait, while their round lasts.
    fn call(&self) {
        let _ = self.lines.little.call(Which::Little) || self.lines.much.call(Which::Much);
    }

    /// The present time, as exactly as a share of it has to be known: one poll begins where the one before was over, unless there was
    /// nothing to do in between.
    fn now(&self) -> (Instant, Moment) {
        let (over, moment, pauses) = self.over.get();
        if pauses == PAUSES.get() {
            return (over, moment);
        }
        let now = Instant::now();
        (now, Moment::of(now))
    }

    /// Notes who is to be polled, and tells whether anybody else has been lately.
    fn meets(&self, client: &Rc<Client>, now: Moment) -> bool {
        if self.last.replace(Rc::as_ptr(client)) != Rc::as_ptr(client) {
            self.changed.set(now);
        }
        // Whoever was there before the thread had nothing to do has been served.
        if self.pauses.replace(PAUSES.get()) != PAUSES.get() {
            self.begin_round();
        }
        now.since(self.changed.get()) < LIVELY
    }

    /// Whether a connection may be polled that doesn't wait.
    fn is_free(&self, line: Which, is_alone: bool, is_patient: bool, now: Moment) -> bool {
        if line == Which::Much {
            let little_waits = now.since(self.little_seen.get()) < LIVELY;
            let waits = is_patient || !is_alone || little_waits;
            !waits || (self.lines.much.is_open() && self.is_empty())
        } else {
            is_alone || (self.lines.little.is_open() && self.lines.little.is_empty())
        }
    }

    /// Has a connection wait in line.
    fn enter(
        &self,
        line: Which,
        place: &mut Option<Rc<Place>>,
        client: &Rc<Client>,
        now: Moment,
        cx: &Context<'_>,
    ) {
        let entered = &self.lines.of(line);
        let expected = client.enter(line, entered.time.get());
        let key = (expected.start, self.waited.get());
        self.waited.set(key.1 + 1);
        let place = place.get_or_insert_with(|| {
            let waker = RefCell::new(cx.waker().clone());
            let client = Rc::clone(client);
            let (expected, since) = (Cell::new(expected), Cell::new(now));
            Rc::new(Place { client, expected, since, waker, state: Cell::new(State::Away) })
        });
        place.since.set(now);
        place.expected.set(expected);
        place.waker.borrow_mut().clone_from(cx.waker());
        place.state.set(State::Waiting { line, key });
        entered.waiting.borrow_mut().insert(key, Rc::clone(place));
        if let Some(idle) = self.idle.take() {
            idle.wake();
        }
    }

    /// A connection of a line was polled.
    fn took(&self, line: Which, (over, ended): (Instant, Moment), took: Duration) {
        self.over.set((over, ended, PAUSES.get()));
        let used = &self.lines.of(line).used;
        used.set(used.get() + took);
        if line == Which::Little {
            self.little_seen.set(ended);
        }
    }

    /// Takes a connection's place from it, unused. Whether it was its turn.
    fn leave(&self, place: &Place) -> bool {
        match place.state.replace(State::Away) {
            State::Away => false,
            State::Called { line } => {
                place.client.leave(line, place.expected.get());
                true
            }
            State::Waiting { line, key } => {
                place.client.leave(line, place.expected.get());
                self.lines.of(line).waiting.borrow_mut().remove(&key);
                false
            }
        }
    }
}
