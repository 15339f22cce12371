//! A request's way, top to bottom. Nothing else decides the order.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Cache;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::exchange::Exchange;
use super::expiry::Expiry;
use super::forward::{self, Outbound};
use super::gates::{charge, has_feature, is_served};
use super::rejection::Rejection;
use super::response::{ResponseBody, name_request};
use super::seating::{self, Nursery};
use super::snapshot::{RouteTarget, Snapshot, SnapshotCell};
use super::{circuit, grpc, problem, tunnel};
use crate::admission::RateRequest;
use crate::http::body::{Bounds, RequestBody};
use crate::http::checks::{self, Checked};
use crate::http::client_addr::Client;
use crate::http::conn::ConnState;
use crate::http::hop_by_hop::{self, Survey};
use crate::http::names::X_REQUEST_ID;
use crate::http::server::Handler;
use crate::http::timeouts::Timeouts;
use crate::http::websocket::Handshake;
use crate::routing::{self, Route, Target};
use crate::telemetry::access_log::AccessLogSender;
use crate::telemetry::{Metrics, TenantMeter};
use crate::tenant::{Tenant, Unidentified};
use crate::types::{HostName, RequestIds};
use crate::upstream::{Answer, Pool, UpstreamClient};

/// One worker's share of the gateway.
#[derive(Debug)]
pub struct Proxy {
    snapshot: RefCell<Cache<Arc<SnapshotCell>, Arc<Snapshot>>>,
    upstream: Rc<UpstreamClient>,
    streams: Nursery,
    ids: RequestIds,
    books: Rc<Books>,
}

/// Where exchanges are written down.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) metrics: Arc<Metrics>,
    pub(super) unknown: Arc<TenantMeter>,
    pub(super) access_log: AccessLogSender,
    /// Whether what is cut from now on is cut by the gateway's own end.
    pub(super) ending: Cell<bool>,
}

/// A request that is let in: whose it is, where to, what it asks to switch to, and until when.
struct Admitted {
    tenant: Arc<Tenant>,
    route: Arc<Route<RouteTarget>>,
    pool: Arc<Pool>,
    switch: Option<HeaderValue>,
    expiry: Expiry,
}

