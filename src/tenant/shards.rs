//! A map in many parts: a copy shares all of them, and a change copies one.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::mem;
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::types::prefetch;

/// How many: of a hundred thousand entries a change copies four hundred.
const SHARDS: usize = 256;

/// An immutable map for readers; whoever makes the next one changes a copy, in time that grows with what is changed.
pub(super) struct Shards<K, V> {
    hasher: DefaultHashBuilder,
    shards: Box<[Shard<K, V>]>,
    len: usize,
}

type Shard<K, V> = Arc<HashTable<(K, Arc<V>)>>;

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        let none = Arc::new(HashTable::new());
        Self { hasher: DefaultHashBuilder::default(), shards: vec![none; SHARDS].into(), len: 0 }
    }
}

impl<K, V> Clone for Shards<K, V> {
    fn clone(&self) -> Self {
        Self { hasher: self.hasher.clone(), shards: self.shards.clone(), len: self.len }
    }
}

impl<K, V> fmt::Debug for Shards<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<K: Hash + Eq, V> Shards<K, V> {
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&Arc<V>>
    where
        K: Borrow<Q>,
    {
        if self.len == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let is = |(known, value): &(K, Arc<V>)| {
            // It is most probably the one, and the key's text is in no cache either: both come at once.
            prefetch(&**value);
            known.borrow() == key
        };
        self.shards.get(at(hash))?.find(hash, is).map(|(_, value)| value)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<V>> {
        self.shards.iter().flat_map(|shard| shard.iter()).map(|(_, value)| value)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// Which shard has what has this hash.
fn at(hash: u64) -> usize {
    // Bits that a shard's own table has no use for: it looks at the lowest, and at the highest seven.
    (hash >> 32) as usize % SHARDS
}

impl<K: Hash + Eq + Clone, V> Shards<K, V> {
    pub(super) fn insert(&mut self, key: K, value: Arc<V>) {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(&key);
        let Some(shard) = self.shards.get_mut(at(hash)) else { return };
        let entry =
            Arc::make_mut(shard).entry(hash, |(known, _)| *known == key, |(known, _)| hasher.hash_one(known));
        match entry {
            Entry::Occupied(mut entry) => drop(mem::replace(&mut entry.get_mut().1, value)),
            Entry::Vacant(entry) => {
                entry.insert((key, value));
                self.len += 1;
            }
        }
    }

    /// Takes a key out, if `is` says that its value is the one meant.
    pub(super) fn remove_if<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, is: impl Fn(&V) -> bool)
    where
        K: Borrow<Q>,
    {
        if !self.get(key).is_some_and(|value| is(value)) {
            return;
        }
        let hash = self.hasher.hash_one(key);
        let Some(shard) = self.shards.get_mut(at(hash)) else { return };
        if let Ok(entry) = Arc::make_mut(shard).find_entry(hash, |(known, _)| known.borrow() == key) {
            entry.remove();
            self.len -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_shares_all_but_what_is_changed() {
        let mut one = Shards::<String, u32>::default();
        (0..1_000).for_each(|n| one.insert(n.to_string(), Arc::new(n)));
        let mut other = one.clone();
        other.insert("7".to_owned(), Arc::new(70));
        other.remove_if("8", |value| *value == 80);
        other.remove_if("9", |value| *value == 9);
        assert_eq!((one.len(), other.len()), (1_000, 999));
        let of = |map: &Shards<String, u32>| ["7", "8", "9"].map(|key| map.get(key).map(|value| **value));
        assert_eq!(of(&one), [Some(7), Some(8), Some(9)]);
        assert_eq!(of(&other), [Some(70), Some(8), None]);
        let apart = one.shards.iter().zip(&other.shards).filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert!((1..=2).contains(&apart), "{apart}");
        assert_eq!(other.values().count(), 999);
    }
}
