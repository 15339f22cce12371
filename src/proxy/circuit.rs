//! A request before its pool's circuit breakers: whether one more may be sent there.

use std::sync::Arc;

use super::rejection::Rejection;
use crate::breaker::{Fuse, Permits, Resource};
use crate::tenant::Tenant;
use crate::upstream::Pool;

/// The breakers that a request goes through, and what they count of it until its end. Nothing where a pool has none.
///
/// # Errors
/// [`Rejection::CircuitOpen`].
pub(super) fn enter(pool: &Pool, tenant: &Arc<Tenant>) -> Result<(Option<Fuse>, Option<Permits>), Rejection> {
    let Some(terms) = pool.circuit_terms() else { return Ok((None, None)) };
    let own = terms.per_tenant.map(|_| tenant.account.breaker(pool.circuit()));
    let fuse = Fuse::new(pool.circuit(), own);
    let permits = fuse.take(Resource::Requests).map_err(Rejection::CircuitOpen)?;
    Ok((Some(fuse), Some(permits)))
}
