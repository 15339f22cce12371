//! What of a tenant outlives its configuration, so that a reload forgets nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;

use super::connections::Connections;
use super::per_pool::PerPool;
use super::streams::Streams;
use crate::admission::RateStates;
use crate::admission::fair_share::{Seats, Share};
use crate::admission::quota::{Quota, QuotaSpec, QuotaState, Roster};
use crate::breaker::{Breaker, Circuit};
use crate::retry::{Budget, BudgetTerms};
use crate::telemetry::{Metered, Metrics, QuotaGauge, TenantMeter};
use crate::types::{TenantId, prefetch};

/// A tenant's running state: what it has used, what it is doing. A hundred thousand of them are in memory, so what few tenants
/// have takes a word of those that don't.
#[derive(Debug)]
pub struct Account {
    /// What it has used of its rate limits.
    pub rates: RateStates,
    /// What it is metered by; also counts its requests in flight.
    pub meter: TenantMeter,
    id: TenantId,
    quotas: Mutex<Option<Box<Quotas>>>,
    /// Its part in the seats of the pool that it uses: most tenants have one pool.
    share: ArcSwapOption<Share>,
    rare: OnceLock<Box<Rare>>,
    /// Whether it is among those to be closed.
    leaving: AtomicBool,
    /// Its requests over HTTP/2.
    pub(super) streams: Streams,
}

/// What it has used of its quotas, and of those that were configured before; and what of that is shown.
#[derive(Debug, Default)]
struct Quotas {
    states: Vec<Arc<QuotaState>>,
    shown: Vec<Arc<dyn QuotaGauge>>,
}

/// What few tenants have.
#[derive(Debug, Default)]
struct Rare {
    /// Its parts in the seats of further pools: one a pool, and few pools a tenant.
    shares: ArcSwapOption<Vec<Arc<Share>>>,
    /// Its budgets of retries in pools that have any.
    budgets: PerPool<Seats, Budget>,
    /// Its circuit breakers in pools that bound each tenant.
    breakers: PerPool<Circuit, Breaker>,
    /// Connections that its requests come by, where they are bounded.
    connections: Connections,
}

