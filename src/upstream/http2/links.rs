//! The connections that a worker has to all endpoints.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::Instant;

use super::site::Site;
use crate::breaker::Breaker;
use crate::types::TenantId;
use crate::upstream::endpoint::EndpointId;
use crate::upstream::pool::Pool;

/// A worker's connections to all endpoints.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Links(RefCell<HashMap<Place, Kept>>);

/// Where connections lead, and whose alone they are.
type Place = (EndpointId, Option<TenantId>);

#[derive(Debug)]
struct Kept {
    site: Rc<Site>,
    /// For so long without a request.
    keep: Duration,
    /// So many without a request, where each is one tenant's: of all tenants together.
    idle_max: usize,
}

impl Links {
    /// Those to one endpoint, kept as the pool says: the `owner`'s alone, or those that all share.
    pub(in crate::upstream) fn site(
        &self,
        endpoint: EndpointId,
        owner: Option<&TenantId>,
        pool: &Pool,
    ) -> Rc<Site> {
        let (keep, idle_max) = (pool.timeouts().keep_alive, pool.idle_max());
        let mut sites = self.0.borrow_mut();
        let kept = sites.entry((endpoint, owner.cloned()));
        let kept = kept.or_insert_with(|| Kept { site: Rc::default(), keep, idle_max });
        (kept.keep, kept.idle_max) = (keep, idle_max);
        Rc::clone(&kept.site)
    }

    /// Of an endpoint's connections without a request that are one tenant's each, lets those go that were longest
    /// without, until they are as many as there may be. Those that all share are few anyway.
    pub(in crate::upstream) fn bound(&self, endpoint: EndpointId) {
        let sites = self.0.borrow();
        let owned = || sites.iter().filter(|((to, owner), _)| *to == endpoint && owner.is_some());
        let Some(idle_max) = owned().map(|(_, kept)| kept.idle_max).max() else { return };
        let mut idle: Vec<_> = owned().flat_map(|(_, kept)| kept.site.idle()).collect();
        let excess = idle.len().saturating_sub(idle_max);
        idle.sort_unstable_by_key(|link| link.heard());
        idle.truncate(excess);
        if !idle.is_empty() {
            owned().for_each(|(_, kept)| kept.site.leave(&idle));
        }
    }

    /// Lets go of what has ended, was idle for too long, or leads where nothing goes any more. Requests on them run
    /// to their ends.
    pub(in crate::upstream) fn sweep(&self, is_configured: impl Fn(EndpointId) -> bool) {
        let now = Instant::now();
        let mut owned = Vec::new();
        self.0.borrow_mut().retain(|(endpoint, owner), Kept { site, keep, .. }| {
            site.sweep(now, *keep);
            if owner.is_some() {
                owned.push(*endpoint);
                // Of a tenant that asks for nothing any more nothing stays.
                let in_use = Rc::strong_count(site) > 1 || !site.is_empty();
                return in_use && is_configured(*endpoint);
            }
            is_configured(*endpoint)
        });
        owned.sort_unstable();
        owned.dedup();
        owned.into_iter().for_each(|endpoint| self.bound(endpoint));
    }

    /// Closes a connection of this breaker's that carries no request; whether there was any.
    pub(in crate::upstream) fn let_go(&self, breaker: &Arc<Breaker>) -> bool {
        self.0.borrow().values().any(|kept| kept.site.let_go(breaker))
    }

    /// Closes those that carry no request and are in the way of who waits.
    pub(in crate::upstream) fn give_way(&self) {
        self.0.borrow().values().for_each(|kept| kept.site.give_way());
    }

    /// Lets go of all of them: they close when their last request has ended.
    pub(in crate::upstream) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// How many carry no request.
    pub(in crate::upstream) fn idle(&self) -> usize {
        self.0.borrow().values().map(|kept| kept.site.idle().len()).sum()
    }
}
