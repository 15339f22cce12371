//! Quotas over a store that the tests carry out themselves: what is let in of each meter (`units`), what becomes of
//! that when the store is slow or fails (`outages`), and everything at once against counting (`counting`).

mod counting;
mod outages;
mod units;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::telemetry::Metrics;
use crate::time::{Clock, ManualClock};
use crate::types::TenantId;

/// A store in memory, whose orders wait until the test has them carried out.
#[derive(Debug, Default)]
struct Shelf {
    periods: Mutex<BTreeMap<i64, u64>>,
    waiting: Mutex<Vec<Order>>,
}

impl Backend for Shelf {
    fn submit(&self, order: Order, _: Lane) {
        self.waiting.lock().unwrap().push(order);
    }
}

impl Shelf {
    fn carry_out(&self, order: &Order) -> Grant {
        let mut periods = self.periods.lock().unwrap();
        for change in &order.changes {
            let units = periods.entry(change.start_ms).or_default();
            *units = units.saturating_add_signed(change.units);
        }
        *periods.entry(order.start_ms).or_default() += order.spent;
        let counted = |periods: &BTreeMap<i64, u64>| {
            let until = if order.counts_later { i64::MAX } else { order.start_ms };
            let counted = periods.range(order.counts_from_ms..=until);
            let held: Vec<(i64, u64)> =
                counted.filter(|(_, units)| **units > 0).map(|(s, u)| (*s, *u)).collect();
            (held.iter().map(|(_, units)| units).sum::<u64>(), held.first().map(|(start, _)| *start))
        };
        let granted = order.want.min(order.limit.saturating_sub(counted(&periods).0));
        *periods.entry(order.start_ms).or_default() += granted;
        let (used, oldest_ms) = counted(&periods);
        Grant { granted, used, oldest_ms }
    }

    fn next(&self) -> Option<Order> {
        let mut waiting = self.waiting.lock().unwrap();
        (!waiting.is_empty()).then(|| waiting.remove(0))
    }

    fn answer_all(&self) {
        while let Some(order) = self.next() {
            let grant = self.carry_out(&order);
            order.answer(Ok(grant));
        }
    }

    fn fail_all(&self) {
        while let Some(order) = self.next() {
            order.answer(Err(BackendError::Locked));
        }
    }
}

/// One process's life over a store.
struct Life {
    roster: Arc<Roster>,
    state: Arc<QuotaState>,
    quota: Quota,
}

impl Life {
    fn new(shelf: &Arc<Shelf>, clock: &Clock, spec: &QuotaSpec) -> Self {
        Self::over(Roster::new(clock.clone(), Metrics::new(1).unwrap().quotas()), shelf, spec)
    }

    /// A life in which requests wait for as long as it takes.
    fn patient(shelf: &Arc<Shelf>, clock: &Clock, spec: &QuotaSpec) -> Self {
        let meter = Metrics::new(1).unwrap().quotas();
        Self::over(Roster::with_patience(clock.clone(), meter, Duration::from_secs(3_600)), shelf, spec)
    }

    fn over(roster: Arc<Roster>, shelf: &Arc<Shelf>, spec: &QuotaSpec) -> Self {
        roster.connect(Arc::clone(shelf) as Arc<dyn Backend>);
        let spec = Arc::new(spec.clone());
        let tenant = TenantId::parse("acme").unwrap();
        let state = QuotaState::new(tenant, Arc::clone(&spec), Arc::clone(&roster));
        Self { quota: Quota::new(spec, Arc::clone(&state)), roster, state }
    }

    /// Asks as a request does, with a store that answers at once.
    fn ask(&self, shelf: &Shelf, cost: u32) -> Verdict {
        let _wanted = limit::Wanted::new(&self.state.demand, u64::from(cost));
        let cost = NonZeroU32::new(cost).unwrap();
        for _ in 0..4 {
            match self.quota.charge(cost) {
                Verdict::Undecided => {}
                verdict => return verdict,
            }
            let _ = self.state.ask(later());
            shelf.answer_all();
        }
        panic!("the store answers and the quota does not: {:?}", self.state);
    }

    fn admitted(&self, shelf: &Shelf, asked: usize) -> usize {
        (0..asked).filter(|_| matches!(self.ask(shelf, 1), Verdict::Admitted(_))).count()
    }
}

/// A moment at which every pause after a failure is over.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

const ONE: NonZeroU32 = NonZeroU32::MIN;

fn utc(unit: CalendarUnit) -> Window {
    Window::Calendar(unit, jiff::tz::TimeZone::UTC)
}

fn requests(limit: u64, window: Window) -> QuotaSpec {
    QuotaSpec {
        name: "monthly".into(),
        label: QuotaSpec::label("monthly", Meter::Requests, limit, &window),
        meter: Meter::Requests,
        limit,
        window,
        on_exceed: OnExceed::Reject,
        soft: None,
        on_outage: OnOutage::Deny,
    }
}

fn world() -> (Arc<Shelf>, Clock, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Arc::default(), clock, hand)
}
