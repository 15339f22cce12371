//! One gateway's metrics: where meters are resolved and the exposition is written.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder};

use super::acme::AcmeMeter;
use super::cache::CacheMeter;
use super::circuits::CircuitSource;
use super::connections::{ListenerMeter, ListenerTable};
use super::families::{self, Family, Registered, Source};
use super::histogram::{OVERHEAD, StripedHistogram};
use super::pools::{PoolMeter, PoolTable};
use super::process::ProcessSource;
use super::quotas::KeptMeters;
use super::seats::SeatSource;
use super::tenants::{LimitSlot, Metered, MeteredTenants, TenantMeter, TenantTable, UnknownMeter};
use super::workers::WorkerTable;

/// All metrics of one gateway, in a registry of its own: several gateways can share a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    tenants: Arc<TenantTable>,
    pools: Arc<PoolTable>,
    listeners: Arc<ListenerTable>,
    workers: Arc<WorkerTable>,
    overhead: Arc<Overhead>,
    connections_refused: IntCounterVec,
    connections_cut: IntCounterVec,
    accept_pauses: IntCounter,
    malformed_requests: IntCounterVec,
    http2_abuse: IntCounterVec,
    access_log: AccessLogMeter,
    pub(super) acme: AcmeMeter,
    pub(super) cache: CacheMeter,
    pub(super) kept: KeptMeters,
    reload_successful: IntGauge,
    reload_timestamp: Gauge,
}

/// The families contradict each other: a mistake in the program, found when the gateway starts.
#[derive(Debug, thiserror::Error)]
#[error("metrics can't be registered: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

/// What the access log counts of itself.
#[derive(Debug, Clone)]
pub struct AccessLogMeter {
    /// Entries lost.
    pub(super) dropped: IntCounter,
    /// Writes that failed.
    pub(super) write_errors: IntCounter,
}

