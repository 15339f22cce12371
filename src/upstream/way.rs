//! The connection that a request goes by: one that is there, or a new one, in the protocol that the endpoint speaks.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use http::HeaderValue;
use tokio::time::{Instant, timeout, timeout_at};

use super::client::{SendFailure, Terms, UpstreamClient};
use super::connect::{ConnectFailure, connect};
use super::endpoint::{Endpoint, Protocol};
use super::http2::{Carried, Link, Site, Turn, Unopened};
use super::line::Line;
use super::pool::Pool;

/// The connection that a request goes by.
pub(super) enum Way {
    /// Alone.
    Line(Box<Line>),
    /// With others.
    Link(Carried),
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
        if protocol != Protocol::Http2
            && !terms.fresh
            && terms.upgrade.is_none()
            && let Some(line) =
                poll_fn(|cx| Poll::Ready(self.idle.take(endpoint.id(), terms.owner, cx))).await
        {
            return Ok(Way::Line(line));
        }
        let finding = self.find(pool, endpoint, protocol, site.as_deref(), terms);
        match terms.expires {
            None => finding.await,
            // Says nothing of the endpoint: only that this request has no more time.
            Some(expires) => timeout_at(expires, finding).await.map_err(|_| SendFailure::Timeout)?,
        }
    }

    async fn find(
        &self,
        pool: &Pool,
        endpoint: &Endpoint,
        protocol: Protocol,
        site: Option<&Site>,
        terms: Terms<'_>,
    ) -> Result<Way, SendFailure> {
        let way = match site.filter(|site| !site.prefers_http1.get()) {
            None => self.open(pool, endpoint, protocol, site, terms).await?,
            Some(site) => match turn(pool, endpoint, site, terms).await.map_err(SendFailure::Connect)? {
                Turn::Place(carried) => Way::Link(carried),
                Turn::Open(_opening) => self.open(pool, endpoint, protocol, Some(site), terms).await?,
                Turn::Alone => self.open(pool, endpoint, protocol, Some(site), terms).await?,
            },
        };
        match way {
            Way::Link(carried) if !carries(&carried, terms) && protocol == Protocol::Http2 => {
                Err(SendFailure::NoSwitch)
            }
            Way::Link(carried) if !carries(&carried, terms) => {
                self.open(pool, endpoint, Protocol::Http1, None, terms).await
            }
            way => Ok(way),
        }
    }

    async fn open(
        &self,
        pool: &Pool,
        endpoint: &Endpoint,
        protocol: Protocol,
        site: Option<&Site>,
        terms: Terms<'_>,
    ) -> Result<Way, SendFailure> {
        let within = pool.timeouts().connect;
        if endpoint.retirement().is_over(Instant::now()) {
            return Err(SendFailure::Connect(ConnectFailure::Retired));
        }
        let opened = connect(endpoint.address(), endpoint.tls(), protocol, within).await;
        endpoint.note_reachable(opened.is_ok());
        let io = opened.map_err(SendFailure::Connect)?;
        io.cord().into_iter().for_each(|cord| self.cords.hold(endpoint.retirement(), cord));
        let open = pool.meter().connection_opened();
        let is_http2 = io.chose_http2().unwrap_or(protocol == Protocol::Http2);
        let Some(site) = site.filter(|_| is_http2) else {
            if protocol == Protocol::Http2 {
                return Err(SendFailure::Connect(ConnectFailure::NoHttp2));
            }
            site.inspect(|site| site.prefers_http1.set(true));
            return Ok(Way::Line(Box::new(Line::new(io, terms.owner, open))));
        };
        site.prefers_http1.set(false);
        let greeted = timeout(within, Link::open(io, open, site.room())).await;
        let greeted = greeted.map_err(|_| SendFailure::Connect(ConnectFailure::Timeout))?;
        let link = greeted.map_err(|why| match why {
            Unopened::Failed(why) => SendFailure::Connect(why),
            Unopened::Leaving => SendFailure::Refused { leaving: true },
        })?;
        let carried = Carried::by(Rc::clone(&link));
        site.share(link);
        self.links.bound(endpoint.id());
        Ok(Way::Link(carried))
    }
}

/// Waits for as long as a connection may take: no longer, unless one is just being secured.
async fn turn<'s>(
    pool: &Pool,
    endpoint: &Endpoint,
    site: &'s Site,
    terms: Terms<'_>,
) -> Result<Turn<'s>, ConnectFailure> {
    let mut turn = pin!(site.turn(terms.not_before()));
    let mut waited = timeout(pool.timeouts().connect, &mut turn).await;
    if let (Err(_), true, Some(tls)) = (&waited, site.is_opening(), endpoint.tls()) {
        waited = timeout(tls.within(), &mut turn).await;
    }
    waited.map_err(|_| if site.is_opening() { ConnectFailure::Timeout } else { ConnectFailure::Full })
}

/// Whether the request can go by that connection: a stream becomes a WebSocket only where the endpoint lets it.
fn carries(carried: &Carried, terms: Terms<'_>) -> bool {
    terms.upgrade.is_none() || carried.may_connect()
}

fn is_websocket(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
}
