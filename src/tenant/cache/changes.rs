//! What has changed at the source, as far as lookups have to know: numbers that grow.
//!
//! A lookup that was under way while something changed may have read what was before. So it notes the number of its key before it
//! reads; if that is another one behind it, its answer is good for nobody who came later, and is not kept.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::DefaultHashBuilder;

use super::source::Key;

/// Keys that share a number cost each other a lookup when one of them changes.
const STRIPES: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Changes {
    hasher: DefaultHashBuilder,
    stripes: Box<[AtomicU64]>,
    /// Of wildcards, and of everything at once.
    wide: AtomicU64,
}

impl Default for Changes {
    fn default() -> Self {
        let stripes = (0..STRIPES).map(|_| AtomicU64::new(0)).collect();
        Self { hasher: DefaultHashBuilder::default(), stripes, wide: AtomicU64::new(0) }
    }
}

impl Changes {
    /// The number of a key: it stays the same for as long as nothing has changed that the key could find.
    pub(super) fn of(&self, key: &Key) -> u64 {
        match key {
            Key::Id(id) => self.of_text(id.as_str()),
            Key::Host(host) => self.of_text(host),
        }
    }

    fn of_text(&self, text: &str) -> u64 {
        // Both only grow, so the sum is the same only if both are.
        self.stripe(text).map_or(0, |stripe| stripe.load(Ordering::SeqCst)) + self.wide()
    }

    /// The number of wildcards.
    pub(super) fn wide(&self) -> u64 {
        self.wide.load(Ordering::SeqCst)
    }

    /// What this id or host finds has changed.
    pub(super) fn note(&self, text: &str) {
        if let Some(stripe) = self.stripe(text) {
            stripe.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// What hosts find that are no exact domain has changed, or just everything.
    pub(super) fn note_wide(&self) {
        self.wide.fetch_add(1, Ordering::SeqCst);
    }

    fn stripe(&self, text: &str) -> Option<&AtomicU64> {
        self.stripes.get(self.hasher.hash_one(text) as usize % STRIPES)
    }
}
