//! What operators read of connections that were not let in, or cut: whose, and why.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use crate::types::Peer;

/// Each worker tells at most once in so long: a flood of connections must not be one of lines.
const TELL_EVERY: Duration = Duration::from_secs(1);

thread_local! {
    static TOLD: Cell<Option<Instant>> = const { Cell::new(None) };
    static UNTOLD: Cell<u64> = const { Cell::new(0) };
}

/// A connection was turned away; `reason` is that of metrics.
pub(super) fn tell(peer: Peer, listener: &str, reason: &'static str) {
    let now = Instant::now();
    if TOLD.get().is_some_and(|told| now.duration_since(told) < TELL_EVERY) {
        UNTOLD.set(UNTOLD.get().saturating_add(1));
        return;
    }
    TOLD.set(Some(now));
    let untold = UNTOLD.replace(0);
    tracing::info!(%peer, listener, reason, untold, "a connection was turned away");
}
