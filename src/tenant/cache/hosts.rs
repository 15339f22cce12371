//! Which cached tenant has an exact domain. It only says where to look: whoever asks makes sure.

use std::hash::BuildHasher;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::{DefaultHashBuilder, HashMap};

use super::entry::Entry;
use crate::types::TenantId;

const SHARDS: usize = 64;
/// So many domains of a tenant have a place here; hosts under its others are remembered as they are asked for.
const OF_TENANT_MAX: usize = 64;

type Shard = HashMap<Box<str>, TenantId>;

/// The exact domains of the tenants in the cache, which come and go with them.
#[derive(Debug)]
pub(super) struct Hosts {
    hasher: DefaultHashBuilder,
    shards: [RwLock<Shard>; SHARDS],
}

impl Default for Hosts {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| RwLock::default());
        Self { hasher: DefaultHashBuilder::default(), shards }
    }
}

impl Hosts {
    pub(super) fn get(&self, host: &str) -> Option<TenantId> {
        self.read(host).get(host).cloned()
    }

    /// Enters the domains of a tenant.
    pub(super) fn enter(&self, entry: &Entry) {
        for host in entry.hosts().take(OF_TENANT_MAX) {
            let mut shard = self.write(host);
            match shard.get_mut(host) {
                Some(id) => *id = entry.record.id.clone(),
                None => _ = shard.insert(host.into(), entry.record.id.clone()),
            }
        }
    }

    /// Takes the domains of a tenant out, but for those that another, or it again, `has`.
    pub(super) fn leave(&self, entry: &Entry, has: impl Fn(&str) -> bool) {
        for host in entry.hosts().take(OF_TENANT_MAX).filter(|host| !has(host)) {
            let mut shard = self.write(host);
            if shard.get(host).is_some_and(|id| *id == entry.record.id) {
                shard.remove(host);
            }
        }
    }

    /// Whether a host of the entry is one that has a place here.
    pub(super) fn has_place_for(entry: &Entry, host: &str) -> bool {
        entry.hosts().take(OF_TENANT_MAX).any(|own| own == host)
    }

    pub(super) fn remove(&self, host: &str) {
        self.write(host).remove(host);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, host: &str) -> &RwLock<Shard> {
        let [first, ..] = &self.shards;
        // Below the length: the first stands in for none.
        self.shards.get(self.hasher.hash_one(host) as usize % SHARDS).unwrap_or(first)
    }

    fn read(&self, host: &str) -> RwLockReadGuard<'_, Shard> {
        self.shard(host).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, host: &str) -> RwLockWriteGuard<'_, Shard> {
        self.shard(host).write().unwrap_or_else(PoisonError::into_inner)
    }
}
