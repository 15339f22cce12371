//! What is metered of each tenant: on every request's way, at its start and at its end.
//!
//! A meter is resolved when its tenant is loaded and kept by it, so that recording a request looks
//! nothing up, allocates nothing and locks nothing.

mod limits;
mod table;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;

use super::quotas::QuotaGauge;
use super::series::{RequestRecord, Series};
use super::stripe::StripedSum;
use crate::types::TenantId;

pub use limits::LimitSlot;
pub(super) use limits::{LIMITS_MAX, LimitNames};
pub(super) use table::TenantTable;

/// One tenant's meter: how many of its requests are in flight, and the series they count in.
///
/// Every request is announced once, by [`started`](Self::started) or [`refused`](Self::refused), and each
/// start is followed by exactly one [`finished`](Self::finished).
#[derive(Debug)]
pub struct TenantMeter {
    // None for the meter of requests that no tenant was found for.
    id: Option<TenantId>,
    in_flight: AtomicU64,
    requests: AtomicU64,
    // How many requests a rebalancing has seen, and the decayed rate it made of them (bits of an f64).
    ranked: AtomicU64,
    rate: AtomicU64,
    series: ArcSwap<Series>,
    // Shown while the tenant has series of its own. Locked by reloads and readers of metrics only.
    quotas: Mutex<Vec<Arc<dyn QuotaGauge>>>,
    shared: Arc<Shared>,
    table: Weak<TenantTable>,
}

/// What meters share without knowing each other.
#[derive(Debug)]
struct Shared {
    /// The series of all tenants that have none of their own.
    other: Arc<Series>,
    /// Requests in flight of all meters.
    in_flight: StripedSum,
}

impl TenantMeter {
    fn new(id: Option<TenantId>, series: Arc<Series>, shared: Arc<Shared>, table: Weak<TenantTable>) -> Self {
        Self {
            id,
            in_flight: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            ranked: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            series: ArcSwap::new(series),
            quotas: Mutex::default(),
            shared,
            table,
        }
    }

    /// A request begins.
    pub fn started(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.shared.in_flight.add(1);
        self.arrived();
    }

    /// A request that had begun has ended.
    pub fn finished(&self, record: &RequestRecord) {
        let before = self.in_flight.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a request ended that never began");
        self.shared.in_flight.add(-1);
        self.series.load().record(record);
    }

    /// A request was refused before it had begun: it was never in flight.
    pub fn refused(&self, record: &RequestRecord) {
        self.arrived();
        self.series.load().record(record);
    }

    /// A limit that only counts would have refused a request.
    pub fn shadow_rejected(&self, limit: LimitSlot) {
        self.series.load().shadow_rejected(limit);
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The quotas that are shown with the tenant's series, from now on.
    pub fn show_quotas(&self, mut quotas: Vec<Arc<dyn QuotaGauge>>) {
        quotas.shrink_to_fit();
        *self.quotas.lock().unwrap_or_else(PoisonError::into_inner) = quotas;
    }

    fn quotas(&self) -> Vec<Arc<dyn QuotaGauge>> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn arrived(&self) {
        if self.requests.fetch_add(1, Ordering::Relaxed) == 0
            && let Some(table) = self.table.upgrade()
        {
            table.claim(self);
        }
    }

    /// Takes the requests since the last call into the rate, whose memory halves with each call.
    fn rank(&self) -> f64 {
        let requests = self.requests.load(Ordering::Relaxed);
        let since = requests.saturating_sub(self.ranked.swap(requests, Ordering::Relaxed));
        let rate = self.rate() / 2.0 + since as f64;
        self.rate.store(rate.to_bits(), Ordering::Relaxed);
        rate
    }

    fn rate(&self) -> f64 {
        f64::from_bits(self.rate.load(Ordering::Relaxed))
    }
}
