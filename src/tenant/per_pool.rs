//! What a tenant has one of in each pool that it uses.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;

use crate::admission::fair_share::Seats;

/// One a pool, told apart by the pool's seats, which outlive reloads as this does: a short list, since few pools serve
/// a tenant.
#[derive(Debug)]
pub(super) struct PerPool<T>(ArcSwap<Vec<(Weak<Seats>, Arc<T>)>>);

impl<T> Default for PerPool<T> {
    fn default() -> Self {
        Self(ArcSwap::default())
    }
}

impl<T> PerPool<T> {
    /// That of a pool, made when it is first asked for.
    pub(super) fn open(&self, seats: &Arc<Seats>, make: impl FnOnce() -> T) -> Arc<T> {
        let of = |list: &Vec<(Weak<Seats>, Arc<T>)>| {
            let own = list.iter().find(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(seats)));
            own.map(|(_, own)| Arc::clone(own))
        };
        if let Some(own) = of(&self.0.load()) {
            return own;
        }
        let new = Arc::new(make());
        // Two workers may come at once; the second finds what the first has made.
        self.0.rcu(|list| match of(list) {
            Some(_) => Vec::clone(list),
            None => {
                let kept = list.iter().filter(|(of, _)| of.strong_count() > 0);
                kept.chain([&(Arc::downgrade(seats), Arc::clone(&new))]).cloned().collect()
            }
        });
        of(&self.0.load()).unwrap_or(new)
    }
}
