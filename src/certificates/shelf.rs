//! Certificates at hand, and names that are known to have none: bounded, so that a scan costs neither memory nor the store's time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use rustls::sign::CertifiedKey;

/// Certificates, at most: some kilobytes each.
const READY_MAX: u64 = 10_000;
/// Names that are nobody's, at most, and for how long that is believed.
const NOBODYS_MAX: u64 = 100_000;
const NOBODYS: Duration = Duration::from_secs(30);
/// Names of tenants that have no certificate now, and for how long that is believed.
const NOT_NOW_MAX: u64 = 20_000;
const NOT_NOW: Duration = Duration::from_secs(5);
/// After this it is looked again whether a certificate is still the name's.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// A certificate at hand.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) serial: Box<str>,
    pub(super) not_after_ms: i64,
    looked: Instant,
}

/// See the module.
pub(super) struct Shelf {
    ready: Cache<Box<str>, Ready>,
    nobodys: Cache<Box<str>, ()>,
    not_now: Cache<Box<str>, ()>,
}

impl Default for Shelf {
    fn default() -> Self {
        let names = |max, ttl| Cache::builder().max_capacity(max).time_to_live(ttl).build();
        let ready = Cache::builder().max_capacity(READY_MAX).build();
        Self { ready, nobodys: names(NOBODYS_MAX, NOBODYS), not_now: names(NOT_NOW_MAX, NOT_NOW) }
    }
}

impl Shelf {
    pub(super) fn ready(&self, name: &str) -> Option<Ready> {
        self.ready.get(name)
    }

    pub(super) fn has_none(&self, name: &str) -> bool {
        self.nobodys.contains_key(name) || self.not_now.contains_key(name)
    }

    pub(super) fn put(&self, name: &str, certified: Arc<CertifiedKey>, serial: &str, not_after_ms: i64) {
        self.not_now.invalidate(name);
        let ready = Ready { certified, serial: serial.into(), not_after_ms, looked: Instant::now() };
        self.ready.insert(name.into(), ready);
    }

    pub(super) fn is_nobodys(&self, name: &str) {
        self.ready.invalidate(name);
        self.nobodys.insert(name.into(), ());
    }

    pub(super) fn has_not_now(&self, name: &str) {
        self.not_now.insert(name.into(), ());
    }

    pub(super) fn forget(&self, name: &str) {
        self.ready.invalidate(name);
        self.nobodys.invalidate(name);
        self.not_now.invalidate(name);
    }

    pub(super) fn forget_all(&self) {
        self.ready.invalidate_all();
        self.nobodys.invalidate_all();
        self.not_now.invalidate_all();
    }
}

impl Ready {
    pub(super) fn is_old(&self) -> bool {
        self.looked.elapsed() >= LOOK_AGAIN
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("ready", &self.ready.entry_count()).finish_non_exhaustive()
    }
}
