//! Applications that have hosts of their own, under the tenants' domains.

use std::rc::Rc;
use std::sync::Arc;

use super::snapshot::RouteTarget;
use crate::http::facade::Facade;
use crate::routing::Route;
use crate::types::{HostName, Scheme};
use crate::upstream::Pool;

/// How the client sees the application; `None` where that has no hosts of its own. `host` is the one that was asked for, if
/// the tenant has it.
pub(super) fn facade(
    route: &Route<RouteTarget>,
    pool: &Pool,
    is_https: impl FnOnce() -> bool,
    host: Option<&HostName>,
) -> Option<Rc<Facade>> {
    let hosts = route.internal_hosts.as_ref().or(pool.internal_hosts())?;
    if hosts.is_empty() {
        return None;
    }
    let scheme = if is_https() { Scheme::Https } else { Scheme::Http };
    let facade = Facade::new(Arc::clone(hosts), scheme, host.cloned());
    Some(Rc::new(match route.replaced_prefix() {
        Some((outer, inner)) => facade.with_prefixes(outer, inner),
        None => facade,
    }))
}
