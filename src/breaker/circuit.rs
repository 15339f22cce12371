//! The breakers of one pool, and how a request goes through them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Breaker, BreakerLimits, Permit, Resource, Tripped};
use crate::telemetry::{CircuitLevel, CircuitReading};

/// The bounds of a pool: of everyone together, and of each tenant, if it has any of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CircuitTerms {
    /// Of everyone together.
    pub pool: BreakerLimits,
    /// Of each tenant.
    pub per_tenant: Option<BreakerLimits>,
}

/// A pool's breaker, and what its tenants' breakers have refused. It outlives reloads; a pool without bounds has one,
/// too, which counts its connections: a bound that a reload brings holds for those that are open.
#[derive(Debug, Default)]
pub struct Circuit {
    breaker: Arc<Breaker>,
    tenants: Mutex<Tenants>,
    tenant_trips: [AtomicU64; Resource::ALL.len()],
}

/// The breakers of those tenants that have used the pool: as many as there are tenants, at most twice over.
#[derive(Debug, Default)]
struct Tenants {
    limits: BreakerLimits,
    breakers: Vec<Weak<Breaker>>,
}

/// So many are kept before those that are gone are looked for.
const TENANTS_MIN: usize = 64;

/// The breakers that one request goes through: its pool's, and its tenant's in it.
#[derive(Debug, Clone)]
pub struct Fuse {
    circuit: Arc<Circuit>,
    tenant: Option<Arc<Breaker>>,
}

/// One of a resource, of a pool and of a tenant in it.
#[derive(Debug)]
#[must_use]
pub struct Permits {
    _pool: Permit,
    _tenant: Option<Permit>,
}

impl Circuit {
    /// Changes the bounds. What is above a lowered one stays until it ends.
    pub fn set_terms(&self, terms: Option<CircuitTerms>) {
        let CircuitTerms { pool, per_tenant } = terms.unwrap_or_default();
        self.breaker.set_limits(pool);
        let mut tenants = self.tenants();
        tenants.limits = per_tenant.unwrap_or_default();
        tenants.breakers.iter().filter_map(Weak::upgrade).for_each(|own| own.set_limits(tenants.limits));
    }

    /// A tenant's breaker. Its bounds are those of each tenant, also when they change.
    #[must_use]
    pub fn tenant(&self) -> Arc<Breaker> {
        let mut tenants = self.tenants();
        let breaker = Arc::new(Breaker::new(tenants.limits));
        let breakers = &mut tenants.breakers;
        if breakers.len() >= TENANTS_MIN && breakers.len() == breakers.capacity() {
            breakers.retain(|known| known.strong_count() > 0);
        }
        breakers.push(Arc::downgrade(&breaker));
        breaker
    }

    /// The pool's own breaker.
    #[must_use]
    pub fn breaker(&self) -> &Arc<Breaker> {
        &self.breaker
    }

    /// The bounds of each tenant.
    #[must_use]
    pub fn per_tenant(&self) -> BreakerLimits {
        self.tenants().limits
    }

    /// How often the tenants' own bounds have refused something.
    #[must_use]
    pub fn tenant_trips(&self, resource: Resource) -> u64 {
        self.tenant_trips.get(resource as usize).map_or(0, |trips| trips.load(Ordering::Relaxed))
    }

