//! The books of one exchange: opened with its first byte, closed exactly once, whatever happens.
//!
//! It travels from the pipeline into the response's body (or the tunnel) and closes when that is
//! dropped. So a client that goes away at any await, an endpoint that breaks off and a response that was
//! read to its end are all logged and counted alike.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, Uri, Version};
use tokio::time::Instant;

use super::attempts::Attempts;
use super::cors::Told;
use super::pipeline::Books;
use super::rejection::Rejection;
use super::seating::Seated;
use super::snapshot::RouteTarget;
use super::sticky::StickyCookie;
use crate::admission::RateCharges;
use crate::admission::quota::{QuotaCharges, Used};
use crate::balance::Key;
use crate::breaker::{Permits, Tripped};
use crate::http::body::BodyFlow;
use crate::http::conn::{Cut, InFlight};
use crate::http::facade::Facade;
use crate::http::names::version_name;
use crate::routing::{Facts, Route};
use crate::telemetry::access_log::Entry;
use crate::telemetry::{EndpointFailure, RequestRecord, TenantMeter};
use crate::tenant::{OpenStream, Tenant};
use crate::time::{turn_began, turn_wall};
use crate::types::{RequestId, ValueRoom, of_one_message};
use crate::upstream::{Endpoint, Outbox, ResponseFailure};

/// The status that the log gives a request whose client left before any (nginx's).
const CLIENT_CLOSED: u16 = 499;
/// And one that the gateway's own end cut before any.
const CUT_BY_END: u16 = 503;
/// The code of what the gateway's own end cuts.
const DRAINING: &str = "draining";

/// One request and what became of it.
#[derive(Debug)]
pub(super) struct Exchange {
    books: Rc<Books>,
    /// The request's mark on its connection.
    pub(super) in_flight: InFlight,
    started: Instant,
    /// The wall clock's time, where the log wants it.
    started_at: Option<SystemTime>,
    /// The request's id.
    pub(super) request_id: RequestId,
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    /// Its protocol's version.
    pub(super) version: Version,
    /// Whether it is a gRPC call, which a refusal has to be written for.
    pub(super) grpc: bool,
    /// The languages of somebody who would rather read a refusal than parse it, if that is who asks.
    pub(super) reader: Option<Option<HeaderValue>>,
    /// Whether the client has the page that it asks for in the tenant's present look, if it has not changed.
    pub(super) knew_look: bool,
    /// Who asked.
    pub(super) client: IpAddr,
    /// Whose request it is, once that is known.
    pub(super) tenant: Option<Arc<Tenant>>,
    /// What it holds of its pool: given back with the exchange. With it the tenant's meter counts it as in flight.
    seated: Option<Seated>,
    /// What the circuit breakers count of it.
    permits: Option<Permits>,
    /// Its place among the tenant's requests over HTTP/2.
    pub(super) stream: Option<OpenStream>,
    /// Which of them refused it.
    tripped: Option<Tripped>,
    /// Whether it was let in, and counts as in flight.
    admitted: bool,
    /// How long it waited for its seat, if it had to.
    pub(super) queue_wait: Option<Duration>,
    /// What it was charged, once it was: given back unless it is kept.
    pub(super) rates: Option<RateCharges>,
    /// What it was charged of quotas, likewise; and what is counted of it in the end.
    pub(super) quotas: Option<QuotaCharges>,
    /// Its route's name, once there is one.
    pub(super) route: Option<Arc<str>>,
    /// Where the application has hosts of its own: how the client sees it.
    pub(super) facade: Option<Rc<Facade>>,
    /// What a browser is to be told with the answer.
    pub(super) cors: Option<Box<Told>>,
    /// The fields by which its tenant was found, where it was not the host.
    pub(super) vary: Option<HeaderValue>,
    /// What it is kept together with others by when its endpoint is chosen.
    pub(super) balance_key: Option<Key>,
    /// What the client is to come back with, so that it comes to the same pool.
    pub(super) cookie: Option<Box<StickyCookie>>,
    /// Where it went, and what became of it there.
    pub(super) attempts: Attempts,
    /// What goes upstream, until it has gone.
    pub(super) outgoing: Option<Outbox>,
    /// The body that the client sent, if it sent one.
    pub(super) flow: Option<Rc<BodyFlow>>,
    /// Octets of body that went to the client.
    pub(super) response_bytes: u64,
    /// Octets that a tunnel carried upstream.
    pub(super) tunnel_bytes: u64,
    status: Option<u16>,
    refusal: Option<&'static str>,
    code: Option<&'static str>,
}

