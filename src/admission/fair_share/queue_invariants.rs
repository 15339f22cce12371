//! What holds of a queue between any two operations.

use super::{FairQueue, Member, Place};

impl<M: Member, W> FairQueue<M, W> {
    /// Whether all parts agree with each other. For tests; walks everything.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
        let mut waiting = 0;
        for (at, backlog) in &self.tenants {
            let at = at as u32;
            let (mut count, mut next, mut last) = (0, backlog.first, None);
            while let Some(here) = next {
                let waiter = self.waiters.get(here as usize).ok_or("a list names a request that is gone")?;
                holds(waiter.tenant == at, "a request waits in another tenant's list")?;
                holds(waiter.before == last, "a list does not lead back")?;
                (count, last, next) = (count + 1, next, waiter.behind);
                holds(count <= self.waiters.len(), "a list runs in a circle")?;
            }
            holds(backlog.last == last, "a list ends elsewhere")?;
            holds(count == backlog.waiting as usize, "a count of waiting requests is wrong")?;
            waiting += count;
            let can_be_served = count > 0 && backlog.member.held() < backlog.terms.max;
            holds(backlog.key.is_some() == can_be_served, "a tenant is in the order, or not, wrongly")?;
            let known = backlog.key.is_none_or(|key| self.order.contains(&key) && key.3 == at);
            holds(known, "a key is not in the order")?;
            holds(backlog.owes.is_none() || backlog.is_idle(), "a tenant owes only, and does not")?;
            let load = backlog.key.map(|key| backlog.load(backlog.member.held(), key).0);
            holds(backlog.load.map(|load| load.0) == load, "a load is not what is held")?;
            holds(backlog.load.is_none_or(|load| self.loads.contains(&load)), "a load is not known")?;
            let weight = backlog.weight_if_active();
            holds(backlog.active_weight == weight, "a tenant counts as active, or not, wrongly")?;
            let known = backlog.owes.is_none_or(|tag| self.owing.contains(&(tag, at)));
            holds(known, "a debt is not known")?;
            holds(!backlog.is_idle() || backlog.owes.is_some(), "an idle tenant is kept")?;
            holds(backlog.member.place() == Some(Place(at)), "a tenant does not know its place")?;
        }
        holds(waiting == self.waiters.len(), "a request waits in no list")?;
        let keys = self.tenants.iter().filter(|(_, backlog)| backlog.key.is_some()).count();
        holds(keys == self.order.len(), "the order has keys of no tenant")?;
        holds(keys == self.loads.len(), "there are loads of no tenant")?;
        let weights = self.tenants.iter().map(|(_, backlog)| u64::from(backlog.active_weight));
        holds(weights.sum::<u64>() == self.active_weight, "the sum of weights is wrong")?;
        let debts = self.tenants.iter().filter(|(_, backlog)| backlog.owes.is_some()).count();
        holds(debts == self.owing.len(), "there are debts of no tenant")?;
        holds(self.order.is_empty() == self.calm_since_ns.is_some(), "calm is not known to be")
    }
}
