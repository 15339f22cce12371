//! Who is next: the pure core. No clock, no lock, no task; the derivation is in the module above.
//!
//! It knows the tenants that wait, and those that owe: their tags lie ahead of virtual time. Seats that
//! are taken while nobody waits are not told to it (that is what makes them cheap); how many a tenant
//! holds is read from the tenant itself.

use std::collections::BTreeSet;

use slab::Slab;

use super::backlog::{AHEAD_NS, Backlog, Key, LOAD_ONE, Load, SCALE, VirtualTime};
use super::member::{Charged, Member, Place, QueueFull, SeatTerms, Ticket, Turn};

/// How many tags that time has outrun are looked at anew before one is taken as it is: what bounds the
/// work of one dispatch.
const LOOKS: u32 = 8;

/// How many settled debts an operation forgets at the most: more than an operation can add.
const FORGETS: u32 = 2;

/// See the module. `M` is a tenant, `W` what a waiting request leaves to be found by.
#[derive(Debug)]
pub struct FairQueue<M, W> {
    /// In boxes: what makes room for more of them moves pointers, under the lock of whoever shares this.
    tenants: Slab<Box<Backlog<M>>>,
    waiters: Slab<Waiter<W>>,
    /// Tenants with a request that may be served.
    order: BTreeSet<Key>,
    /// The same, by what they hold.
    loads: BTreeSet<Load>,
    /// The weights of those that wait or are served.
    active_weight: u64,
    /// Tenants that neither wait nor are served, and owe: by the tag from which on they don't.
    owing: BTreeSet<(u128, u32)>,
    /// Virtual time.
    virtual_time: VirtualTime,
    /// Since when nobody waits who could be served.
    calm_since_ns: Option<u64>,
    /// How many requests have joined.
    joined: u64,
}

#[derive(Debug)]
struct Waiter<W> {
    serial: u64,
    tenant: u32,
    waiter: W,
    before: Option<u32>,
    behind: Option<u32>,
}

impl<M, W> Default for FairQueue<M, W> {
    fn default() -> Self {
        Self {
            tenants: Slab::new(),
            waiters: Slab::new(),
            order: BTreeSet::new(),
            loads: BTreeSet::new(),
            active_weight: 0,
            owing: BTreeSet::new(),
            virtual_time: VirtualTime::default(),
            calm_since_ns: Some(0),
            joined: 0,
        }
    }
}

impl<M: Member, W> FairQueue<M, W> {
    /// A request joins the end of its tenant's queue. `seats` is how many the pool has.
    ///
    /// # Errors
    /// [`QueueFull`]: the newest is refused.
    pub fn join(
        &mut self,
        now_ns: u64,
        seats: u32,
        member: &M,
        terms: SeatTerms,
        waiter: W,
    ) -> Result<Ticket, QueueFull> {
        if self.waiting(member) >= terms.queue {
            // Whoever asks may have looked like a holder of one seat more while the tenant was ranked.
            self.place(member).into_iter().for_each(|at| self.rank(at, now_ns, seats));
            return Err(QueueFull);
        }
        let at = self.open(member);
        let virtual_time = self.virtual_time;
        let Some(backlog) = self.tenants.get_mut(at as usize) else { return Err(QueueFull) };
        self.joined += 1;
        let serial = self.joined;
        // As with tenants, memory ends before the numbers do.
        let ticket =
            self.waiters.insert(Waiter { serial, tenant: at, waiter, before: None, behind: None }) as u32;
        backlog.terms = terms;
        if backlog.waiting == 0 {
            backlog.begins(now_ns, virtual_time.start(backlog.ahead(member.hold_ns())));
            backlog.member.set_waiting(true);
        }
        backlog.waiting += 1;
        let before = backlog.last.replace(ticket);
        backlog.first.get_or_insert(ticket);
        if let Some(before) = before.and_then(|before| self.waiters.get_mut(before as usize)) {
            before.behind = Some(ticket);
        }
        if let Some(waiter) = self.waiters.get_mut(ticket as usize) {
            waiter.before = before;
        }
        self.rank(at, now_ns, seats);
        Ok(Ticket { at: ticket, serial })
    }

    /// A request goes away, if its turn has not come yet.
    pub fn leave(&mut self, now_ns: u64, seats: u32, ticket: Ticket) -> Option<W> {
        self.waiters.get(ticket.at as usize).filter(|waiter| waiter.serial == ticket.serial)?;
        let (tenant, waiter) = self.unlink(ticket.at)?;
        self.rank(tenant, now_ns, seats);
        Some(waiter)
    }

