//! A new connection for a request: opened at once where its pool and its tenant may have one more, else waited for in
//! turn.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::{Instant, timeout, timeout_at};

use super::client::{SendFailure, Terms, UpstreamClient};
use super::connect::{ConnectFailure, connect};
use super::endpoint::{Endpoint, Protocol};
use super::http2::{Carried, Link, Site, Turn, Unopened};
use super::line::Line;
use super::open::Open;
use super::pool::Pool;
use super::way::{Way, carries};
use crate::breaker::{Breaker, Fuse, Permit, Permits, Resource, Tripped};

/// What a request looks for.
#[derive(Clone, Copy)]
pub(super) struct Search<'s> {
    pub(super) client: &'s UpstreamClient,
    pub(super) pool: &'s Pool,
    pub(super) endpoint: &'s Endpoint,
    pub(super) protocol: Protocol,
    /// Where connections that are shared stand.
    pub(super) site: Option<&'s Site>,
    pub(super) terms: Terms<'s>,
}

/// That a request waits for a connection, once it does, and until when it waits for one that is to come free.
struct Pending<'s> {
    fuse: Option<&'s Fuse>,
    until: Instant,
    permits: Option<Permits>,
}

/// What comes of waiting.
enum Room {
    /// There may be one connection more.
    Place(Permit),
    /// One of this worker's has come free.
    Line(Box<Line>),
}

impl Pending<'_> {
    fn begin(&mut self, waits: bool) -> Result<(), SendFailure> {
        if let Some(fuse) = self.fuse.filter(|_| self.permits.is_none()) {
            self.permits = fuse.pend(waits).map_err(SendFailure::Tripped)?;
        }
        Ok(())
    }
}

