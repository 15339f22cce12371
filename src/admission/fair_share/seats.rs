//! A pool's seats as all workers share them: a few atomics while seats are free, the queue when they
//! are not.
//!
//! Two words carry the uncontended path. The pool's word counts its seats in use, a tenant's word counts
//! those that it holds, and each has a flag that says that somebody waits. Whoever finds a flag takes the
//! lock. Flags and counts are one word, so nobody is overlooked: a request raises the flag *before* it
//! looks for a free seat, and a release that has not seen the flag has given its seat back *before* that look.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::member::{Charged, Member, Place, QueueFull, SeatTerms, Turn};
use super::queue::FairQueue;
use super::seat::Seat;
use super::wait::Waiting;
use crate::time::Clock;
use crate::types::TenantId;

/// Beside a count: somebody waits.
const FLAG: u64 = 1 << 32;
/// No place.
const NOWHERE: u32 = u32::MAX;
/// What a seat is thought to be held for before any has been, in nanoseconds.
const HOLD_NS: u64 = 10_000_000;

/// What waits: each request leaves the end of a channel that its seat is sent through.
type Queue = FairQueue<Arc<Share>, oneshot::Sender<Seat>>;

/// The seats of a pool. It outlives reloads; its limit may change at any time.
#[derive(Debug)]
pub struct Seats {
    in_use: AtomicU64,
    limit: AtomicU32,
    hold_ns: AtomicU64,
    clock: Clock,
    queue: Mutex<Queue>,
}

/// One tenant's part in a pool's seats.
#[derive(Debug)]
pub struct Share {
    seats: Arc<Seats>,
    tenant: TenantId,
    held: AtomicU64,
    hold_ns: AtomicU64,
    place: AtomicU32,
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
    /// Requests that wait.
    pub waiting: u32,
    /// Seat-time for its weight by which it is ahead of the others: they come first for so long, in nanoseconds.
    pub lead_ns: u64,
    /// What it holds a seat for as a rule, in nanoseconds.
    pub hold_ns: u64,
}

impl Seats {
    /// So many seats, all free. Seat-time is measured by the clock.
    #[must_use]
    pub fn new(limit: u32, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            in_use: AtomicU64::new(0),
            limit: AtomicU32::new(limit),
            hold_ns: AtomicU64::new(0),
            clock,
            queue: Mutex::new(FairQueue::default()),
        })
    }

    /// A tenant's part, of which there must be one only.
    #[must_use]
    pub fn share(self: &Arc<Self>, tenant: TenantId) -> Arc<Share> {
        Arc::new(Share {
            seats: Arc::clone(self),
            tenant,
            held: AtomicU64::new(0),
            hold_ns: AtomicU64::new(0),
            place: AtomicU32::new(NOWHERE),
        })
    }

    /// How many seats there are.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Changes how many seats there are. More serve at once who waits; with fewer those in use stay until
    /// they are given back.
    pub fn set_limit(&self, limit: u32) {
        if self.limit.swap(limit, Ordering::AcqRel) < limit {
            self.serve(self.queue());
        }
    }

    /// How many seats are in use.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        count(self.in_use.load(Ordering::Relaxed))
    }

    /// How many requests wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue().len()
    }

    /// Jain's index over the backlogged tenants, see [`FairQueue::fairness`].
    #[must_use]
    pub fn fairness(&self) -> f64 {
        let now_ns = self.clock.now_ns();
        self.queue().fairness(now_ns)
    }

    /// The tenants of whom requests wait, and how many. The lock is held for so many at a time.
    pub fn depths(&self, mut tell: impl FnMut(&TenantId, u32)) {
        let mut from = Some(0);
        while let Some(at) = from {
            from = self.queue().depths(at, 256, |share, waiting| tell(&share.tenant, waiting));
        }
    }

    /// Whether all parts agree, where nothing is under way. For tests.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        let queue = self.queue();
        queue.check_invariants()?;
        let word = self.in_use.load(Ordering::Acquire);
        if (word & FLAG != 0) != queue.is_wanted() {
            return Err("the flag of the pool is wrong");
        }
        if queue.is_wanted() && count(word) < self.limit() {
            return Err("a seat is free, and somebody waits who could have it");
        }
        Ok(())
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing under this lock can panic; if it did, counts may be off, but no structure is broken.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives free seats to those whose turn it is. One at a time, and handed over without the lock: it is held
    /// for one dispatch at the most, whatever happens.
    pub(super) fn serve<'s>(&'s self, mut queue: MutexGuard<'s, Queue>) {
        loop {
            // The flag first, then the look for a free seat.
            self.flag(queue.is_wanted());
            if !queue.is_wanted() || !add_below(&self.in_use, 0, self.limit()) {
                return;
            }
            let turn = queue.next(self.clock.now_ns(), self.limit());
            self.flag(queue.is_wanted());
            drop(queue);
            match turn {
                Some(Turn { member, waiter, charged }) => {
                    // One that has left meanwhile gives its seat back by dropping it.
                    let _ = waiter.send(Seat::new(member, charged));
                }
                None => {
                    self.in_use.fetch_sub(1, Ordering::AcqRel);
                    return;
                }
            }
            queue = self.queue();
        }
    }

    fn flag(&self, wanted: bool) {
        flag(&self.in_use, wanted);
    }
}