impl Exchange {
    /// The host that the client named.
    pub(super) fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    /// The request's id, for a field.
    pub(super) fn request_id_field(&self) -> Option<HeaderValue> {
        match &self.request_id {
            RequestId::Own(id) => self.books.room.value(|text| text.extend_from_slice(id)),
            RequestId::Given(id) => Some(of_one_message(id.clone())),
        }
    }

    /// Where its worker writes values of fields.
    pub(super) fn room(&self) -> &ValueRoom {
        &self.books.room
    }

    /// Opens the books.
    pub(super) fn open(
        books: Rc<Books>,
        in_flight: InFlight,
        head: &http::request::Parts,
        request_id: RequestId,
        client: IpAddr,
        logged: bool,
    ) -> Box<Self> {
        let host = match head.uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => head.headers.get(http::header::HOST).cloned(),
        };
        let room = Box::new_uninit(); // Written where it stays, and not moved there.
        let exchange = Self {
            books,
            in_flight,
            started: turn_began(),
            started_at: logged.then(turn_wall),
            request_id,
            method: head.method.clone(),
            uri: head.uri.clone(),
            host,
            version: head.version,
            grpc: false,
            reader: None,
            knew_look: false,
            client,
            tenant: None,
            seated: None,
            permits: None,
            stream: None,
            tripped: None,
            admitted: false,
            queue_wait: None,
            rates: None,
            quotas: None,
            route: None,
            facade: None,
            cors: None,
            balance_key: None,
            cookie: None,
            attempts: Attempts::default(),
            vary: None,
            outgoing: None,
            flow: None,
            response_bytes: 0,
            tunnel_bytes: 0,
            status: None,
            refusal: None,
            code: None,
        };
        Box::write(room, exchange)
    }

    /// When the request's head was there.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// What texts with placeholders are filled in from.
    pub(super) fn facts<'f>(&'f self, tenant: &'f Tenant, route: &'f Route<RouteTarget>) -> Facts<'f> {
        Facts {
            tenant: tenant.id().as_str(),
            labels: tenant,
            client: self.client,
            request_id: self.request_id.as_bytes(),
            host: self.host.as_ref().map_or(b"", HeaderValue::as_bytes),
            method: &self.method,
            path: self.uri.path(),
            query: self.uri.query(),
            rule: &route.rule.path,
        }
    }

    /// The request is let in, and its route answers it: what it was charged stays charged.
    pub(super) fn admit_here(&mut self) {
        self.rates.iter_mut().for_each(RateCharges::keep);
        self.quotas.iter_mut().for_each(QuotaCharges::keep);
        if let Some(tenant) = self.tenant.as_ref().filter(|_| !self.admitted) {
            TenantMeter::started(&tenant.account);
            self.admitted = true;
        }
    }

    /// The request's method.
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// The head that was seen is a stand-in: nothing of it is the client's.
    pub(super) fn forget_stand_in(&mut self) {
        self.host = None;
    }

    /// The request is let in for good: it has its seat and its place in the circuit breakers, and what it was charged
    /// stays charged, whatever the endpoint answers. Whoever refuses it, or goes away, before this gives all of it back.
    pub(super) fn admit(&mut self, seated: Seated, permits: Option<Permits>) {
        self.seated = Some(seated);
        self.permits = permits;
        self.admit_here();
    }

    /// What the exchange holds of its pool becomes something else.
    ///
    /// # Errors
    /// It can't: the exchange holds nothing then.
    pub(super) fn reseat(
        &mut self,
        into: impl FnOnce(Seated) -> Result<Seated, Rejection>,
    ) -> Result<(), Rejection> {
        self.seated = self.seated.take().map(into).transpose()?;
        Ok(())
    }

    /// The endpoint has said all: whatever the client takes to read the rest, nobody has to wait for what the exchange holds of the
    /// pool.
    pub(super) fn leave_pool(&mut self) {
        self.attempts.endpoint_is_done();
        (self.seated, self.permits) = (None, None);
    }

    /// The request goes to an endpoint now: since when.
    pub(super) fn goes_to(&mut self, endpoint: &Arc<Endpoint>, now: Instant) -> Instant {
        self.attempts.goes_to(endpoint, self.tenant.as_ref(), now)
    }

    /// The request is answered with this status.
    pub(super) fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// The gateway itself answers.
    pub(super) fn rejected(&mut self, rejection: &Rejection) {
        let row = rejection.row();
        self.status = Some(row.status.as_u16());
        (self.refusal, self.code) = (Some(row.code), Some(row.code));
        self.leave_pool();
        // Here, not in the end, so that the answer tells what is left.
        self.rates.iter_mut().for_each(RateCharges::refund);
        self.quotas.iter_mut().for_each(QuotaCharges::refund);
        match rejection {
            Rejection::Malformed(why) => self.books.metrics.malformed_request(why.code()),
            Rejection::BadRequest(bad) => self.books.metrics.malformed_request(bad.code),
            Rejection::CircuitOpen(tripped) => self.tripped = Some(*tripped),
            _ => {}
        }
    }

    /// The endpoint did not finish its response.
    pub(super) fn upstream_broke(&mut self, failure: ResponseFailure) {
        match failure {
            ResponseFailure::Broken => self.attempts.failed(EndpointFailure::Reset),
            ResponseFailure::Stalled => self.attempts.failed(EndpointFailure::Timeout),
            // How long a response may take as a whole says nothing of the endpoint.
            ResponseFailure::Expired => {}
        }
        self.code = Some(match failure {
            ResponseFailure::Broken => "upstream_protocol",
            ResponseFailure::Stalled | ResponseFailure::Expired => "upstream_timeout",
        });
    }

    /// It is ended before its time.
    pub(super) fn cut(&mut self, why: Cut) {
        self.in_flight.conn().note_cut(why);
        self.code.get_or_insert(why.reason());
    }

    /// Nobody waits for the end of the response any more: the client left or was cut, or the gateway ends.
    pub(super) fn client_left(&mut self) {
        let why = || self.in_flight.cut().map_or("client_closed", Cut::reason);
        self.code.get_or_insert_with(|| if self.books.ending.get() { DRAINING } else { why() });
    }

    fn request_bytes(&self) -> u64 {
        self.flow.as_ref().map_or(0, |flow| flow.bytes()) + self.tunnel_bytes
    }

    /// What its tenant is charged in the end. The gateway's own answers are not.
    fn used(&self) -> Used {
        let upstream = self.attempts.first().map_or(Duration::ZERO, |since| since.elapsed());
        Used {
            request_bytes: self.request_bytes(),
            response_bytes: if self.refusal.is_none() { self.response_bytes } else { 0 },
            upstream_us: u64::try_from(upstream.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// What the gateway itself took: until the request went upstream, less its wait for a seat. The time of
    /// bodies is the client's and the endpoint's.
    fn overhead(&self, total: Duration, upstream: Duration) -> Duration {
        let before = self.attempts.first().map(|since| since.duration_since(self.started));
        let before = before.unwrap_or_else(|| total.saturating_sub(upstream));
        before.saturating_sub(self.queue_wait.unwrap_or_default())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let total = self.started.elapsed();
        let unanswered = if self.books.ending.get() { CUT_BY_END } else { CLIENT_CLOSED };
        let status = self.status.unwrap_or(unanswered);
        if self.status.is_none() {
            self.client_left();
        }
        let request_bytes = self.request_bytes();
        let record = RequestRecord {
            status,
            refusal: self.refusal,
            duration: total,
            queue_wait: self.queue_wait,
            request_bytes,
            response_bytes: self.response_bytes,
        };
        match &self.tenant {
            Some(tenant) if self.admitted => tenant.account.meter.finished(&record),
            Some(tenant) => TenantMeter::refused(&tenant.account, &record),
            None => self.books.unknown.refused(&record),
        }
        if let Some(quotas) = &self.quotas {
            quotas.count(self.used());
        }
        if let Some(upstream) = self.attempts.took()
            && self.refusal.is_none()
        {
            self.books.metrics.overhead_observe(self.overhead(total, upstream));
        }
        let Some(started) = self.started_at else { return };
        let secured = self.in_flight.conn().secured.as_deref();
        self.books.access_log.push(&Entry {
            started,
            request_id: self.request_id.as_bytes(),
            tenant: self.tenant.as_ref().map(|tenant| tenant.id()),
            route: self.route.as_deref(),
            pool: self.attempts.pool().map(|pool| &**pool.name()),
            endpoint: self.attempts.endpoint().map(|endpoint| &**endpoint.name()),
            method: &self.method,
            host: self.host.as_ref().map(HeaderValue::as_bytes),
            uri: &self.uri,
            protocol: version_name(self.version),
            tls: secured.map(|secured| (secured.version, secured.cipher)),
            sni: secured
                .and_then(|secured| secured.server_name.as_ref())
                .map(|name| name.as_str().as_bytes()),
            client_cert: secured
                .and_then(|secured| secured.client.as_ref())
                .map(|client| client.told().as_bytes()),
            status,
            code: self.code,
            tripped: self.tripped.map(Tripped::name),
            request_bytes,
            response_bytes: self.response_bytes,
            total,
            queue: self.queue_wait.unwrap_or_default(),
            upstream: self.attempts.took(),
            client: self.client,
            retries: self.attempts.retries(),
        });
    }
}
