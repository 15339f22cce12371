//! A request's way, top to bottom. Nothing else decides the order.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::Cache;
use http::header::{ACCEPT_LANGUAGE, CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::arrival::{Admitted, Arrival, Entered, Onward, Refused, unidentified};
use super::edge;
use super::exchange::Exchange;
use super::forward;
use super::mirroring::Mirrors;
use super::rejection::Rejection;
use super::response::{ResponseBody, name_request};
use super::seating::{self, Nursery};
use super::snapshot::{OwnSnapshot, Snapshot, SnapshotCell};
use super::{circuit, grpc, https_redirect, page, problem, rewriting, tunnel};
use crate::acme::Seeking;
use crate::brand::prefers_html;
use crate::http::checks;
use crate::http::conn::ConnState;
use crate::http::hop_by_hop::{self, Survey};
use crate::http::incoming::Incoming;
use crate::http::names::X_REQUEST_ID;
use crate::http::server::Handler;
use crate::http::websocket::Handshake;
use crate::telemetry::access_log::AccessLogSender;
use crate::telemetry::{Metrics, UnknownMeter};
use crate::tenant::{Key, LookedUp, Unidentified};
use crate::types::{HostName, RequestId, RequestIds, ValueRoom};
use crate::upstream::{Answer, UpstreamClient};

/// One worker's share of the gateway.
#[derive(Debug)]
pub struct Proxy {
    snapshot: RefCell<InForce>,
    upstream: Rc<UpstreamClient>,
    mirrors: Mirrors,
    streams: Nursery,
    ids: RequestIds,
    books: Rc<Books>,
}

/// The snapshot in force.
#[derive(Debug)]
struct InForce {
    cache: Cache<Arc<SnapshotCell>, Arc<Snapshot>>,
    own: OwnSnapshot,
}

impl InForce {
    fn of(cell: Arc<SnapshotCell>) -> Self {
        let mut cache = Cache::new(cell);
        let own = Rc::new(Arc::clone(cache.load()));
        Self { cache, own }
    }

    fn load(&mut self) -> &OwnSnapshot {
        let now = self.cache.load();
        if !Arc::ptr_eq(now, &self.own) {
            self.own = Rc::new(Arc::clone(now));
        }
        &self.own
    }
}

/// Where exchanges are written down.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) metrics: Arc<Metrics>,
    pub(super) unknown: Arc<UnknownMeter>,
    pub(super) access_log: AccessLogSender,
    /// Where values of answers' fields are written.
    pub(super) room: ValueRoom,
    /// Whether what is cut from now on is cut by the gateway's own end.
    pub(super) ending: Cell<bool>,
}

