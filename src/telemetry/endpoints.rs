//! What is metered of each endpoint of a pool: its requests, its failures by kind, and how it stands.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::proto::MetricFamily;

use super::families;
use super::histogram::{LATENCY, StripedHistogram};
use super::stripe::StripedSum;

/// How an endpoint failed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointFailure {
    /// No connection could be made.
    Connect,
    /// It closed or reset the connection before its response.
    Reset,
    /// It did not answer in time.
    Timeout,
    /// What it said is no response.
    Protocol,
    /// It answered with a status from 500 to 599.
    Status,
}

impl EndpointFailure {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Connect, Self::Reset, Self::Timeout, Self::Protocol, Self::Status];

    /// Its name, as in the metric's label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Status => "status",
        }
    }
}

/// Why an endpoint was ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EjectionCause {
    /// It could not be connected to several times in a row.
    Connects,
    /// Several requests in a row failed.
    Failures,
    /// Its success rate was far below the others'.
    SuccessRate,
}

impl EjectionCause {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Connects, Self::Failures, Self::SuccessRate];

    /// Its name, as in the metric's label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connects => "connects",
            Self::Failures => "failures",
            Self::SuccessRate => "success_rate",
        }
    }
}

/// One endpoint's meter. Recording locks and allocates nothing.
#[derive(Debug, Default)]
pub struct EndpointMeter {
    requests: StripedSum,
    in_flight: StripedSum,
    failures: [AtomicU64; EndpointFailure::ALL.len()],
    duration: StripedHistogram,
    down: AtomicBool,
    draining: AtomicBool,
    failing: AtomicBool,
    ejected: AtomicBool,
    ejections: [AtomicU64; EjectionCause::ALL.len()],
    checks_passed: AtomicU64,
    checks_failed: AtomicU64,
}

impl EndpointMeter {
    /// A request is sent to it.
    pub fn started(&self) {
        self.requests.add(1);
        self.in_flight.add(1);
    }

    /// It has no more to do with that request.
    pub fn ended(&self) {
        self.in_flight.add(-1);
    }

    /// It has answered: the time from sending the request to the response's head.
    pub fn answered(&self, duration: Duration) {
        self.duration.observe(&LATENCY, duration);
    }

