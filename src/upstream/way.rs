//! The connection that a request goes by: one that is there, or a new one, in the protocol that the endpoint speaks.

use http::HeaderValue;
use tokio::time::timeout_at;

use super::client::{SendFailure, Terms, UpstreamClient};
use super::endpoint::{Endpoint, Protocol};
use super::http2::Carried;
use super::line::Line;
use super::pool::Pool;
use super::search::Search;
use crate::breaker::{Permit, Resource};

/// The connection that a request goes by.
pub(super) enum Way {
    /// Alone.
    Line(Box<Line>),
    /// With others.
    Link(Carried),
}

impl Way {
    /// Alone, for a tenant that has it in use.
    pub(super) fn line(mut line: Box<Line>, user: Option<Permit>) -> Self {
        line.open.used_by(user);
        Self::Line(line)
    }
}

impl UpstreamClient {
    /// A connection for one request: one that is there, unless a fresh one is wanted, or a new one.
    pub(super) async fn way(
        &self,
        pool: &Pool,
        endpoint: &Endpoint,
        terms: Terms<'_>,
    ) -> Result<Way, SendFailure> {
        let protocol = match (endpoint.protocol(), terms.upgrade) {
            // HTTP/2 opens streams for WebSockets only (RFC 8441).
            (Protocol::Http2, Some(to)) if !is_websocket(to) => return Err(SendFailure::NoSwitch),
            (Protocol::Auto, Some(to)) if !is_websocket(to) => Protocol::Http1,
            (protocol, _) => protocol,
        };
        let site = (protocol != Protocol::Http1).then(|| self.links.site(endpoint.id(), terms.owner, pool));
        if let Some(carried) = site.as_ref().and_then(|site| site.pick(terms.not_before()))
            && carries(&carried, terms)
        {
            return Ok(Way::Link(carried));
        }
        let search = Search { client: self, pool, endpoint, protocol, site: site.as_deref(), terms };
        let tenant = search.tenant();
        // Where the tenant's are counted, none is used that would be one too many.
        let user = tenant.and_then(|tenant| tenant.take(Resource::Connections));
        if tenant.is_none() == user.is_none()
            && let Some(line) = search.idle().await
        {
            return Ok(Way::line(line, user));
        }
        // Boxed: most requests find one that is there, and carry no room for this.
        let opening = Box::pin(search.open(user));
        match terms.expires {
            None => opening.await,
            // Says nothing of the endpoint: only that this request has no more time.
            Some(expires) => timeout_at(expires, opening).await.map_err(|_| SendFailure::Timeout)?,
        }
    }
}

/// Whether the request can go by that connection: a stream becomes a WebSocket only where the endpoint lets it.
pub(super) fn carries(carried: &Carried, terms: Terms<'_>) -> bool {
    terms.upgrade.is_none() || carried.may_connect()
}

fn is_websocket(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
}
