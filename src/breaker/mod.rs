//! Circuit breaking: how much of a pool may be in use at a time, by everyone and by each tenant.
//!
//! Bounds, as Envoy's circuit breakers: connections, requests that wait for one, requests, retries. What exceeds
//! one is refused at once, so that a pool that slows down doesn't fill the gateway with what waits for it. Nothing is
//! opened or closed by a rate of errors: which endpoint is broken is `health`'s to say.
//!
//! One [`Breaker`] stands for the pool and one for each tenant in it; a [`Permit`] of a request is of both, or there
//! is none. So a tenant's bound keeps it from using up the pool's, and tells whose fault a refusal is. This is not
//! fair sharing: seats (`admission::fair_share`) are waited for in turn and bound what the servers do; a breaker
//! bounds what the gateway holds, and stands behind them as the last line.
//!
//! Atomics only, shared by all workers: a count never exceeds its bound, and a bound may change at any time. What is
//! above a lowered one stays until it ends.

mod counter;

use std::sync::Arc;

use counter::Counter;

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Open connections to endpoints, idle ones too.
    Connections,
    /// Requests that wait for a connection.
    Pending,
    /// Requests at endpoints.
    Requests,
    /// Retries among them.
    Retries,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connections, Self::Pending, Self::Requests, Self::Retries];
}

/// The most of each resource. The largest number stands for no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Of connections.
    pub connections: u32,
    /// Of requests that wait for one.
    pub pending: u32,
    /// Of requests.
    pub requests: u32,
    /// Of retries.
    pub retries: u32,
}

impl Default for BreakerLimits {
    /// No bounds.
    fn default() -> Self {
        Self { connections: u32::MAX, pending: u32::MAX, requests: u32::MAX, retries: u32::MAX }
    }
}

/// What is in use of a pool, by all or by one tenant.
#[derive(Debug)]
pub struct Breaker {
    connections: Counter,
    pending: Counter,
    requests: Counter,
    retries: Counter,
}

/// One of a resource, in use. Dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    breaker: Arc<Breaker>,
    resource: Resource,
}

/// One of a resource, of a pool and of a tenant in it.
#[derive(Debug)]
#[must_use]
pub struct Permits {
    _pool: Permit,
    _tenant: Permit,
}

/// A bound has been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Tripped {
    /// The tenant's own.
    #[error("the tenant uses as much of the pool as it may: {0:?}")]
    Tenant(Resource),
    /// The pool's.
    #[error("as much of the pool is used as may be: {0:?}")]
    Pool(Resource),
}

impl Breaker {
    /// Nothing in use yet.
    #[must_use]
    pub fn new(limits: BreakerLimits) -> Self {
        Self {
            connections: Counter::new(limits.connections),
            pending: Counter::new(limits.pending),
            requests: Counter::new(limits.requests),
            retries: Counter::new(limits.retries),
        }
    }

    /// Changes the bounds.
    pub fn set_limits(&self, limits: BreakerLimits) {
        self.connections.set_max(limits.connections);
        self.pending.set_max(limits.pending);
        self.requests.set_max(limits.requests);
        self.retries.set_max(limits.retries);
    }

    /// One more of a resource, if that is within the bound.
    #[must_use]
    pub fn take(self: &Arc<Self>, resource: Resource) -> Option<Permit> {
        self.counter(resource).take().then(|| Permit { breaker: Arc::clone(self), resource })
    }

    /// How many are in use.
    #[must_use]
    pub fn in_use(&self, resource: Resource) -> u32 {
        self.counter(resource).count()
    }

    /// The most there may be.
    #[must_use]
    pub fn limit(&self, resource: Resource) -> u32 {
        self.counter(resource).max()
    }

    /// How many were refused, in all.
    #[must_use]
    pub fn trips(&self, resource: Resource) -> u64 {
        self.counter(resource).trips()
    }

    fn counter(&self, resource: Resource) -> &Counter {
        match resource {
            Resource::Connections => &self.connections,
            Resource::Pending => &self.pending,
            Resource::Requests => &self.requests,
            Resource::Retries => &self.retries,
        }
    }
}

