//! What of a tenant outlives its configuration, so that a reload forgets nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

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
    shares: ArcSwapOption<Vec<Arc<Share>>>,
    /// Its budgets of retries in pools that have any.
    budgets: PerPool<Seats, Budget>,
    /// Its circuit breakers in pools that bound each tenant.
    breakers: PerPool<Circuit, Breaker>,
    /// Whether it is among those to be closed.
    leaving: AtomicBool,
}

impl Account {
    pub(super) fn new(id: &TenantId, metrics: &Metrics) -> Self {
        Self {
            rates: RateStates::default(),
            meter: metrics.tenant(id),
            id: id.clone(),
            quotas: Mutex::default(),
            shares: ArcSwapOption::empty(),
            budgets: PerPool::default(),
            breakers: PerPool::default(),
            leaving: AtomicBool::new(false),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// Its part in a pool's seats, made when it is first asked for.
    pub fn share(&self, seats: &Arc<Seats>) -> Arc<Share> {
        let of = |shares: Option<&Arc<Vec<Arc<Share>>>>| {
            let share = shares?.iter().find(|share| Arc::ptr_eq(share.seats(), seats));
            share.map(Arc::clone)
        };
        if let Some(share) = of(self.shares.load().as_ref()) {
            return share;
        }
        let new = seats.share(self.id.clone());
        // Two workers may come at once; the second finds what the first has made.
        self.shares.rcu(|shares| match (of(shares.as_ref()), shares) {
            (Some(_), shares) => shares.clone(),
            (None, shares) => {
                let kept = shares.iter().flat_map(|shares| shares.iter());
                let kept = kept.filter(|share| !share.seats().is_retired());
                Some(Arc::new(kept.chain([&new]).cloned().collect()))
            }
        });
        of(self.shares.load().as_ref()).unwrap_or(new)
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

    /// It is to be closed: whether that is news.
    pub(super) fn leaves(&self) -> bool {
        !self.leaving.swap(true, Ordering::AcqRel)
    }

    /// Gives back what its quotas have reserved: nobody will ask for it soon.
    pub(super) fn rest(&self) {
        let quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        quotas.iter().for_each(QuotaState::rest);
    }

    /// Whether forgetting it changes nothing.
    pub(super) fn is_rested(&self, now_ns: u64) -> bool {
        let quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        self.rates.is_rested(now_ns) && quotas.iter().all(|state| state.is_rested())
    }

    /// Its parts in the seats of all pools that it has used.
    #[must_use]
    pub fn shares(&self) -> Vec<Arc<Share>> {
        self.shares.load().as_ref().map(|shares| Vec::clone(shares)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::Accounts;
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
