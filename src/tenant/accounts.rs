//! The accounts of all tenants that are served, or have been and still owe.
//!
//! An account is opened when its tenant is loaded and closed when its tenant has left and nothing is in use of its limits. So
//! no limit is reset by a reload, by a change of the tenant, or by the cache's having dropped it. What is kept beyond
//! the cached and configured tenants is bounded by those who asked for something within the time that their limits
//! take to come back.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{DefaultHashBuilder, HashMap};

use super::account::Account;
use crate::telemetry::Metrics;
use crate::types::TenantId;

/// So many that walking one of them holds nobody up.
const SHARDS: usize = 64;
/// How many of those who have left are looked at in one go.
const SWEEP_MAX: usize = 20_000;

type Shard = HashMap<TenantId, Arc<Account>>;

/// See the module.
#[derive(Debug)]
pub struct Accounts {
    hasher: DefaultHashBuilder,
    shards: [Mutex<Shard>; SHARDS],
    /// Tenants that have left, each once: their accounts are closed as soon as they can be.
    leaving: Mutex<VecDeque<Arc<Account>>>,
}

impl Default for Accounts {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { hasher: DefaultHashBuilder::default(), shards, leaving: Mutex::default() }
    }
}

impl Accounts {
    /// A tenant's account, the same one for as long as it is kept.
    pub fn open(&self, id: &TenantId, metrics: &Metrics) -> Arc<Account> {
        let mut shard = self.shard(id);
        let account = shard.entry(id.clone()).or_insert_with(|| Arc::new(Account::new(id, metrics)));
        Arc::clone(account)
    }

    /// The tenant is served no more, as far as whoever says so knows: its account is closed once nobody has it and nothing is
    /// in use of it. If it is opened again before, it stays.
    pub fn leave(&self, id: &TenantId) {
        let account = self.shard(id).get(id).cloned();
        if let Some(account) = account.filter(|account| account.leaves()) {
            locked(&self.leaving).push_back(account);
        }
    }

    /// Closes what can be closed of those who have left; for a control task, about once a second. At most twenty thousand
    /// are looked at, the others the next time.
    pub fn sweep(&self, now_ns: u64, metrics: &Metrics) {
        let mut batch: Vec<_> = {
            let mut leaving = locked(&self.leaving);
            let count = leaving.len().min(SWEEP_MAX);
            leaving.drain(..count).collect()
        };
        batch.retain(|account| !self.close(account, now_ns, metrics));
        locked(&self.leaving).extend(batch);
    }

    /// Whether there is nothing more to be done about it.
    fn close(&self, account: &Arc<Account>, now_ns: u64, metrics: &Metrics) -> bool {
        // The map's, and ours.
        let is_left = || Arc::strong_count(account) <= 2;
        if !is_left() {
            return false;
        }
        account.rest();
        let id = account.id();
        let mut shard = self.shard(id);
        // Under the lock nobody can come by another.
        let is_free = is_left() && account.is_rested(now_ns);
        if is_free && shard.get(id).is_some_and(|own| Arc::ptr_eq(own, account)) {
            shard.remove(id);
            // Under the lock, too: an account that is opened again finds a meter that is not about to be forgotten.
            metrics.forget_tenant(id);
        }
        is_free
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, id: &TenantId) -> MutexGuard<'_, Shard> {
        let [first, ..] = &self.shards;
        // `at` is below the length: the first stands in for none.
        let at = self.hasher.hash_one(id) as usize % SHARDS;
        locked(self.shards.get(at).unwrap_or(first))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is one call.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
