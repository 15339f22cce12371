//! What is known not to be, and which hosts a wildcard stands for: short memories of what clients ask for, which are full when
//! they are full, and never at the tenants' expense.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;

use super::source::Key;
use super::{Lookup, TenantCache};
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

    /// If a key finds nobody, as was said at this number of changes: whether that is still to be believed.
    fn is_fresh<Q: Hash + Eq + ?Sized>(&self, key: &Q, now_ns: u64, number: u64) -> Option<bool>
    where
        K: Borrow<Q>,
    {
        let said = self.said.get(key).filter(|said| said.number == number)?;
        Some(now_ns.saturating_sub(said.at_ns) < self.ttl_ns.load(Ordering::Relaxed))
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

impl TenantCache {
    /// That a key finds nobody, as was said at this number of changes; however long ago, while the source has no answer.
    pub(super) fn nobody<K, Q>(&self, absent: &Absent<K>, key: &Q, number: u64) -> Option<Lookup>
    where
        K: Hash + Eq + Send + Sync + Borrow<Q> + 'static,
        Q: Hash + Eq + ?Sized,
    {
        let now_ns = self.clock.now_ns();
        match absent.is_fresh(key, now_ns, number)? {
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
        let (now_ns, wide) = (self.clock.now_ns(), self.changes.wide());
        match key {
            Key::Id(id) => self.absent_ids.is_fresh(id.as_str(), now_ns, wide),
            Key::Host(host) => self.absent_hosts.is_fresh(&**host, now_ns, wide),
            Key::ApiKey(hash) => self.keys.absent.is_fresh(hash, now_ns, self.changes.of_key(hash)),
        }
        .is_some()
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
