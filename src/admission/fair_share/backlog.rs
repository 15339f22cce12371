//! One tenant's account with a pool: what waits, what is served, and the virtual time of both.

use super::member::{Charged, SeatTerms};

/// Virtual nanoseconds in a nanosecond of seat-time at weight 1. Weights divide: these bits below the
/// point keep shares exact.
pub(super) const SCALE: u128 = 1 << 10;

/// Over how long fairness is measured: one to two times this.
const WINDOW_NS: u64 = 10_000_000_000;

/// Backlogs younger than this say nothing about fairness yet.
const YOUNG_NS: u64 = 1_000_000_000;

/// How long a tenant has to have nothing for its backlog to be over: a client that asks again as soon as it is
/// answered is not away.
const PAUSE_NS: u64 = 100_000_000;

/// What a tenant may owe, over its weight, when nothing of it is left, beyond what was charged at dispatch.
const OVERRUN_NS: u64 = 10_000_000_000;

/// The order of tenants: those below their reservation first, then by finish, then as [`Backlog::key`] says, then
/// by place.
pub(super) type Key = (bool, u128, u64, u32);

/// The order of tenants by what they hold: seats with one more, for the weight; then by finish, then by place.
pub(super) type Load = (u64, u128, u32);

/// One seat at weight 1.
pub(super) const LOAD_ONE: u64 = 1 << 24;

/// How far ahead the order looks: what a request costs counts up to this. See the module above.
pub(super) const AHEAD_NS: u64 = 1_000_000_000;

/// Where ties of tenants begin that are not fresh.
const STALE: u64 = 1 << 63;

/// How far the pool is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct VirtualTime {
    /// The largest start and the largest finish that have been served.
    pub(super) start: u128,
    finish: u128,
}

impl VirtualTime {
    /// A request has been served.
    pub(super) fn pass(&mut self, start: u128, finish: u128) {
        (self.start, self.finish) = (self.start.max(start), self.finish.max(finish));
    }

    /// Time has passed without one.
    pub(super) fn advance(&mut self, by: u128) {
        (self.start, self.finish) = (self.start.saturating_add(by), self.finish.saturating_add(by));
    }

    /// Where a tenant starts that comes, and for whose requests the order looks so far ahead: where the last one did, but
    /// no later than where such a tenant would stand that had been waiting all the time.
    pub(super) fn start(&self, ahead: u128) -> u128 {
        self.start.min(self.finish.saturating_sub(ahead))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Backlog<M> {
    pub(super) member: M,
    pub(super) terms: SeatTerms,
    /// Seat-time over weight that is settled.
    settled: u128,
    /// Seats given by the queue and not yet given back: how many, and the sums of their starts and estimates.
    serving: u32,
    starts_ns: u128,
    estimates_ns: u128,
    /// The requests that wait, as a list.
    pub(super) first: Option<u32>,
    pub(super) last: Option<u32>,
    pub(super) waiting: u32,
    /// Where it stands, if a request of it may be served.
    pub(super) key: Option<Key>,
    /// And with what it holds.
    pub(super) load: Option<Load>,
    /// Its weight, while it waits or is served.
    pub(super) active_weight: u32,
    /// The tag until which it owes, if that is all that it does.
    pub(super) owes: Option<u128>,
    /// When it came, if it has not had more than its part and has not been served since.
    fresh: Option<u64>,
    /// What of `settled` is beyond the estimates that were charged since it was last its turn.
    overrun: u128,
    /// Since when nothing of it waits or is served, where that is so.
    idle_since_ns: u64,
    /// Since when requests of it have been waiting without a pause.
    since_ns: u64,
    /// Seat-time given back, in nanoseconds, and two earlier readings of all that it had received.
    done_ns: u128,
    readings: [Reading; 2],
}

/// Seat-time that had been received at a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    at_ns: u64,
    received_ns: u128,
}

impl<M> Backlog<M> {
    pub(super) fn new(member: M) -> Self {
        Self {
            member,
            terms: SeatTerms::default(),
            settled: 0,
            serving: 0,
            starts_ns: 0,
            estimates_ns: 0,
            first: None,
            last: None,
            waiting: 0,
            key: None,
            load: None,
            active_weight: 0,
            owes: None,
            fresh: None,
            overrun: 0,
            idle_since_ns: 0,
            since_ns: 0,
            done_ns: 0,
            readings: [Reading::default(); 2],
        }
    }

    /// Seat-time over weight that this tenant has had or is having: what is settled, and of what is being
    /// served the greater of what was estimated and what has passed. So a request that takes longer
    /// than was thought is charged while it runs, not only when it ends.
    pub(super) fn tag(&self, now_ns: u64) -> u128 {
        self.settled.saturating_add(self.over_weight(self.passed_ns(now_ns).max(self.estimates_ns)))
    }

    /// It starts no earlier than that: who did not want a seat earns nothing by it.
    pub(super) fn start_at(&mut self, start: u128, now_ns: u64, nth: u64) {
        let tag = self.tag(now_ns);
        self.settled = self.settled.saturating_add(start.saturating_sub(tag));
        self.fresh = None;
        if tag <= start {
            self.fresh = Some(nth);
            self.overrun = 0;
        }
    }

    /// Of tenants with the same tag those come first that have just come, in the order of their coming; then
    /// who holds the fewest seats. Tenants whose requests all take the same time all have the same tag for a
    /// whole round: who is served less than its part must not wait for the end of it.
    pub(super) fn key(&self, now_ns: u64, held: u32, estimate_ns: u64, at: u32) -> Key {
        let tie = self.fresh.unwrap_or(STALE | u64::from(held));
        let finish = self.tag(now_ns).saturating_add(self.ahead(estimate_ns));
        (held >= self.terms.reserved, finish, tie, at)
    }

