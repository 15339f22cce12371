//! What of a tenant outlives its configuration, so that a reload forgets nothing.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use hashbrown::HashMap;

use super::per_pool::PerPool;
use crate::admission::RateStates;
use crate::admission::fair_share::{Seats, Share};
use crate::admission::quota::{Quota, QuotaSpec, QuotaState, Roster};
use crate::breaker::{Breaker, Circuit};
use crate::retry::{Budget, BudgetTerms};
use crate::telemetry::{Metrics, TenantMeter};
use crate::types::TenantId;

/// A tenant's running state: what it has used, what it is doing.
#[derive(Debug)]
pub struct Account {
    /// What it has used of its rate limits.
    pub rates: RateStates,
    /// What it is metered by; also counts its requests in flight.
    pub meter: Arc<TenantMeter>,
    id: TenantId,
    /// What it has used of its quotas, and of those that were configured before.
    quotas: Mutex<Vec<Arc<QuotaState>>>,
    /// Its parts in the seats of the pools that it has used: one a pool, and few pools a tenant.
    shares: ArcSwap<Vec<Arc<Share>>>,
    /// Its budgets of retries in pools that have any.
    budgets: PerPool<Seats, Budget>,
    /// Its circuit breakers in pools that bound each tenant.
    breakers: PerPool<Circuit, Breaker>,
}

impl Account {
    fn new(id: &TenantId, metrics: &Metrics) -> Self {
        Self {
            rates: RateStates::default(),
            meter: metrics.tenant(id),
            id: id.clone(),
            quotas: Mutex::default(),
            shares: ArcSwap::default(),
            budgets: PerPool::default(),
            breakers: PerPool::default(),
        }
    }

    /// Its part in a pool's seats, made when it is first asked for.
    pub fn share(&self, seats: &Arc<Seats>) -> Arc<Share> {
        let of = |shares: &Vec<Arc<Share>>| {
            shares.iter().find(|share| Arc::ptr_eq(share.seats(), seats)).map(Arc::clone)
        };
        if let Some(share) = of(&self.shares.load()) {
            return share;
        }
        let new = seats.share(self.id.clone());
        // Two workers may come at once; the second finds what the first has made.
        self.shares.rcu(|shares| match of(shares) {
            Some(_) => Vec::clone(shares),
            None => {
                let kept = shares.iter().filter(|share| !share.seats().is_retired());
                kept.chain([&new]).cloned().collect()
            }
        });
        of(&self.shares.load()).unwrap_or(new)
    }

    /// Its budget of retries in the pool that has these seats, made when it is first asked for. Whoever asks says how
    /// large it is: a reload changes that.
    pub fn budget(&self, seats: &Arc<Seats>, terms: BudgetTerms) -> Arc<Budget> {
        let budget = self.budgets.open(seats, || Arc::new(Budget::new(terms)));
        budget.set_terms(terms);
        budget
    }

    /// Its circuit breaker in the pool that has this one, made when it is first asked for. Its bounds are the pool's to
    /// set.
    pub fn breaker(&self, circuit: &Arc<Circuit>) -> Arc<Breaker> {
        self.breakers.open(circuit, || circuit.tenant())
    }

    /// A quota of it, which goes on from where the one of the same name, meter and window was.
    #[must_use]
    pub fn quota(&self, spec: Arc<QuotaSpec>, roster: &Arc<Roster>) -> Quota {
        let mut states = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        let series = spec.series();
        let same =
            |state: &&Arc<QuotaState>| state.series().quota == spec.name && *state.series().series == *series;
        let state = states.iter().find(same).map(Arc::clone).unwrap_or_else(|| {
            states.retain(|state| Arc::strong_count(state) > 1 || !state.is_rested());
            let new = QuotaState::new(self.id.clone(), Arc::clone(&spec), Arc::clone(roster));
            states.push(Arc::clone(&new));
            new
        });
        Quota::new(spec, state)
    }

    fn is_rested(&self, now_ns: u64) -> bool {
        let quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        self.rates.is_rested(now_ns) && quotas.iter().all(|state| state.is_rested())
    }

    /// Its parts in the seats of all pools that it has used.
    #[must_use]
    pub fn shares(&self) -> Arc<Vec<Arc<Share>>> {
        self.shares.load_full()
    }
}

/// The accounts of all tenants that are configured, or have been and still owe.
#[derive(Debug, Default)]
pub struct Accounts(Mutex<HashMap<TenantId, Arc<Account>>>);

impl Accounts {
    /// A tenant's account, the same one for as long as it is kept.
    pub fn open(&self, id: &TenantId, metrics: &Metrics) -> Arc<Account> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(id.clone()).or_insert_with(|| Arc::new(Account::new(id, metrics)));
        Arc::clone(account)
    }

    /// Closes the accounts that `keep` names no longer, unless they hold something: a tenant that is
    /// removed and added again finds its limits as it left them.
    pub fn retain(&self, now_ns: u64, keep: impl Fn(&TenantId) -> bool) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accounts
            .retain(|id, account| keep(id) || Arc::strong_count(account) > 1 || !account.is_rested(now_ns));
    }

    /// Whether an account is kept for this tenant.
    #[must_use]
    pub fn contains(&self, id: &TenantId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Clock;

    #[test]
    fn what_a_reload_changes_holds_for_what_is_under_way() {
        let metrics = Metrics::new(1).unwrap();
        let account = Accounts::default().open(&TenantId::parse("acme").unwrap(), &metrics);
        let [one, other] = [(); 2].map(|()| Seats::new(u32::MAX, Clock::system()));
        let terms = |min| BudgetTerms { percent: 0, min };
        let budget = account.budget(&one, terms(1));
        let _retry = budget.retry().unwrap();
        assert!(account.budget(&one, terms(1)).retry().is_none());
        assert!(account.budget(&one, terms(2)).retry().is_some());
        assert_eq!(account.budget(&other, terms(1)).retries(), 0, "each pool has its own");
    }
}
