//! What a tenant has one of in each pool that it uses.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;

/// One a pool, which is told by something of it that outlives reloads as this does (`K`): a short list, since few pools
/// serve a tenant.
#[derive(Debug)]
pub(super) struct PerPool<K, T>(ArcSwapOption<List<K, T>>);

type List<K, T> = Vec<(Weak<K>, Arc<T>)>;

impl<K, T> Default for PerPool<K, T> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<K, T> PerPool<K, T> {
    /// That of a pool, made when it is first asked for.
    pub(super) fn open(&self, pool: &Arc<K>, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        let of = |list: Option<&Arc<List<K, T>>>| {
            let own = list?.iter().find(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(pool)));
            own.map(|(_, own)| Arc::clone(own))
        };
        if let Some(own) = of(self.0.load().as_ref()) {
            return own;
        }
        let new = make();
        // Two workers may come at once; the second finds what the first has made.
        self.0.rcu(|list| match (of(list.as_ref()), list) {
            (Some(_), list) => list.clone(),
            (None, list) => {
                let kept = list.iter().flat_map(|list| list.iter());
                let kept = kept.filter(|(of, _)| of.strong_count() > 0);
                let own = (Arc::downgrade(pool), Arc::clone(&new));
                Some(Arc::new(kept.chain([&own]).cloned().collect()))
            }
        });
        of(self.0.load().as_ref()).unwrap_or(new)
    }
}
