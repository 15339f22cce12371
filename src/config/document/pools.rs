//! Pools: where requests go.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::{Origin, Seats};

/// A pool of interchangeable endpoints, taken in turn (round robin).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its endpoints; at least one, each once.
    pub endpoints: Vec<Endpoint>,
    /// Its seats.
    pub seats: Seats,
    /// Its deadlines.
    pub timeouts: Timeouts,
    /// How many idle connections a worker keeps to each endpoint.
    pub max_idle: usize,
    /// Where it was written.
    pub origin: Origin,
}

/// An HTTP/1.1 endpoint in clear text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The host.
    pub host: EndpointHost,
    /// The port; 80 where none was written.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            EndpointHost::Ip(IpAddr::V6(ip)) => write!(f, "http://[{ip}]:{}", self.port),
            EndpointHost::Ip(ip) => write!(f, "http://{ip}:{}", self.port),
            EndpointHost::Name(name) => write!(f, "http://{name}:{}", self.port),
        }
    }
}

/// The host of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndpointHost {
    /// An address.
    Ip(IpAddr),
    /// A name in lower case, to be resolved.
    Name(String),
}

/// The deadlines of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to be made.
    pub connect: Duration,
    /// From the request's end to the response's head.
    pub response_header: Duration,
    /// Between two reads or writes of a body.
    pub idle: Duration,
    /// How long an unused connection is kept.
    pub keep_alive: Duration,
}
