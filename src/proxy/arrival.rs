//! A request that has come: whose it is, whether it is let in, and what goes upstream. Nothing here waits but for the
//! store, where that has to say whose it is.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, Version};
use http_body::Body;
use tokio::time::Instant;

use super::agreement::agree;
use super::decision::{Decided, Gates, Leads, body_max};
use super::exchange::Exchange;
use super::expiry::Expiry;
use super::forward::Outbound;
use super::gates::{self, charge};
use super::mirroring::Mirrored;
use super::rejection::Rejection;
use super::snapshot::{OwnSnapshot, RouteTarget, Snapshot};
use super::sticky::StickyCookie;
use super::{cors, https_redirect, own_domain};
use crate::admission::RateRequest;
use crate::http::body::{Bounds, RequestBody};
use crate::http::checks::Checked;
use crate::http::client_addr::Client;
use crate::http::conn::ConnState;
use crate::http::facade::Facade;
use crate::http::forwarded;
use crate::http::hop_by_hop::Survey;
use crate::http::incoming::Incoming;
use crate::http::timeouts::Timeouts;
use crate::http::websocket::Handshake;
use crate::routing::{Facts, Route};
use crate::tenant::{Clues, Identified, Key, LookedUp, OpenStream, Tenant, TenantConnection, Unidentified};
use crate::types::HostName;
use crate::upstream::Pool;

/// How long a request waits to be told whose it is.
const LOOK_UP_MAX: Duration = Duration::from_secs(1);

/// A request that is let in: whose it is, and where to.
pub(super) struct Admitted {
    pub(super) tenant: Arc<Tenant>,
    pub(super) route: Arc<Route<RouteTarget>>,
    /// `None`: its route answers it.
    pub(super) onward: Option<Onward>,
}

/// Where a request goes, what it asks to switch to, and until when.
pub(super) struct Onward {
    pub(super) pool: Arc<Pool>,
    pub(super) switch: Option<HeaderValue>,
    pub(super) expiry: Expiry,
    /// A copy that goes elsewhere.
    pub(super) mirrored: Option<Box<Mirrored>>,
}

/// What becomes of a request that is not refused.
pub(super) enum Entered {
    /// It goes on to a pool.
    Admitted(Box<Exchange>, Admitted),
    /// The gateway has the answer: a file of the tenant's brand.
    Answered(Box<Exchange>, Response<Bytes>),
}

/// What is known of a request before anything is decided about it.
pub(super) struct Arrival<'a> {
    pub(super) snapshot: OwnSnapshot,
    pub(super) conn: &'a Rc<ConnState>,
    pub(super) survey: Survey,
    pub(super) client: Client,
    pub(super) handshake: Option<&'a Handshake>,
    pub(super) head: Parts,
    pub(super) body: Incoming,
    pub(super) checked: Checked,
    pub(super) text: Vec<u8>,
    pub(super) books: Box<Exchange>,
}

/// Why it is not let in, and its books.
pub(super) type Refused = (Rejection, Box<Exchange>);

