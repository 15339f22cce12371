//! One server of a pool: where it listens, how it stands, and what it is working on.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::balancing::ns_of;
use super::connect::ConnectFailure;
use super::fitness::Fitness;
use super::retirement::Retirement;
use super::tls::ClientTls;
use crate::balance::{self, Gauge};
use crate::health::{Cause, Change, Health, Outcome, Outliers, RiseFall};
use crate::telemetry::{EjectionCause, EndpointFailure, EndpointMeter};

/// One server of a pool. It outlives reloads that keep it.
#[derive(Debug)]
pub struct Endpoint {
    id: EndpointId,
    pool: Arc<str>,
    name: Arc<str>,
    address: Address,
    tls: Option<Arc<ClientTls>>,
    protocol: Protocol,
    meter: Arc<EndpointMeter>,
    gauge: OnceLock<Arc<Gauge>>,
    fitness: Fitness,
    retirement: Arc<Retirement>,
}

/// What an endpoint is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: agreed on by ALPN over TLS, else with prior knowledge (RFC 9113 §3).
    Http2,
    /// What the endpoint chooses by ALPN over TLS; without, HTTP/1.1.
    Auto,
}

/// Tells endpoints apart: connections belong to one, and a reload that keeps the endpoint keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(u64);

impl EndpointId {
    /// As a number: what detection of outliers knows it by.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

/// Where an endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and port.
    Ip(SocketAddr),
    /// A name, resolved at each connect, and a port.
    Name(String, u16),
    /// One of the addresses of a name, and that name: each is an endpoint.
    Found(SocketAddr, Arc<str>),
    /// The path of a Unix domain socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) | Self::Found(address, _) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A request that an endpoint is working on: counted until it has ended, or this is dropped.
#[derive(Debug)]
#[must_use = "the request counts as in flight only as long as this lives"]
pub struct Running {
    endpoint: Arc<Endpoint>,
    tenant: u64,
    is_counted: bool,
    load: Option<balance::Running>,
    /// It was answered well, so far.
    is_well: bool,
}

impl Endpoint {
    /// An endpoint of a pool at an address, not like any other even at the same one. `meter` tells the meter of a name.
    #[must_use]
    pub fn new(pool: &str, address: Address, meter: impl FnOnce(&str) -> Arc<EndpointMeter>) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let name: Arc<str> = address.to_string().into();
        let meter = meter(&name);
        // What was thought of another one of this name says nothing of this one.
        meter.set_failing(false);
        meter.set_ejected(false);
        let id = EndpointId(IDS.fetch_add(1, Ordering::Relaxed));
        let (tls, protocol, gauge) = (None, Protocol::Http1, OnceLock::new());
        let (fitness, retirement) = (Fitness::default(), Arc::default());
        Self { id, pool: pool.into(), name, address, tls, protocol, meter, gauge, fitness, retirement }
    }

    /// The same, spoken to over TLS. Its connections are trusted on these terms: with other terms it is another
    /// endpoint.
    #[must_use]
    pub fn secure(self, tls: Arc<ClientTls>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The same, spoken to in that protocol. With another it is another endpoint.
    #[must_use]
    pub fn speaking(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// Whether its connections are what new ones would be: in that protocol, and trusted on those very terms.
    #[must_use]
    pub fn is_reached(&self, tls: Option<&Arc<ClientTls>>, protocol: Protocol) -> bool {
        let same_terms = match (&self.tls, tls) {
            (Some(own), Some(tls)) => Arc::ptr_eq(own, tls),
            (None, None) => true,
            _ => false,
        };
        same_terms && self.protocol == protocol
    }

    /// What it is spoken to in.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self.protocol {
            Protocol::Auto if self.tls.is_none() => Protocol::Http1,
            protocol => protocol,
        }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> EndpointId {
        self.id
    }

    /// `host:port` or `unix:PATH`, for the log and the operator. Never shown to a client.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What a request that is meant for it alone names as its host (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.address {
            Address::Ip(_) | Address::Name(..) => self.name.to_string(),
            Address::Found(address, name) => format!("{name}:{}", address.port()),
            Address::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How it is spoken to over TLS, if it is.
    #[must_use]
    pub fn tls(&self) -> Option<&ClientTls> {
        self.tls.as_deref()
    }

    /// Its meter.
    #[must_use]
    pub fn meter(&self) -> &EndpointMeter {
        &self.meter
    }

    /// What balancing knows of it, once it is in a pool.
    #[must_use]
    pub fn gauge(&self) -> Option<&Arc<Gauge>> {
        self.gauge.get()
    }

    /// It comes into a pool, or into the same again, with another weight.
    pub(super) fn join(&self, weight: u32, gauge: impl FnOnce() -> Arc<Gauge>) {
        self.gauge.get_or_init(gauge).set_weight(weight);
    }

    /// A request is sent to it, of a tenant: any number that tells tenants apart.
    pub fn begin(self: &Arc<Self>, now: Instant, tenant: u64) -> Running {
        self.meter.started();
        let load = self.gauge.get().map(|gauge| gauge.begin(ns_of(now)));
        Running { endpoint: Arc::clone(self), tenant, is_counted: true, load, is_well: false }
    }

    /// Whether it is meant to take requests: not drained, and of a weight.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.meter.is_draining() && self.gauge.get().is_none_or(|gauge| gauge.weight() > 0)
    }

