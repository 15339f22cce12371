//! One tenant's meter, and what else is looked at of a tenant that is metered.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arc_swap::ArcSwap;

use super::LimitSlot;
use super::places::Places;
use crate::telemetry::quotas::QuotaGauge;
use crate::telemetry::series::{RequestRecord, Series};
use crate::types::TenantId;

/// Rates below this are none.
const RATE_MIN: f32 = 1e-3;

/// One tenant's meter: how many of its requests are in flight, and the series they count in.
///
/// Every request is announced once, by [`started`](Self::started) or [`refused`](Self::refused), and each
/// start is followed by exactly one [`finished`](Self::finished).
#[derive(Debug)]
pub struct TenantMeter {
    in_flight: AtomicU32,
    /// Requests since the last rebalancing.
    requests: AtomicU32,
    /// The decayed rate that rebalancings have made of them (bits of an f32).
    rate: AtomicU32,
    pub(super) gone: AtomicBool,
    pub(super) series: ArcSwap<Series>,
    places: Arc<Places>,
}

/// A tenant that is metered: there is one for each id at a time.
pub trait Metered: fmt::Debug + Send + Sync {
    /// Its id.
    fn id(&self) -> &TenantId;
    /// Its meter.
    fn meter(&self) -> &TenantMeter;
    /// Its quotas, which are shown while it has series of its own.
    fn quotas(&self) -> Vec<Arc<dyn QuotaGauge>>;
}

/// All tenants that are metered, as whoever has them knows them.
pub trait MeteredTenants: fmt::Debug + Send + Sync {
    /// The one of an id.
    fn find(&self, id: &TenantId) -> Option<Arc<dyn Metered>>;
    /// All whose meters are such. Asks each once.
    fn select(&self, is: &mut dyn FnMut(&TenantMeter) -> bool) -> Vec<Arc<dyn Metered>>;
}

impl TenantMeter {
    pub(super) fn new(places: &Arc<Places>) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            rate: AtomicU32::new(0),
            gone: AtomicBool::new(false),
            series: ArcSwap::new(Arc::clone(&places.other)),
            places: Arc::clone(places),
        }
    }

    /// A request of a tenant begins.
    pub fn started<M: Metered + 'static>(tenant: &Arc<M>) {
        let meter = tenant.meter();
        meter.in_flight.fetch_add(1, Ordering::Relaxed);
        meter.places.in_flight.add(1);
        Self::arrived(tenant);
    }

    /// A request that had begun has ended.
    pub fn finished(&self, record: &RequestRecord) {
        let before = self.in_flight.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a request ended that never began");
        self.places.in_flight.add(-1);
        self.series.load().record(record);
    }

    /// A request of a tenant was refused before it had begun: it was never in flight.
    pub fn refused<M: Metered + 'static>(tenant: &Arc<M>, record: &RequestRecord) {
        Self::arrived(tenant);
        tenant.meter().series.load().record(record);
    }

    /// A limit that only counts would have refused a request.
    pub fn shadow_rejected(&self, limit: LimitSlot) {
        self.series.load().shadow_rejected(limit);
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed).into()
    }

    fn arrived<M: Metered + 'static>(tenant: &Arc<M>) {
        let meter = tenant.meter();
        if meter.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            meter.places.claim(tenant);
        }
    }

    /// Takes the requests since the last call into the rate, whose memory halves with each call.
    pub(super) fn rank(&self) -> f32 {
        let (before, requests) = (self.rate(), self.requests.load(Ordering::Relaxed));
        if requests == 0 && before == 0.0 {
            // Most of a million: nothing is written.
            return 0.0;
        }
        let rate = before / 2.0 + self.requests.swap(0, Ordering::Relaxed) as f32;
        // Nobody's for hours is nothing at last.
        let rate = if rate < RATE_MIN { 0.0 } else { rate };
        self.rate.store(rate.to_bits(), Ordering::Relaxed);
        rate
    }

    pub(super) fn rate(&self) -> f32 {
        f32::from_bits(self.rate.load(Ordering::Relaxed))
    }

    /// Whether it has series of its own: then its tenant is held once for them.
    #[must_use]
    pub fn has_series(&self) -> bool {
        !self.is_shared()
    }

    pub(super) fn is_shared(&self) -> bool {
        self.series.load().is_shared()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }
}