impl Arrival<'_> {
    /// Looks up whose request it is, where tenants are kept, as often as a rule needs to know: at most one key for each, and one for what its
    /// connection was opened for.
    pub(super) async fn look_up(self: Box<Self>, key: Key) -> Result<Entered, Refused> {
        let mut looked_up = LookedUp::default();
        let mut key = key;
        loop {
            let directory = &self.snapshot.directory;
            if directory.look_up(key, &mut looked_up, LOOK_UP_MAX).await.is_err() {
                return Err((Rejection::TenantUnavailable, self.books));
            }
            match self.identify(&looked_up) {
                Ok(identified) => return self.enter(identified),
                Err(Unidentified::NotHere(next)) => key = next,
                Err(why) => return Err((unidentified(&why), self.books)),
            }
        }
    }

    pub(super) fn identify(&self, looked_up: &LookedUp) -> Result<Identified, Unidentified> {
        let Snapshot { identify, directory, .. } = &**self.snapshot;
        let host = self.checked.host.as_ref();
        let clues = Clues {
            host: host.map(HostName::as_str),
            fields: &self.head.headers,
            via_trusted: self.client.via_trusted,
            certificate: self.conn.secured.as_ref().and_then(|secured| secured.client.as_deref()),
        };
        let identified = identify.find(directory, looked_up, clues, &mut ())?;
        if !self.client.via_trusted {
            // What a proxy opens its connections for is its own affair: it speaks for many clients.
            agree(&self.snapshot, looked_up, self.conn, host, &identified)?;
        }
        Ok(identified)
    }

    /// A connection counts for each tenant that is asked for by it; not a trusted proxy's, which speaks for many clients.
    fn count_connection(&self, tenant: &Tenant) -> Result<(), Rejection> {
        let Some(max) = self.snapshot.tenant_connections_max.filter(|_| !self.client.via_trusted) else {
            return Ok(());
        };
        if self.conn.kept.has(|counted: &TenantConnection| counted.is_of(&tenant.account)) {
            return Ok(());
        }
        match TenantConnection::open(&tenant.account, max) {
            Some(counted) => self.conn.kept.add(counted),
            None => {
                self.conn.wear_out();
                return Err(Rejection::TenantConnections);
            }
        }
        Ok(())
    }

    pub(super) fn enter(mut self, identified: Identified) -> Result<Entered, Refused> {
        let Identified { tenant, by_host } = identified;
        tenant.prefetch();
        self.books.tenant = Some(Arc::clone(&tenant));
        self.books.vary = if by_host { None } else { self.snapshot.identify.fields().cloned() };
        self.books.cors = cors::told(tenant.terms.cors.as_ref(), &self.head.headers);
        if let Err(rejection) = self.count_connection(&tenant) {
            return Err((rejection, self.books));
        }
        match https_redirect::answer(self.conn, self.client, &self.head, self.checked.host.as_ref(), by_host)
        {
            Ok(None) => {}
            Ok(Some(response)) => return Ok(Entered::Answered(self.books, response)),
            Err(rejection) => return Err((rejection, self.books)),
        }
        if let Some(response) = gates::file_of_brand(&tenant, &self.head, self.client) {
            return Ok(Entered::Answered(self.books, response));
        }
        let Self { snapshot, conn, survey, client, handshake, mut head, body, checked, text, mut books } =
            self;
        let gates = Gates {
            snapshot: &snapshot,
            conn,
            survey: &survey,
            client,
            handshake,
            checked: &checked,
            by_host,
        };
        match gates.preflight(&tenant, &head, &mut *books) {
            Ok(None) => {}
            Ok(Some(response)) => return Ok(Entered::Answered(books, response)),
            Err(rejection) => return Err((rejection, books)),
        }
        tenant.prefetch_further();
        match gates.admit(&tenant, &mut head, body, text, &mut books) {
            Ok((route, onward)) => Ok(Entered::Admitted(books, Admitted { tenant, route, onward })),
            Err(rejection) => Err((rejection, books)),
        }
    }
}

pub(super) fn unidentified(why: &Unidentified) -> Rejection {
    match why {
        Unidentified::Unknown | Unidentified::NotHere(_) => Rejection::UnknownTenant,
        Unidentified::Conflict => Rejection::TenantConflict,
        Unidentified::Misdirected => Rejection::Misdirected,
        Unidentified::Doubtful => Rejection::TenantUnavailable,
    }
}

