//! Bounds on connections and messages.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::decode::{Spanned, WordOr};
use crate::types::{ByteSize, TimeSpan};

/// Bounds on connections and messages.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Limits {
    /// How long a client may take for a request's head. Default 10s.
    pub header_read_timeout: Option<Spanned<TimeSpan>>,
    /// The largest head. Default 64KiB.
    pub max_header_bytes: Option<Spanned<ByteSize>>,
    /// The most header fields in one head. Default 100, at most 16384.
    #[schemars(range(min = 1, max = 16384))]
    pub max_headers: Option<Spanned<usize>>,
    /// The longest request target. Default 8KiB.
    pub max_request_target_bytes: Option<Spanned<ByteSize>>,
    /// The most requests that one HTTP/2 connection may have under way (SETTINGS_MAX_CONCURRENT_STREAMS). Default 250, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub max_streams_per_connection: Option<Spanned<u32>>,
    /// The most requests over HTTP/2 that one tenant may have under way, on all connections of its clients together. One more is refused
    /// (429 `concurrency_exceeded`). Default: no bound but those of its plan.
    #[schemars(range(min = 1))]
    pub max_streams_per_tenant: Option<Spanned<u32>>,
    /// The most connections at once. Default 100000.
    #[schemars(range(min = 1))]
    pub max_connections: Option<Spanned<usize>>,
    /// The most connections at once of one client. Default 1000.
    #[schemars(range(min = 1))]
    pub max_connections_per_client: Option<Spanned<usize>>,
    /// The most connections at once that the requests of one tenant come by. A request by one more is refused (429
    /// `concurrency_exceeded`), and the connection closed. Those of `trusted_proxies` don't count. Default: any number.
    #[schemars(range(min = 1))]
    pub max_connections_per_tenant: Option<Spanned<u32>>,
    /// The leading bits of an IPv6 address that make out a client for `max_connections_per_client`: all addresses of a network are one
    /// client's. Default 64.
    #[schemars(range(min = 1, max = 128))]
    pub client_ipv6_prefix: Option<Spanned<u8>>,
    /// How long a trusted proxy may take for the PROXY header. Default 5s.
    pub proxy_header_timeout: Option<Spanned<TimeSpan>>,
    /// How long a client may take for the handshake of TLS. Default 10s.
    pub tls_handshake_timeout: Option<Spanned<TimeSpan>>,
    /// The most handshakes of TLS that may wait for their turn at once, for all listeners together. Default 10000.
    #[schemars(range(min = 1))]
    pub max_pending_handshakes: Option<Spanned<usize>>,
    /// How long a connection without a request is kept. Default 75s.
    pub keep_alive_timeout: Option<Spanned<TimeSpan>>,
    /// How long a client may take none of what it is being sent. Default 60s.
    pub write_timeout: Option<Spanned<TimeSpan>>,
    /// The least rate at which a client sends a request's body, while it is waited for. Default 240 bytes a second after 20s.
    pub min_request_rate: Option<Spanned<WordOr<RateWord, MinRate>>>,
    /// The least rate at which a client takes a response, while there is something to take. Default 240 bytes a second after 20s.
    pub min_response_rate: Option<Spanned<WordOr<RateWord, MinRate>>>,
    /// How many requests a connection may bring before it is closed in order. Default: any number.
    #[schemars(range(min = 1))]
    pub max_requests_per_connection: Option<Spanned<usize>>,
    /// How old a connection may become before it is closed in order, once its requests are answered. Default: any age.
    pub max_connection_age: Option<Spanned<TimeSpan>>,
    /// How long requests may finish after the signal to stop. Default 30s.
    pub drain: Option<Spanned<TimeSpan>>,
}

/// No rate is too low.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RateWord {
    /// As slow as it likes; other deadlines hold.
    Off,
}

/// The least rate that is put up with.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MinRate {
    /// Octets a second, like 240B or 1KiB. Default 240B.
    pub per_second: Option<Spanned<ByteSize>>,
    /// How long a client may fall short of it. Default 20s.
    pub grace: Option<Spanned<TimeSpan>>,
}