    /// Whether nothing is known that speaks against sending requests there.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.fitness.is_usable()
    }

    /// Whether it can be counted on.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.fitness.is_well()
    }

    /// What its checks say of it.
    #[must_use]
    pub fn health(&self) -> Health {
        self.fitness.health()
    }

    /// For how much longer it is ejected, if it is. For showing.
    #[must_use]
    pub fn ejected_for(&self) -> Option<Duration> {
        let until = self.fitness.ejected_until()?;
        Some(Duration::from_nanos(until.saturating_sub(ns_of(Instant::now()))))
    }

    /// What becomes of its requests is told to this detection from now on.
    pub(super) fn be_watched_by(&self, outliers: Option<&Arc<Outliers>>) {
        self.fitness.tell(outliers, ns_of(Instant::now()), self.id.number());
        self.meter.set_ejected(self.fitness.is_ejected());
    }

    /// Whether it is checked from now on.
    pub(super) fn be_checked(&self, is_checked: bool) {
        self.fitness.be_checked(is_checked);
        if !is_checked {
            self.meter.set_failing(false);
        }
    }

    /// A check was passed, or failed for that reason; whether it has changed what is thought of the endpoint.
    pub(super) fn checked(&self, rules: RiseFall, found: Result<(), String>) -> bool {
        self.meter.checked(found.is_ok());
        let Some(health) = self.fitness.checked(rules, found.is_ok()) else { return false };
        self.meter.set_failing(!health.is_usable());
        let (pool, endpoint) = (&*self.pool, &*self.name);
        match found {
            Ok(()) => tracing::info!(pool, endpoint, "endpoint healthy"),
            Err(why) => tracing::warn!(pool, endpoint, why, "endpoint unhealthy"),
        }
        true
    }

    /// It was ejected, or would have been, or is back.
    pub(super) fn note(&self, change: Change) {
        let (pool, endpoint) = (&*self.pool, &*self.name);
        let (cause, until_ns, withheld) = match change {
            Change::Ejected { cause, until_ns, .. } => (cause, until_ns, false),
            Change::Withheld { cause, until_ns, .. } => (cause, until_ns, true),
            Change::Readmitted { .. } => {
                self.meter.set_ejected(false);
                tracing::info!(pool, endpoint, "endpoint readmitted");
                return;
            }
        };
        let (kind, count, tenants, rate) = match cause {
            Cause::Connects(count) => (EjectionCause::Connects, Some(count), None, None),
            Cause::Failures { count, tenants } => (EjectionCause::Failures, Some(count), Some(tenants), None),
            Cause::SuccessRate { rate, .. } => (EjectionCause::SuccessRate, None, None, Some(rate)),
        };
        let left = Duration::from_nanos(until_ns.saturating_sub(ns_of(Instant::now())));
        let (for_s, cause) = (left.as_secs_f64().round(), kind.name());
        if withheld {
            let why = "as many are ejected as may be: it is used still";
            tracing::warn!(pool, endpoint, cause, count, tenants, rate, for_s, why, "endpoint not ejected");
            return;
        }
        self.meter.set_ejected(true);
        self.meter.ejected(kind);
        tracing::warn!(pool, endpoint, cause, count, tenants, rate, for_s, "endpoint ejected");
    }

    /// An operator says what its part of the requests is: until the pool's configuration changes.
    pub fn set_weight(&self, weight: u32) {
        let Some(gauge) = self.gauge.get().filter(|gauge| gauge.weight() != weight) else { return };
        gauge.set_weight(weight);
        tracing::info!(pool = &*self.pool, endpoint = &*self.name, weight, "endpoint weight changed");
    }

    /// It could, or could not, be connected to.
    pub fn note_reachable(&self, tried: Result<(), &ConnectFailure>) {
        if !self.meter.set_up(tried.is_ok()) {
            return;
        }
        let (pool, endpoint) = (&*self.pool, &*self.name);
        match tried {
            // Where there are checks, they say it.
            _ if self.health() != Health::Unknown => {
                tracing::debug!(pool, endpoint, up = tried.is_ok(), "endpoint reachability changed");
            }
            Ok(()) => tracing::info!(pool, endpoint, "endpoint reachable"),
            Err(why) => tracing::warn!(pool, endpoint, %why, "endpoint unreachable"),
        }
    }

    /// It was removed: what runs there is cut after that time, within a second or so. For good: an endpoint that is
    /// added again at the same place is another one.
    pub fn retire(&self, after: Duration) {
        // What becomes of its last requests is nobody's reason to eject, or to spare, one of those that stay.
        self.be_watched_by(None);
        let Some(at) = Instant::now().checked_add(after) else { return };
        if self.retirement.set(at) {
            let for_s = after.as_secs();
            tracing::info!(pool = &*self.pool, endpoint = &*self.name, for_s, "endpoint removed");
        }
    }

    pub(super) fn retirement(&self) -> &Arc<Retirement> {
        &self.retirement
    }

    /// An operator says whether it is to take new requests. Those that it has run to their end.
    pub fn set_draining(&self, draining: bool) {
        if self.meter.set_draining(draining) {
            tracing::info!(pool = &*self.pool, endpoint = &*self.name, draining, "endpoint draining changed");
        }
    }
}

