//! What has changed at the source, as far as lookups have to know: numbers that grow.
//!
//! A lookup that was under way while something changed may have read what was before. So it notes the number of its key before it
//! reads; if that is another one behind it, its answer is good for nobody who came later, and is not kept.
//!
//! Whose an API key is changes with a tenant that nobody knows before it is read. So a key's number counts all changes there are,
//! and is increased before any other: while it is what it was, so is every other.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::DefaultHashBuilder;

use super::source::Key;
use crate::types::{KeyHash, TenantId};

/// Keys that share a number cost each other a lookup when one of them changes.
const STRIPES: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Changes {
    hasher: DefaultHashBuilder,
    stripes: Box<[AtomicU64]>,
    /// Of wildcards, and of everything at once.
    wide: AtomicU64,
    /// Of all API keys that were nobody's.
    keys: AtomicU64,
    /// Of all of these.
    all: AtomicU64,
}

impl Default for Changes {
    fn default() -> Self {
        let stripes = (0..STRIPES).map(|_| AtomicU64::new(0)).collect();
        let [wide, keys, all] = [(); 3].map(|()| AtomicU64::new(0));
        Self { hasher: DefaultHashBuilder::default(), stripes, wide, keys, all }
    }
}

impl Changes {
    /// The number of a key: it stays the same for as long as nothing has changed that the key could find.
    pub(super) fn of(&self, key: &Key) -> u64 {
        match key {
            Key::Id(id) => self.of_id(id),
            Key::Host(host) => self.of_one(&**host),
            Key::ApiKey(_) => self.all.load(Ordering::SeqCst),
        }
    }

    /// The number of an id.
    pub(super) fn of_id(&self, id: &TenantId) -> u64 {
        self.of_one(id.as_str())
    }

    /// The number of an API key, as far as it is nobody's.
    pub(super) fn of_key(&self, hash: &KeyHash) -> u64 {
        self.of_one(hash) + self.keys.load(Ordering::SeqCst)
    }

    fn of_one(&self, one: &(impl Hash + ?Sized)) -> u64 {
        // All only grow, so the sum is the same only if each is.
        self.stripe(one).map_or(0, |stripe| stripe.load(Ordering::SeqCst)) + self.wide()
    }

    /// The number of wildcards.
    pub(super) fn wide(&self) -> u64 {
        self.wide.load(Ordering::SeqCst)
    }

    /// What this id or host finds has changed.
    pub(super) fn note(&self, text: &str) {
        self.note_one(text);
    }

    /// An API key was nobody's, or is now.
    pub(super) fn note_key(&self, hash: &KeyHash) {
        self.note_one(hash);
    }

    /// All API keys that were nobody's may not be now.
    pub(super) fn note_keys(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
        self.keys.fetch_add(1, Ordering::SeqCst);
    }

    fn note_one(&self, one: &(impl Hash + ?Sized)) {
        self.all.fetch_add(1, Ordering::SeqCst);
        if let Some(stripe) = self.stripe(one) {
            stripe.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// What hosts find that are no exact domain has changed, or just everything.
    pub(super) fn note_wide(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
        self.wide.fetch_add(1, Ordering::SeqCst);
    }

    fn stripe(&self, one: &(impl Hash + ?Sized)) -> Option<&AtomicU64> {
        self.stripes.get(self.hasher.hash_one(one) as usize % STRIPES)
    }
}
