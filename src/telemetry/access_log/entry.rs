//! What the access log is told of a request.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::{Method, Uri};

use crate::types::TenantId;

/// A finished request, as its exchange knows it. It borrows everything: pushing it copies.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// When the request's head had been read.
    pub started: SystemTime,
    /// The value of `X-Request-Id`.
    pub request_id: &'a [u8],
    /// The tenant, where one was found.
    pub tenant: Option<&'a TenantId>,
    /// The route that matched.
    pub route: Option<&'a str>,
    /// The pool that it led to.
    pub pool: Option<&'a str>,
    /// The endpoint that answered, or was tried last.
    pub endpoint: Option<&'a str>,
    /// The client's method.
    pub method: &'a Method,
    /// The host that the client named, as it wrote it.
    pub host: Option<&'a [u8]>,
    /// The client's target, before any rewrite.
    pub uri: &'a Uri,
    /// As `HTTP/1.1`.
    pub protocol: &'static str,
    /// The version of TLS and its cipher suite, where the client's connection has it.
    pub tls: Option<(&'static str, &'static str)>,
    /// The host that its handshake asked for.
    pub sni: Option<&'a [u8]>,
    /// Whose certificate the client has shown.
    pub client_cert: Option<&'a [u8]>,
    /// The status that the client received.
    pub status: u16,
    /// The code of the gateway's own refusal.
    pub code: Option<&'static str>,
    /// The bound of a circuit breaker that refused it, as `pool.requests`.
    pub tripped: Option<&'static str>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
    /// From the request's head to the last byte of its response.
    pub total: Duration,
    /// Time spent waiting for a seat in the pool.
    pub queue: Duration,
    /// From sending the request upstream to its response's head, where one was sent.
    pub upstream: Option<Duration>,
    /// The client's address, as trusted proxies tell it.
    pub client: IpAddr,
    /// How often the request was sent once more.
    pub retries: u32,
}

impl Entry<'_> {
    /// Whether sampling keeps the entry. By a hash of the request id, so that all gateways that a
    /// request passes keep or leave the same ones.
    pub(super) fn is_kept(&self, keep_below: u64) -> bool {
        keep_below == u64::MAX
            || self.code.is_some()
            || self.status >= 500
            || hash(self.request_id) < keep_below
    }
}

/// Spreads ids evenly, counters too; nobody gains by choosing what it collides with.
fn hash(id: &[u8]) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64 ^ id.len() as u64;
    for chunk in id.chunks(8) {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = mix(hash ^ word);
    }
    hash
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
