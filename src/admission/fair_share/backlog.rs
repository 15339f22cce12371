//! One tenant's account with a pool: what waits, what is served, and the virtual time of both.

use super::member::{Charged, SeatTerms};

/// Virtual nanoseconds in a nanosecond of seat-time at weight 1. Weights divide: these bits below the
/// point keep shares exact.
pub(super) const SCALE: u128 = 1 << 10;

/// Over how long fairness is measured: one to two times this.
const WINDOW_NS: u64 = 10_000_000_000;

/// Backlogs younger than this say nothing about fairness yet.
const YOUNG_NS: u64 = 1_000_000_000;

/// The order of tenants: those below their reservation first, then by tag; of two alike the one with
/// fewer seats, then by place.
pub(super) type Key = (bool, u128, u32, u32);

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
    /// The tag until which it owes, if that is all that it does.
    pub(super) owes: Option<u128>,
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
            owes: None,
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
    pub(super) fn start_at(&mut self, virtual_now: u128, now_ns: u64) {
        let behind = virtual_now.saturating_sub(self.tag(now_ns));
        self.settled = self.settled.saturating_add(behind);
    }

    /// A pause without waiting requests has ended.
    pub(super) fn begins(&mut self, now_ns: u64) {
        self.since_ns = now_ns;
        let reading = Reading { at_ns: now_ns, received_ns: self.received_ns(now_ns) };
        self.readings = [reading; 2];
    }

    /// One of its requests is given a seat.
    pub(super) fn dispatch(&mut self, now_ns: u64, estimate_ns: u64) -> Charged {
        self.serving += 1;
        self.starts_ns += u128::from(now_ns);
        self.estimates_ns += u128::from(estimate_ns);
        Charged { since_ns: now_ns, estimate_ns: Some(estimate_ns) }
    }

    /// A seat is given back: what was estimated becomes what it was.
    pub(super) fn settle(&mut self, now_ns: u64, charged: Charged) {
        let Charged { since_ns, estimate_ns } = charged;
        let held = |since: u64| u128::from(now_ns.saturating_sub(since));
        let due = match estimate_ns {
            Some(estimate_ns) => {
                self.serving = self.serving.saturating_sub(1);
                self.starts_ns = self.starts_ns.saturating_sub(u128::from(since_ns));
                self.estimates_ns = self.estimates_ns.saturating_sub(u128::from(estimate_ns));
                self.done_ns += held(since_ns);
                // No debt outlives its backlog but what was charged at the dispatch: one slow request must
                // not shut its tenant out when it comes again.
                if self.waiting > 0 { held(since_ns) } else { held(since_ns).min(u128::from(estimate_ns)) }
            }
            // Taken while nobody waited: what of it fell into this backlog counts.
            None if self.waiting > 0 => {
                let held = held(since_ns.max(self.since_ns));
                self.done_ns += held;
                held
            }
            None => 0,
        };
        self.settled = self.settled.saturating_add(self.over_weight(due));
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

/// Jain's index of fairness (Jain, Chiu, Hawe: DEC-TR-301, 1984): 1 if all shares are the same, 1/n if one
/// has all. 1 for fewer than two.
pub(super) fn jain(shares: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares, count) =
        shares.fold((0.0, 0.0, 0.0), |(sum, squares, n), x| (sum + x, squares + x * x, n + 1.0));
    if count < 2.0 || squares == 0.0 { 1.0 } else { sum * sum / (count * squares) }
}