    /// What it would hold with one seat more.
    pub(super) fn load(&self, held: u32, (_, finish, _, at): Key) -> Load {
        ((u64::from(held) + 1) * LOAD_ONE / u64::from(self.terms.weight.max(1)), finish, at)
    }

    /// What the order looks ahead for a request that is thought to take so long.
    pub(super) fn ahead(&self, estimate_ns: u64) -> u128 {
        self.over_weight(u128::from(estimate_ns.min(AHEAD_NS)))
    }

    /// Its turn has come: whatever it owed is paid.
    pub(super) fn is_due(&mut self) {
        self.overrun = 0;
    }

    /// Nothing of it is left for now.
    pub(super) fn pauses(&mut self, now_ns: u64) {
        self.idle_since_ns = now_ns;
        self.forgive(self.over_weight(u128::from(OVERRUN_NS)));
    }

    /// A pause without waiting requests has ended.
    pub(super) fn begins(&mut self, now_ns: u64, start: u128) {
        if self.serving == 0 {
            if now_ns.saturating_sub(self.idle_since_ns) >= PAUSE_NS {
                self.forgive(0);
            }
            // Also where it can't be served yet: what it is charged until then counts from here.
            self.settled = self.settled.max(start);
        }
        self.since_ns = now_ns;
        let reading = Reading { at_ns: now_ns, received_ns: self.received_ns(now_ns) };
        self.readings = [reading; 2];
    }

    /// One of its requests is given a seat.
    pub(super) fn dispatch(&mut self, now_ns: u64, estimate_ns: u64) -> Charged {
        self.fresh = None;
        self.serving += 1;
        self.starts_ns += u128::from(now_ns);
        self.estimates_ns += u128::from(estimate_ns);
        Charged { since_ns: now_ns, estimate_ns, in_turn: true }
    }

    /// A seat is given back: what was estimated becomes what it was.
    pub(super) fn settle(&mut self, now_ns: u64, charged: Charged) {
        let Charged { since_ns, estimate_ns, in_turn } = charged;
        let estimate_ns = u128::from(estimate_ns);
        let held = |since: u64| u128::from(now_ns.saturating_sub(since));
        let due = if in_turn {
            self.serving = self.serving.saturating_sub(1);
            self.starts_ns = self.starts_ns.saturating_sub(u128::from(since_ns));
            self.estimates_ns = self.estimates_ns.saturating_sub(estimate_ns);
            let held = held(since_ns);
            self.done_ns += held;
            self.overrun += self.over_weight(held.saturating_sub(estimate_ns));
            held
        } else if self.waiting > 0 {
            // Taken while nobody waited: what of it fell into this backlog counts, but no more than was to be
            // expected. A tenant that had all the seats when the others came did no wrong by it, and would
            // stand behind all of them for as long as all of them together have had it.
            let held = held(since_ns.max(self.since_ns));
            self.done_ns += held;
            held.min(estimate_ns)
        } else {
            0
        };
        self.settled = self.settled.saturating_add(self.over_weight(due));
    }

    /// What counts of it among those that wait or are served.
    pub(super) fn weight_if_active(&self) -> u32 {
        if self.is_idle() { 0 } else { self.terms.weight.max(1) }
    }

    /// Whether it is known for what it owes only, if for anything.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting == 0 && self.serving == 0
    }

    /// Seats received for each unit of weight, on average over the last seconds of its backlog; `None` while
    /// that is too short to tell.
    pub(super) fn share(&mut self, now_ns: u64) -> Option<f64> {
        if self.waiting == 0 {
            return None;
        }
        let received_ns = self.received_ns(now_ns);
        let [before, mark] = self.readings;
        if now_ns.saturating_sub(mark.at_ns) >= WINDOW_NS {
            self.readings = [mark, Reading { at_ns: now_ns, received_ns }];
        }
        let age_ns = now_ns.saturating_sub(before.at_ns);
        let received_ns = received_ns.saturating_sub(before.received_ns);
        let share = received_ns as f64 / age_ns as f64 / f64::from(self.terms.weight.max(1));
        (age_ns >= YOUNG_NS).then_some(share)
    }

    /// Keeps no more than that of what it owes beyond the estimates.
    fn forgive(&mut self, but: u128) {
        self.settled = self.settled.saturating_sub(self.overrun.saturating_sub(but));
        self.overrun = self.overrun.min(but);
    }

    fn passed_ns(&self, now_ns: u64) -> u128 {
        (u128::from(now_ns) * u128::from(self.serving)).saturating_sub(self.starts_ns)
    }

    fn received_ns(&self, now_ns: u64) -> u128 {
        self.done_ns.saturating_add(self.passed_ns(now_ns))
    }

    fn over_weight(&self, seat_ns: u128) -> u128 {
        seat_ns.saturating_mul(SCALE) / u128::from(self.terms.weight.max(1))
    }
}

/// Jain's index of fairness (Jain, Chiu, Hawe: DEC-TR-301, 1984) over shares as they are told.
#[derive(Debug, Default)]
pub(super) struct Jain {
    sum: f64,
    squares: f64,
    count: f64,
}

impl Jain {
    pub(super) fn add(&mut self, share: f64) {
        self.sum += share;
        self.squares += share * share;
        self.count += 1.0;
    }

    /// 1 if all shares are the same, 1/n if one has all. 1 for fewer than two.
    pub(super) fn index(&self) -> f64 {
        let few = self.count < 2.0 || self.squares == 0.0;
        if few { 1.0 } else { self.sum * self.sum / (self.count * self.squares) }
    }
}