impl Search<'_> {
    /// The breaker of the tenant, where the request will use a connection alone.
    pub(super) fn tenant(&self) -> Option<&Arc<Breaker>> {
        self.terms.fuse.and_then(Fuse::tenant).filter(|_| self.protocol != Protocol::Http2)
    }

    /// A connection that is there and used by nobody.
    pub(super) async fn idle(&self) -> Option<Box<Line>> {
        if !self.takes_used() {
            return None;
        }
        let (endpoint, owner) = (self.endpoint.id(), self.terms.owner);
        poll_fn(|cx| Poll::Ready(self.client.idle.take(endpoint, owner, cx))).await
    }

    /// Whether a connection that has served others will do.
    fn takes_used(&self) -> bool {
        self.protocol != Protocol::Http2 && !self.terms.fresh && self.terms.upgrade.is_none()
    }

    /// A connection: a new one, or one that came free while it was waited for. `user` is what the tenant has
    /// in use with it, once there was room for that.
    pub(super) async fn open(&self, mut user: Option<Permit>) -> Result<Way, SendFailure> {
        let mut pending = Pending { fuse: self.terms.fuse, until: self.patience(), permits: None };
        if let Some(tenant) = self.tenant().filter(|_| user.is_none()) {
            pending.begin(true)?;
            let waited = timeout_at(pending.until, tenant.wait()).await;
            user = Some(waited.map_err(|_| self.trip(Tripped::Tenant(Resource::Connections)))?);
            if let Some(line) = self.idle().await {
                return Ok(Way::line(line, user));
            }
        }
        pending.begin(false)?;
        Ok(match self.find(&mut pending).await? {
            Way::Line(line) => Way::line(line, user),
            // It is shared: nobody's.
            link @ Way::Link(_) => link,
        })
    }

    async fn find(&self, pending: &mut Pending<'_>) -> Result<Way, SendFailure> {
        let way = match self.site.filter(|site| !site.prefers_http1.get()) {
            None => self.one_more(None, pending).await?,
            Some(site) => match self.turn(site, pending).await? {
                Turn::Place(carried) => Way::Link(carried),
                Turn::Open(_opening, place) => self.one_more(place, pending).await?,
                Turn::Alone => self.one_more(None, pending).await?,
            },
        };
        match way {
            Way::Link(carried) if !carries(&carried, self.terms) => {
                // It is not to be in the way of the one that is opened instead.
                drop(carried);
                if self.protocol == Protocol::Http2 {
                    return Err(SendFailure::NoSwitch);
                }
                let alone = Search { protocol: Protocol::Http1, site: None, ..*self };
                alone.one_more(None, pending).await
            }
            way => Ok(way),
        }
    }

    /// Its turn on what all share: waited for as long as a connection may take, and longer only if one is just being secured.
    async fn turn<'t>(&self, site: &'t Site, pending: &mut Pending<'_>) -> Result<Turn<'t>, SendFailure> {
        let until = pending.until;
        let mut turn = pin!(site.turn(self.terms.not_before(), |shares| self.more(shares, pending)));
        let mut waited = timeout_at(until, &mut turn).await;
        if let (Err(_), true, Some(tls)) = (&waited, site.is_opening(), self.endpoint.tls()) {
            waited = timeout(tls.within(), &mut turn).await;
        }
        waited.map_err(|_| self.kept_out(site))?
    }

    /// A connection that is opened, in a place that there is or once there is one; or one that came free before.
    async fn one_more(&self, place: Option<Permit>, pending: &mut Pending<'_>) -> Result<Way, SendFailure> {
        let place = match place.or_else(|| self.place()) {
            // Health checks, and what was let in before there was a bound, go there all the same.
            None if self.terms.fuse.is_none() => None,
            None => match self.room(pending).await? {
                Room::Place(place) => Some(place),
                Room::Line(line) => return Ok(Way::Line(line)),
            },
            place => place,
        };
        self.connect(place).await
    }

    async fn connect(&self, place: Option<Permit>) -> Result<Way, SendFailure> {
        let Self { client, pool, endpoint, protocol, site, terms } = *self;
        let within = pool.timeouts().connect;
        if endpoint.retirement().is_over(Instant::now()) {
            return Err(SendFailure::Connect(ConnectFailure::Retired));
        }
        let opened = connect(endpoint.address(), endpoint.tls(), protocol, within).await;
        endpoint.note_reachable(opened.as_ref().map(drop));
        let io = opened.map_err(SendFailure::Connect)?;
        io.cord().into_iter().for_each(|cord| client.cords.hold(endpoint.retirement(), cord));
        let open = Open::new(pool.meter().connection_opened(), place);
        self.breaker().hang(&client.bell);
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
        client.links.bound(endpoint.id());
        Ok(Way::Link(carried))
    }

    /// A place for one connection more. One of this worker's own that nobody uses makes room, unless somebody has
    /// waited longer.
    fn place(&self) -> Option<Permit> {
        let breaker = self.breaker();
        loop {
            match breaker.take(Resource::Connections) {
                None if self.client.let_go(breaker) => {}
                place => return place,
            }
        }
    }

    /// The same; else the request waits for room on a connection that it `shares`, if it may wait.
    fn more(&self, shares: bool, pending: &mut Pending<'_>) -> Result<Option<Permit>, SendFailure> {
        let place = self.place();
        if place.is_none() && shares {
            pending.begin(true)?;
        }
        Ok(place)
    }

    /// Waits until the pool may have one connection more, or one of this worker's comes free.
    async fn room(&self, pending: &mut Pending<'_>) -> Result<Room, SendFailure> {
        pending.begin(true)?;
        let breaker = self.breaker();
        let mut waiting = pin!(breaker.wait());
        breaker.ring();
        let (idle, since) = (&*self.client.idle, waiting.since());
        let claim = || idle.heirs.claim(idle, self.endpoint.id(), self.terms.owner, since);
        let claim = self.takes_used().then(claim);
        let found = poll_fn(|cx| {
            if let Some(line) = claim.as_ref().and_then(|claim| claim.take(cx)) {
                return Poll::Ready(Room::Line(line));
            }
            waiting.as_mut().poll(cx).map(Room::Place)
        });
        timeout_at(pending.until, found).await.map_err(|_| self.trip(Tripped::Pool(Resource::Connections)))
    }

    /// Until when a request waits for a connection to come free.
    fn patience(&self) -> Instant {
        let until = Instant::now() + self.pool.timeouts().connect;
        self.terms.expires.map_or(until, |expires| expires.min(until))
    }

    fn breaker(&self) -> &Arc<Breaker> {
        self.pool.circuit().breaker()
    }

    fn trip(&self, tripped: Tripped) -> SendFailure {
        SendFailure::Tripped(self.pool.circuit().trip(tripped))
    }

    /// There was no room on what all share in time. Was that for want of connections?
    fn kept_out(&self, site: &Site) -> SendFailure {
        let breaker = self.breaker();
        let is_full = breaker.in_use(Resource::Connections) >= breaker.limit(Resource::Connections);
        if is_full && self.terms.fuse.is_some() {
            return self.trip(Tripped::Pool(Resource::Connections));
        }
        match self.terms.expires.is_some_and(|expires| expires <= Instant::now()) {
            true => SendFailure::Timeout,
            false if site.is_opening() => SendFailure::Connect(ConnectFailure::Timeout),
            false => SendFailure::Connect(ConnectFailure::Full),
        }
    }
}
