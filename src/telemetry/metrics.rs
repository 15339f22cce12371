//! One gateway's metrics: where meters are resolved and the exposition is written.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder};

use super::connections::{ListenerMeter, ListenerTable};
use super::families::{self, Family, Registered, Source};
use super::histogram::{OVERHEAD, StripedHistogram};
use super::pools::{PoolMeter, PoolTable};
use super::process::ProcessSource;
use super::quotas::{Commits, QuotaMeter, StoreMeter};
use super::seats::SeatSource;
use super::tenants::{LimitSlot, TenantMeter, TenantTable};
use crate::types::TenantId;

/// All metrics of one gateway, in a registry of its own: several gateways can share a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    tenants: Arc<TenantTable>,
    pools: Arc<PoolTable>,
    listeners: Arc<ListenerTable>,
    overhead: Arc<Overhead>,
    connections_refused: IntCounterVec,
    malformed_requests: IntCounterVec,
    access_log: AccessLogMeter,
    quotas: QuotaMeter,
    store: StoreMeter,
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
        let overhead = source(&registry, Overhead::default())?;
        source(&registry, SeatSource { pools: Arc::clone(&pools), tenants: Arc::clone(&tenants) })?;
        source(&registry, ProcessSource)?;
        let access_log = AccessLogMeter {
            dropped: counter(&registry, &families::ACCESS_LOG_DROPPED)?,
            write_errors: counter(&registry, &families::ACCESS_LOG_WRITE_ERRORS)?,
        };
        let quotas = QuotaMeter(counters(&registry, &families::QUOTA_OUTAGES)?);
        // Both from the start: a rate can't see the step from no series to 1.
        for policy in ["local", "deny"] {
            quotas.0.get_metric_with_label_values(&[policy])?;
        }
        let store = StoreMeter {
            commits: source(&registry, Commits::default())?,
            errors: counter(&registry, &families::STORE_ERRORS)?,
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
            connections_refused: counters(&registry, &families::CONNECTIONS_REFUSED)?,
            malformed_requests: counters(&registry, &families::MALFORMED_REQUESTS)?,
            registry,
            tenants,
            pools,
            listeners,
            overhead,
            access_log,
            quotas,
            store,
            reload_successful,
            reload_timestamp,
        })
    }

    /// The one meter of a tenant, the same for the same id until [`Metrics::retain_tenants`] drops it.
    /// Looks up and locks: call it when the tenant is loaded and keep what it returns.
    #[must_use]
    pub fn tenant(&self, id: &TenantId) -> Arc<TenantMeter> {
        self.tenants.meter(id)
    }

    /// Where what a limit of this name would have refused is counted: at most 64 names have series. Locks: call it
    /// when the limit is loaded.
    #[must_use]
    pub fn limit(&self, name: &str) -> LimitSlot {
        self.tenants.limit(name)
    }

    /// The meter of requests that no tenant was found for: `tenant="_unknown"`.
    #[must_use]
    pub fn unknown_tenant(&self) -> Arc<TenantMeter> {
        Arc::clone(self.tenants.unknown())
    }

    /// Drops the meters of tenants that are gone; what they counted goes on in `tenant="_other"`.
    pub fn retain_tenants(&self, keep: impl Fn(&TenantId) -> bool) {
        self.tenants.retain(keep);
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

    /// A request broke the rules of HTTP. The reasons are a fixed set of the caller's.
    pub fn malformed_request(&self, reason: &'static str) {
        bump(&self.malformed_requests, reason);
    }

    /// What the access log counts of itself.
    #[must_use]
    pub fn access_log(&self) -> AccessLogMeter {
        self.access_log.clone()
    }

    /// What all quotas count together.
    #[must_use]
    pub fn quotas(&self) -> QuotaMeter {
        self.quotas.clone()
    }

    /// What the store counts of itself.
    #[must_use]
    pub fn store(&self) -> StoreMeter {
        self.store.clone()
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

fn source<S: Source>(registry: &Registry, source: S) -> Result<Arc<S>, MetricsError> {
    let source = Arc::new(source);
    registry.register(Box::new(Registered::new(Arc::clone(&source))?))?;
    Ok(source)
}

fn counter(registry: &Registry, family: &Family) -> Result<IntCounter, MetricsError> {
    let counter = IntCounter::with_opts(family.opts())?;
    register(registry, &counter)?;
    Ok(counter)
}

fn counters(registry: &Registry, family: &Family) -> Result<IntCounterVec, MetricsError> {
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
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::telemetry::{Protocol, QuotaGauge, RequestRecord, SeatReading};

    #[derive(Debug)]
    struct HalfUsed;

    impl QuotaGauge for HalfUsed {
        fn name(&self) -> &str {
            "monthly"
        }

        fn used_ratio(&self) -> f64 {
            0.5
        }

        fn soft_exceeded(&self) -> Option<bool> {
            Some(false)
        }
    }

    /// A pool of two seats, for one of which acme waits, and globex too.
    #[derive(Debug)]
    struct Waiting;

    impl SeatReading for Waiting {
        fn limit(&self) -> Option<u32> {
            Some(2)
        }

        fn in_use(&self) -> u32 {
            1
        }

        fn streams(&self) -> u32 {
            3
        }

        fn fairness(&self) -> f64 {
            0.5
        }

        fn depths(&self, tell: &mut dyn FnMut(&TenantId, u32)) {
            for tenant in ["acme", "globex", "initech"] {
                tell(&TenantId::parse(tenant).expect("an id"), 2);
            }
        }
    }

    /// Metrics with a value in every family, for as long as the seats live.
    fn busy() -> (Metrics, Arc<Waiting>) {
        let metrics = Metrics::new(1).expect("metrics");
        let id = |text| TenantId::parse(text).expect("an id");
        let record = RequestRecord {
            status: 200,
            refusal: None,
            duration: Duration::from_micros(700),
            queue_wait: None,
            request_bytes: 10,
            response_bytes: 2_000,
        };
        let limited = RequestRecord { status: 429, refusal: Some("rate_limited"), ..record };
        for tenant in ["acme", "globex"] {
            metrics.tenant(&id(tenant)).started();
            metrics.tenant(&id(tenant)).finished(&record);
            metrics.tenant(&id(tenant)).refused(&limited);
        }
        metrics.tenant(&id("acme")).show_quotas(vec![Arc::new(HalfUsed)]);
        metrics.quotas().decided_without("deny");
        metrics.store().committed(Duration::from_micros(300));
        metrics.store().failed();
        metrics.unknown_tenant().refused(&limited);
        metrics.tenant(&id("acme")).shadow_rejected(metrics.limit("per-key"));
        let pool = metrics.pool("shared");
        pool.upstream_observe(Duration::from_micros(500));
        pool.retried();
        pool.set_endpoint_up("http://127.0.0.1:9001", true);
        pool.set_endpoint_up("unix:/run/\"odd\"\\name.sock", false);
        drop(pool.connection_opened());
        let seats = Arc::new(Waiting);
        pool.show_seats(Arc::downgrade(&seats) as _);
        metrics.listener("0.0.0.0:8080").accepted();
        metrics.overhead_observe(Duration::from_micros(20));
        metrics.connection_refused("limit");
        metrics.malformed_request("host");
        metrics.reload_succeeded(UNIX_EPOCH + Duration::from_millis(1_700_000_000_500));
        (metrics, seats)
    }

    #[test]
    fn the_exposition_has_every_family_and_what_was_recorded() {
        let (metrics, _seats) = busy();
        let text = metrics.render();
        for family in families::ALL {
            assert!(text.contains(&format!("# TYPE {} ", family.name)), "{} is missing", family.name);
            assert!(text.contains(&format!("# HELP {} {}\n", family.name, family.help)), "{}", family.name);
        }
        for line in [
            "tollgate_requests_total{code=\"2xx\",tenant=\"acme\"} 1",
            "tollgate_requests_total{code=\"4xx\",tenant=\"_other\"} 1",
            "tollgate_rejected_total{reason=\"rate_limited\",tenant=\"_unknown\"} 1",
            "tollgate_quota_used_ratio{tenant=\"acme\",quota=\"monthly\"} 0.5",
            "tollgate_quota_soft_exceeded{tenant=\"acme\",quota=\"monthly\"} 0",
            "tollgate_quota_outages_total{policy=\"local\"} 0",
            "tollgate_quota_outages_total{policy=\"deny\"} 1",
            "tollgate_store_commit_duration_seconds_count 1",
            "tollgate_store_errors_total 1",
            "tollgate_shadow_rejected_total{limit=\"per-key\",tenant=\"acme\"} 1",
            "tollgate_request_duration_seconds_bucket{tenant=\"acme\",le=\"0.0005\"} 0",
            "tollgate_request_duration_seconds_bucket{tenant=\"acme\",le=\"0.001\"} 2",
            "tollgate_request_duration_seconds_sum{tenant=\"acme\"} 0.0014",
            "tollgate_upstream_duration_seconds_count{pool=\"shared\"} 1",
            "tollgate_pool_seats{pool=\"shared\"} 2",
            "tollgate_pool_seats_in_use{pool=\"shared\"} 1",
            "tollgate_pool_streams{pool=\"shared\"} 3",
            "tollgate_pool_fairness_ratio{pool=\"shared\"} 0.5",
            "tollgate_queue_depth{pool=\"shared\",tenant=\"acme\"} 2",
            "tollgate_queue_depth{pool=\"shared\",tenant=\"_other\"} 4",
            "tollgate_overhead_duration_seconds_bucket{le=\"0.00002\"} 1",
            "tollgate_endpoint_up{endpoint=\"http://127.0.0.1:9001\",pool=\"shared\"} 1",
            "tollgate_config_last_reload_successful 1",
            "tollgate_config_last_reload_success_timestamp_seconds 1700000000.5",
        ] {
            let (labels, value) = line.rsplit_once(' ').expect("a value");
            let found = text.lines().find(|found| same_series(found, labels));
            let found = found.unwrap_or_else(|| panic!("{labels} is missing in\n{text}"));
            assert!(found.ends_with(&format!(" {value}")), "{found} should be {value}");
        }
    }

    /// Whether a line is of this series, whatever the order of its labels.
    fn same_series(line: &str, series: &str) -> bool {
        let parts = |text: &str| {
            let mut parts: Vec<String> =
                text.split(['{', '}', ',']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
            parts.sort();
            parts
        };
        line.rsplit_once(' ').is_some_and(|(found, _)| parts(found) == parts(series))
    }

    #[test]
    fn what_is_gone_is_no_longer_shown() {
        let (metrics, _seats) = busy();
        metrics.pool("shared").retain_endpoints(|endpoint| endpoint.starts_with("http:"));
        assert!(!metrics.render().contains("unix:"));
        metrics.retain_pools(|_| false);
        assert!(!metrics.render().contains("pool=\"shared\""));
        metrics.retain_tenants(|_| false);
        assert!(!metrics.render().contains("tenant=\"acme\""));
        metrics.reload_failed();
        assert!(metrics.render().contains("tollgate_config_last_reload_successful 0\n"));
    }

    #[test]
    fn an_open_connection_counts_as_long_as_it_lives() {
        let metrics = Metrics::new(1).expect("metrics");
        let (listener, pool) = (metrics.listener("a"), metrics.pool("p"));
        let open = (listener.opened(Protocol::Http2), pool.connection_opened());
        let text = metrics.render();
        assert!(text.contains("tollgate_connections{listener=\"a\",protocol=\"http2\"} 1\n"), "{text}");
        assert!(text.contains("tollgate_upstream_connections{pool=\"p\"} 1\n"), "{text}");
        drop(open);
        let text = metrics.render();
        assert!(text.contains("tollgate_connections{listener=\"a\",protocol=\"http2\"} 0\n"), "{text}");
        assert!(text.contains("tollgate_upstream_connections{pool=\"p\"} 0\n"), "{text}");
        assert!(text.contains("tollgate_upstream_connections_total{pool=\"p\"} 1\n"), "{text}");
    }

    #[test]
    fn several_gateways_share_a_process() {
        let (one, two) = (busy(), Metrics::new(1).expect("metrics"));
        assert!(one.0.render().contains("acme"));
        assert!(!two.render().contains("acme"));
    }

    #[test]
    fn promtool_finds_nothing_to_say() {
        let promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        // The package `prometheus` brings it; without it the other tests still hold.
        let Ok(mut promtool) = promtool else { return };
        let mut stdin = promtool.stdin.take().expect("a pipe");
        stdin.write_all(busy().0.render().as_bytes()).expect("promtool reads");
        drop(stdin);
        let output = promtool.wait_with_output().expect("promtool ends");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    }
}
