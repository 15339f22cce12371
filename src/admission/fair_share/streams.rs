//! Seats of long-lived streams: WebSockets and other upgrades, event streams. They last for hours, so they
//! are counted apart: a pool's seats are for requests that come to an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::share::Share;

/// What a pool allows of long-lived streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamTerms {
    /// The most of all tenants.
    pub max: u32,
    /// The most of one tenant.
    pub max_per_tenant: u32,
    /// How old a response is when it counts as one.
    pub after: Duration,
}

impl Default for StreamTerms {
    fn default() -> Self {
        Self { max: u32::MAX, max_per_tenant: u32::MAX, after: Duration::MAX }
    }
}

/// There is no seat for another stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamsFull {
    /// The tenant has as many as it may.
    #[error("the tenant has as many streams as it may")]
    Tenant,
    /// The pool has as many as it may.
    #[error("the pool has as many streams as it may")]
    Pool,
}

/// A pool's streams.
#[derive(Debug)]
pub(super) struct Streams {
    count: AtomicU32,
    max: AtomicU32,
    max_per_tenant: AtomicU32,
    after_ms: AtomicU64,
}

/// A stream's seat. Dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub struct StreamSeat(Arc<Share>);

impl Streams {
    pub(super) fn new() -> Self {
        let unbounded = || AtomicU32::new(u32::MAX);
        Self {
            count: AtomicU32::new(0),
            max: unbounded(),
            max_per_tenant: unbounded(),
            after_ms: AtomicU64::new(u64::MAX),
        }
    }

    pub(super) fn set(&self, terms: StreamTerms) {
        self.max.store(terms.max, Ordering::Relaxed);
        self.max_per_tenant.store(terms.max_per_tenant, Ordering::Relaxed);
        let after_ms = u64::try_from(terms.after.as_millis()).unwrap_or(u64::MAX);
        self.after_ms.store(after_ms, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn after(&self) -> Duration {
        Duration::from_millis(self.after_ms.load(Ordering::Relaxed))
    }
}

impl StreamSeat {
    /// Takes a stream's seat. Streams don't wait for each other: nobody knows when one ends.
    ///
    /// # Errors
    /// [`StreamsFull`].
    pub fn take(share: &Arc<Share>) -> Result<Self, StreamsFull> {
        let streams = &share.seats().streams;
        if !add_below(&share.streams, streams.max_per_tenant.load(Ordering::Relaxed)) {
            return Err(StreamsFull::Tenant);
        }
        if !add_below(&streams.count, streams.max.load(Ordering::Relaxed)) {
            share.streams.fetch_sub(1, Ordering::Relaxed);
            return Err(StreamsFull::Pool);
        }
        Ok(Self(Arc::clone(share)))
    }
}

impl StreamSeat {
    /// Takes a stream's seat whatever the bounds: for what is a stream already, and would keep another's seat. It counts
    /// against those that come.
    pub fn exceed(share: &Arc<Share>) -> Self {
        share.streams.fetch_add(1, Ordering::Relaxed);
        share.seats().streams.count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(share))
    }
}

impl Drop for StreamSeat {
    fn drop(&mut self) {
        self.0.seats().streams.count.fetch_sub(1, Ordering::Relaxed);
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

fn add_below(count: &AtomicU32, max: u32) -> bool {
    let more = |count: u32| (count < max).then_some(count.saturating_add(1));
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}