impl Permits {
    /// One more of a resource, within the tenant's bound and the pool's. The tenant's is asked first: what it refuses
    /// does not touch what others share.
    ///
    /// # Errors
    /// [`Tripped`]; nothing is taken then.
    pub fn take(pool: &Arc<Breaker>, tenant: &Arc<Breaker>, resource: Resource) -> Result<Self, Tripped> {
        let of_tenant = tenant.take(resource).ok_or(Tripped::Tenant(resource))?;
        let of_pool = pool.take(resource).ok_or(Tripped::Pool(resource))?;
        Ok(Self { _pool: of_pool, _tenant: of_tenant })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.breaker.counter(self.resource).give_back();
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    #[test]
    fn a_tenants_bound_keeps_the_rest_for_others() {
        let limits = |requests| BreakerLimits { requests, ..BreakerLimits::default() };
        let pool = Arc::new(Breaker::new(limits(3)));
        let [noisy, quiet] = [2, 2].map(|most| Arc::new(Breaker::new(limits(most))));
        let take = |tenant| Permits::take(&pool, tenant, Resource::Requests);
        let held: Vec<_> = (0..2).map(|_| take(&noisy).unwrap()).collect();
        assert_eq!(take(&noisy).unwrap_err(), Tripped::Tenant(Resource::Requests));
        assert_eq!(pool.trips(Resource::Requests), 0);
        let _other = take(&quiet).unwrap();
        assert_eq!(take(&quiet).unwrap_err(), Tripped::Pool(Resource::Requests));
        assert_eq!(quiet.in_use(Resource::Requests), 1, "what the pool refused is given back to the tenant");
        drop(held);
        assert_eq!((pool.in_use(Resource::Requests), noisy.in_use(Resource::Requests)), (1, 0));
    }

    #[test]
    fn a_lowered_bound_lets_what_is_there_end() {
        let breaker = Arc::new(Breaker::new(BreakerLimits { retries: 2, ..BreakerLimits::default() }));
        let mut held: Vec<_> = (0..2).map(|_| breaker.take(Resource::Retries).unwrap()).collect();
        breaker.set_limits(BreakerLimits { retries: 1, ..BreakerLimits::default() });
        assert!(breaker.take(Resource::Retries).is_none());
        held.pop();
        assert!(breaker.take(Resource::Retries).is_none());
        held.pop();
        assert!(breaker.take(Resource::Retries).is_some());
        assert!(breaker.take(Resource::Pending).is_some(), "resources don't share a bound");
    }

    proptest! {
        #[test]
        fn it_counts_as_lists_do(
            most in 0..4_u32, steps in vec((0..4_u8, select(Resource::ALL.to_vec()), any::<usize>()), 0..200),
        ) {
            let mut limits =
                BreakerLimits { connections: most, pending: most + 1, requests: u32::MAX, retries: 2 };
            let breaker = Arc::new(Breaker::new(limits));
            let mut held: Vec<Permit> = Vec::new();
            let mut trips = [0; 4];
            for (step, resource, which) in steps {
                match step {
                    0 if !held.is_empty() => drop(held.swap_remove(which % held.len())),
                    1 => {
                        limits.pending = (which % 5) as u32;
                        breaker.set_limits(limits);
                    }
                    _ => {
                        let count = held.iter().filter(|permit| permit.resource == resource).count() as u32;
                        let permit = breaker.take(resource);
                        prop_assert_eq!(permit.is_some(), count < breaker.limit(resource));
                        trips[resource as usize] += u64::from(permit.is_none());
                        held.extend(permit);
                    }
                }
                for resource in Resource::ALL {
                    let count = held.iter().filter(|permit| permit.resource == resource).count() as u32;
                    prop_assert_eq!(breaker.in_use(resource), count);
                    prop_assert_eq!(breaker.trips(resource), trips[resource as usize]);
                }
            }
            prop_assert_eq!(breaker.limit(Resource::Pending), limits.pending);
        }
    }

    #[test]
    fn threads_together_stay_within_it() {
        let breaker = Arc::new(Breaker::new(BreakerLimits { connections: 2, ..BreakerLimits::default() }));
        let taken = std::thread::scope(|scope| {
            let workers: [_; 4] = std::array::from_fn(|_| {
                scope.spawn(|| {
                    let tries = (0..20_000).map(|_| {
                        let permit = breaker.take(Resource::Connections);
                        assert!(breaker.in_use(Resource::Connections) <= 2);
                        u64::from(permit.is_some())
                    });
                    tries.sum::<u64>()
                })
            });
            workers.map(|worker| worker.join().unwrap()).iter().sum::<u64>()
        });
        assert_eq!(breaker.in_use(Resource::Connections), 0);
        assert_eq!(taken + breaker.trips(Resource::Connections), 80_000);
    }
}