impl Account {
    pub(super) fn new(id: &TenantId, metrics: &Metrics) -> Self {
        Self {
            rates: RateStates::default(),
            meter: metrics.tenant(),
            id: id.clone(),
            quotas: Mutex::default(),
            share: ArcSwapOption::empty(),
            rare: OnceLock::new(),
            leaving: AtomicBool::new(false),
            streams: Streams::default(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// Its part in a pool's seats, made when it is first asked for.
    pub fn share(&self, seats: &Arc<Seats>) -> Arc<Share> {
        if let Some(share) = self.known_share(seats) {
            return share;
        }
        // Two workers may come at once; the second finds what the first has made.
        let _changing = self.quotas();
        if let Some(share) = self.known_share(seats) {
            return share;
        }
        let new = seats.share(self.id.clone());
        if self.share.load().as_ref().is_none_or(|share| share.seats().is_retired()) {
            self.share.store(Some(Arc::clone(&new)));
            return new;
        }
        let further = &self.rare().shares;
        let kept: Vec<_> = further.load().iter().flat_map(|shares| shares.iter()).cloned().collect();
        let kept = kept.into_iter().filter(|share| !share.seats().is_retired());
        further.store(Some(Arc::new(kept.chain([Arc::clone(&new)]).collect())));
        new
    }

    /// Has its part in the seats fetched of the pool that it uses.
    pub(super) fn prefetch_share(&self) {
        self.share.load().iter().for_each(|share| prefetch(&**share));
    }

    fn known_share(&self, seats: &Arc<Seats>) -> Option<Arc<Share>> {
        let is_own = |share: &&Arc<Share>| Arc::ptr_eq(share.seats(), seats);
        if let Some(share) = self.share.load().as_ref().filter(is_own) {
            return Some(Arc::clone(share));
        }
        self.rare.get()?.shares.load().as_ref()?.iter().find(is_own).cloned()
    }

    /// Its budget of retries in the pool that has these seats, made when it is first asked for. Whoever asks says how
    /// large it is: a reload changes that.
    pub fn budget(&self, seats: &Arc<Seats>, terms: BudgetTerms) -> Arc<Budget> {
        let budget = self.rare().budgets.open(seats, || Arc::new(Budget::new(terms)));
        budget.set_terms(terms);
        budget
    }

    /// Its circuit breaker in the pool that has this one, made when it is first asked for. Its bounds are the pool's to
    /// set.
    pub fn breaker(&self, circuit: &Arc<Circuit>) -> Arc<Breaker> {
        self.rare().breakers.open(circuit, || circuit.tenant())
    }

    /// A quota of it, which goes on from where the one of the same name, meter and window was.
    #[must_use]
    pub fn quota(&self, spec: Arc<QuotaSpec>, roster: &Arc<Roster>) -> Quota {
        let mut quotas = self.quotas();
        let states = &mut quotas.get_or_insert_default().states;
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

    /// The quotas that are shown with its series, from now on.
    pub fn show_quotas(&self, mut shown: Vec<Arc<dyn QuotaGauge>>) {
        let mut quotas = self.quotas();
        if quotas.is_some() || !shown.is_empty() {
            shown.shrink_to_fit();
            quotas.get_or_insert_default().shown = shown;
        }
    }

    /// It is to be closed: whether that is news.
    pub(super) fn leaves(&self) -> bool {
        !self.leaving.swap(true, Ordering::AcqRel)
    }

    /// Gives back what its quotas have reserved: nobody will ask for it soon.
    pub(super) fn rest(&self) {
        self.quotas().iter().flat_map(|quotas| &quotas.states).for_each(QuotaState::rest);
    }

    /// Whether forgetting it changes nothing.
    pub(super) fn is_rested(&self, now_ns: u64) -> bool {
        let quotas = self.quotas();
        self.rates.is_rested(now_ns)
            && quotas.iter().flat_map(|quotas| &quotas.states).all(|state| state.is_rested())
    }

    /// Its parts in the seats of all pools that it has used.
    #[must_use]
    pub fn shares(&self) -> Vec<Arc<Share>> {
        let further = self.rare.get().and_then(|rare| rare.shares.load_full());
        let further = further.iter().flat_map(|shares| shares.iter()).cloned();
        self.share.load_full().into_iter().chain(further).collect()
    }

    /// Connections that its requests come by, where they are bounded.
    pub(super) fn connections(&self) -> &Connections {
        &self.rare().connections
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    fn quotas(&self) -> MutexGuard<'_, Option<Box<Quotas>>> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Metered for Account {
    fn id(&self) -> &TenantId {
        &self.id
    }

    fn meter(&self) -> &TenantMeter {
        &self.meter
    }

    fn quotas(&self) -> Vec<Arc<dyn QuotaGauge>> {
        Self::quotas(self).as_ref().map(|quotas| quotas.shown.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::fair_share::SeatTable;
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

    #[test]
    fn each_pool_has_one_share_and_what_is_gone_makes_room() {
        let metrics = Metrics::new(1).unwrap();
        let account = Accounts::default().open(&TenantId::parse("acme").unwrap(), &metrics);
        let (table, clock) = (SeatTable::default(), Clock::system());
        let pools: Vec<_> = ["a", "b", "c"].iter().map(|name| table.open(name, &clock)).collect();
        let shares: Vec<_> = pools.iter().map(|seats| account.share(seats)).collect();
        for (seats, share) in pools.iter().zip(&shares) {
            assert!(Arc::ptr_eq(&account.share(seats), share));
        }
        assert_eq!(account.shares().len(), 3);
        table.retain(|name| name == "c");
        account.share(&table.open("d", &clock));
        account.share(&table.open("e", &clock));
        let names: Vec<_> = account.shares().iter().map(|share| share.seats().name().to_owned()).collect();
        assert_eq!(names, ["d", "c", "e"]);
    }

    #[test]
    fn workers_that_come_at_once_get_the_same_share() {
        let metrics = Metrics::new(1).unwrap();
        let account = Accounts::default().open(&TenantId::parse("acme").unwrap(), &metrics);
        for _ in 0..100 {
            let seats = Seats::new(1, Clock::system());
            let shares = std::thread::scope(|scope| {
                let both = [(); 2].map(|()| scope.spawn(|| account.share(&seats)));
                both.map(|thread| thread.join().unwrap())
            });
            assert!(Arc::ptr_eq(&shares[0], &shares[1]));
        }
    }

    /// A hundred thousand of them are in memory.
    #[test]
    fn an_account_is_small() {
        assert!(size_of::<Account>() <= 112, "{}", size_of::<Account>());
    }
}
