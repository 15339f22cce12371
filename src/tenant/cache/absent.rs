//! What is known not to be, and which hosts a wildcard stands for: short memories of what clients ask for, which are full when
//! they are full, and never at the tenants' expense.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;

use super::changes::Changes;
use super::source::Key;
use super::{Lookup, TenantCache};
use crate::types::TenantId;

/// Keys that are known to be nobody's, at most, for each of ids, hosts and API keys. One takes some 200 octets.
const ABSENT_MAX: u64 = 10_000;

/// When it was said, and the moment among changes from which on it was read.
#[derive(Debug, Clone, Copy)]
struct Said {
    at_ns: u64,
    began: u64,
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

    /// If a key found nobody, and that has not changed: whether it is still to be believed.
    fn is_fresh<Q: Hash + Eq + ?Sized>(
        &self,
        key: &Q,
        now_ns: u64,
        has_changed: impl Fn(u64) -> bool,
    ) -> Option<bool>
    where
        K: Borrow<Q>,
    {
        let said = self.said.get(key).filter(|said| !has_changed(said.began))?;
        Some(now_ns.saturating_sub(said.at_ns) < self.ttl_ns.load(Ordering::Relaxed))
    }

    pub(super) fn note(&self, key: K, now_ns: u64, began: u64) {
        if self.ttl_ns.load(Ordering::Relaxed) > 0 {
            self.said.insert(key, Said { at_ns: now_ns, began });
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

impl TenantCache {
    /// That a key finds nobody; however long ago that was said, while the source has no answer.
    pub(super) fn nobody(&self, key: &Key) -> Option<Lookup> {
        let now_ns = self.clock.now_ns();
        match self.found_nobody(key, now_ns)? {
            true => Some(self.absent()),
            false if self.rests(now_ns) => {
                self.meter.stale();
                self.meter.hit();
                Some(Lookup::NobodyThen)
            }
            false => None,
        }
    }

    /// Whether a key found nobody when the source last had an answer, however long ago.
    pub fn was_nobodys(&self, key: &Key) -> bool {
        self.found_nobody(key, self.clock.now_ns()).is_some()
    }

    /// If a key found nobody, and that has not changed: whether it is still to be believed.
    fn found_nobody(&self, key: &Key, now_ns: u64) -> Option<bool> {
        let has_changed = |began| self.changes.since(key, began);
        match key {
            Key::Id(id) => self.absent_ids.is_fresh(id.as_str(), now_ns, has_changed),
            Key::Host(host) => self.absent_hosts.is_fresh(&**host, now_ns, has_changed),
            Key::ApiKey(hash) => self.keys.absent.is_fresh(hash, now_ns, has_changed),
        }
    }
}

impl Aliases {
    pub(super) fn new(capacity: u64) -> Self {
        Self(Cache::new(capacity))
    }

    /// Whose wildcard stands for the host, unless any has changed since.
    pub(super) fn get(&self, host: &str, changes: &Changes) -> Option<TenantId> {
        self.0.get(host).filter(|(_, began)| !changes.wide_since(*began)).map(|(id, _)| id)
    }

    pub(super) fn note(&self, host: &str, id: &TenantId, began: u64) {
        self.0.insert(host.into(), (id.clone(), began));
    }

    pub(super) fn forget(&self, host: &str) {
        self.0.invalidate(host);
    }
}