impl Running {
    /// Who works on it, or did.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The endpoint has answered after that time, of which it has `worked` so long, where that is known, with no server error. Whether
    /// all was well only the response's end tells.
    pub fn answered(&mut self, after: Duration, worked: Option<Duration>) {
        self.observe(after, worked);
        self.is_well = true;
    }

    /// As [`answered`](Self::answered), with a status from 500 to 599. Whether that changes what is thought of it.
    pub fn refused(&mut self, after: Duration, worked: Option<Duration>) -> bool {
        self.observe(after, worked);
        self.is_well = false;
        self.endpoint.meter.failed(EndpointFailure::Status);
        self.record(Outcome::Status)
    }

    /// The endpoint has failed it. Whether that changes what is thought of it.
    pub fn failed(&mut self, how: EndpointFailure) -> bool {
        self.is_well = false;
        self.end();
        self.endpoint.meter.failed(how);
        self.record(match how {
            EndpointFailure::Connect => Outcome::Connect,
            EndpointFailure::Reset => Outcome::Reset,
            EndpointFailure::Timeout => Outcome::Timeout,
            EndpointFailure::Protocol => Outcome::Malformed,
            EndpointFailure::Status => Outcome::Status,
        })
    }

    /// The endpoint has no more to do with it. Whether that changes what is thought of it.
    pub fn end(&mut self) -> bool {
        self.load = None;
        let news = std::mem::take(&mut self.is_well) && self.record(Outcome::Success);
        if std::mem::take(&mut self.is_counted) {
            self.endpoint.meter.ended();
        }
        news
    }

    fn observe(&self, after: Duration, worked: Option<Duration>) {
        self.endpoint.meter.answered(after);
        if let Some((load, worked)) = self.load.as_ref().zip(worked) {
            load.observe(worked);
        }
    }

    fn record(&self, outcome: Outcome) -> bool {
        let change = self.endpoint.fitness.record(|| ns_of(Instant::now()), self.tenant, outcome);
        change.into_iter().for_each(|change| self.endpoint.note(change));
        change.is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