impl Share {
    /// Asks for a seat. Without contention: two compare-and-swaps.
    ///
    /// # Errors
    /// [`QueueFull`]: it would have to wait, and as many as may are waiting.
    pub fn ask(self: &Arc<Self>, terms: SeatTerms) -> Result<Asked, QueueFull> {
        if let Some(seat) = self.take(terms) {
            return Ok(Asked::Seated(seat));
        }
        let mut queue = self.seats.queue();
        // What stood in the way may be gone.
        if let Some(seat) = self.take(terms) {
            drop(queue);
            return Ok(Asked::Seated(seat));
        }
        let (sender, receiver) = oneshot::channel();
        let joined = queue.join(self.seats.clock.now_ns(), self.seats.limit(), self, terms, sender);
        self.seats.serve(queue);
        Ok(Waiting::new(Arc::clone(self), joined?, receiver).now())
    }

    /// How it stands.
    #[must_use]
    pub fn standing(self: &Arc<Self>) -> Standing {
        let queue = self.seats.queue();
        Standing {
            held: self.held(),
            waiting: queue.waiting(self),
            lead_ns: queue.lead_ns(self.seats.clock.now_ns(), self),
            hold_ns: self.hold_ns(),
        }
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

    /// Takes a free seat while nobody waits.
    fn take(self: &Arc<Self>, terms: SeatTerms) -> Option<Seat> {
        if !add_below(&self.held, FLAG, terms.max) {
            return None;
        }
        if !add_below(&self.seats.in_use, FLAG, self.seats.limit()) {
            // Who has found this tenant at its maximum meanwhile is put right by what follows: a join.
            self.held.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        let charged = Charged { since_ns: self.seats.clock.now_ns(), estimate_ns: None };
        Some(Seat::new(Arc::clone(self), charged))
    }

    /// A seat is given back.
    pub(super) fn give_back(self: &Arc<Self>, charged: Charged) {
        let seats = &*self.seats;
        let now_ns = seats.clock.now_ns();
        self.learn(now_ns.saturating_sub(charged.since_ns));
        let flags = self.held.fetch_sub(1, Ordering::AcqRel) | seats.in_use.fetch_sub(1, Ordering::AcqRel);
        if flags & FLAG != 0 || charged.estimate_ns.is_some() {
            let mut queue = seats.queue();
            queue.settle(now_ns, seats.limit(), self, charged);
            seats.serve(queue);
        }
    }

    /// Moves the estimate an eighth of the way, and by an outlier not far: what is learnt wrongly is what
    /// others wait for. Two that learn at once may forget one of the two.
    fn learn(&self, held_ns: u64) {
        let of_pool = self.seats.hold_ns.load(Ordering::Relaxed);
        let own = self.hold_ns.load(Ordering::Relaxed);
        let next = match own {
            0 => held_ns.max(1),
            _ => {
                let held_ns = held_ns.min(own.saturating_mul(16).saturating_add(1_000_000));
                (own - own / 8).saturating_add(held_ns / 8).max(1)
            }
        };
        self.hold_ns.store(next, Ordering::Relaxed);
        if of_pool == 0 || own == 0 {
            self.seats.hold_ns.store((of_pool - of_pool / 8 + next / 8).max(1), Ordering::Relaxed);
        }
    }
}

impl Member for Arc<Share> {
    fn held(&self) -> u32 {
        count(self.held.load(Ordering::Acquire))
    }

    fn seat(&self) {
        self.held.fetch_add(1, Ordering::AcqRel);
    }

    fn hold_ns(&self) -> u64 {
        let known = [&self.hold_ns, &self.seats.hold_ns].map(|hold_ns| hold_ns.load(Ordering::Relaxed));
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
        flag(&self.held, waiting);
    }
}

fn count(word: u64) -> u32 {
    word as u32
}

/// One more, if that makes no more than `max` and no bit of `unless` is set.
fn add_below(word: &AtomicU64, unless: u64, max: u32) -> bool {
    let more = |word: u64| (word & unless == 0 && count(word) < max).then_some(word + 1);
    word.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
}

/// Under the lock only, so that what is read of the flag holds.
fn flag(word: &AtomicU64, set: bool) {
    match (word.load(Ordering::Acquire) & FLAG != 0, set) {
        (false, true) => drop(word.fetch_or(FLAG, Ordering::AcqRel)),
        (true, false) => drop(word.fetch_and(!FLAG, Ordering::AcqRel)),
        _ => {}
    }
}
