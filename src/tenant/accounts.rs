//! The accounts of all tenants that are served, or have been and still owe.
//!
//! An account is opened when its tenant is loaded and closed when its tenant has left and nothing is in use of its limits. So
//! no limit is reset by a reload, by a change of the tenant, or by the cache's having dropped it. What is kept beyond
//! the cached and configured tenants is bounded by those who asked for something within the time that their limits
//! take to come back.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::account::Account;
use crate::telemetry::{Metered, MeteredTenants, Metrics, TenantMeter};
use crate::types::TenantId;

/// So many that walking one of them holds nobody up.
const SHARDS: usize = 64;
/// How many of those who have left are looked at in one go.
const SWEEP_MAX: usize = 20_000;

/// By their ids, which they have themselves.
type Shard = HashTable<Arc<Account>>;

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
        let (hash, mut shard) = self.shard(id);
        let of = |account: &Arc<Account>| self.hash(account.id());
        let entry = shard.entry(hash, |account| account.id() == id, of);
        Arc::clone(entry.or_insert_with(|| Arc::new(Account::new(id, metrics))).get())
    }

    /// The tenant is served no more, as far as whoever says so knows: its account is closed once nobody has it and nothing is
    /// in use of it. If it is opened again before, it stays.
    pub fn leave(&self, id: &TenantId) {
        if let Some(account) = self.get(id).filter(|account| account.leaves()) {
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

    fn get(&self, id: &TenantId) -> Option<Arc<Account>> {
        let (hash, shard) = self.shard(id);
        shard.find(hash, |account| account.id() == id).cloned()
    }

    /// Whether there is nothing more to be done about it.
    fn close(&self, account: &Arc<Account>, now_ns: u64, metrics: &Metrics) -> bool {
        // The map's, ours, and that of its series.
        let is_left = || Arc::strong_count(account) <= 2 + usize::from(account.meter.has_series());
        if !is_left() {
            return false;
        }
        account.rest();
        let (hash, mut shard) = self.shard(account.id());
        // Under the lock nobody can come by another.
        if !is_left() || !account.is_rested(now_ns) {
            return false;
        }
        if let Ok(own) = shard.find_entry(hash, |own| Arc::ptr_eq(own, account)) {
            own.remove();
            // What had many and has few keeps no room for many.
            let len = shard.len();
            if len < shard.capacity() / 8 {
                shard.shrink_to(len * 2, |account| self.hash(account.id()));
            }
        }
        drop(shard);
        metrics.forget_tenant(&**account);
        true
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

    fn hash(&self, id: &TenantId) -> u64 {
        self.hasher.hash_one(id)
    }

    /// An id's hash, and the shard that it belongs to.
    fn shard(&self, id: &TenantId) -> (u64, MutexGuard<'_, Shard>) {
        let [first, ..] = &self.shards;
        let hash = self.hash(id);
        // Of bits that a shard's table looks at last. Below the length: the first stands in for none.
        let at = (hash >> 32) as usize % SHARDS;
        (hash, locked(self.shards.get(at).unwrap_or(first)))
    }
}

impl MeteredTenants for Accounts {
    fn find(&self, id: &TenantId) -> Option<Arc<dyn Metered>> {
        Some(self.get(id)? as _)
    }

    fn select(&self, is: &mut dyn FnMut(&TenantMeter) -> bool) -> Vec<Arc<dyn Metered>> {
        let mut selected = Vec::new();
        for shard in &self.shards {
            let shard = locked(shard);
            let those = shard.iter().filter(|account| is(&account.meter));
            selected.extend(those.map(|account| Arc::clone(account) as Arc<dyn Metered>));
        }
        selected
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is one call.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_with_series_is_closed_when_nobody_has_it_but_they() {
        let (metrics, accounts) = (Metrics::new(1).unwrap(), Arc::<Accounts>::default());
        metrics.ask_tenants(Arc::downgrade(&accounts) as _);
        let id = TenantId::parse("acme").unwrap();
        let account = accounts.open(&id, &metrics);
        TenantMeter::started(&account);
        assert!(account.meter.has_series() && metrics.render().contains("tenant=\"acme\""));
        accounts.leave(&id);
        accounts.sweep(0, &metrics);
        assert_eq!(accounts.len(), 1, "a request has it");
        drop(account);
        metrics.rebalance_tenants();
        accounts.sweep(0, &metrics);
        assert!(accounts.is_empty() && !metrics.render().contains("tenant=\"acme\""));
    }

    #[test]
    fn all_are_found_and_closed_whatever_their_number() {
        let (metrics, accounts) = (Metrics::new(0).unwrap(), Accounts::default());
        let ids: Vec<_> = (0..5_000).map(|n| TenantId::parse(&format!("t{n}")).unwrap()).collect();
        ids.iter().for_each(|id| drop(accounts.open(id, &metrics)));
        assert!(ids.iter().all(|id| accounts.find(id).is_some_and(|found| found.id() == id)));
        assert_eq!(accounts.select(&mut |_| true).len(), 5_000);
        ids.iter().skip(10).for_each(|id| accounts.leave(id));
        accounts.sweep(0, &metrics);
        assert_eq!(accounts.len(), 10);
        assert!(ids.iter().all(|id| accounts.find(id).is_some() == ids[..10].contains(id)));
        let room: usize = accounts.shards.iter().map(|shard| locked(shard).capacity()).sum();
        assert!(room < 1_000, "{room}");
    }
}
