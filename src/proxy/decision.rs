//! What is decided of a request before anything is charged: whether it is let in, its route, and where that leads. It serves requests, and
//! explains what would become of one.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, Uri};
use http_body::Body;

use super::cors;
use super::gates::{self, Witness, is_served};
use super::rejection::Rejection;
use super::snapshot::{RouteTarget, Snapshot};
use super::tunnel;
use crate::http::checks::Checked;
use crate::http::client_addr::Client;
use crate::http::conn::ConnState;
use crate::http::hop_by_hop::Survey;
use crate::http::websocket::Handshake;
use crate::routing::{self, Asked, Route, RouteCors, Target};
use crate::tenant::Tenant;
use crate::types::HostName;
use crate::upstream::Pool;

/// What a request is judged by, once it is known whose it is.
pub(super) struct Gates<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) conn: &'a Rc<ConnState>,
    pub(super) survey: &'a Survey,
    pub(super) client: Client,
    pub(super) handshake: Option<&'a Handshake>,
    pub(super) checked: &'a Checked,
    /// Whether the host is the tenant's, and not only what the client says.
    pub(super) by_host: bool,
}

/// What becomes of a request that is let in, as far as that is decided without charging it.
pub(super) struct Decided<'t> {
    pub(super) route: &'t Arc<Route<RouteTarget>>,
    /// Where it goes. `None`: its route answers it.
    pub(super) leads: Option<Leads<'t>>,
}

/// Where a request goes, and what it asks to switch to.
pub(super) struct Leads<'t> {
    pub(super) pool: &'t Arc<Pool>,
    pub(super) switch: Option<HeaderValue>,
    /// The cookie that the client is to be given, so that it goes there again: its name and value.
    pub(super) cookie: Option<(&'t str, u64)>,
}

