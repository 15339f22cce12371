//! Pools and endpoints as they run: immutable but for a turn and a light.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::admission::fair_share::Seats;
use crate::balance::RoundRobin;
use crate::telemetry::PoolMeter;

/// A set of interchangeable endpoints.
#[derive(Debug)]
pub struct Pool {
    name: Arc<str>,
    endpoints: Box<[Arc<Endpoint>]>,
    turn: RoundRobin,
    timeouts: Timeouts,
    idle_max: usize,
    seats: Arc<Seats>,
    meter: Arc<PoolMeter>,
}

/// Deadlines of a pool's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To resolve the name and connect.
    pub connect: Duration,
    /// From the whole request's having been sent to the response's head.
    pub response_header: Duration,
    /// Between two pieces of a body, in either direction, and for a tunnel without traffic.
    pub idle: Duration,
    /// How long a connection without a request is kept.
    pub keep_alive: Duration,
}

/// One server of a pool.
#[derive(Debug)]
pub struct Endpoint {
    id: EndpointId,
    name: Arc<str>,
    address: Address,
    up: AtomicBool,
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
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl Endpoint {
    /// An endpoint at an address, not like any other even at the same one.
    #[must_use]
    pub fn new(address: Address) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Self {
            id: EndpointId(IDS.fetch_add(1, Ordering::Relaxed)),
            name: address.to_string().into(),
            address,
            up: AtomicBool::new(true),
        }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> EndpointId {
        self.id
    }

    /// `host:port`, for the log. Never shown to a client.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Pool {
    /// A pool of these endpoints.
    #[must_use]
    pub fn new(
        name: &str,
        endpoints: Vec<Arc<Endpoint>>,
        timeouts: Timeouts,
        idle_max: usize,
        seats: Arc<Seats>,
        meter: Arc<PoolMeter>,
    ) -> Self {
        for endpoint in &endpoints {
            meter.set_endpoint_up(&endpoint.name, endpoint.up.load(Ordering::Relaxed));
        }
        let endpoints = endpoints.into();
        Self { name: name.into(), endpoints, turn: RoundRobin::default(), timeouts, idle_max, seats, meter }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its endpoints.
    #[must_use]
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// The endpoints in the order in which to try them for one request: the next in turn, then the rest.
    pub fn candidates(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        let len = self.endpoints.len();
        let first = self.turn.next(len);
        (0..len).filter_map(move |step| self.endpoints.get((first + step) % len))
    }

    /// Its deadlines.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Idle connections that a worker keeps to each endpoint.
    #[must_use]
    pub fn idle_max(&self) -> usize {
        self.idle_max
    }

    /// Its seats.
    #[must_use]
    pub fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    /// Its meter.
    #[must_use]
    pub fn meter(&self) -> &Arc<PoolMeter> {
        &self.meter
    }

    /// An endpoint could, or could not, be connected to. Metered only when it changes.
    pub fn note_reachable(&self, endpoint: &Endpoint, up: bool) {
        if endpoint.up.load(Ordering::Relaxed) != up && endpoint.up.swap(up, Ordering::Relaxed) != up {
            self.meter.set_endpoint_up(&endpoint.name, up);
            tracing::info!(
                pool = &*self.name,
                endpoint = &*endpoint.name,
                up,
                "endpoint reachability changed"
            );
        }
    }
}