impl Metrics {
    /// Metrics with series of their own for at most `tenants_max` tenants (`metrics.tenants`).
    ///
    /// # Errors
    /// [`MetricsError`], whatever the argument, or never.
    pub fn new(tenants_max: usize) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let tenants = source(&registry, TenantTable::new(tenants_max))?;
        let pools = source(&registry, PoolTable::default())?;
        let listeners = source(&registry, ListenerTable::default())?;
        let workers = source(&registry, WorkerTable::default())?;
        let overhead = source(&registry, Overhead::default())?;
        source(&registry, SeatSource { pools: Arc::clone(&pools), tenants: Arc::clone(&tenants) })?;
        source(&registry, CircuitSource { pools: Arc::clone(&pools) })?;
        source(&registry, ProcessSource)?;
        let access_log = AccessLogMeter {
            dropped: counter(&registry, &families::ACCESS_LOG_DROPPED)?,
            write_errors: counter(&registry, &families::ACCESS_LOG_WRITE_ERRORS)?,
        };
        let build_info =
            prometheus::IntGaugeVec::new(families::BUILD_INFO.opts(), families::BUILD_INFO.labels)?;
        register(&registry, &build_info)?;
        build_info.get_metric_with_label_values(&[env!("CARGO_PKG_VERSION")])?.set(1);
        let reload_successful = IntGauge::with_opts(families::RELOAD_SUCCESSFUL.opts())?;
        register(&registry, &reload_successful)?;
        let reload_timestamp = Gauge::with_opts(families::RELOAD_TIMESTAMP.opts())?;
        register(&registry, &reload_timestamp)?;
        Ok(Self {
            acme: AcmeMeter::new(&registry)?,
            cache: CacheMeter::new(&registry)?,
            kept: KeptMeters::new(&registry)?,
            connections_refused: counters(&registry, &families::CONNECTIONS_REFUSED)?,
            connections_cut: counters(&registry, &families::CONNECTIONS_CUT)?,
            accept_pauses: counter(&registry, &families::ACCEPT_PAUSES)?,
            malformed_requests: counters(&registry, &families::MALFORMED_REQUESTS)?,
            http2_abuse: counters(&registry, &families::HTTP2_ABUSE)?,
            registry,
            tenants,
            pools,
            listeners,
            workers,
            overhead,
            access_log,
            reload_successful,
            reload_timestamp,
        })
    }

    /// A meter for a tenant, of which there must be one only: whoever makes it keeps it with the tenant, and says when that
    /// is [gone](Self::forget_tenant).
    #[must_use]
    pub fn tenant(&self) -> TenantMeter {
        self.tenants.meter()
    }

    /// Who has all tenants, to be asked from now on for as long as it is there.
    pub fn ask_tenants(&self, tenants: Weak<dyn MeteredTenants>) {
        self.tenants.ask(tenants);
    }

    /// Where what a limit of this name would have refused is counted: at most 64 names have series. Locks: call it
    /// when the limit is loaded.
    #[must_use]
    pub fn limit(&self, name: &str) -> LimitSlot {
        self.tenants.limit(name)
    }

    /// The meter of requests that no tenant was found for: `tenant="_unknown"`.
    #[must_use]
    pub fn unknown_tenant(&self) -> Arc<UnknownMeter> {
        Arc::clone(self.tenants.unknown())
    }

    /// A tenant is gone: it gets no series from now on, and what it counted goes on in `tenant="_other"`.
    pub fn forget_tenant(&self, tenant: &dyn Metered) {
        self.tenants.forget(tenant.meter());
    }

    /// Changes how many tenants have series of their own.
    pub fn set_tenants_max(&self, tenants_max: usize) {
        self.tenants.set_bound(tenants_max);
    }

    /// Gives the series to the busiest tenants. For a control task, about every 30 s: each
    /// call halves the weight of what was before, and walks all meters.
    pub fn rebalance_tenants(&self) {
        self.tenants.rebalance();
    }

    /// The one meter of a pool, made where there is none. Locks: call it when the pool is loaded.
    #[must_use]
    pub fn pool(&self, name: &str) -> Arc<PoolMeter> {
        self.pools.meter(name)
    }

    /// Drops the meters of pools that are gone, with all their series.
    pub fn retain_pools(&self, keep: impl Fn(&str) -> bool) {
        self.pools.retain(keep);
    }

    /// A worker has started: how many tasks live on it is asked for when the metrics are.
    pub fn worker_started(&self, worker: usize, tasks: impl Fn() -> usize + Send + Sync + 'static) {
        self.workers.add(worker, Box::new(tasks));
    }

    /// Who tells how many connections of a listener a worker has; nothing, when there are none any more and will be none.
    pub fn count_by_worker(&self, open: impl Fn(usize) -> Option<usize> + Send + Sync + 'static) {
        self.workers.count(Box::new(open));
    }

    /// The one meter of a listener, by the address it is bound to.
    #[must_use]
    pub fn listener(&self, address: &str) -> Arc<ListenerMeter> {
        self.listeners.meter(address)
    }

    /// What a request cost in the gateway itself: its whole time less the waits for the upstream.
    pub fn overhead_observe(&self, duration: Duration) {
        self.overhead.0.observe(&OVERHEAD, duration);
    }

    /// A connection was closed before its first request. The reasons are a fixed set of the caller's.
    pub fn connection_refused(&self, reason: &'static str) {
        bump(&self.connections_refused, reason);
    }

    /// A connection was ended before its time. The reasons are a fixed set of the caller's.
    pub fn connection_cut(&self, reason: &'static str) {
        bump(&self.connections_cut, reason);
    }

    /// Accepting pauses: there is no descriptor or memory left.
    pub fn accept_paused(&self) {
        self.accept_pauses.inc();
    }

    /// A request broke the rules of HTTP. The reasons are a fixed set of the caller's.
    pub fn malformed_request(&self, reason: &'static str) {
        bump(&self.malformed_requests, reason);
    }

    /// An HTTP/2 connection was ended for its client's abuse. The kinds are a fixed set of the caller's.
    pub fn http2_abused(&self, kind: &'static str) {
        bump(&self.http2_abuse, kind);
    }

    /// What the access log counts of itself.
    #[must_use]
    pub fn access_log(&self) -> AccessLogMeter {
        self.access_log.clone()
    }

    /// A configuration was read and is in use since `at`.
    pub fn reload_succeeded(&self, at: SystemTime) {
        self.reload_successful.set(1);
        self.reload_timestamp.set(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    }

    /// A configuration was refused; the one before stays in use.
    pub fn reload_failed(&self) {
        self.reload_successful.set(0);
    }

    /// All families in the text format 0.0.4 (`text/plain; version=0.0.4`).
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            // Only a family without a name or values is an error, and the registry leaves those out.
            tracing::error!(%error, "metrics can't be written");
        }
        text
    }
}

#[derive(Debug, Default)]
struct Overhead(StripedHistogram);

impl Source for Overhead {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 1] = [&families::OVERHEAD_DURATION];
        &FAMILIES
    }

    fn collect(&self) -> Vec<prometheus::proto::MetricFamily> {
        let metric = families::OVERHEAD_DURATION.histogram(&[], &OVERHEAD, &self.0.read());
        vec![families::OVERHEAD_DURATION.of(vec![metric])]
    }
}

pub(super) fn source<S: Source>(registry: &Registry, source: S) -> Result<Arc<S>, MetricsError> {
    let source = Arc::new(source);
    registry.register(Box::new(Registered::new(Arc::clone(&source))?))?;
    Ok(source)
}

pub(super) fn counter(registry: &Registry, family: &Family) -> Result<IntCounter, MetricsError> {
    let counter = IntCounter::with_opts(family.opts())?;
    register(registry, &counter)?;
    Ok(counter)
}

pub(super) fn counters(registry: &Registry, family: &Family) -> Result<IntCounterVec, MetricsError> {
    let counters = IntCounterVec::new(family.opts(), family.labels)?;
    register(registry, &counters)?;
    Ok(counters)
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: &C) -> Result<(), MetricsError> {
    Ok(registry.register(Box::new(metric.clone()))?)
}

pub(super) fn bump(counters: &IntCounterVec, reason: &'static str) {
    if let Ok(counter) = counters.get_metric_with_label_values(&[reason]) {
        counter.inc();
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
