//! What is metered of certificates from an authority.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::Registry;
use prometheus::proto::MetricFamily;

use super::families::{self, Family, Source};
use super::metrics::{Metrics, MetricsError, source};

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderOutcome {
    /// A name has its first certificate.
    Issued,
    /// It has another in its place.
    Renewed,
    /// It has none.
    Failed,
    /// It was broken off: the gateway ended.
    Abandoned,
}

impl OrderOutcome {
    const ALL: [Self; 4] = [Self::Issued, Self::Renewed, Self::Failed, Self::Abandoned];

    fn name(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Renewed => "renewed",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CertificateReading {
    /// Certificates that hold, and can be read.
    pub valid: u64,
    /// That hold, and are encrypted with a key that is not there.
    pub unreadable: u64,
    /// That have ended.
    pub expired: u64,
    /// Names whose last order failed.
    pub failing: u64,
    /// When the first of them ends, in milliseconds since 1970.
    pub soonest_ms: Option<i64>,
}

/// What is counted of orders. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct AcmeMeter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    ended: [AtomicU64; OrderOutcome::ALL.len()],
    in_flight: AtomicU64,
    queue: AtomicU64,
    over_budget: [AtomicU64; BUDGETS.len()],
    kept: Mutex<Option<CertificateReading>>,
}

/// Their names, as in the metric's label.
const BUDGETS: [&str; 3] = ["tenant", "registered_domain", "account"];

/// An order under way: counted as abandoned, unless it ends otherwise.
#[derive(Debug)]
pub struct AcmeOrder {
    meter: AcmeMeter,
    outcome: OrderOutcome,
}

impl Metrics {
    /// What is counted of certificates from an authority.
    #[must_use]
    pub fn acme(&self) -> AcmeMeter {
        self.acme.clone()
    }
}

impl AcmeMeter {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        let meter = Self::default();
        source(registry, AcmeSource(meter.clone()))?;
        Ok(meter)
    }

    /// An order begins.
    #[must_use]
    pub fn begin(&self) -> AcmeOrder {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        AcmeOrder { meter: self.clone(), outcome: OrderOutcome::Abandoned }
    }

    /// So many names wait.
    pub fn waiting(&self, names: usize) {
        self.0.queue.store(names as u64, Ordering::Relaxed);
    }

    /// An order was put off for this budget: `tenant`, `registered_domain`, `account`.
    pub fn over_budget(&self, budget: &str) {
        let at = BUDGETS.iter().position(|name| *name == budget);
        at.and_then(|at| self.0.over_budget.get(at)).into_iter().for_each(|count| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// So much is kept.
    pub fn kept(&self, reading: CertificateReading) {
        *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }
}

impl AcmeOrder {
    /// It has ended so.
    pub fn end(mut self, outcome: OrderOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for AcmeOrder {
    fn drop(&mut self) {
        let counts = &self.meter.0;
        counts.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = counts.ended.get(self.outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct AcmeSource(AcmeMeter);

impl Source for AcmeSource {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 6] = [
            &families::ACME_ORDERS,
            &families::ACME_IN_FLIGHT,
            &families::ACME_QUEUE,
            &families::ACME_OVER_BUDGET,
            &families::CERTIFICATES,
            &families::CERTIFICATE_SOONEST,
        ];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let counts = &*self.0.0;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        let level = |family: &'static Family, count| family.of(vec![family.value(&[], read(count))]);
        let ended = OrderOutcome::ALL.iter().zip(&counts.ended);
        let ended = ended.map(|(outcome, count)| families::ACME_ORDERS.value(&[outcome.name()], read(count)));
        let over = BUDGETS.iter().zip(&counts.over_budget);
        let over = over.map(|(name, count)| families::ACME_OVER_BUDGET.value(&[name], read(count)));
        let kept = *counts.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let states = kept.map(|kept| {
            [
                ("valid", kept.valid),
                ("unreadable", kept.unreadable),
                ("expired", kept.expired),
                ("failing", kept.failing),
            ]
        });
        let states = states.into_iter().flatten();
        let states =
            states.map(|(state, count)| families::CERTIFICATES.value(&["acme", state], count as f64));
        let soonest = kept.and_then(|kept| kept.soonest_ms);
        let soonest = soonest.map(|at_ms| families::CERTIFICATE_SOONEST.value(&[], at_ms as f64 / 1e3));
        vec![
            families::ACME_ORDERS.of(ended.collect()),
            level(&families::ACME_IN_FLIGHT, &counts.in_flight),
            level(&families::ACME_QUEUE, &counts.queue),
            families::ACME_OVER_BUDGET.of(over.collect()),
            families::CERTIFICATES.of(states.collect()),
            families::CERTIFICATE_SOONEST.of(soonest.into_iter().collect()),
        ]
    }
}
