//! What is known not to be, and which hosts a wildcard stands for: short memories of what clients ask for, which are full when
//! they are full, and never at the tenants' expense.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;

use crate::types::TenantId;

/// Keys that are known to be nobody's, at most, for each of ids, hosts and API keys. One takes some 200 octets.
const ABSENT_MAX: u64 = 10_000;

/// When it was said, and at which number of changes.
#[derive(Debug, Clone, Copy)]
struct Said {
    at_ns: u64,
    number: u64,
}

/// Keys that find nobody, for a while.
#[derive(Debug)]
pub(super) struct Absent<K: Hash + Eq + Send + Sync + 'static> {
    said: Cache<K, Said>,
    ttl_ns: AtomicU64,
}

/// Hosts below wildcards, and whose these are.
#[derive(Debug)]
pub(super) struct Aliases(Cache<Box<str>, (TenantId, u64)>);

impl<K: Hash + Eq + Send + Sync + 'static> Absent<K> {
    pub(super) fn new() -> Self {
        Self { said: Cache::new(ABSENT_MAX), ttl_ns: AtomicU64::new(0) }
    }

    /// For how long from now on.
    pub(super) fn set_ttl(&self, ttl_ns: u64) {
        self.ttl_ns.store(ttl_ns, Ordering::Relaxed);
    }

    /// Whether a key finds nobody, as was said at this number of changes.
    pub(super) fn has<Q: Hash + Eq + ?Sized>(&self, key: &Q, now_ns: u64, number: u64) -> bool
    where
        K: Borrow<Q>,
    {
        self.said.get(key).is_some_and(|said| {
            said.number == number && now_ns.saturating_sub(said.at_ns) < self.ttl_ns.load(Ordering::Relaxed)
        })
    }

    pub(super) fn note(&self, key: K, now_ns: u64, number: u64) {
        if self.ttl_ns.load(Ordering::Relaxed) > 0 {
            self.said.insert(key, Said { at_ns: now_ns, number });
        }
    }

    pub(super) fn forget<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.said.invalidate(key);
    }

    pub(super) fn len(&self) -> u64 {
        self.said.entry_count()
    }
}

impl Aliases {
    pub(super) fn new(capacity: u64) -> Self {
        Self(Cache::new(capacity))
    }

    /// Whose wildcard stands for the host, as was said at this number of wide changes.
    pub(super) fn get(&self, host: &str, number: u64) -> Option<TenantId> {
        self.0.get(host).filter(|(_, said)| *said == number).map(|(id, _)| id)
    }

    pub(super) fn note(&self, host: &str, id: &TenantId, number: u64) {
        self.0.insert(host.into(), (id.clone(), number));
    }

    pub(super) fn forget(&self, host: &str) {
        self.0.invalidate(host);
    }
}
