//! What is metered of each pool: its endpoints, its connections, and the time that upstreams take.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use prometheus::proto::MetricFamily;

use super::circuits::CircuitReading;
use super::connections::OpenConnection;
use super::endpoints::{EndpointMeter, EndpointReading, EndpointTable};
use super::families::{self, Family, Source};
use super::histogram::{LATENCY, StripedHistogram};
use super::mirrors::MirrorMeter;
use super::seats::SeatReading;

/// One pool's meter, resolved when the pool is loaded. Recording locks and allocates nothing.
#[derive(Debug, Default)]
pub struct PoolMeter {
    upstream_duration: StripedHistogram,
    connections_opened: AtomicU64,
    connections_open: Arc<AtomicI64>,
    retries: AtomicU64,
    retries_withheld: AtomicU64,
    mirrors: MirrorMeter,
    failed_over: AtomicBool,
    panicking: AtomicBool,
    endpoints: EndpointTable,
    seats: Mutex<Option<Weak<dyn SeatReading>>>,
    circuit: Mutex<Option<Weak<dyn CircuitReading>>>,
}

impl PoolMeter {
    /// An endpoint answered: the time from sending the request to the response's head.
    pub fn upstream_observe(&self, duration: Duration) {
        self.upstream_duration.observe(&LATENCY, duration);
    }

    /// A connection to an endpoint has been opened; it counts as open until the value is dropped.
    pub fn connection_opened(&self) -> OpenConnection {
        self.connections_opened.fetch_add(1, Ordering::Relaxed);
        OpenConnection::count(&self.connections_open)
    }

    /// The pool's seats, to be shown for as long as they live.
    pub fn show_seats(&self, seats: Weak<dyn SeatReading>) {
        *self.seats.lock().unwrap_or_else(PoisonError::into_inner) = Some(seats);
    }

    /// The pool's circuit breaker, to be shown for as long as it lives.
    pub fn show_circuit(&self, circuit: Weak<dyn CircuitReading>) {
        *self.circuit.lock().unwrap_or_else(PoisonError::into_inner) = Some(circuit);
    }

    /// A request is sent once more.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// A request would be sent once more, but for the budget.
    pub fn retry_withheld(&self) {
        self.retries_withheld.fetch_add(1, Ordering::Relaxed);
    }

    /// Copies of requests that go to it.
    pub(super) fn mirrors(&self) -> &MirrorMeter {
        &self.mirrors
    }

    /// Its requests go to its failover pool, or not; whether that is news.
    pub fn set_failed_over(&self, failed_over: bool) -> bool {
        self.failed_over.swap(failed_over, Ordering::Relaxed) != failed_over
    }

    /// Whether its requests go to its failover pool.
    #[must_use]
    pub fn is_failed_over(&self) -> bool {
        self.failed_over.load(Ordering::Relaxed)
    }

    /// Its endpoints are used whatever is thought of their health, or not; whether that is news.
    pub fn set_panicking(&self, panicking: bool) -> bool {
        self.panicking.swap(panicking, Ordering::Relaxed) != panicking
    }

    /// Whether its endpoints are used whatever is thought of their health.
    #[must_use]
    pub fn is_panicking(&self) -> bool {
        self.panicking.load(Ordering::Relaxed)
    }

    /// An endpoint's meter. It is shown from the first call on.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Arc<EndpointMeter> {
        self.endpoints.meter(name)
    }

    /// Forgets the endpoints that are gone.
    pub fn retain_endpoints(&self, keep: impl Fn(&str) -> bool) {
        self.endpoints.retain(keep);
    }
}

/// The meters of all pools by name. Names come from the configuration, which bounds them.
#[derive(Debug, Default)]
pub(super) struct PoolTable {
    pools: Mutex<BTreeMap<Box<str>, Arc<PoolMeter>>>,
}

