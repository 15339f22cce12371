//! One server of a pool: where it listens, how it stands, and what it is working on.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::balancing::ns_of;
use super::tls::ClientTls;
use crate::balance::{self, Gauge};
use crate::telemetry::EndpointMeter;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EndpointId(u64);

/// Where an endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and port.
    Ip(SocketAddr),
    /// A name, resolved at each connect, and a port.
    Name(String, u16),
    /// The path of a Unix domain socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
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
    is_counted: bool,
    load: Option<balance::Running>,
}

impl Endpoint {
    /// An endpoint of a pool at an address, not like any other even at the same one. `meter` tells the meter of a name.
    #[must_use]
    pub fn new(pool: &str, address: Address, meter: impl FnOnce(&str) -> Arc<EndpointMeter>) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let name: Arc<str> = address.to_string().into();
        let meter = meter(&name);
        let id = EndpointId(IDS.fetch_add(1, Ordering::Relaxed));
        let (tls, protocol, gauge) = (None, Protocol::Http1, OnceLock::new());
        Self { id, pool: pool.into(), name, address, tls, protocol, meter, gauge }
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

    /// A request is sent to it.
    pub fn begin(self: &Arc<Self>, now: Instant) -> Running {
        self.meter.started();
        let load = self.gauge.get().map(|gauge| gauge.begin(ns_of(now)));
        Running { endpoint: Arc::clone(self), is_counted: true, load }
    }

    /// An operator says what its part of the requests is: until the pool's configuration changes.
    pub fn set_weight(&self, weight: u32) {
        let Some(gauge) = self.gauge.get().filter(|gauge| gauge.weight() != weight) else { return };
        gauge.set_weight(weight);
        tracing::info!(pool = &*self.pool, endpoint = &*self.name, weight, "endpoint weight changed");
    }

    /// It could, or could not, be connected to.
    pub fn note_reachable(&self, up: bool) {
        if self.meter.set_up(up) {
            tracing::info!(pool = &*self.pool, endpoint = &*self.name, up, "endpoint reachability changed");
        }
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

    /// The endpoint has answered after that time.
    pub fn answered(&self, after: Duration) {
        self.endpoint.meter.answered(after);
        self.load.iter().for_each(|load| load.observe(after));
    }

    /// The endpoint has no more to do with it.
    pub fn end(&mut self) {
        self.load = None;
        if std::mem::take(&mut self.is_counted) {
            self.endpoint.meter.ended();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