    /// Whether someone waits who could be served.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.order.is_empty()
    }

    /// Gives a free seat to the next request.
    pub fn next(&mut self, now_ns: u64, seats: u32) -> Option<Turn<M, W>> {
        let (is_shared, .., first) = self.first(now_ns)?;
        let at = if is_shared { self.below_part(now_ns, seats).unwrap_or(first) } else { first };
        let (_, waiter) = self.unlink(self.tenants.get(at as usize)?.first?)?;
        let backlog = self.tenants.get_mut(at as usize)?;
        if is_shared && at == first {
            // Who is served out of turn has a start that says nothing of the others'.
            let tag = backlog.tag(now_ns);
            self.virtual_time.pass(tag, tag.saturating_add(backlog.ahead(backlog.member.hold_ns())));
            backlog.is_due();
        }
        let charged = backlog.dispatch(now_ns, backlog.member.hold_ns());
        let member = backlog.member.clone();
        member.seat();
        self.rank(at, now_ns, seats);
        Some(Turn { member, waiter, charged })
    }

    /// A seat has been given back: the estimate is corrected to the time that it was really held.
    pub fn settle(&mut self, now_ns: u64, seats: u32, member: &M, charged: Charged) {
        if let Some(at) = self.place(member) {
            if let Some(backlog) = self.tenants.get_mut(at as usize) {
                backlog.settle(now_ns, charged);
            }
            self.rank(at, now_ns, seats);
        }
        self.forget(FORGETS);
    }

    /// Tells of tenants how many of their requests wait, and how many seats they have received for each unit of weight,
    /// where they have been backlogged long enough to tell: for at most `most` places from `from` on. Where to go on, if
    /// there is more: whoever holds a lock meanwhile can let go of it.
    pub fn walk(
        &mut self,
        now_ns: u64,
        from: usize,
        most: usize,
        mut tell: impl FnMut(&M, u32, Option<f64>),
    ) -> Option<usize> {
        let end = from.saturating_add(most).min(self.tenants.capacity());
        for at in from..end {
            if let Some(backlog) = self.tenants.get_mut(at).filter(|backlog| backlog.waiting > 0) {
                let share = backlog.share(now_ns);
                tell(&backlog.member, backlog.waiting, share);
            }
        }
        (end < self.tenants.capacity()).then_some(end)
    }

    /// How many requests of a tenant wait.
    #[must_use]
    pub fn waiting(&self, member: &M) -> u32 {
        let backlog = self.place(member).and_then(|at| self.tenants.get(at as usize));
        backlog.map_or(0, |backlog| backlog.waiting)
    }

    /// How far a tenant is ahead: seat-time for its weight, in nanoseconds, that others come before it for.
    #[must_use]
    pub fn lead_ns(&self, now_ns: u64, member: &M) -> u64 {
        let backlog = self.place(member).and_then(|at| self.tenants.get(at as usize));
        let lead =
            backlog.map_or(0, |backlog| backlog.tag(now_ns).saturating_sub(self.virtual_time.start) / SCALE);
        u64::try_from(lead).unwrap_or(u64::MAX)
    }

    /// Forgets tenants that neither wait nor are served, whatever they owe.
    pub fn clear(&mut self) {
        while let Some((_, at)) = self.owing.pop_first() {
            self.close(at);
        }
    }

    /// How many requests wait, of all tenants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// How many tenants are known, because they wait, are served or owe.
    #[must_use]
    pub fn tenants(&self) -> usize {
        self.tenants.len()
    }

    fn place(&self, member: &M) -> Option<u32> {
        member.place().map(|place| place.0)
    }

    fn open(&mut self, member: &M) -> u32 {
        if let Some(at) = self.place(member) {
            return at;
        }
        // A slab of 2^32 tenants does not fit into memory.
        let at = self.tenants.insert(Box::new(Backlog::new(member.clone()))) as u32;
        member.set_place(Some(Place(at)));
        at
    }

    /// The tenant whose turn it is. Tags of tenants that are being served grow with time, unasked: they are
    /// looked at when they come first, which is when it matters.
    fn first(&mut self, now_ns: u64) -> Option<Key> {
        for _ in 0..LOOKS {
            let key = *self.order.first()?;
            let backlog = self.tenants.get_mut(key.3 as usize)?;
            let finish = backlog.key(now_ns, 0, backlog.member.hold_ns(), key.3).1;
            if finish <= key.1 {
                break;
            }
            let later = (key.0, finish, key.2, key.3);
            backlog.key = Some(later);
            self.order.remove(&key);
            self.order.insert(later);
        }
        self.order.first().copied()
    }

    /// The tenant that holds the least for its weight, if it has no more than its part with one more, and is not ahead
    /// by more than its part of the time that a request of it takes.
    fn below_part(&self, now_ns: u64, seats: u32) -> Option<u32> {
        let (seats, weights) = (u128::from(seats), u128::from(self.active_weight));
        let below = |(load, ..): &&Load| u128::from(*load) * weights <= seats * u128::from(LOAD_ONE);
        let is_due = |at: &u32| {
            self.tenants.get(*at as usize).is_some_and(|backlog| {
                let ahead = u128::from(backlog.member.hold_ns().min(AHEAD_NS)) * SCALE * seats / weights;
                backlog.tag(now_ns) <= self.virtual_time.start.saturating_add(ahead)
            })
        };
        let loads = self.loads.iter().take(LOOKS as usize);
        loads.take_while(below).map(|(.., at)| *at).find(is_due)
    }

    /// Takes a request out of its tenant's list.
    fn unlink(&mut self, at: u32) -> Option<(u32, W)> {
        let Waiter { tenant, waiter, before, behind, .. } = self.waiters.try_remove(at as usize)?;
        if let Some(before) = before.and_then(|before| self.waiters.get_mut(before as usize)) {
            before.behind = behind;
        }
        if let Some(behind) = behind.and_then(|behind| self.waiters.get_mut(behind as usize)) {
            behind.before = before;
        }
        let backlog = self.tenants.get_mut(tenant as usize)?;
        if before.is_none() {
            backlog.first = behind;
        }
        if behind.is_none() {
            backlog.last = before;
        }
        backlog.waiting = backlog.waiting.saturating_sub(1);
        if backlog.waiting == 0 {
            backlog.member.set_waiting(false);
        }
        Some((tenant, waiter))
    }

    /// Finds a tenant's place anew: among those that can be served, those that only owe, or none.
    fn rank(&mut self, at: u32, now_ns: u64, seats: u32) {
        let Some(backlog) = self.tenants.get_mut(at as usize) else { return };
        let key = backlog.key.take();
        if let Some(key) = &key {
            self.order.remove(key);
        }
        if let Some(load) = backlog.load.take() {
            self.loads.remove(&load);
        }
        let weight = backlog.weight_if_active();
        self.active_weight -= u64::from(std::mem::replace(&mut backlog.active_weight, weight));
        self.active_weight += u64::from(weight);
        let owed = backlog.owes.take();
        if let Some(tag) = owed {
            self.owing.remove(&(tag, at));
        }
        let held = backlog.member.held();
        if backlog.waiting > 0 && held < backlog.terms.max {
            if key.is_none() {
                // While nobody could be served everybody had what it asked for: virtual time ran as
                // fast as one tenant with all the seats would have driven it.
                if let Some(since) = self.calm_since_ns.take() {
                    let calm = u128::from(now_ns.saturating_sub(since)) * u128::from(seats);
                    self.virtual_time.advance(calm.saturating_mul(SCALE));
                }
                let ahead = backlog.ahead(backlog.member.hold_ns());
                backlog.start_at(self.virtual_time.start(ahead), now_ns, self.joined);
            }
            let key = backlog.key(now_ns, held, backlog.member.hold_ns(), at);
            backlog.key = Some(key);
            self.order.insert(key);
            let load = backlog.load(held, key);
            backlog.load = Some(load);
            self.loads.insert(load);
        } else if backlog.is_idle() {
            if owed.is_none() {
                backlog.pauses(now_ns);
            }
            let paid = backlog.tag(now_ns).saturating_add(backlog.ahead(u64::MAX));
            if paid > self.virtual_time.start {
                backlog.owes = Some(paid);
                self.owing.insert((paid, at));
            } else {
                self.close(at);
            }
        }
        if self.order.is_empty() {
            self.calm_since_ns.get_or_insert(now_ns);
        }
    }

    /// Forgets tenants whose debt virtual time has passed.
    fn forget(&mut self, most: u32) {
        for _ in 0..most {
            let Some((_, at)) =
                self.owing.first().copied().filter(|(paid, _)| *paid <= self.virtual_time.start)
            else {
                return;
            };
            self.owing.pop_first();
            self.close(at);
        }
    }

    fn close(&mut self, at: u32) {
        if let Some(backlog) = self.tenants.try_remove(at as usize) {
            backlog.member.set_place(None);
        }
    }
}

#[path = "queue_invariants.rs"]
mod invariants;
