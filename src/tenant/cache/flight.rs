//! One lookup for all who ask for the same at the same time.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hashbrown::{DefaultHashBuilder, HashMap};
use tokio::sync::Notify;

use super::changes::Changes;
use super::entry::Entry;
use super::source::{Key, SourceFault};
use crate::admission::quota::Holdings;

const SHARDS: usize = 16;

/// What a lookup has found.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The tenant, and what it has used of its quotas.
    Found(Arc<Entry>, Arc<[Holdings]>),
    /// There is none.
    Nobody,
    /// The source has no answer.
    Fault(SourceFault),
}

/// A lookup under way. It goes on when those who wait for it have left: what it finds is kept.
#[derive(Debug)]
pub(super) struct Flight {
    /// The moment when it began: who comes after a change must not share it.
    pub(super) began: u64,
    outcome: OnceLock<Outcome>,
    landed: Notify,
}

/// All lookups under way.
#[derive(Debug)]
pub(super) struct Flights {
    hasher: DefaultHashBuilder,
    shards: [Mutex<HashMap<Key, Arc<Flight>>>; SHARDS],
}

impl Flight {
    /// Waits for the outcome.
    pub(super) async fn outcome(&self) -> Outcome {
        loop {
            let landed = self.landed.notified();
            tokio::pin!(landed);
            // Enlisted before looking: what lands in between wakes it.
            landed.as_mut().enable();
            if let Some(outcome) = self.outcome.get() {
                return outcome.clone();
            }
            landed.await;
        }
    }
}

impl Default for Flights {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { hasher: DefaultHashBuilder::default(), shards }
    }
}

impl Flights {
    /// The lookup of a key that is under way, if nothing has changed since it began (which tenant it will find nobody knows yet), or a
    /// new one, which is the caller's to carry out, and whether it is that.
    pub(super) fn join(&self, key: &Key, changes: &Changes) -> (Arc<Flight>, bool) {
        let began = changes.now();
        let mut flights = self.shard(key);
        if let Some(flight) = flights.get(key).filter(|flight| flight.began == began) {
            return (Arc::clone(flight), false);
        }
        let flight = Arc::new(Flight { began, outcome: OnceLock::new(), landed: Notify::new() });
        flights.insert(key.clone(), Arc::clone(&flight));
        (flight, true)
    }

    /// A lookup has its outcome.
    pub(super) fn land(&self, key: &Key, flight: &Arc<Flight>, outcome: Outcome) {
        let mut flights = self.shard(key);
        if flights.get(key).is_some_and(|own| Arc::ptr_eq(own, flight)) {
            flights.remove(key);
        }
        drop(flights);
        let _ = flight.outcome.set(outcome);
        flight.landed.notify_waiters();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, Arc<Flight>>> {
        let [first, ..] = &self.shards;
        let shard = self.shards.get(self.hasher.hash_one(key) as usize % SHARDS).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