/// What comes of a request without waiting.
enum Received<'a> {
    /// Whose it is is known, and what becomes of it.
    Entered(Entered),
    /// Whose it is has to be looked up first.
    Stranger(Box<Arrival<'a>>, Key),
    /// It may be an authority's that looks for what another process has ordered.
    Sought(Box<Arrival<'a>>, Seeking<Arc<str>>),
}

impl Proxy {
    /// A worker's proxy over the snapshot that all share.
    #[must_use]
    pub fn new(
        snapshot: Arc<SnapshotCell>,
        upstream: Rc<UpstreamClient>,
        metrics: Arc<Metrics>,
        access_log: AccessLogSender,
    ) -> Self {
        let unknown = metrics.unknown_tenant();
        let (room, ending) = (ValueRoom::default(), Cell::new(false));
        let books = Rc::new(Books { unknown, metrics, access_log, room, ending });
        let snapshot = RefCell::new(InForce::of(snapshot));
        let mirrors = Mirrors::new(Rc::clone(&upstream));
        Self { snapshot, upstream, mirrors, streams: Nursery::default(), ids: RequestIds::default(), books }
    }

    /// The worker ends: what is still in flight is cut, and not by its client.
    pub fn end(&self) {
        self.books.ending.set(true);
        self.mirrors.end();
    }

    /// Looks after what has become old. For the worker, about once a second.
    pub fn look(&self) {
        self.streams.look(Instant::now());
        self.mirrors.look();
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(self.snapshot.borrow_mut().load().as_ref())
    }

    /// The spine: from a request's head to its response's head.
    async fn serve(
        &self,
        conn: &Rc<ConnState>,
        mut request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, Refused> {
        let handshake = Handshake::take(&mut request);
        let entered = match self.receive(conn, request, handshake.as_ref())? {
            Received::Entered(entered) => entered,
            // Boxed, so that requests of tenants that are known carry no room for it.
            Received::Stranger(arrival, key) => Box::pin(arrival.look_up(key)).await?,
            Received::Sought(arrival, seeking) => Box::pin(sought(arrival, seeking)).await?,
        };
        let (mut books, admitted) = match entered {
            Entered::Admitted(books, admitted) => (books, admitted),
            Entered::Answered(books, response) => return Ok(edge::answer(response, books)),
        };
        let Admitted { tenant, route, onward } = admitted;
        if let Some(quotas) = books.quotas.as_mut().filter(|quotas| !quotas.is_decided())
            && let Err(refusal) = Box::pin(quotas.decide()).await
        {
            return Err((refusal.into(), books));
        }
        let Some(Onward { pool, switch, expiry, mirrored }) = onward else {
            return Ok(edge::answer_for(&tenant, &route, books));
        };
        let expires = expiry.at;
        let waited = &mut books.queue_wait;
        let seated = seating::seat(&tenant, &pool, switch.is_some(), expires, waited).await;
        let entered = seated.and_then(|seated| Ok((seated, circuit::enter(&pool, &tenant)?)));
        let fuse = match entered {
            Ok((seated, (fuse, permits))) => {
                books.admit(seated, permits);
                fuse
            }
            Err(rejection) => return Err((rejection, books)),
        };
        if let Some(mirrored) = mirrored {
            self.mirrors.start(*mirrored, &tenant);
        }
        let answered =
            forward::exchange(&self.upstream, &pool, fuse, switch.as_ref(), expiry, &mut books).await;
        // Before the answer is held against what its client wanted of it, which says nothing of the endpoint.
        books.attempts.came_back(forward::is_congestion(&answered) && !expiry.is_clients_and_over());
        let answered = match &handshake {
            Some(handshake) => answered.and_then(|answer| tunnel::shaken(handshake, answer)),
            None => answered,
        };
        let (mut head, body) = match answered {
            Ok(Answer::Response(response)) => {
                let (head, body) = response.into_parts();
                if tenant.terms.brand.intercepts(head.status.as_u16()) && !books.grpc {
                    books.attempts.endpoint_is_done();
                    let retry_after = head.headers.get(RETRY_AFTER).cloned();
                    return Err((Rejection::Intercepted(head.status, retry_after), books));
                }
                if let Err(rejection) =
                    books.reseat(|seated| seated.answered(&pool, &head.headers, &self.streams))
                {
                    return Err((rejection, books));
                }
                if body.is_received() {
                    let is_wanted = pool.seats().is_wanted();
                    books.leave_pool();
                    if is_wanted {
                        // Whoever the seat goes to is sent upstream first: the endpoint would be idle meanwhile.
                        yield_now().await;
                    }
                }
                (head, Ok(body))
            }
            Ok(Answer::Switched(response, upgraded)) => {
                let _ = books.reseat(|seated| Ok(seated.switched()));
                (response.into_parts().0, Err(upgraded))
            }
            Err(rejection) => return Err((rejection, books)),
        };

        // The endpoint's version is its hop's (RFC 9110 §2.5).
        head.version = Version::HTTP_11;
        hop_by_hop::strip_response(&mut head.headers);
        if let Some(facade) = &books.facade {
            facade.response(&mut head.headers);
        }
        let facts = books.facts(&tenant, &route);
        tenant.terms.response_headers.iter().for_each(|rules| rules.apply(&mut head.headers, &facts));
        route.response_headers.apply(&mut head.headers, &facts);
        books.cookie.iter().for_each(|cookie| cookie.give(&mut head.headers));
        if let Some(told) = &books.cors {
            told.tell(&mut head.headers);
        }
        name_request(&mut head.headers, &books);
        if handshake.is_some() && head.status == StatusCode::SWITCHING_PROTOCOLS {
            head.status = StatusCode::OK;
        }
        books.answered(head.status.as_u16());
        match body {
            Ok(body) => {
                let body = match rewriting::transform(&tenant.terms.brand, &books, &mut head) {
                    Some(transform) => ResponseBody::rewritten(body, transform, books),
                    None => ResponseBody::upstream(body, books),
                };
                let body = if conn.h2.get() { body.watched(conn, expires) } else { body };
                Ok(Response::from_parts(head, body))
            }
            Err(upgraded) => {
                let tunnel = tunnel::task(upgraded, books, pool.timeouts().idle);
                if let Some(handshake) = handshake {
                    return Ok(Response::from_parts(
                        tunnel::open(handshake, head, tunnel),
                        ResponseBody::none(),
                    ));
                }
                if let Some(protocol) = &switch {
                    tunnel::ask(&mut head.headers, protocol);
                }
                conn.take_tunnel(tunnel);
                Ok(Response::from_parts(head, ResponseBody::none()))
            }
        }
    }

    /// All that needs no waiting: who asks, whose request it is, whether it is let in, and what goes upstream.
    fn receive<'a>(
        &self,
        conn: &'a Rc<ConnState>,
        request: Request<Incoming>,
        handshake: Option<&'a Handshake>,
    ) -> Result<Received<'a>, Refused> {
        let (in_flight, malformed) = conn.begin();
        let in_flight = in_flight.over(request.body().reply());
        let snapshot = Rc::clone(self.snapshot.borrow_mut().load());
        let (head, body) = request.into_parts();
        let survey = Survey::of(&head.headers, &snapshot.reserved);
        let client = snapshot.trusted.client(conn.peer, &head.headers);
        let given =
            if client.via_trusted && survey.request_id { head.headers.get(&X_REQUEST_ID) } else { None };
        let request_id = match given {
            Some(id) if is_request_id(id) => RequestId::Given(id.clone()),
            _ => self.ids.next(),
        };
        let books = Rc::clone(&self.books);
        let mut books = Exchange::open(books, in_flight, &head, request_id, client.ip, snapshot.access_log);
        books.reader = prefers_html(&head.headers).then(|| head.headers.get(ACCEPT_LANGUAGE).cloned());
        books.grpc = survey.content_type && grpc::is_call(&head.headers);
        if let Some(why) = malformed {
            books.forget_stand_in();
            return Err((Rejection::Malformed(why), books));
        }
        let checked = match checks::request(&head, &survey, &snapshot.server.head, books.host()) {
            Ok(checked) => checked,
            Err(why) => return Err((Rejection::BadRequest(why), books)),
        };
        // Before anything asks whose it is, and before any redirect: an authority follows few, and the host may be new here.
        let host = checked.host.as_ref().map(HostName::as_str);
        if let Some(page) = snapshot.challenges.page(host, head.uri.path()) {
            return Ok(Received::Entered(Entered::Answered(books, edge::page_for_authority(&page))));
        }
        let seeking = snapshot.challenges.seek_page(host, head.uri.path());
        let text = self.upstream.text();
        let arrival = Arrival { snapshot, conn, survey, client, handshake, head, body, checked, text, books };
        match seeking {
            Some(seeking) => Ok(Received::Sought(Box::new(arrival), seeking)),
            None => Ok(match identified(arrival)? {
                Ok(entered) => Received::Entered(entered),
                Err((arrival, key)) => Received::Stranger(arrival, key),
            }),
        }
    }

    fn refuse(&self, rejection: &Rejection, mut books: Box<Exchange>) -> Response<ResponseBody> {
        books.rejected(rejection);
        let tenant = books.tenant.as_ref().map(|tenant| tenant.id().as_str());
        let response = match &books.reader {
            _ if books.grpc => grpc::respond(rejection),
            None => problem::respond(rejection, tenant, books.request_id.as_str()),
            Some(languages) => {
                let of_tenant = books.tenant.as_ref().map(|tenant| Arc::clone(&tenant.terms.brand));
                let brand = of_tenant.unwrap_or_else(|| Arc::clone(&self.snapshot().brand));
                page::respond(rejection, &brand, languages.as_ref(), tenant, books.request_id.as_str())
            }
        };
        edge::complete(response, books)
    }
}

