//! The gates of a request that it passes, or does not, without waiting: the cheap and certain ones, and the charges. Their
//! order is the pipeline's.

use std::sync::Arc;

use super::exchange::Exchange;
use super::rejection::Rejection;
use super::snapshot::RouteTarget;
use crate::admission::{RateCharges, RateRequest};
use crate::http::client_addr::Client;
use crate::routing::Route;
use crate::tenant::{State, Tenant};
use crate::types::Access;

/// Whether the tenant is served at all, and to this client.
pub(super) fn is_served(tenant: &Tenant, client: Client) -> Result<(), Rejection> {
    match tenant.state {
        State::Active => {}
        State::Suspended => return Err(Rejection::Suspended),
        State::PastDue => return Err(Rejection::PastDue),
        State::Maintenance => return Err(Rejection::Maintenance),
    }
    if lets_in(tenant, client) { Ok(()) } else { Err(Rejection::AccessDenied) }
}

/// Whether the tenant's access list lets this client in.
pub(super) fn lets_in(tenant: &Tenant, client: Client) -> bool {
    is_listed(&tenant.terms.access, client)
}

/// Whether the route's access list lets this client use it.
pub(super) fn is_open(route: &Route<RouteTarget>, client: Client) -> Result<(), Rejection> {
    if is_listed(&route.access, client) { Ok(()) } else { Err(Rejection::AccessDenied) }
}

fn is_listed(access: &Access, client: Client) -> bool {
    access.is_open() || (client.is_known && access.allows(client.ip))
}

/// Whether the tenant has what the route requires.
pub(super) fn has_feature(tenant: &Tenant, route: &Route<RouteTarget>) -> Result<(), Rejection> {
    match &route.requires_feature {
        Some(feature) if !tenant.terms.features.now().has(feature) => {
            Err(Rejection::FeatureNotInPlan(Arc::clone(feature)))
        }
        _ => Ok(()),
    }
}

/// The gates that cost something, behind all others: what they take is given back when the exchange ends, unless it is
/// kept.
pub(super) fn charge(
    tenant: &Tenant,
    asked: &RateRequest<'_>,
    books: &mut Exchange,
) -> Result<(), Rejection> {
    let meter = &tenant.account.meter;
    books.rates = tenant.rates.charge(asked, |limit| meter.shadow_rejected(limit));
    if let Some(violation) = books.rates.as_ref().and_then(RateCharges::violation) {
        return Err(Rejection::RateLimited(violation));
    }
    books.quotas = tenant.quotas.open(asked.cost);
    if let Some(quotas) = &mut books.quotas {
        // What is not decided now is when the store has answered: see `serve`.
        quotas.charge()?;
    }
    Ok(())
}
