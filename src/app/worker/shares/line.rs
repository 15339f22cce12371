//! Where connections wait for their turn.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;

use tokio::time::Duration;

use super::account::{Client, Expected};
use super::moment::Moment;

/// How long those that take little are polled in a round.
pub(super) const LITTLE_ROUND: Duration = Duration::from_micros(200);
/// And how long those that take much.
pub(super) const MUCH_ROUND: Duration = Duration::from_micros(100);

/// Those that take little, or those that take much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Little,
    Much,
}

/// Something of both.
#[derive(Debug, Default)]
pub(super) struct Both<T> {
    pub(super) little: T,
    pub(super) much: T,
}

impl<T> Both<T> {
    pub(super) fn of(&self, which: Which) -> &T {
        match which {
            Which::Little => &self.little,
            Which::Much => &self.much,
        }
    }

    pub(super) fn map<U>(&self, of: impl Fn(&T) -> U) -> Both<U> {
        Both { little: of(&self.little), much: of(&self.much) }
    }
}

#[derive(Debug)]
pub(super) struct Line {
    /// How long they are polled in a round.
    pub(super) round: Duration,
    /// How long they have been.
    pub(super) used: Cell<Duration>,
    /// The virtual time: when the turn began that began last, and then on as everybody who waits has had his part of what it took.
    pub(super) time: Cell<Duration>,
    /// By the virtual time at which their turns begin, and then by who came first.
    pub(super) waiting: RefCell<BTreeMap<Key, Rc<Place>>>,
}

pub(super) type Key = (Duration, u64);

/// A connection's place among those that wait.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) client: Rc<Client>,
    pub(super) expected: Cell<Expected>,
    pub(super) since: Cell<Moment>,
    pub(super) waker: RefCell<Waker>,
    pub(super) state: Cell<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// For nothing.
    Away,
    Waiting {
        line: Which,
        key: Key,
    },
    /// It is its turn.
    Called {
        line: Which,
    },
}

impl Line {
    pub(super) fn new(round: Duration) -> Self {
        Self { round, used: Cell::default(), time: Cell::default(), waiting: RefCell::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.used.get() < self.round
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Calls the next, while the round lasts. Whether there was one.
    pub(super) fn call(&self, line: Which) -> bool {
        if !self.is_open() {
            return false;
        }
        let Some((_, next)) = self.waiting.borrow_mut().pop_first() else { return false };
        self.time.set(self.time.get().max(next.expected.get().start));
        next.state.set(State::Called { line });
        next.waker.borrow().wake_by_ref();
        true
    }

    /// Somebody was polled for so long whose turn it was. Time goes on for all: or else clients that are new would always come before
    /// those that have had a turn.
    pub(super) fn passes(&self, took: Duration) {
        let part = took / u32::try_from(self.waiting.borrow().len()).unwrap_or(u32::MAX).saturating_add(1);
        self.time.set(self.time.get() + part);
    }
}
