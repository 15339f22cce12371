//! How a pool stands as a whole: what outlives its configuration.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::balancing::{moment_of, ns_of};
use crate::health::{Failover, OutlierTerms, Outliers};

/// What is known of a pool beside its endpoints. One for all configurations of the pool.
#[derive(Debug, Default)]
pub struct Vitals {
    outliers: ArcSwapOption<Outliers>,
    changed: Notify,
    ill: AtomicBool,
    failover: Mutex<Failover>,
    /// Nanoseconds: until when it should not be lined up again.
    rests_until: AtomicU64,
}

/// After a line-up there is none for so many times as long as it took: tables of many endpoints take milliseconds, and these may
/// all change at once, on the thread that looks after all other pools too.
const REST: u32 = 4;

impl Vitals {
    /// Its endpoints' requests are watched on these terms from now on, or no more. What was seen before still counts.
    pub fn set_outliers(&self, terms: Option<OutlierTerms>) {
        match (terms, &*self.outliers.load()) {
            (Some(terms), Some(outliers)) => outliers.set_terms(terms),
            (Some(terms), None) => {
                self.outliers.store(Some(Arc::new(Outliers::new(terms, ns_of(Instant::now())))));
            }
            (None, _) => self.outliers.store(None),
        }
    }

    pub(super) fn outliers(&self) -> Option<Arc<Outliers>> {
        self.outliers.load_full()
    }

    /// Whether fewer than half of its endpoints are usable, or none is open.
    pub(super) fn is_ill(&self) -> bool {
        self.ill.load(Ordering::Relaxed)
    }

    pub(super) fn set_ill(&self, ill: bool) {
        self.ill.store(ill, Ordering::Relaxed);
    }

    /// It was lined up, which began at that moment.
    pub(super) fn lined_up(&self, began: Instant) {
        let now = Instant::now();
        let rests_until = now + now.duration_since(began).saturating_mul(REST);
        self.rests_until.store(ns_of(rests_until), Ordering::Relaxed);
    }

    /// Until when it should not be lined up again, if it can wait.
    pub(super) fn rests_until(&self) -> Instant {
        moment_of(self.rests_until.load(Ordering::Relaxed))
    }

    /// Something has changed that its warden should see to.
    pub(super) fn tell(&self) {
        self.changed.notify_one();
    }

    /// Until something has changed. Nothing is missed that changes between two waits.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Held by whoever takes stock of the pool.
    pub(super) fn stock(&self) -> MutexGuard<'_, Failover> {
        self.failover.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
