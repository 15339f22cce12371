//! Applications that have hosts of their own, under the tenants' domains.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::snapshot::RouteTarget;
use crate::http::facade::{Facade, Prefixes};
use crate::http::names::X_FORWARDED_PROTO;
use crate::routing::Route;
use crate::types::{HostName, Scheme};
use crate::upstream::Pool;

/// How the client sees the application; `None` where that has no hosts of its own. `host` is the one that was asked for, if
/// the tenant has it; `fields` are the request's as they came.
pub(super) fn facade(
    route: &Route<RouteTarget>,
    pool: &Pool,
    fields: &HeaderMap,
    via_trusted: bool,
    host: Option<&HostName>,
) -> Option<Box<Facade>> {
    let hosts = route.internal_hosts.as_ref().or(pool.internal_hosts())?;
    if hosts.is_empty() {
        return None;
    }
    let proto = fields.get(&X_FORWARDED_PROTO).filter(|_| via_trusted);
    let scheme = match proto.map(HeaderValue::as_bytes) {
        Some(b"https") => Scheme::Https,
        _ => Scheme::Http,
    };
    Some(Box::new(Facade::new(Arc::clone(hosts), scheme, host.copied())))
}

/// The prefix that a route puts in the place of another.
pub(super) fn prefixes(route: &Route<RouteTarget>) -> Option<Prefixes<'_>> {
    let (outer, inner) = route.replaced_prefix()?;
    Some(Prefixes { outer: outer.trim_end_matches('/'), inner: inner.trim_end_matches('/') })
}
