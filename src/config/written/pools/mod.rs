//! Pools and their endpoints.

mod balancing;
mod circuit;
mod endpoint;
mod health;
mod host;
mod retries;
mod tls;

use schemars::JsonSchema;
use serde::Deserialize;

use super::concurrency::Seats;
use super::text::Text;
use crate::config::decode::{List, Spanned};
use crate::config::document;
use crate::types::{Percent, TimeSpan, WebHost};

pub(in crate::config) use balancing::{CookieName, LoadBalancing};
pub(in crate::config) use circuit::CircuitBreaker;
use endpoint::Endpoint;
pub(in crate::config) use health::{HealthCheck, OutlierDetection, Statuses, SuccessRate};
pub(in crate::config) use host::PoolHost;
pub(in crate::config) use retries::{Backoff, Retries, RetryOn};
pub(in crate::config) use tls::UpstreamTls;

/// A set of interchangeable endpoints.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Pool {
    /// Where its endpoints listen: http://HOST:PORT, https://HOST:PORT, unix:/PATH, or dns+http://NAME:PORT and dns+https://NAME:PORT: an endpoint for each address of the name.
    #[schemars(length(min = 1))]
    pub endpoints: Spanned<List<Endpoint>>,
    /// How an endpoint is chosen. Default least_request.
    pub load_balancing: Option<Spanned<LoadBalancing>>,
    /// How long the share of an endpoint that comes in grows to its whole. Default: it has all at once.
    pub slow_start: Option<Spanned<TimeSpan>>,
    /// Seats shared fairly among tenants. Default: as many as are wanted.
    pub concurrency: Option<Spanned<Seats>>,
    /// Active health checks. Default: none.
    pub health_check: Option<Spanned<HealthCheck>>,
    /// Ejection of endpoints that fail. Default: none; `{}` is ejection with its defaults.
    pub outlier_detection: Option<Spanned<OutlierDetection>>,
    /// With a smaller part of endpoints in use than this, health is ignored; 0% never does so. Default 50%.
    pub panic_threshold: Option<Spanned<Percent>>,
    /// How much there may be at once; what is beyond is refused, not queued. Default: no bounds.
    pub circuit_breaker: Option<Spanned<CircuitBreaker>>,
    /// Retries. Default: only of what had no effect for certain; `{}` is retries with their defaults.
    pub retries: Option<Spanned<Retries>>,
    /// Deadlines.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How many idle connections each worker keeps to each endpoint. Default 256.
    pub max_idle: Option<Spanned<usize>>,
    /// A pool that is used while fewer than half of the endpoints are healthy.
    pub failover: Option<Spanned<String>>,
    /// TLS to the https endpoints. Default: the system's authorities are believed.
    pub tls: Option<Spanned<UpstreamTls>>,
    /// What the endpoints speak. Default auto.
    pub protocol: Option<Spanned<Protocol>>,
    /// Never share a connection between tenants. Default false.
    pub isolate_connections: Option<Spanned<bool>>,
    /// What endpoints are told as Host: preserve for what the client asked for, or a host like app.internal:8080. Default preserve.
    pub host: Option<Spanned<Text<PoolHost>>>,
    /// Hosts by which the application knows itself, like app.internal:8080 or https://app.example.com. In fields of its responses they
    /// become the host that the client asked for, and its cookies become that host's; in Origin and Referer that host
    /// becomes the first of these. Default: `host`, where that is one.
    pub internal_hosts: Option<List<Spanned<Text<WebHost>>>>,
    /// How long requests may finish at an endpoint that was removed. Default 30s.
    pub drain: Option<Spanned<TimeSpan>>,
}

/// Deadlines of a pool.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Timeouts {
    /// For a connection to be made. Default 1s.
    pub connect: Option<Spanned<TimeSpan>>,
    /// For the TLS handshake on it. Default 5s.
    pub tls: Option<Spanned<TimeSpan>>,
    /// From the request's end to the response's head. Default 30s.
    pub response_header: Option<Spanned<TimeSpan>>,
    /// Between two reads or writes of a body. Default 60s.
    pub idle: Option<Spanned<TimeSpan>>,
    /// How long an unused connection is kept: less than the endpoint keeps it. Default 50s.
    pub keep_alive: Option<Spanned<TimeSpan>>,
    /// For the whole of a request: its wait for a seat, retries and the response's body included. Default: as long as its
    /// route lets it.
    pub request: Option<Spanned<TimeSpan>>,
}

/// The protocol of a pool's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by ALPN over TLS, with prior knowledge in clear text.
    H2,
    /// Over TLS what the endpoint chooses by ALPN, HTTP/2 before HTTP/1.1; in clear text HTTP/1.1.
    Auto,
}

impl From<Protocol> for document::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http1 => Self::Http1,
            Protocol::H2 => Self::H2,
            Protocol::Auto => Self::Auto,
        }
    }
}
