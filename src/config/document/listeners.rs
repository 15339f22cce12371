//! Listeners, the admin listener, and the bounds on what connections may ask for.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::{ListenerTls, Origin};
use crate::types::{BindAddress, Secret};

/// One public listener: HTTP/1.1 and h2c on one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it is known by: the address as it was written, and its turn among several with the same one (of port 0).
    pub name: Arc<str>,
    /// Where it listens.
    pub bind: BindAddress,
    /// Whether an IPv6 address takes IPv6 connections only.
    pub v6only: bool,
    /// The mode of a Unix socket's file.
    pub mode: u32,
    /// Whether every connection begins with a PROXY header.
    pub proxy_protocol: bool,
    /// TLS; `None`: clients speak in the clear.
    pub tls: Option<ListenerTls>,
    /// Where requests are led that come in the clear: the port and the status that says so. `None`: they are served.
    pub https_redirect: Option<(u16, u16)>,
    /// Where it was written.
    pub origin: Origin,
}

/// The admin listener: health, metrics and the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens.
    pub bind: BindAddress,
    /// The mode of a Unix socket's file.
    pub mode: u32,
    /// The bearer token of the API. Without one the API answers nobody.
    pub token: Option<Secret>,
}

/// Bounds on connections and on what a message's head may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a client may take for a request's head.
    pub header_read_timeout: Duration,
    /// The largest head, in bytes.
    pub max_header_bytes: usize,
    /// The most header fields in one head.
    pub max_headers: usize,
    /// The longest request target, in bytes.
    pub max_request_target_bytes: usize,
    /// The most streams that one HTTP/2 connection may have open.
    pub max_streams_per_connection: u32,
    /// The most requests over HTTP/2 that one tenant may have under way.
    pub max_streams_per_tenant: Option<u32>,
    /// The most connections at once.
    pub max_connections: usize,
    /// The most connections at once of one client.
    pub max_connections_per_client: usize,
    /// The most connections at once that the requests of one tenant come by.
    pub max_connections_per_tenant: Option<u32>,
    /// The leading bits of an IPv6 address that make out a client.
    pub client_ipv6_prefix: u8,
    /// How long a trusted proxy may take for the PROXY header.
    pub proxy_header_timeout: Duration,
    /// How long a client may take for the handshake of TLS.
    pub tls_handshake_timeout: Duration,
    /// The most handshakes of TLS that may wait for their turn.
    pub max_pending_handshakes: usize,
    /// How long a connection without a request is kept.
    pub keep_alive_timeout: Duration,
    /// How long a client may take none of what it is being sent.
    pub write_timeout: Duration,
    /// The least rate at which a client sends a request's body.
    pub min_request_rate: Option<MinRate>,
    /// The least rate at which a client takes a response.
    pub min_response_rate: Option<MinRate>,
    /// How many requests a connection may bring.
    pub max_requests_per_connection: Option<usize>,
    /// How old a connection may become.
    pub max_connection_age: Option<Duration>,
    /// How long requests may finish after the signal to stop.
    pub drain: Duration,
}

/// The least rate that is put up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    /// Octets a second.
    pub per_second: u64,
    /// How long a client may fall short of it.
    pub grace: Duration,
}

/// How many worker threads serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One a core.
    Auto,
    /// This many.
    Count(NonZeroUsize),
}
