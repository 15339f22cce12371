//! What is metered of clients' connections, by listener.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::proto::MetricFamily;

use super::families::{self, Family, Source};
use super::handshakes::{HandshakeMeter, HandshakeSeries};

/// A protocol that a client's connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2, over TLS or with prior knowledge.
    Http2,
}

/// One listener's meter.
#[derive(Debug, Default)]
pub struct ListenerMeter {
    accepted: AtomicU64,
    http1: Arc<AtomicI64>,
    http2: Arc<AtomicI64>,
    handshakes: HandshakeMeter,
    /// The certificates that it has from files: their first names, and when they expire in seconds since 1970.
    certificates: Mutex<Vec<(Box<str>, i64)>>,
    /// Its lists of what is revoked: their authorities, and when they are out of date in seconds since 1970.
    revocations: Mutex<Vec<(Box<str>, i64)>>,
}

/// A connection that counts as open until this is dropped.
#[derive(Debug)]
#[must_use = "the connection counts as open only as long as this lives"]
pub struct OpenConnection(Arc<AtomicI64>);

impl ListenerMeter {
    /// A connection was accepted.
    pub fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// A handshake of TLS has come to a session.
    pub fn shaken(&self, version: &str, resumed: bool, took: Duration) {
        self.handshakes.done(version, resumed, took);
    }

    /// A handshake of TLS has come to nothing. The reasons are those of [`HANDSHAKE_FAILURES`](super::HANDSHAKE_FAILURES).
    pub fn not_shaken(&self, reason: &str) {
        self.handshakes.failed(reason);
    }

    /// The certificates that it has from files now: their first names, and when they expire in seconds since 1970.
    pub fn set_certificates(&self, certificates: Vec<(Box<str>, i64)>) {
        *self.certificates.lock().unwrap_or_else(PoisonError::into_inner) = certificates;
    }

    /// Its lists of what is revoked now: their authorities, and when they are out of date in seconds since 1970.
    pub fn set_revocations(&self, lists: Vec<(Box<str>, i64)>) {
        *self.revocations.lock().unwrap_or_else(PoisonError::into_inner) = lists;
    }

    /// A connection's protocol is known; it counts as open until the value is dropped.
    pub fn opened(&self, protocol: Protocol) -> OpenConnection {
        OpenConnection::count(match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        })
    }
}

impl OpenConnection {
    pub(super) fn count(open: &Arc<AtomicI64>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The meters of all listeners by their address. Listeners are never forgotten: they come from the
/// configuration and live as long as the process.
#[derive(Debug, Default)]
pub(super) struct ListenerTable {
    listeners: Mutex<BTreeMap<Box<str>, Arc<ListenerMeter>>>,
}

impl ListenerTable {
    pub(super) fn meter(&self, name: &str) -> Arc<ListenerMeter> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(listeners.entry(name.into()).or_default())
    }
}

impl Source for ListenerTable {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 7] = [
            &families::CONNECTIONS,
            &families::CONNECTIONS_TOTAL,
            &families::TLS_HANDSHAKES,
            &families::TLS_FAILURES,
            &families::TLS_DURATION,
            &families::CERTIFICATE_EXPIRY,
            &families::CRL_EXPIRY,
        ];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut open, mut accepted) = (Vec::new(), Vec::new());
        let (mut handshakes, mut expiries, mut lists) = (HandshakeSeries::default(), Vec::new(), Vec::new());
        for (name, listener) in &*listeners {
            for (protocol, count) in [("http1", &listener.http1), ("http2", &listener.http2)] {
                let count = count.load(Ordering::Relaxed) as f64;
                open.push(families::CONNECTIONS.value(&[name, protocol], count));
            }
            let count = listener.accepted.load(Ordering::Relaxed) as f64;
            accepted.push(families::CONNECTIONS_TOTAL.value(&[name], count));
            listener.handshakes.collect(name, &mut handshakes);
            for (of, at_s) in &*listener.certificates.lock().unwrap_or_else(PoisonError::into_inner) {
                expiries.push(families::CERTIFICATE_EXPIRY.value(&[name, of], *at_s as f64));
            }
            for (of, at_s) in &*listener.revocations.lock().unwrap_or_else(PoisonError::into_inner) {
                lists.push(families::CRL_EXPIRY.value(&[name, of], *at_s as f64));
            }
        }
        let mut all = vec![families::CONNECTIONS.of(open), families::CONNECTIONS_TOTAL.of(accepted)];
        all.extend(handshakes.families());
        all.push(families::CERTIFICATE_EXPIRY.of(expiries));
        all.push(families::CRL_EXPIRY.of(lists));
        all
    }
}