    /// It has failed a request.
    pub fn failed(&self, how: EndpointFailure) {
        if let Some(failures) = self.failures.get(how as usize) {
            failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the last attempt to connect succeeded; whether that is news.
    pub fn set_up(&self, up: bool) -> bool {
        self.is_up() != up && self.down.swap(!up, Ordering::Relaxed) == up
    }

    /// Whether the last attempt to connect succeeded.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.down.load(Ordering::Relaxed)
    }

    /// It takes no new requests, or does again; whether that is news.
    pub fn set_draining(&self, draining: bool) -> bool {
        self.draining.swap(draining, Ordering::Relaxed) != draining
    }

    /// Whether it takes no new requests because an operator said so.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Its checks say that it can't serve, or don't.
    pub fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    /// It is left out for its failures, or not.
    pub fn set_ejected(&self, ejected: bool) {
        self.ejected.store(ejected, Ordering::Relaxed);
    }

    /// It was left out once more.
    pub fn ejected(&self, cause: EjectionCause) {
        if let Some(ejections) = self.ejections.get(cause as usize) {
            ejections.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often it was left out.
    #[must_use]
    pub fn ejections(&self, cause: EjectionCause) -> u64 {
        self.ejections.get(cause as usize).map_or(0, |ejections| ejections.load(Ordering::Relaxed))
    }

    /// A check was passed, or not.
    pub fn checked(&self, passed: bool) {
        let count = if passed { &self.checks_passed } else { &self.checks_failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests sent to it.
    #[must_use]
    pub fn requests(&self) -> u64 {
        u64::try_from(self.requests.sum()).unwrap_or_default()
    }

    /// Requests that it has to do with now.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        u64::try_from(self.in_flight.sum()).unwrap_or_default()
    }

    /// Requests that it failed in that way.
    #[must_use]
    pub fn failures(&self, how: EndpointFailure) -> u64 {
        self.failures.get(how as usize).map_or(0, |failures| failures.load(Ordering::Relaxed))
    }
}

/// The meters of a pool's endpoints by name.
#[derive(Debug, Default)]
pub(super) struct EndpointTable(Mutex<BTreeMap<Box<str>, Arc<EndpointMeter>>>);

impl EndpointTable {
    pub(super) fn meter(&self, name: &str) -> Arc<EndpointMeter> {
        let mut endpoints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(endpoints.entry(name.into()).or_default())
    }

    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| keep(name));
    }

    fn read(&self) -> Vec<(Box<str>, Arc<EndpointMeter>)> {
        let endpoints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.iter().map(|(name, meter)| (name.clone(), Arc::clone(meter))).collect()
    }
}

/// The families of all endpoints, filled pool by pool.
#[derive(Debug, Default)]
pub(super) struct EndpointReading {
    up: Vec<prometheus::proto::Metric>,
    draining: Vec<prometheus::proto::Metric>,
    ejected: Vec<prometheus::proto::Metric>,
    ejections: Vec<prometheus::proto::Metric>,
    checks: Vec<prometheus::proto::Metric>,
    requests: Vec<prometheus::proto::Metric>,
    in_flight: Vec<prometheus::proto::Metric>,
    failures: Vec<prometheus::proto::Metric>,
    durations: Vec<prometheus::proto::Metric>,
}

impl EndpointReading {
    /// Reads a pool's endpoints.
    pub(super) fn take(&mut self, pool: &str, endpoints: &EndpointTable) {
        for (name, meter) in endpoints.read() {
            let labels = &[pool, &*name];
            let flag = |flag: bool| f64::from(u8::from(flag));
            let (failing, ejected) =
                (meter.failing.load(Ordering::Relaxed), meter.ejected.load(Ordering::Relaxed));
            self.up.push(families::ENDPOINT_UP.value(labels, flag(meter.is_up() && !failing)));
            self.ejected.push(families::ENDPOINT_EJECTED.value(labels, flag(ejected)));
            self.draining.push(families::ENDPOINT_DRAINING.value(labels, flag(meter.is_draining())));
            self.requests.push(families::ENDPOINT_REQUESTS.value(labels, meter.requests() as f64));
            self.in_flight.push(families::ENDPOINT_IN_FLIGHT.value(labels, meter.in_flight() as f64));
            for how in EndpointFailure::ALL {
                let labels = &[pool, &*name, how.name()];
                let count = meter.failures(how) as f64;
                self.failures.push(families::ENDPOINT_FAILURES.value(labels, count));
            }
            for cause in EjectionCause::ALL {
                let labels = &[pool, &*name, cause.name()];
                let count = meter.ejections(cause) as f64;
                self.ejections.push(families::ENDPOINT_EJECTIONS.value(labels, count));
            }
            for (result, count) in [("pass", &meter.checks_passed), ("fail", &meter.checks_failed)] {
                let labels = &[pool, &*name, result];
                let count = count.load(Ordering::Relaxed) as f64;
                self.checks.push(families::ENDPOINT_CHECKS.value(labels, count));
            }
            let duration = meter.duration.read();
            self.durations.push(families::ENDPOINT_DURATION.histogram(labels, &LATENCY, &duration));
        }
    }

    /// What was read.
    pub(super) fn families(self) -> [MetricFamily; 9] {
        [
            families::ENDPOINT_UP.of(self.up),
            families::ENDPOINT_DRAINING.of(self.draining),
            families::ENDPOINT_EJECTED.of(self.ejected),
            families::ENDPOINT_EJECTIONS.of(self.ejections),
            families::ENDPOINT_CHECKS.of(self.checks),
            families::ENDPOINT_REQUESTS.of(self.requests),
            families::ENDPOINT_IN_FLIGHT.of(self.in_flight),
            families::ENDPOINT_FAILURES.of(self.failures),
            families::ENDPOINT_DURATION.of(self.durations),
        ]
    }
}
