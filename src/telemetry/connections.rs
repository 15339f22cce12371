//! What is metered of clients' connections, by listener.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::proto::MetricFamily;

use super::families::{self, Family, Source};

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
        static FAMILIES: [&Family; 2] = [&families::CONNECTIONS, &families::CONNECTIONS_TOTAL];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut open, mut accepted) = (Vec::new(), Vec::new());
        for (name, listener) in &*listeners {
            for (protocol, count) in [("http1", &listener.http1), ("http2", &listener.http2)] {
                let count = count.load(Ordering::Relaxed) as f64;
                open.push(families::CONNECTIONS.value(&[name, protocol], count));
            }
            let count = listener.accepted.load(Ordering::Relaxed) as f64;
            accepted.push(families::CONNECTIONS_TOTAL.value(&[name], count));
        }
        vec![families::CONNECTIONS.of(open), families::CONNECTIONS_TOTAL.of(accepted)]
    }
}