/// Whose an arrival is; in the error of the inside: whom has to be looked up first.
fn identified(arrival: Arrival<'_>) -> Result<Result<Entered, (Box<Arrival<'_>>, Key)>, Refused> {
    match arrival.identify(&LookedUp::default()) {
        Ok(identified) => arrival.enter(identified).map(Ok),
        Err(Unidentified::NotHere(key)) => Ok(Err((Box::new(arrival), key))),
        Err(why) => Err((unidentified(&why), arrival.books)),
    }
}

/// Answers an authority, or goes on with what is none's.
async fn sought(arrival: Box<Arrival<'_>>, seeking: Seeking<Arc<str>>) -> Result<Entered, Refused> {
    if let Some(page) = seeking.await {
        return Ok(Entered::Answered(arrival.books, edge::page_for_authority(&page)));
    }
    match identified(*arrival)? {
        Ok(entered) => Ok(entered),
        Err((arrival, key)) => arrival.look_up(key).await,
    }
}

impl Handler for Proxy {
    type Body = ResponseBody;

    async fn handle(
        self: Rc<Self>,
        conn: Rc<ConnState>,
        request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let served = self.serve(&conn, request).await;
        let mut response = served.unwrap_or_else(|(rejection, books)| self.refuse(&rejection, books));
        let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !switches && conn.is_worn() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if conn.h2.get() {
            response.headers_mut().remove(CONNECTION);
        }
        https_redirect::tell_hsts(&conn, response.headers_mut());
        Ok(response)
    }

    fn abused(&self, kind: &'static str) {
        self.books.metrics.http2_abused(kind);
    }
}

/// An id that can stand in a log line as it is, and is no longer than ids are.
pub(super) fn is_request_id(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    !id.is_empty() && id.len() <= 128 && id.iter().all(u8::is_ascii_graphic)
}
