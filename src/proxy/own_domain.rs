//! Applications that have hosts of their own, under the tenants' domains.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::snapshot::RouteTarget;
use crate::http::facade::Facade;
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
) -> Option<Rc<Facade>> {
    let hosts = route.internal_hosts.as_ref().or(pool.internal_hosts())?;
    if hosts.is_empty() {
        return None;
    }
    let proto = fields.get(&X_FORWARDED_PROTO).filter(|_| via_trusted);
    let scheme = match proto.map(HeaderValue::as_bytes) {
        Some(b"https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let facade = Facade::new(Arc::clone(hosts), scheme, host.copied());
    Some(Rc::new(match route.replaced_prefix() {
        Some((outer, inner)) => facade.with_prefixes(outer, inner),
        None => facade,
    }))
}
