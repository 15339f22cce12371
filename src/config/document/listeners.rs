//! Listeners, the admin listener, and the bounds on what connections may ask for.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::{ListenerTls, Origin};
use crate::types::Secret;

/// One public listener: HTTP/1.1 and h2c on one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it is known by: the address as it was written, and its turn among several with the same one (of port 0).
    pub name: Arc<str>,
    /// The address; port 0 asks the kernel for a free one.
    pub bind: SocketAddr,
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
    /// The address; port 0 asks the kernel for a free one.
    pub bind: SocketAddr,
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
    /// The most connections at once.
    pub max_connections: usize,
    /// The most connections at once of one client address.
    pub max_connections_per_client: usize,
    /// How long a client may take for the handshake of TLS.
    pub tls_handshake_timeout: Duration,
    /// How long a connection without a request is kept.
    pub keep_alive_timeout: Duration,
    /// How long a client may take none of what it is being sent.
    pub write_timeout: Duration,
    /// How long requests may finish after the signal to stop.
    pub drain: Duration,
}

/// How many worker threads serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One a core.
    Auto,
    /// This many.
    Count(NonZeroUsize),
}
