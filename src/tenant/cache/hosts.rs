//! Which cached tenant has an exact domain. It may have left the cache just now: whoever asks makes sure.
//!
//! A domain's text is its tenant's: what is kept here is where that begins.

use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::entry::Entry;

const SHARDS: usize = 64;
/// So many domains of a tenant have a place here; hosts under its others are remembered as they are asked for.
const OF_TENANT_MAX: usize = 64;

type Shard = HashTable<Place>;

/// A domain of a tenant.
#[derive(Debug)]
struct Place {
    entry: Arc<Entry>,
    at: u32,
}

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

impl Place {
    fn host(&self) -> &str {
        self.entry.record.texts.domain_at(self.at)
    }
}

impl Hosts {
    pub(super) fn get(&self, host: &str) -> Option<Arc<Entry>> {
        let hash = self.hasher.hash_one(host);
        let shard = self.shard(hash).read().unwrap_or_else(PoisonError::into_inner);
        shard.find(hash, |place| place.host() == host).map(|place| Arc::clone(&place.entry))
    }

    /// Enters the domains of a tenant, in the place of whoever had them.
    pub(super) fn enter(&self, entry: &Arc<Entry>) {
        for (at, host) in entry.placed_hosts().take(OF_TENANT_MAX) {
            let (hash, mut shard) = self.write(host);
            let place = Place { entry: Arc::clone(entry), at };
            let rehash = |place: &Place| self.hasher.hash_one(place.host());
            shard.entry(hash, |known| known.host() == host, rehash).insert(place);
        }
    }

    /// Takes the domains out that are this entry's.
    pub(super) fn leave(&self, entry: &Arc<Entry>) {
        for (_, host) in entry.placed_hosts().take(OF_TENANT_MAX) {
            self.remove_if(host, |place| Arc::ptr_eq(&place.entry, entry));
        }
    }

    /// Whether a host of the entry is one that has a place here.
    pub(super) fn has_place_for(entry: &Entry, host: &str) -> bool {
        entry.hosts().take(OF_TENANT_MAX).any(|own| own == host)
    }

    pub(super) fn remove(&self, host: &str) {
        self.remove_if(host, |_| true);
    }

    fn remove_if(&self, host: &str, is: impl Fn(&Place) -> bool) {
        let (hash, mut shard) = self.write(host);
        let Ok(found) = shard.find_entry(hash, |place| place.host() == host && is(place)) else { return };
        // Freed when nobody waits for it.
        let (_gone, _) = found.remove();
        let len = shard.len();
        // What had many and has few keeps no room for many.
        if len < shard.capacity() / 8 {
            shard.shrink_to(len * 2, |place| self.hasher.hash_one(place.host()));
        }
        drop(shard);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        let [first, ..] = &self.shards;
        // Of bits that a shard's table looks at last. Below the length: the first stands in for none.
        self.shards.get((hash >> 32) as usize % SHARDS).unwrap_or(first)
    }

    /// A host's hash, and the shard that it belongs to.
    fn write(&self, host: &str) -> (u64, RwLockWriteGuard<'_, Shard>) {
        let hash = self.hasher.hash_one(host);
        (hash, self.shard(hash).write().unwrap_or_else(PoisonError::into_inner))
    }
}