/// What is known of a request before anything is decided about it.
struct Arrival<'a> {
    snapshot: &'a Snapshot,
    conn: &'a Rc<ConnState>,
    survey: &'a Survey,
    client: Client,
    handshake: Option<&'a Handshake>,
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
        let books = Rc::new(Books { unknown, metrics, access_log, ending: Cell::new(false) });
        let snapshot = RefCell::new(Cache::new(snapshot));
        Self { snapshot, upstream, streams: Nursery::default(), ids: RequestIds::default(), books }
    }

    /// The worker ends: what is still in flight is cut, and not by its client.
    pub fn end(&self) {
        self.books.ending.set(true);
    }

    /// Looks after what has become old. For the worker, about once a second.
    pub fn look(&self) {
        self.streams.look(Instant::now());
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(self.snapshot.borrow_mut().load())
    }

    fn write_stall(&self) -> Duration {
        self.snapshot.borrow_mut().load().server.deadlines.write_stall
    }

    /// The spine: from a request's head to its response's head.
    async fn serve(
        &self,
        conn: &Rc<ConnState>,
        mut request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, (Rejection, Box<Exchange>)> {
        let handshake = Handshake::take(&mut request);
        let (mut books, admitted) = self.receive(conn, request, handshake.as_ref())?;
        let Admitted { tenant, route, pool, switch, expiry } = admitted;
        let expires = expiry.at;

        if let Some(quotas) = books.quotas.as_mut().filter(|quotas| !quotas.is_decided())
            && let Err(refusal) = quotas.decide().await
        {
            return Err((refusal.into(), books));
        }
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
        let answered =
            forward::exchange(&self.upstream, &pool, fuse, switch.as_ref(), expiry, &mut books).await;
        let answered = match &handshake {
            Some(handshake) => answered.and_then(|answer| tunnel::shaken(handshake, answer)),
            None => answered,
        };
        books.attempts.came_back(forward::is_congestion(&answered) && !expiry.is_clients_and_over());
        let (mut head, body) = match answered {
            Ok(Answer::Response(response)) => {
                let (head, body) = response.into_parts();
                if let Err(rejection) =
                    books.reseat(|seated| seated.answered(&pool, &head.headers, &self.streams))
                {
                    return Err((rejection, books));
                }
                if body.is_received() {
                    books.attempts.endpoint_is_done();
                    if pool.seats().is_wanted() {
                        // Whoever the seat goes to is sent upstream first: the endpoint would be idle meanwhile.
                        books.unseat();
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
        tenant.response_headers.iter().for_each(|rules| rules.apply(&mut head.headers));
        route.response_headers.apply(&mut head.headers);
        name_request(&mut head.headers, &books);
        if handshake.is_some() && head.status == StatusCode::SWITCHING_PROTOCOLS {
            head.status = StatusCode::OK;
        }
        books.answered(head.status.as_u16());
        match body {
            Ok(body) => {
                let body = ResponseBody::upstream(body, books);
                let body = if conn.h2.get() { body.watched(conn, self.write_stall(), expires) } else { body };
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
    fn receive(
        &self,
        conn: &Rc<ConnState>,
        request: Request<Incoming>,
        handshake: Option<&Handshake>,
    ) -> Result<(Box<Exchange>, Admitted), (Rejection, Box<Exchange>)> {
        let (in_flight, malformed) = conn.begin();
        let snapshot = self.snapshot();
        let (head, body) = request.into_parts();
        let survey = Survey::of(&head.headers, &snapshot.reserved);
        let client = snapshot.trusted.client(conn.peer.ip(), &head.headers);
        let request_id = match head.headers.get(&X_REQUEST_ID) {
            Some(id) if client.via_trusted && is_request_id(id) => id.clone(),
            _ => self.ids.next(),
        };
        let books = Rc::clone(&self.books);
        let mut books = Exchange::open(books, in_flight, &head, request_id, client.ip, snapshot.access_log);
        books.grpc = survey.content_type && grpc::is_call(&head.headers);
        if let Some(why) = malformed {
            books.forget_stand_in();
            return Err((Rejection::Malformed(why), books));
        }
        if !body.is_end_stream() {
            // Until all of it has been read, the client may be sending.
            conn.leave_unread();
        }
        let arrival = Arrival { snapshot: &snapshot, conn, survey: &survey, client, handshake };
        match arrival.admit(head, body, self.upstream.text(), &mut books) {
            Ok(admitted) => Ok((books, admitted)),
            Err(rejection) => Err((rejection, books)),
        }
    }

    fn refuse(rejection: &Rejection, mut books: Box<Exchange>) -> Response<ResponseBody> {
        books.rejected(rejection);
        let tenant = books.tenant.as_ref().map(|tenant| tenant.id.as_str());
        let response = match books.grpc {
            true => grpc::respond(rejection),
            false => problem::respond(rejection, tenant, &books.request_id),
        };
        let (mut head, body) = response.into_parts();
        name_request(&mut head.headers, &books);
        // RFC 9110 §9.3.2: as for GET, without the body.
        let body = if *books.method() == Method::HEAD {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            Bytes::new()
        } else {
            body
        };
        Response::from_parts(head, ResponseBody::whole(body, books))
    }
}

impl Arrival<'_> {
    /// Decides: each step is cheaper or more certain than the next, and nothing is charged before all
    /// else is settled.
    fn admit(
        &self,
        mut head: Parts,
        body: Incoming,
        text: Vec<u8>,
        books: &mut Exchange,
    ) -> Result<Admitted, Rejection> {
        let checked =
            checks::request(&head, self.survey, &self.snapshot.server.head).map_err(Rejection::BadRequest)?;
        let tenant = self.identify(&checked, &head)?;
        books.tenant = Some(Arc::clone(tenant));
        is_served(tenant, self.client)?;
        // `OPTIONS *` asks for the server as a whole: routed as its root.
        let path = if head.uri.path() == "*" { "/" } else { head.uri.path() };
        let path = routing::normalise(path).map_err(|_| Rejection::BadPath)?;
        let routes = &self.snapshot.routes;
        let route = routes.find(&head.method, &path, head.uri.query(), &head.headers);
        let route = route.ok_or(Rejection::NoRoute)?;
        books.route = Some(Arc::clone(&route.name));
        has_feature(tenant, route)?;
        if body.size_hint().lower() > tenant.request_body_max {
            return Err(Rejection::BodyTooLarge);
        }
        let switch = match self.handshake {
            Some(handshake) => {
                handshake.ask(&mut head.headers);
                Some(Handshake::protocol())
            }
            None => tunnel::wanted(&head, self.survey, !body.is_end_stream())?,
        };
        let pool = match &route.target {
            Target::Pool(pool) => Some(pool),
            Target::Tenant => tenant.pool.as_ref(),
        };
        let pool = self.snapshot.serving(pool.ok_or(Rejection::NoEndpoint)?);
        books.attempts.route_to(pool);
        books.balance_key = pool.balancing().key(&head.headers, self.client.ip, &tenant.id);
        let asked = RateRequest {
            route: route.index,
            cost: route.cost,
            client: self.client.ip,
            fields: &head.headers,
        };
        charge(tenant, &asked, books)?;
        let expiry = self.expiry(&head, route, pool, books);
        let idle = pool.timeouts().idle;
        let body = self.body(body, tenant.request_body_max, idle, books);
        let outbound = Outbound {
            snapshot: self.snapshot,
            conn: self.conn,
            survey: self.survey,
            via_trusted: self.client.via_trusted,
            checked: &checked,
            tenant,
            route,
            request_id: &books.request_id,
            expires: expiry.at,
        };
        books.outgoing = Some(outbound.encode(head, body, switch.as_ref(), text));
        let (tenant, route, pool) = (Arc::clone(tenant), Arc::clone(route), Arc::clone(pool));
        Ok(Admitted { tenant, route, pool, switch, expiry })
    }

    fn expiry(&self, head: &Parts, route: &Route<RouteTarget>, pool: &Pool, books: &Exchange) -> Expiry {
        let client = match self.survey.timeouts {
            true => Timeouts::of(&head.headers),
            false => Timeouts::default(),
        };
        Expiry::new(books.started(), route.timeout, pool.timeouts().request, &client)
    }

    fn identify(&self, checked: &Checked, head: &Parts) -> Result<&Arc<Tenant>, Rejection> {
        let Snapshot { identify, directory, .. } = self.snapshot;
        let host = checked.host.as_ref().map(HostName::as_str);
        identify.find(directory, host, &head.headers, self.client.via_trusted).map_err(|why| match why {
            Unidentified::Unknown => Rejection::UnknownTenant,
            Unidentified::Conflict => Rejection::TenantConflict,
        })
    }

    fn body(&self, body: Incoming, bytes_max: u64, idle: Duration, books: &mut Exchange) -> RequestBody {
        if body.is_end_stream() {
            return RequestBody::empty();
        }
        let reserved = Arc::clone(&self.snapshot.reserved);
        let bounds = Bounds { bytes_max, idle, reserved };
        let (body, flow) = RequestBody::streamed(body, Rc::clone(self.conn), bounds);
        books.flow = Some(flow);
        body
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
        let mut response = served.unwrap_or_else(|(rejection, books)| Self::refuse(&rejection, books));
        if response.status() != StatusCode::SWITCHING_PROTOCOLS && conn.decline_tunnel() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if conn.h2.get() {
            response.headers_mut().remove(CONNECTION);
        }
        Ok(response)
    }
}

/// An id that can stand in a log line as it is, and is no longer than ids are.
fn is_request_id(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    !id.is_empty() && id.len() <= 128 && id.iter().all(u8::is_ascii_graphic)
}
