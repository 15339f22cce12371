//! One tenant's part in a pool's seats: how many it holds, how long it holds them, and how it asks for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::member::{Charged, Member, Place, QueueFull, SeatTerms};
use super::seat::Seat;
use super::seats::Seats;
use super::wait::Waiting;
use super::word::Word;
use crate::types::TenantId;

/// No place.
const NOWHERE: u32 = u32::MAX;
/// What a seat is thought to be held for before any has been, in nanoseconds.
const HOLD_NS: u64 = 10_000_000;
/// What is no outlier, however far it is from what is known: a second, in nanoseconds.
const OUTLIER_NS: u64 = 1_000_000_000;

/// See the module. Made by [`Seats::share`].
#[derive(Debug)]
pub struct Share {
    seats: Arc<Seats>,
    tenant: TenantId,
    held: Word,
    hold_ns: AtomicU64,
    place: AtomicU32,
    pub(super) streams: AtomicU32,
}

/// What came of asking for a seat.
#[derive(Debug)]
pub enum Asked {
    /// Here it is.
    Seated(Seat),
    /// It has to be waited for.
    Waits(Waiting),
}

/// How a tenant stands with a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Seats that it holds.
    pub held: u32,
    /// Long-lived streams that it has.
    pub streams: u32,
    /// Requests that wait.
    pub waiting: u32,
    /// Seat-time for its weight by which it is ahead of the others: they come first for so long, in nanoseconds.
    pub lead_ns: u64,
    /// What it holds a seat for as a rule, in nanoseconds.
    pub hold_ns: u64,
}

impl Share {
    pub(super) fn new(seats: Arc<Seats>, tenant: TenantId) -> Self {
        Self {
            seats,
            tenant,
            held: Word::default(),
            hold_ns: AtomicU64::new(0),
            place: AtomicU32::new(NOWHERE),
            streams: AtomicU32::new(0),
        }
    }

    /// Asks for a seat. Without contention: two compare-and-swaps.
    ///
    /// # Errors
    /// [`QueueFull`]: it would have to wait, and as many as may are waiting.
    pub fn ask(self: &Arc<Self>, terms: SeatTerms) -> Result<Asked, QueueFull> {
        if let Some(seat) = self.take(terms) {
            return Ok(Asked::Seated(seat));
        }
        let queue = self.seats.queue();
        // What stood in the way may be gone.
        if let Some(seat) = self.take(terms) {
            return Ok(Asked::Seated(seat));
        }
        let (sender, receiver) = oneshot::channel();
        let mut queue = queue;
        let joined = queue.join(self.seats.now_ns(), self.seats.limit(), self, terms, sender);
        self.seats.serve(queue);
        Ok(Waiting::new(Arc::clone(self), joined?, receiver).now())
    }

    /// Whose it is.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The seats that it is a part of.
    #[must_use]
    pub fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    /// Whether the tenant holds as many seats as it may by these terms.
    #[must_use]
    pub fn is_at_max(&self, terms: SeatTerms) -> bool {
        self.held.count() >= terms.max
    }

    /// How it stands.
    #[must_use]
    pub fn standing(self: &Arc<Self>) -> Standing {
        let queue = self.seats.queue();
        Standing {
            held: self.held(),
            streams: self.streams.load(Ordering::Relaxed),
            waiting: queue.waiting(self),
            lead_ns: queue.lead_ns(self.seats.now_ns(), self),
            hold_ns: self.hold_ns(),
        }
    }

    /// Takes a free seat while nobody waits.
    fn take(self: &Arc<Self>, terms: SeatTerms) -> Option<Seat> {
        if !self.held.add_freely_below(terms.max) {
            return None;
        }
        if !self.seats.in_use.add_freely_below(self.seats.limit()) {
            // Who has found this tenant at its maximum meanwhile is put right by what follows: a join.
            self.held.sub();
            return None;
        }
        let charged = Charged { since_ns: self.seats.now_ns(), estimate_ns: self.hold_ns(), in_turn: false };
        Some(Seat::new(Arc::clone(self), charged))
    }

    /// A seat is given back.
    pub(super) fn give_back(self: &Arc<Self>, charged: Charged) {
        let seats = &*self.seats;
        let now_ns = seats.now_ns();
        self.learn(now_ns.saturating_sub(charged.since_ns));
        let (own, pools) = (self.held.sub(), seats.in_use.sub());
        if own || pools || charged.in_turn {
            let mut queue = seats.queue();
            queue.settle(now_ns, seats.limit(), self, charged);
            seats.serve(queue);
        }
    }

    /// Moves the estimate an eighth of the way, and by an outlier not far: what is learnt wrongly is what
    /// others wait for. Of two that learn at once one may be forgotten.
    fn learn(&self, held_ns: u64) {
        let own = self.hold_ns.load(Ordering::Relaxed);
        let next = match own {
            0 => held_ns,
            _ => (own - own / 8) + held_ns.min(own.saturating_mul(16).max(OUTLIER_NS)) / 8,
        };
        self.hold_ns.store(next.max(1), Ordering::Relaxed);
        if own == 0 {
            self.seats.learn(next);
        }
    }
}

impl Member for Arc<Share> {
    fn held(&self) -> u32 {
        self.held.count()
    }

    fn seat(&self) {
        self.held.add();
    }

    fn hold_ns(&self) -> u64 {
        let known = [self.hold_ns.load(Ordering::Relaxed), self.seats.hold_ns()];
        known.into_iter().find(|hold_ns| *hold_ns > 0).unwrap_or(HOLD_NS)
    }

    fn place(&self) -> Option<Place> {
        let place = self.place.load(Ordering::Relaxed);
        (place != NOWHERE).then_some(Place(place))
    }

    fn set_place(&self, place: Option<Place>) {
        self.place.store(place.map_or(NOWHERE, |place| place.0), Ordering::Relaxed);
    }

    fn set_waiting(&self, waiting: bool) {
        self.held.flag(waiting);
    }
}