impl Gates<'_> {
    /// Decides: each step is cheaper or more certain than the next, and nothing is charged before all
    /// else is settled.
    fn admit(
        &self,
        tenant: &Arc<Tenant>,
        head: &mut Parts,
        body: Incoming,
        text: Vec<u8>,
        books: &mut Exchange,
    ) -> Result<(Arc<Route<RouteTarget>>, Option<Onward>), Rejection> {
        let Decided { route, leads } = self.decide(tenant, head, &body, books)?;
        self.open_stream(tenant, books)?;
        let Some(Leads { pool, switch, cookie }) = leads else {
            charge(tenant, &self.asks(route, head), books)?;
            return Ok((Arc::clone(route), None));
        };
        let is_https = || forwarded::is_https(&head.headers, self.client.via_trusted, self.conn);
        books.cookie = cookie.map(|cookie| Box::new(StickyCookie::new(cookie, is_https())));
        books.balance_key = pool.balancing().key(&head.headers, self.client.ip, tenant.id());
        charge(tenant, &self.asks(route, head), books)?;
        let expiry = self.expiry(head, route, pool, books.started());
        let idle = pool.timeouts().idle;
        let mut body = self.body(body, body_max(tenant, route), idle, books);
        let mirror =
            route.mirror.as_ref().filter(|mirror| switch.is_none() && mirror.takes(fastrand::u64(..)));
        let mirror = mirror.map(|mirror| {
            let pool = self.snapshot.serving(&mirror.to);
            let key = pool.balancing().key(&head.headers, self.client.ip, tenant.id());
            let none = || (RequestBody::empty(), None);
            (pool, key, body.as_mut().map_or_else(none, |body| body.copied()))
        });
        if let Some(injection) = tenant.terms.brand.injection() {
            books.knew_look = injection.asked(&mut head.headers);
        }
        books.facade = self.facade(route, pool, head);
        let (facade, facts) = (books.facade.as_deref(), books.facts(tenant, route));
        let outbound = self.outbound(tenant, route, pool, facade, facts, expiry.at);
        let outbox = outbound.encode(head, body, switch.as_ref(), text)?;
        let mirrored = mirror
            .map(|(pool, key, copied)| Box::new(Mirrored::new(pool, key, &outbox, copied, route.timeout)));
        books.outgoing = Some(outbox);
        let (route, pool) = (Arc::clone(route), Arc::clone(pool));
        Ok((route, Some(Onward { pool, switch, expiry, mirrored })))
    }

    /// Over HTTP/2, one request more of the tenant's, where it may have that many.
    fn open_stream(&self, tenant: &Tenant, books: &mut Exchange) -> Result<(), Rejection> {
        if let Some(max) = self.snapshot.tenant_streams_max.filter(|_| books.version == Version::HTTP_2) {
            let opened = OpenStream::open(&tenant.account, max);
            books.stream = Some(opened.ok_or(Rejection::ConcurrencyExceeded)?);
        }
        Ok(())
    }

    /// How the client sees the application, where that has hosts of its own.
    pub(super) fn facade(&self, route: &Route<RouteTarget>, pool: &Pool, head: &Parts) -> Option<Rc<Facade>> {
        let host = self.checked.host.as_ref().filter(|_| self.by_host);
        let is_https = || forwarded::is_https(&head.headers, self.client.via_trusted, self.conn);
        own_domain::facade(route, pool, is_https, host)
    }

    /// What the upstream request's fields are made from.
    pub(super) fn outbound<'o>(
        &'o self,
        tenant: &'o Arc<Tenant>,
        route: &'o Route<RouteTarget>,
        pool: &'o Pool,
        facade: Option<&'o Facade>,
        facts: Facts<'o>,
        expires: Option<Instant>,
    ) -> Outbound<'o> {
        let Self { snapshot, conn, survey, client, checked, .. } = self;
        let via_trusted = client.via_trusted;
        Outbound { snapshot, conn, survey, via_trusted, checked, tenant, route, pool, facade, facts, expires }
    }

    pub(super) fn asks<'r>(&self, route: &Route<RouteTarget>, head: &'r Parts) -> RateRequest<'r> {
        RateRequest { route: route.index, cost: route.cost, client: self.client.ip, fields: &head.headers }
    }

    pub(super) fn expiry(
        &self,
        head: &Parts,
        route: &Route<RouteTarget>,
        pool: &Pool,
        started: Instant,
    ) -> Expiry {
        let client = match self.survey.timeouts {
            true => Timeouts::of(&head.headers),
            false => Timeouts::default(),
        };
        Expiry::new(started, route.timeout, pool.timeouts().request, &client)
    }

    fn body(
        &self,
        body: Incoming,
        bytes_max: u64,
        idle: Duration,
        books: &mut Exchange,
    ) -> Option<Box<RequestBody>> {
        if body.is_end_stream() {
            return None;
        }
        let reserved = Arc::clone(&self.snapshot.reserved);
        // Whoever streams calls of gRPC may have nothing to say for long. They can only over HTTP/2.
        let is_call = books.grpc && books.version == Version::HTTP_2;
        let rate = self.snapshot.server.request_rate.filter(|_| !is_call);
        let bounds = Bounds { bytes_max, idle, rate, reserved };
        let (body, flow) = RequestBody::streamed(body, Rc::clone(self.conn), bounds);
        books.attempts.upload(Rc::clone(&flow));
        books.flow = Some(flow);
        Some(Box::new(body))
    }
}
