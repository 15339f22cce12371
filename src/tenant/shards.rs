//! A map in many parts: a copy shares all of them, and a change copies one.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap};

/// How many: of a hundred thousand entries a change copies four hundred.
const SHARDS: usize = 256;

/// An immutable map for readers; whoever makes the next one changes a copy, in time that grows with what is changed.
#[derive(Clone)]
pub(super) struct Shards<K, V> {
    hasher: DefaultHashBuilder,
    shards: Box<[Arc<HashMap<K, V>>]>,
    len: usize,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        let none = Arc::new(HashMap::default());
        Self { hasher: DefaultHashBuilder::default(), shards: vec![none; SHARDS].into(), len: 0 }
    }
}

impl<K, V> fmt::Debug for Shards<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<K: Hash + Eq, V> Shards<K, V> {
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        if self.len == 0 {
            return None;
        }
        self.shards.get(self.at(key))?.get(key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.values())
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn at<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        // The upper bits: a shard's own map begins with the lower ones.
        (self.hasher.hash_one(key) >> 32) as usize % SHARDS
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    pub(super) fn insert(&mut self, key: K, value: V) {
        let at = self.at(&key);
        let Some(shard) = self.shards.get_mut(at) else { return };
        if Arc::make_mut(shard).insert(key, value).is_none() {
            self.len += 1;
        }
    }

    /// Takes a key out, if `is` says that its value is the one meant.
    pub(super) fn remove_if<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, is: impl Fn(&V) -> bool)
    where
        K: Borrow<Q>,
    {
        if !self.get(key).is_some_and(is) {
            return;
        }
        let at = self.at(key);
        let Some(shard) = self.shards.get_mut(at) else { return };
        if Arc::make_mut(shard).remove(key).is_some() {
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
        (0..1_000).for_each(|n| one.insert(n.to_string(), n));
        let mut other = one.clone();
        other.insert("7".to_owned(), 70);
        other.remove_if("8", |value| *value == 80);
        other.remove_if("9", |value| *value == 9);
        assert_eq!((one.len(), other.len()), (1_000, 999));
        assert_eq!((one.get("7"), one.get("8"), one.get("9")), (Some(&7), Some(&8), Some(&9)));
        assert_eq!((other.get("7"), other.get("8"), other.get("9")), (Some(&70), Some(&8), None));
        let apart = one.shards.iter().zip(&other.shards).filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert!((1..=2).contains(&apart), "{apart}");
        assert_eq!(other.values().count(), 999);
    }
}
