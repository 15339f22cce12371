//! A pool's seats as all workers share them: a few atomics while seats are free, the queue when they are not.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::adaptive::Sample;
use super::backlog::Jain;
use super::limit::{Limit, SeatLimit};
use super::member::Turn;
use super::queue::FairQueue;
use super::seat::Seat;
use super::share::Share;
use super::streams::{StreamTerms, Streams};
use super::word::Word;
use crate::telemetry::SeatReading;
use crate::time::Clock;
use crate::types::TenantId;

/// What waits: each request leaves the end of a channel that its seat is sent through.
type Queue = FairQueue<Arc<Share>, oneshot::Sender<Seat>>;

/// Tenants that are told of while the lock is held.
const WALK: usize = 256;

/// The seats of a pool. It outlives reloads; its limit may change at any time.
#[derive(Debug)]
pub struct Seats {
    name: Box<str>,
    pub(super) in_use: Word,
    limit: Limit,
    hold_ns: AtomicU64,
    clock: Clock,
    queue: Mutex<Queue>,
    pub(super) streams: Streams,
    retired: AtomicBool,
}

impl Seats {
    /// So many seats, all free. Seat-time is measured by the clock.
    #[must_use]
    pub fn new(limit: u32, clock: Clock) -> Arc<Self> {
        Self::of_pool("", limit, clock)
    }

    /// As [`new`](Self::new), for a pool of this name.
    pub(super) fn of_pool(name: &str, limit: u32, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            in_use: Word::default(),
            limit: Limit::new(limit),
            hold_ns: AtomicU64::new(0),
            clock,
            queue: Mutex::new(FairQueue::default()),
            streams: Streams::new(),
            retired: AtomicBool::new(false),
        })
    }

    /// A tenant's part, of which there must be one only.
    #[must_use]
    pub fn share(self: &Arc<Self>, tenant: TenantId) -> Arc<Share> {
        Arc::new(Share::new(Arc::clone(self), tenant))
    }

    /// The pool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many seats there are; the largest number stands for no limit.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.get()
    }

    /// Changes how many seats there are. More serve at once who waits; with fewer, those in use stay until
    /// they are given back.
    pub fn set_limit(&self, policy: SeatLimit) {
        if self.limit.set(policy) {
            self.serve(self.queue());
        }
    }

    /// Changes what is allowed of long-lived streams; those that are open stay.
    pub fn set_streams(&self, terms: StreamTerms) {
        self.streams.set(terms);
    }

    /// An endpoint has answered after that time, or `failed`: an adaptive limit follows.
    pub fn observe(&self, latency: Duration, failed: bool) {
        let latency_ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let sample = Sample { latency_ns, in_use: self.in_use(), failed };
        if self.limit.observe(|| self.clock.now_ns(), sample) {
            self.serve(self.queue());
        }
    }

    /// How many long-lived streams there are.
    #[must_use]
    pub fn streams(&self) -> u32 {
        self.streams.count()
    }

    /// How old a response is when it counts as a long-lived stream.
    #[must_use]
    pub fn stream_after(&self) -> Duration {
        self.streams.after()
    }

    /// How many seats are in use.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.in_use.count()
    }

    /// Whether a request waits that the next free seat goes to.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.in_use.is_flagged()
    }

    /// How many requests wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue().len()
    }

    /// Whether all parts agree, where nothing is under way. For tests.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        let queue = self.queue();
        queue.check_invariants()?;
        if self.in_use.is_flagged() != queue.is_wanted() {
            return Err("the flag of the pool is wrong");
        }
        if queue.is_wanted() && self.in_use() < self.limit() {
            return Err("a seat is free, and somebody waits who could have it");
        }
        Ok(())
    }

    /// Whether no seat is in use and nobody waits.
    pub(super) fn is_unused(&self) -> bool {
        self.in_use() == 0 && self.streams() == 0 && self.queue().is_empty()
    }

    /// Tells of all tenants of whom requests wait. The lock is held for so many at a time.
    fn walk(&self, mut tell: impl FnMut(&Arc<Share>, u32, Option<f64>)) {
        let mut from = Some(0);
        while let Some(at) = from {
            from = self.queue().walk(self.now_ns(), at, WALK, &mut tell);
        }
    }

    /// Its pool is gone: what is left of debts is forgotten.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.queue().clear();
    }

    /// Whether its pool is gone.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// What a seat of this pool is held for, as far as its tenants have told: 0 at first.
    pub(super) fn hold_ns(&self) -> u64 {
        self.hold_ns.load(Ordering::Relaxed)
    }

    /// A tenant tells what it first held a seat for.
    pub(super) fn learn(&self, held_ns: u64) {
        let known = self.hold_ns();
        let next = if known == 0 { held_ns } else { known - known / 8 + held_ns / 8 };
        self.hold_ns.store(next.max(1), Ordering::Relaxed);
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
            self.in_use.flag(queue.is_wanted());
            if !queue.is_wanted() || !self.in_use.add_below(self.limit()) {
                return;
            }
            let turn = queue.next(self.clock.now_ns(), self.limit());
            self.in_use.flag(queue.is_wanted());
            drop(queue);
            match turn {
                Some(Turn { member, waiter, charged }) => {
                    // One that has left meanwhile gives its seat back by dropping it.
                    let _ = waiter.send(Seat::new(member, charged));
                }
                None => {
                    self.in_use.sub();
                    return;
                }
            }
            queue = self.queue();
        }
    }
}

impl SeatReading for Seats {
    fn limit(&self) -> Option<u32> {
        Some(Seats::limit(self)).filter(|limit| *limit < u32::MAX)
    }

    fn in_use(&self) -> u32 {
        Seats::in_use(self)
    }

    fn streams(&self) -> u32 {
        Seats::streams(self)
    }

    fn fairness(&self) -> f64 {
        let mut jain = Jain::default();
        self.walk(|_, _, share| share.into_iter().for_each(|share| jain.add(share)));
        jain.index()
    }

    fn depths(&self, tell: &mut dyn FnMut(&TenantId, u32)) {
        self.walk(|share, waiting, _| tell(share.tenant(), waiting));
    }
}