impl Gates<'_> {
    /// All that is decided before anything is charged. Nothing is changed by it but the head, which then asks for the protocol that
    /// a handshake is for: so it serves requests, and explains what would become of one.
    pub(super) fn decide<'t>(
        &'t self,
        tenant: &'t Arc<Tenant>,
        head: &mut Parts,
        body: &impl Body,
        witness: &mut impl Witness,
    ) -> Result<Decided<'t>, Rejection> {
        is_served(tenant, self.client)?;
        let is_plain = routing::is_plain(head.uri.path());
        if !is_plain && routing::has_dots(head.uri.path()) {
            head.uri = resolved(&head.uri)?;
        }
        // `OPTIONS *` asks for the server as a whole: routed as its root.
        let path = if head.uri.path() == "*" { "/" } else { head.uri.path() };
        let normal = match is_plain {
            true => Cow::Borrowed(path),
            false => routing::normalise(path).map_err(|_| Rejection::BadPath)?,
        };
        let path = if is_plain { Cow::Borrowed(path) } else { routing::without_parameters(&normal) };
        let has_feature = |feature: &str| tenant.terms.features.now().has(feature);
        let asked = self.asked(head, &path, &has_feature, tenant);
        let route = tenant.terms.routes.find(&asked);
        witness.routed(&tenant.terms.routes, &asked, route);
        let route = route.ok_or(Rejection::NoRoute)?;
        if route.cors != RouteCors::AsTenant {
            witness.cors(route.cors.over(None), &head.headers);
        }
        gates::is_open(route, self.client)?;
        gates::has_feature(tenant, route)?;
        if !is_plain && let Some(path) = routing::with_slashes(&path) {
            self.passes_the_other(tenant, route, &Asked { path: &path, ..asked })?;
        }
        if body.size_hint().lower() > body_max(tenant, route) {
            return Err(Rejection::BodyTooLarge);
        }
        let own = tenant.terms.pool.as_ref();
        let (pool, cookie) = match &route.target {
            Target::Pool(pool) => (Some(pool), None),
            Target::Tenant => (own, None),
            Target::Split(split) => {
                let chosen = split.choose(&head.headers, tenant.id().as_str(), || fastrand::u64(..));
                (chosen.to.or(own), chosen.cookie)
            }
            Target::Redirect(_) | Target::Respond(_) => return Ok(Decided { route, leads: None }),
        };
        let switch = match self.handshake {
            Some(handshake) => {
                handshake.ask(&mut head.headers);
                Some(Handshake::protocol())
            }
            None => tunnel::wanted(head, self.survey, !body.is_end_stream())?,
        };
        let pool = pool.ok_or(Rejection::NoEndpoint)?;
        let serving = self.snapshot.serving(pool);
        witness.leads_to(pool, serving);
        Ok(Decided { route, leads: Some(Leads { pool: serving, switch, cookie }) })
    }

    /// An application that takes `%2F` for a slash finds other things at a path than one that doesn't. Which it is nobody knows here:
    /// so the gates of the route that the other reading leads to hold as well.
    fn passes_the_other(
        &self,
        tenant: &Tenant,
        route: &Arc<Route<RouteTarget>>,
        asked: &Asked<'_>,
    ) -> Result<(), Rejection> {
        let Some(other) = tenant.terms.routes.find(asked).filter(|other| !Arc::ptr_eq(other, route)) else {
            return Ok(());
        };
        gates::is_open(other, self.client)?;
        gates::has_feature(tenant, other)?;
        match (&route.target, &other.target) {
            // What the gateway keeps for itself is not for the application to answer.
            (
                Target::Tenant | Target::Pool(_) | Target::Split(_),
                Target::Redirect(_) | Target::Respond(_),
            ) => Err(Rejection::BadPath),
            _ => Ok(()),
        }
    }

    /// The answer to a preflight, where the route that it asks about says who may use it. It costs nothing: no feature, rate or
    /// quota is asked for what is not done yet.
    pub(super) fn preflight(
        &self,
        tenant: &Tenant,
        head: &Parts,
        witness: &mut impl Witness,
    ) -> Result<Option<Response<Bytes>>, Rejection> {
        let Some(method) = routing::preflight(&head.method, &head.headers) else { return Ok(None) };
        if head.uri.path() == "*" {
            // It is about the server as a whole, and about no request that a page could send.
            return Ok(None);
        }
        is_served(tenant, self.client)?;
        let path = routing::normalise(head.uri.path()).map_err(|_| Rejection::BadPath)?;
        let path = routing::without_parameters(&path);
        let has_feature = |feature: &str| tenant.terms.features.now().has(feature);
        let asked = Asked { method: &method, ..self.asked(head, &path, &has_feature, tenant) };
        let Some(route) = tenant.terms.routes.find(&asked) else { return Ok(None) };
        let Some(cors) = route.cors.over(tenant.terms.cors.as_ref()) else { return Ok(None) };
        witness.routed(&tenant.terms.routes, &asked, Some(route));
        gates::is_open(route, self.client)?;
        witness.cors(None, &head.headers);
        Ok(Some(cors::answer(cors, &head.headers)))
    }

    fn asked<'r>(
        &'r self,
        head: &'r Parts,
        path: &'r str,
        has_feature: &'r dyn Fn(&str) -> bool,
        tenant: &'r Tenant,
    ) -> Asked<'r> {
        Asked {
            method: &head.method,
            host: self.checked.host.as_ref().map(HostName::as_str),
            path,
            query: head.uri.query(),
            fields: &head.headers,
            client: self.client.is_known.then_some(self.client.ip),
            has_feature,
            labels: tenant,
        }
    }
}

/// A target without dot segments.
fn resolved(uri: &Uri) -> Result<Uri, Rejection> {
    let path = routing::resolved(uri.path()).map_err(|_| Rejection::BadPath)?;
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().map_err(|_| Rejection::BadPath)?);
    Uri::from_parts(parts).map_err(|_| Rejection::BadPath)
}

/// Octets of a request's body, at most.
pub(super) fn body_max(tenant: &Tenant, route: &Route<RouteTarget>) -> u64 {
    route.request_body_max.unwrap_or(tenant.terms.request_body_max)
}
