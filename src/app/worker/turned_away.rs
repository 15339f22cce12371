//! What operators read of connections that were not let in, or cut: whose, and why.

use crate::telemetry::Seldom;
use crate::types::Peer;

thread_local! {
    static LINES: Seldom = const { Seldom::new() };
}

/// A connection was turned away; `reason` is that of metrics.
pub(super) fn tell(peer: Peer, listener: &str, reason: &'static str) {
    LINES.with(|lines| {
        lines.tell(|untold| tracing::info!(%peer, listener, reason, untold, "a connection was turned away"));
    });
}
