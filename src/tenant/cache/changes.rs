//! What has changed at the source, as far as lookups have to know, and when: moments are numbers of changes.
//!
//! A lookup that was under way while something changed may have read what was before. So it notes the moment before it reads. If
//! what it asked for, or the tenant that it found, has changed since, its answer is good for whoever has asked, and is not
//! kept. That is asked of whatever is to be kept when it is in its place, and only then is it served to others: a change
//! that comes earlier is noticed, and one that comes later takes it out.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::DefaultHashBuilder;

use super::source::Key;
use crate::types::{KeyHash, TenantId};

/// Keys that share a place cost each other a lookup when one of them changes.
const STRIPES: usize = 1024;

/// See the module. All of it only grows.
#[derive(Debug)]
pub(super) struct Changes {
    hasher: DefaultHashBuilder,
    /// How many there have been.
    count: AtomicU64,
    /// The last of each key's.
    stripes: Box<[AtomicU64]>,
    /// The last of wildcards, and of everything at once.
    wide: AtomicU64,
    /// The last of all API keys that were nobody's.
    keys: AtomicU64,
}

impl Default for Changes {
    fn default() -> Self {
        let stripes = (0..STRIPES).map(|_| AtomicU64::new(0)).collect();
        let [count, wide, keys] = [(); 3].map(|()| AtomicU64::new(0));
        Self { hasher: DefaultHashBuilder::default(), count, stripes, wide, keys }
    }
}

impl Changes {
    /// The present moment. Changes are told when they are done: what is read from now on has all that are counted in it.
    pub(super) fn now(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether what this key finds may have changed since then, as far as the key tells.
    pub(super) fn since(&self, key: &Key, then: u64) -> bool {
        match key {
            Key::Id(id) => self.of_id_since(id, then),
            Key::Host(host) => self.of_text_since(host, then),
            // A key that was somebody's changes with its tenant.
            Key::ApiKey(hash) => self.of_one_since(hash, then) || self.keys.load(Ordering::SeqCst) > then,
        }
    }

    /// Whether the tenant of this id may have changed since.
    pub(super) fn of_id_since(&self, id: &TenantId, then: u64) -> bool {
        self.of_text_since(id.as_str(), then)
    }

    fn of_text_since(&self, text: &str, then: u64) -> bool {
        self.of_one_since(text, then)
    }

    /// Whether wildcards may have changed since.
    pub(super) fn wide_since(&self, then: u64) -> bool {
        self.wide.load(Ordering::SeqCst) > then
    }

    fn of_one_since(&self, one: &(impl Hash + ?Sized), then: u64) -> bool {
        self.stripe(one).is_some_and(|last| last.load(Ordering::SeqCst) > then) || self.wide_since(then)
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
        self.keys.fetch_max(self.next(), Ordering::SeqCst);
    }

    /// What hosts find that are no exact domain has changed, or just everything.
    pub(super) fn note_wide(&self) {
        self.wide.fetch_max(self.next(), Ordering::SeqCst);
    }

    fn note_one(&self, one: &(impl Hash + ?Sized)) {
        let number = self.next();
        if let Some(stripe) = self.stripe(one) {
            stripe.fetch_max(number, Ordering::SeqCst);
        }
    }

    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn stripe(&self, one: &(impl Hash + ?Sized)) -> Option<&AtomicU64> {
        self.stripes.get(self.hasher.hash_one(one) as usize % STRIPES)
    }
}
