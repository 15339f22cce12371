//! The connection that a request goes by: one that is there, or a new one, in the protocol that the endpoint speaks.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use tokio::time::{timeout, timeout_at};

use super::client::{SendFailure, Terms, UpstreamClient};
use super::connect::{ConnectFailure, connect};
use super::endpoint::{Endpoint, Protocol};
use super::http2::{Carried, Link, Site};
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
        let protocol = match endpoint.protocol() {
            Protocol::Http2 if terms.upgrade => return Err(SendFailure::NoSwitch),
            // Only HTTP/1.1 can switch.
            Protocol::Auto if terms.upgrade => Protocol::Http1,
            protocol => protocol,
        };
        let site = (protocol != Protocol::Http1).then(|| self.links.site(endpoint.id(), terms.owner, pool));
        if let Some(carried) = site.as_ref().and_then(|site| site.pick(terms.not_before())) {
            return Ok(Way::Link(carried));
        }
        if protocol != Protocol::Http2
            && !terms.fresh
            && let Some(line) =
                poll_fn(|cx| Poll::Ready(self.idle.take(endpoint.id(), terms.owner, cx))).await
        {
            return Ok(Way::Line(line));
        }
        let opening = self.open(pool, endpoint, protocol, site.as_deref(), terms);
        match terms.expires {
            None => opening.await,
            // Says nothing of the endpoint: only that this request has no more time.
            Some(expires) => timeout_at(expires, opening).await.map_err(|_| SendFailure::Timeout)?,
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
        let not_before = terms.not_before();
        let within = pool.timeouts().connect;
        let mut turn = None;
        if let Some(site) = site.filter(|site| !site.prefers_http1.get()) {
            let waited = timeout(within, site.door.acquire()).await;
            turn = Some(waited.map_err(|_| SendFailure::Connect(ConnectFailure::Timeout))?);
            // Whoever was here before may have opened one, or has learnt that there will be none.
            if site.prefers_http1.get() {
                turn = None;
            } else if let Some(carried) = site.pick(not_before).or_else(|| site.crowd()) {
                return Ok(Way::Link(carried));
            }
        }
        let opened = connect(endpoint.address(), endpoint.tls(), protocol, within).await;
        endpoint.note_reachable(opened.is_ok());
        let io = opened.map_err(SendFailure::Connect)?;
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
        let greeted = timeout(within, Link::open(io, open)).await;
        let greeted = greeted.map_err(|_| SendFailure::Connect(ConnectFailure::Timeout))?;
        let link = greeted.map_err(SendFailure::Connect)?;
        let carried = Carried::by(Rc::clone(&link));
        site.share(link);
        self.links.bound(endpoint.id());
        drop(turn);
        Ok(Way::Link(carried))
    }
}
