//! The gates of a request that it passes, or does not, without waiting: the cheap and certain ones, and the charges. Their
//! order is the pipeline's.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response};

use super::cors;
use super::exchange::Exchange;
use super::rejection::Rejection;
use super::snapshot::RouteTarget;
use crate::admission::{RateCharges, RateLook, RateRequest};
use crate::http::client_addr::Client;
use crate::routing::{self, Asked, Cors, Route};
use crate::tenant::{Routes, State, Tenant};
use crate::types::Access;
use crate::upstream::Pool;

/// Who is told of a request's way while it is decided: its books, or whoever explains it.
pub trait Witness {
    /// What was asked of the tenant's routes, and which of them takes it.
    fn routed(&mut self, routes: &Routes, asked: &Asked<'_>, route: Option<&Arc<Route<RouteTarget>>>);

    /// The pool that it goes to, and the one that serves it: the same, unless others stand in for it.
    fn leads_to(&mut self, pool: &Arc<Pool>, serving: &Arc<Pool>);

    /// Who may use its route from pages of other origins, where the route says so itself; the request's fields.
    fn cors(&mut self, _: Option<&Arc<Cors>>, _: &HeaderMap) {}

    /// How it stands with each rate limit that applies, where these are only looked at.
    fn rated(&mut self, _: &[RateLook]) {}
}

impl Witness for Exchange {
    fn routed(&mut self, _: &Routes, _: &Asked<'_>, route: Option<&Arc<Route<RouteTarget>>>) {
        self.route = route.map(|route| Arc::clone(&route.name));
    }

    fn leads_to(&mut self, _: &Arc<Pool>, serving: &Arc<Pool>) {
        self.attempts.route_to(serving);
    }

    fn cors(&mut self, cors: Option<&Arc<Cors>>, fields: &HeaderMap) {
        self.cors = cors::told(cors, fields);
    }
}

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

/// The file of the tenant's brand that a request is for, if it is for one, whatever state the tenant is in: pages of that state show
/// them.
pub(super) fn file_of_brand(tenant: &Tenant, head: &Parts, client: Client) -> Option<Response<Bytes>> {
    if !tenant.terms.brand.has_files() {
        return None;
    }
    let path = routing::normalise(head.uri.path()).ok()?;
    let file = tenant.terms.brand.answer(&head.method, &path, &head.headers);
    file.filter(|_| lets_in(tenant, client))
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
