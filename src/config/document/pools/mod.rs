//! Pools: where requests go.

mod balancing;
mod circuit;
mod endpoint;
mod health;
mod retries;
mod tls;

use std::time::Duration;

use super::{Origin, Seats};
use crate::types::{Percent, WebHost};

pub use balancing::{HashKey, LoadBalancing};
pub use circuit::{CircuitBreaker, CircuitLimits};
pub use endpoint::{Endpoint, EndpointHost, EndpointTarget};
pub use health::{HealthCheck, HttpProbe, OutlierDetection, Probe, SuccessRate};
pub use retries::{Backoff, Retries, RetryOn};
pub use tls::{ClientCertificate, PemFile, UpstreamTls};

/// A pool of interchangeable endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its endpoints; at least one, each once.
    pub endpoints: Vec<Endpoint>,
    /// How an endpoint is chosen.
    pub load_balancing: LoadBalancing,
    /// How long the share of an endpoint that comes in grows to its whole; `None`: it has all at once.
    pub slow_start: Option<Duration>,
    /// Its seats.
    pub seats: Seats,
    /// Active health checks, where there are any.
    pub health_check: Option<HealthCheck>,
    /// Ejection of endpoints that fail; `None`: none is ejected.
    pub outlier_detection: Option<OutlierDetection>,
    /// With a smaller part of endpoints in use than this, health is ignored.
    pub panic_threshold: Percent,
    /// How much there may be at once.
    pub circuit_breaker: CircuitBreaker,
    /// Retries; `None`: only what had no effect for certain is sent again.
    pub retries: Option<Retries>,
    /// Its deadlines.
    pub timeouts: Timeouts,
    /// How many idle connections a worker keeps to each endpoint.
    pub max_idle: usize,
    /// The pool that is used while fewer than half of the endpoints are healthy. It exists, and following it from pool
    /// to pool comes to an end.
    pub failover: Option<String>,
    /// TLS to its `https` endpoints; `None` where nothing was written about it, and the defaults of TLS hold.
    pub tls: Option<UpstreamTls>,
    /// The protocol that its endpoints speak.
    pub protocol: Protocol,
    /// Whether a connection is used for one tenant only.
    pub isolate_connections: bool,
    /// What its endpoints are told as `Host`, with a port where it has one; `None`: what the client asked for.
    pub host: Option<String>,
    /// The hosts by which its application knows itself; empty: by those that clients ask for.
    pub internal_hosts: Vec<WebHost>,
    /// How long requests may finish at an endpoint that was removed.
    pub drain: Duration,
    /// Where it was written.
    pub origin: Origin,
}

/// The protocol of a pool's endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by ALPN over TLS, with prior knowledge in clear text.
    H2,
    /// Over TLS what ALPN finds, HTTP/2 first; HTTP/1.1 in clear text.
    #[default]
    Auto,
}

/// The deadlines of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to be made.
    pub connect: Duration,
    /// For the TLS handshake on it.
    pub tls: Duration,
    /// From the request's end to the response's head.
    pub response_header: Duration,
    /// Between two reads or writes of a body.
    pub idle: Duration,
    /// How long an unused connection is kept.
    pub keep_alive: Duration,
    /// For the whole of a request, its wait for a seat, retries and the response's body included; `None`: as long as its
    /// route lets it.
    pub request: Option<Duration>,
}