    /// A request was refused: counts it, and is what it is told.
    pub fn trip(&self, tripped: Tripped) -> Tripped {
        match tripped {
            Tripped::Pool(resource) => self.breaker.trip(resource),
            Tripped::Tenant(resource) => {
                if let Some(trips) = self.tenant_trips.get(resource as usize) {
                    trips.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        tripped
    }
}

impl Circuit {
    fn tenants(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CircuitReading for Circuit {
    fn levels(&self, tell: &mut dyn FnMut(CircuitLevel)) {
        let per_tenant = self.per_tenant();
        let bounded = |limit: u32| Some(limit).filter(|limit| *limit < u32::MAX);
        for resource in Resource::ALL {
            tell(CircuitLevel {
                resource: resource.name(),
                in_use: self.breaker.in_use(resource),
                limit: bounded(self.breaker.limit(resource)),
                trips: self.breaker.trips(resource),
                tenant_limit: bounded(per_tenant.of(resource)),
                tenant_trips: self.tenant_trips(resource),
            });
        }
    }
}

impl Fuse {
    /// Those of a pool, and of a tenant in it where tenants have bounds.
    #[must_use]
    pub fn new(circuit: &Arc<Circuit>, tenant: Option<Arc<Breaker>>) -> Self {
        Self { circuit: Arc::clone(circuit), tenant }
    }

    /// The tenant's breaker.
    #[must_use]
    pub fn tenant(&self) -> Option<&Arc<Breaker>> {
        self.tenant.as_ref()
    }

    /// One more of a resource, within the tenant's bound and the pool's. The tenant's is asked first: what it refuses
    /// does not touch what others share.
    ///
    /// # Errors
    /// [`Tripped`]; nothing is taken then.
    pub fn take(&self, resource: Resource) -> Result<Permits, Tripped> {
        let of_tenant =
            self.tenant.as_ref().map(|tenant| tenant.take(resource).ok_or(Tripped::Tenant(resource)));
        let of_tenant = of_tenant.transpose().map_err(|tripped| self.circuit.trip(tripped))?;
        let of_pool = self.circuit.breaker.take(resource);
        let of_pool = of_pool.ok_or_else(|| self.circuit.trip(Tripped::Pool(resource)))?;
        Ok(Permits { _pool: of_pool, _tenant: of_tenant })
    }

    /// A request begins to wait for a connection: one that it opens itself, or one that is to come free (`waits`). A
    /// bound of zero is for the latter alone, or no connection could be opened: then nothing is counted.
    ///
    /// # Errors
    /// [`Tripped`]; nothing is taken then.
    pub fn pend(&self, waits: bool) -> Result<Option<Permits>, Tripped> {
        let none_may = |breaker: &Arc<Breaker>| breaker.limit(Resource::Pending) == 0;
        if !waits && (none_may(&self.circuit.breaker) || self.tenant.as_ref().is_some_and(none_may)) {
            return Ok(None);
        }
        self.take(Resource::Pending).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(requests: u32) -> BreakerLimits {
        BreakerLimits { requests, ..BreakerLimits::default() }
    }

    #[test]
    fn a_tenants_bound_keeps_the_rest_for_others() {
        let circuit = Arc::new(Circuit::default());
        circuit.set_terms(Some(CircuitTerms { pool: limits(3), per_tenant: Some(limits(2)) }));
        let of_tenant = || Fuse::new(&circuit, Some(circuit.tenant()));
        let (noisy, quiet) = (of_tenant(), of_tenant());
        let held: Vec<_> = (0..2).map(|_| noisy.take(Resource::Requests).unwrap()).collect();
        assert_eq!(noisy.take(Resource::Requests).unwrap_err(), Tripped::Tenant(Resource::Requests));
        assert_eq!(circuit.breaker().trips(Resource::Requests), 0);
        let _other = quiet.take(Resource::Requests).unwrap();
        assert_eq!(quiet.take(Resource::Requests).unwrap_err(), Tripped::Pool(Resource::Requests));
        let in_use = |fuse: &Fuse| fuse.tenant().unwrap().in_use(Resource::Requests);
        assert_eq!(in_use(&quiet), 1, "what the pool refused is given back to the tenant");
        drop(held);
        assert_eq!((circuit.breaker().in_use(Resource::Requests), in_use(&noisy)), (1, 0));
        let trips = (circuit.breaker().trips(Resource::Requests), circuit.tenant_trips(Resource::Requests));
        assert_eq!(trips, (1, 1));
    }

    #[test]
    fn a_change_of_terms_reaches_the_tenants_that_are_there_and_forgets_those_that_are_not() {
        let circuit = Circuit::default();
        let terms =
            |requests| Some(CircuitTerms { per_tenant: Some(limits(requests)), ..CircuitTerms::default() });
        circuit.set_terms(terms(1));
        let tenant = circuit.tenant();
        let _held = tenant.take(Resource::Requests).unwrap();
        assert!(tenant.take(Resource::Requests).is_none());
        circuit.set_terms(terms(2));
        assert!(tenant.take(Resource::Requests).is_some());
        circuit.set_terms(None);
        assert_eq!(tenant.limit(Resource::Requests), u32::MAX);
        (0..10 * TENANTS_MIN).for_each(|_| drop(circuit.tenant()));
        assert!(circuit.tenants().breakers.len() <= 2 * TENANTS_MIN);
        circuit.set_terms(terms(7));
        assert_eq!(tenant.limit(Resource::Requests), 7);
    }

    #[test]
    fn where_nothing_may_wait_connections_are_opened_all_the_same() {
        let circuit = Arc::new(Circuit::default());
        let pool = BreakerLimits { pending: 0, ..BreakerLimits::default() };
        circuit.set_terms(Some(CircuitTerms { pool, per_tenant: None }));
        let fuse = Fuse::new(&circuit, None);
        assert!(fuse.pend(false).unwrap().is_none());
        assert_eq!(fuse.pend(true).unwrap_err(), Tripped::Pool(Resource::Pending));
    }
}