impl PoolTable {
    pub(super) fn meter(&self, name: &str) -> Arc<PoolMeter> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(pools.entry(name.into()).or_default())
    }

    /// The seats of all pools, by name.
    pub(super) fn seats(&self) -> Vec<(Box<str>, Arc<dyn SeatReading>)> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let seats = pools.iter().filter_map(|(name, pool)| {
            let seats = pool.seats.lock().unwrap_or_else(PoisonError::into_inner);
            Some((name.clone(), seats.as_ref()?.upgrade()?))
        });
        seats.collect()
    }

    /// The circuit breakers of all pools, by name.
    pub(super) fn circuits(&self) -> Vec<(Box<str>, Arc<dyn CircuitReading>)> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let circuits = pools.iter().filter_map(|(name, pool)| {
            let circuit = pool.circuit.lock().unwrap_or_else(PoisonError::into_inner);
            Some((name.clone(), circuit.as_ref()?.upgrade()?))
        });
        circuits.collect()
    }

    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| keep(name));
    }
}

impl Source for PoolTable {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 18] = [
            &families::UPSTREAM_DURATION,
            &families::UPSTREAM_CONNECTIONS_TOTAL,
            &families::UPSTREAM_CONNECTIONS,
            &families::UPSTREAM_RETRIES,
            &families::UPSTREAM_RETRIES_WITHHELD,
            &families::MIRRORED,
            &families::MIRRORS_IN_FLIGHT,
            &families::POOL_FAILED_OVER,
            &families::POOL_PANICKING,
            &families::ENDPOINT_UP,
            &families::ENDPOINT_DRAINING,
            &families::ENDPOINT_EJECTED,
            &families::ENDPOINT_EJECTIONS,
            &families::ENDPOINT_CHECKS,
            &families::ENDPOINT_REQUESTS,
            &families::ENDPOINT_IN_FLIGHT,
            &families::ENDPOINT_FAILURES,
            &families::ENDPOINT_DURATION,
        ];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut durations, mut opened, mut open) = (Vec::new(), Vec::new(), Vec::new());
        let (mut retries, mut endpoints) = (Vec::new(), EndpointReading::default());
        let mut withheld = Vec::new();
        let (mut mirrored, mut mirrors) = (Vec::new(), Vec::new());
        let (mut failed_over, mut panicking) = (Vec::new(), Vec::new());
        for (name, pool) in &pools {
            let duration = pool.upstream_duration.read();
            durations.push(families::UPSTREAM_DURATION.histogram(&[name], &LATENCY, &duration));
            let count = pool.connections_opened.load(Ordering::Relaxed);
            opened.push(families::UPSTREAM_CONNECTIONS_TOTAL.value(&[name], count as f64));
            let count = pool.connections_open.load(Ordering::Relaxed);
            open.push(families::UPSTREAM_CONNECTIONS.value(&[name], count as f64));
            let count = pool.retries.load(Ordering::Relaxed);
            retries.push(families::UPSTREAM_RETRIES.value(&[name], count as f64));
            let count = pool.retries_withheld.load(Ordering::Relaxed);
            withheld.push(families::UPSTREAM_RETRIES_WITHHELD.value(&[name], count as f64));
            pool.mirrors.read(name, &mut mirrored, &mut mirrors);
            let flag = |flag: bool| f64::from(u8::from(flag));
            failed_over.push(families::POOL_FAILED_OVER.value(&[name], flag(pool.is_failed_over())));
            panicking.push(families::POOL_PANICKING.value(&[name], flag(pool.is_panicking())));
            endpoints.take(name, &pool.endpoints);
        }
        let mut families = vec![
            families::UPSTREAM_DURATION.of(durations),
            families::UPSTREAM_CONNECTIONS_TOTAL.of(opened),
            families::UPSTREAM_CONNECTIONS.of(open),
            families::UPSTREAM_RETRIES.of(retries),
            families::UPSTREAM_RETRIES_WITHHELD.of(withheld),
            families::MIRRORED.of(mirrored),
            families::MIRRORS_IN_FLIGHT.of(mirrors),
            families::POOL_FAILED_OVER.of(failed_over),
            families::POOL_PANICKING.of(panicking),
        ];
        families.extend(endpoints.families());
        families
    }
}
