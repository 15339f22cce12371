//! What a tenant has used of a quota, shared by all workers: the part that requests touch.
//!
//! It outlives its configuration, as long as its tenant's account is kept. Charging a request whose period is the
//! present one and whose units are reserved is four loads and one compare-and-swap. Everything else happens under a
//! short lock, in [`super::keeping`].

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::backend::Series;
use super::ledger::Ledger;
use super::roster::Roster;
use super::spec::{QuotaSpec, Throttle};
use super::units::Units;
use super::window::Period;
use crate::types::TenantId;

/// The state of one quota of one tenant.
///
/// Of the units in the window, `stored` are those that the store knows of, be they used or only reserved here;
/// `sending` and `unsettled` were used without a reservation and are, or are not yet, on their way to the store. So
/// what is used is `stored - left + sending + unsettled`.
#[derive(Debug)]
pub struct QuotaState {
    series: Series,
    pub(super) roster: Arc<Roster>,
    pub(super) units: Units,
    // Of the epoch that `units` names: written before units are granted in it, and after the one before has ended.
    start_ms: AtomicI64,
    end_ms: AtomicI64,
    pub(super) stored: AtomicU64,
    pub(super) sending: AtomicU64,
    pub(super) unsettled: AtomicU64,
    /// The limit in force.
    pub(super) limit: AtomicU64,
    /// With so few units left, the next block is ordered.
    pub(super) low_water: AtomicU64,
    /// Units that requests wait for.
    pub(super) demand: AtomicU64,
    /// When units will be free again, where none are: milliseconds since 1970.
    pub(super) relief_ms: AtomicI64,
    /// Whether an order is under way.
    pub(super) asked: AtomicBool,
    /// Whether `stored` is more than a guess.
    pub(super) known: AtomicBool,
    /// Whether the roster looks after it.
    pub(super) active: AtomicBool,
    /// GCRA of the requests past the limit: nanoseconds of the gateway's clock.
    arrival_ns: AtomicU64,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) answers: Notify,
}

/// How a charge of reserved units ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// The units are the request's; they belong to the period that starts then.
    Yes { start_ms: i64 },
    /// There are none, and will be none in this period.
    Dry,
    /// The store has to be asked.
    Ask,
}

impl QuotaState {
    /// What the roster remembers of it; the store has not said so yet.
    #[must_use]
    pub fn new(tenant: TenantId, spec: Arc<QuotaSpec>, roster: Arc<Roster>) -> Arc<Self> {
        let series = Series { tenant, quota: Arc::clone(&spec.name), series: spec.series().into() };
        let held = roster.recall(&series);
        Arc::new(Self {
            series,
            roster,
            units: Units::default(),
            start_ms: AtomicI64::new(0),
            end_ms: AtomicI64::new(0),
            stored: AtomicU64::new(0),
            sending: AtomicU64::new(0),
            unsettled: AtomicU64::new(0),
            limit: AtomicU64::new(spec.limit),
            low_water: AtomicU64::new(0),
            demand: AtomicU64::new(0),
            relief_ms: AtomicI64::new(0),
            asked: AtomicBool::new(false),
            known: AtomicBool::new(false),
            active: AtomicBool::new(false),
            arrival_ns: AtomicU64::new(0),
            ledger: Mutex::new(Ledger::new(spec, held)),
            answers: Notify::new(),
        })
    }

    /// Whose state it is, and what it counts.
    #[must_use]
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// Takes reserved units.
    pub(super) fn take(self: &Arc<Self>, cost: u64, now_ms: i64) -> Taken {
        loop {
            let seen = self.units.load();
            let period = self.period();
            if !period.contains(now_ms) {
                return Taken::Ask;
            }
            if seen.left() < cost {
                // Only where the word is still the same, the bounds that were read are its period's.
                match seen.is_dry() {
                    false => return Taken::Ask,
                    true if self.units.load() == seen => return Taken::Dry,
                    true => continue,
                }
            }
            if let Some(after) = self.units.take(seen, cost) {
                if after.left() <= self.low_water.load(Ordering::Relaxed) && !after.is_dry() {
                    self.prefetch();
                }
                return Taken::Yes { start_ms: period.start_ms };
            }
        }
    }

    /// Gives reserved units of a period back, if that is still the present one and is known: of one that was left
    /// and entered again, the store may hold more than the limit allows by now.
    pub(super) fn put_back(self: &Arc<Self>, cost: u64, start_ms: i64) -> bool {
        loop {
            let seen = self.units.load();
            if !self.known.load(Ordering::Acquire) || self.period().start_ms != start_ms {
                return false;
            }
            if self.units.put_back(seen, cost) {
                break;
            }
        }
        // Looked at after the units are there: a limit that is lowered meanwhile finds them, or is found.
        if self.committed() > self.limit.load(Ordering::Acquire) {
            self.trim();
        }
        true
    }

    /// Counts units that were used without a reservation.
    pub(super) fn count(self: &Arc<Self>, units: u64) {
        self.unsettled.fetch_add(units, Ordering::AcqRel);
        self.activate();
    }

    /// Has the roster look after it.
    pub(super) fn activate(self: &Arc<Self>) {
        if !self.active.load(Ordering::Acquire) && !self.active.swap(true, Ordering::AcqRel) {
            self.roster.look_after(Arc::clone(self));
        }
    }

    /// The present period, or the last one that was looked at.
    pub(super) fn period(&self) -> Period {
        Period {
            start_ms: self.start_ms.load(Ordering::Acquire),
            end_ms: self.end_ms.load(Ordering::Acquire),
        }
    }

    pub(super) fn set_period(&self, period: Period) {
        self.start_ms.store(period.start_ms, Ordering::Release);
        self.end_ms.store(period.end_ms, Ordering::Release);
    }

    /// Units used in the window, as far as this process knows. What changes meanwhile may be missed.
    pub(super) fn used(&self) -> u64 {
        let unsettled = self.unsettled.load(Ordering::Acquire) + self.sending.load(Ordering::Acquire);
        let left = self.units.load().left();
        (self.stored.load(Ordering::Acquire) + unsettled).saturating_sub(left)
    }

    /// Units used and reserved in the window.
    pub(super) fn committed(&self) -> u64 {
        let unsettled = self.unsettled.load(Ordering::Acquire) + self.sending.load(Ordering::Acquire);
        self.stored.load(Ordering::Acquire) + unsettled
    }

    /// One request past the limit: `Err` with the time until the next may pass.
    pub(super) fn throttled(&self, throttle: Throttle, now_ns: u64) -> Result<(), Duration> {
        let Throttle { interval_ns, burst } = throttle;
        let tolerance = interval_ns.saturating_mul(burst - 1);
        let mut arrival = self.arrival_ns.load(Ordering::Acquire);
        loop {
            // What another rate has left behind is owed for a burst at most.
            let due = arrival.clamp(now_ns, now_ns.saturating_add(interval_ns.saturating_mul(burst)));
            let early = due.saturating_sub(now_ns);
            if early > tolerance {
                return Err(Duration::from_nanos(early - tolerance));
            }
            let next = due.saturating_add(interval_ns);
            match self.arrival_ns.compare_exchange_weak(arrival, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => arrival = now,
            }
        }
    }

    /// Takes one request past the limit back.
    pub(super) fn unthrottle(&self, throttle: Throttle) {
        let back = |arrival: u64| Some(arrival.saturating_sub(throttle.interval_ns));
        let _ = self.arrival_ns.fetch_update(Ordering::AcqRel, Ordering::Acquire, back);
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Every change under this lock is complete at each step that could panic.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
