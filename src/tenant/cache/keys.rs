//! Which cached tenant has an API key, by the key's hash; and which keys are nobody's, in a memory of their own.
//!
//! A key's owner is known only together with what is known of the tenant: it is that [`Entry`] which has the key, and with
//! it the key is forgotten. So whatever changes of a tenant, its keys are looked up again.

use std::sync::{Arc, Weak};

use moka::sync::Cache;

use super::TenantCache;
use super::absent::Absent;
use super::entry::Entry;
use super::source::Key;
use crate::types::KeyHash;

/// Whose a key is.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    entry: Weak<Entry>,
    /// From when on the key is nobody's, in milliseconds since 1970.
    ends_ms: Option<i64>,
    /// When the source said so.
    pub(super) loaded_ns: u64,
}

/// See the module. There are as many at most as tenants may be in the cache.
#[derive(Debug)]
pub(super) struct Keys {
    owners: Cache<KeyHash, Owner>,
    pub(super) absent: Absent<KeyHash>,
}

impl Owner {
    pub(super) fn has_ended(&self, now_ms: i64) -> bool {
        has_ended(self.ends_ms, now_ms)
    }
}

impl Keys {
    pub(super) fn new(capacity: u64) -> Self {
        Self { owners: Cache::new(capacity), absent: Absent::new() }
    }

    pub(super) fn forget(&self, hash: &KeyHash) {
        self.owners.invalidate(hash);
        self.absent.forget(hash);
    }

    pub(super) fn tidy(&self) {
        self.owners.run_pending_tasks();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> u64 {
        self.owners.run_pending_tasks();
        self.owners.entry_count()
    }
}

impl TenantCache {
    /// Whose a key is, and what is known of the tenant, however old.
    pub(super) fn owner(&self, hash: &KeyHash) -> Option<(Owner, Arc<Entry>)> {
        let owner = self.keys.owners.get(hash)?;
        let entry = owner.entry.upgrade()?;
        let known = self.entry(entry.record.id.as_str())?;
        Arc::ptr_eq(&known, &entry).then_some((owner, entry))
    }

    /// Remembers whose a key is, as was read from the moment `began` on.
    pub(super) fn remember_owner(
        &self,
        hash: &KeyHash,
        entry: Arc<Entry>,
        ends_ms: Option<i64>,
        began: u64,
    ) -> Arc<Entry> {
        let Some(entry) = self.keep(&Key::ApiKey(*hash), &entry, began) else { return entry };
        // A change from now on takes away the entry that it hangs on.
        let owner = Owner { entry: Arc::downgrade(&entry), ends_ms, loaded_ns: entry.loaded_ns() };
        self.keys.owners.insert(*hash, owner);
        entry
    }

    /// These keys are not what they were: nobody's, or somebody's. When it returns, no request that comes later finds what was. A
    /// tenant that has changed brings its keys with it ([`forget`](Self::forget)), all but those that are new.
    pub fn forget_keys<'a>(&self, keys: impl IntoIterator<Item = &'a KeyHash>) {
        for hash in keys {
            self.changes.note_key(hash);
            self.keys.forget(hash);
        }
    }

    /// Any key that was nobody's may be somebody's.
    pub fn forget_absent_keys(&self) {
        self.changes.note_keys();
    }
}

/// Whether a key that ends then is of no use any more.
pub(super) fn has_ended(ends_ms: Option<i64>, now_ms: i64) -> bool {
    ends_ms.is_some_and(|ends_ms| ends_ms <= now_ms)
}
