//! Sending one request to one endpoint, over a connection of this worker, and the head of its response.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Response, StatusCode};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::body::{Sending, UpstreamBody, Wire};
use super::connect::ConnectFailure;
use super::endpoint::Endpoint;
use super::http2::{self, Links};
#[cfg(feature = "hyper-upstream")]
use super::hyper1;
use super::inbox::{self, Head};
use super::io::Io;
use super::line::{Idle, Lease, Line, Upload};
use super::open::Open;
use super::outbox::{Outbox, send_rest};
use super::patience::Patience;
use super::pool::Pool;
use super::progress::SendBroken;
use super::replay::Stock;
use super::retirement::Cords;
use super::retries::RetryTerms;
use super::tls::is_alert;
use super::way::Way;
use crate::breaker::{Breaker, Fuse, Tripped};
use crate::http::body::BodyFlow;
use crate::http::interim::Hints;
use crate::retry::Failed;
use crate::time::{Deadline, turn_began};
use crate::types::TenantId;

/// Interim responses (1xx) that are passed over before the response.
pub(super) const INTERIM_MAX: u32 = 32;

/// A worker's connections to all endpoints.
#[derive(Debug, Default)]
pub struct UpstreamClient {
    pub(super) idle: Rc<Idle>,
    pub(super) links: Links,
    stock: Stock,
    pub(super) cords: Cords,
    /// Rung when connections that nobody uses may be in the way of others.
    pub(super) bell: Arc<Notify>,
}

/// What an endpoint answers.
#[derive(Debug)]
pub enum Answer {
    /// A response: its head, and its body as it comes.
    Response(Response<UpstreamBody>),
    /// It speaks another protocol from here on.
    Switched(Response<()>, Box<Upgraded>),
}

/// An upstream connection that has switched protocols.
#[derive(Debug)]
pub struct Upgraded {
    /// The connection.
    pub io: Io,
    /// Bytes that came right behind the 101.
    pub read: Bytes,
    /// It counts as open for as long as this is kept; a stream keeps its connection itself.
    pub open: Option<Open>,
}

/// Why there is no response.
#[derive(Debug)]
pub enum SendFailure {
    /// No connection. Nothing was sent: the request may go elsewhere.
    Connect(ConnectFailure),
    /// The connection ended before a response.
    Broken {
        /// Whether it had served before, so that its end may just have crossed the request.
        reused: bool,
    },
    /// The endpoint has said that it processed nothing of the request, which may go elsewhere if all of it is at hand.
    Refused {
        /// Whether it is only ending that connection: a new one may do.
        leaving: bool,
    },
    /// Another protocol was asked for, and the endpoint's can't switch. Nothing was sent.
    NoSwitch,
    /// The endpoint ended the connection by a TLS alert before a response: most often it wants another
    /// certificate of the gateway, or any.
    Alert,
    /// What came is no response.
    Protocol,
    /// The request's body failed: see its [`BodyFlow`].
    RequestBody,
    /// No response in time.
    Timeout,
    /// As much of the pool is in use as may be, by everyone or by the tenant. Nothing was sent.
    Tripped(Tripped),
}

impl Answer {
    /// The endpoint's status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Response(response) => response.status(),
            Self::Switched(head, _) => head.status(),
        }
    }
}

/// How a request is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The end of the whole request's time.
    pub expires: Option<Instant>,
    /// The request's body, where it has one.
    pub flow: Option<&'a BodyFlow>,
    /// When the sending began.
    pub since: Instant,
    /// The tenant whose alone the connection has to be; `None`: one that all share.
    pub owner: Option<&'a TenantId>,
    /// Whether to take a new connection even if an idle one is there.
    pub fresh: bool,
    /// The other protocol that it asks for: a 101 is then an answer. It has a connection, or a stream, of its own then.
    pub upgrade: Option<&'a HeaderValue>,
    /// At which answers the request is left, to be sent once more.
    pub retry: Option<&'a RetryTerms>,
    /// Who wants to hear of interim responses.
    pub interim: Option<Hints<'a>>,
    /// The circuit breakers that it goes through, where there are any.
    pub fuse: Option<&'a Fuse>,
}

impl Terms<'_> {
    /// Only a connection that was opened from then on will do.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.fresh.then_some(self.since)
    }
}

impl UpstreamClient {
    /// An empty buffer to encode a request into.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        self.idle.text()
    }

    /// Has a request's body kept as it is sent, up to so many octets, so that [`Outbox::rewind`] is possible when it
    /// has been sent. To be called before the first sending.
    pub fn keep(&self, outgoing: &mut Outbox, octets_max: usize) {
        outgoing.keep(octets_max, &self.stock);
    }

    /// Sends a request and waits for the response's head. On success the request is taken; on failure
    /// it is still there, to be sent elsewhere if [`Outbox::rewind`] allows it.
    ///
    /// # Errors
    /// [`SendFailure`].
    pub async fn send(
        &self,
        pool: &Pool,
        endpoint: &Endpoint,
        outgoing: &mut Option<Outbox>,
        terms: Terms<'_>,
    ) -> Result<Answer, SendFailure> {
        let Some(outbox) = outgoing.as_mut() else { return Err(SendFailure::Protocol) };
        let timeouts = pool.timeouts();
        let lease = || Lease {
            idle: Rc::clone(&self.idle),
            endpoint: endpoint.id(),
            idle_max: pool.idle_max(),
            keep: timeouts.keep_alive,
        };
        let mut line = match self.way(pool, endpoint, terms).await? {
            #[cfg(feature = "hyper-upstream")]
            Way::Line(line) if hyper1::IS_CHOSEN => {
                return hyper1::exchange(line, lease(), pool, outgoing, terms).await;
            }
            Way::Line(line) => line,
            Way::Link(carried) => {
                let scheme = if endpoint.tls().is_some() { Scheme::HTTPS } else { Scheme::HTTP };
                // Boxed, so that a request over HTTP/1.1 carries no room for it.
                let exchange = http2::exchange(carried, scheme, pool, outgoing, terms, &self.idle);
                return Box::pin(exchange).await;
            }
        };
        let mut uploading = terms.flow.is_some();
        let mut deadline = self.idle.deadline(until(terms.since, pool, terms));
        let mut interim = 0;
        let answered = poll_fn(|cx| {
            if let Poll::Ready(answered) =
                poll_exchange(outbox, &mut line, &self.idle, &mut interim, timeouts.idle, terms, cx)
            {
                return Poll::Ready(answered);
            }
            if uploading && outbox.is_sent() {
                uploading = false;
                deadline.set(until(turn_began(), pool, terms));
            }
            let is_taking = uploading && !outbox.is_stopped();
            poll_head_deadline(&mut deadline, pool, terms, is_taking, cx).map(|()| Err(SendFailure::Timeout))
        });
        let head = match answered.await {
            Ok(head) => head,
            Err(failure) => {
                self.idle.keep_deadline(deadline);
                return Err(failure);
            }
        };
        let Head { response, decoder, keep_alive } = head;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Line { io, read, open, .. } = *line;
            let upgraded = Upgraded { io, read: read.freeze(), open: Some(open) };
            return Ok(Answer::Switched(response, Box::new(upgraded)));
        }
        let wire = match outgoing.take() {
            Some(outbox) if !outbox.is_sent() && !outbox.is_stopped() => {
                line.upload = Upload::Running;
                let line = Rc::new(RefCell::new(*line));
                let sending =
                    spawn_local(send_rest(outbox, Rc::clone(&line), timeouts.idle, Rc::clone(&self.idle)));
                Wire::Shared(line, Sending(sending))
            }
            sent => {
                if let Some(sent) = sent {
                    if sent.is_stopped() {
                        line.upload = Upload::Failed;
                    }
                    let failed = Failed::Status(response.status().as_u16());
                    if terms.retry.is_some_and(|terms| terms.on.matches(failed)) {
                        *outgoing = Some(sent);
                    } else {
                        self.idle.keep_text(sent.into_text(&self.idle.pipes));
                    }
                }
                Wire::Own(line)
            }
        };
        Ok(Answer::Response(response.map(|()| {
            let patience = Patience::new(timeouts.idle, terms.expires, deadline);
            UpstreamBody::of_line(wire, decoder, keep_alive, lease(), patience)
        })))
    }

    /// Closes idle connections that are not worth keeping: those that are old, were closed by their
    /// endpoint, or lead to an endpoint that is configured no longer; and cuts those in use to endpoints whose time is
    /// over. Called about once a second.
    pub fn sweep(&self, is_configured: impl Fn(super::EndpointId) -> bool) {
        self.cords.sweep(Instant::now());
        self.idle.sweep(&is_configured);
        self.links.sweep(is_configured);
    }

    /// Ready when idle connections may be in the way of requests that wait for one: [`UpstreamClient::give_way`] is to
    /// be called then.
    pub async fn called(&self) {
        self.bell.notified().await;
    }

    /// Closes idle connections of pools that have no room for more, as many as there are requests waiting.
    pub fn give_way(&self) {
        self.idle.give_way();
        self.links.give_way();
    }

    /// Closes an idle connection of this breaker's; whether there was any.
    pub(super) fn let_go(&self, breaker: &Arc<Breaker>) -> bool {
        self.idle.let_go(breaker) || self.links.let_go(breaker)
    }

    /// Closes all idle connections.
    pub fn close_idle(&self) {
        self.idle.clear();
        self.links.clear();
    }

    /// Idle connections at present.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.idle.len() + self.links.idle()
    }
}

/// Sends what can be sent and reads what has come; ready with the response's head.
fn poll_exchange(
    outbox: &mut Outbox,
    line: &mut Line,
    kept: &Idle,
    interim: &mut u32,
    idle: Duration,
    terms: Terms<'_>,
    cx: &mut Context<'_>,
) -> Poll<Result<Head, SendFailure>> {
    if !outbox.is_sent() {
        match outbox.poll_send(&mut line.io, idle, &kept.pipes, cx) {
            Poll::Ready(Err(SendBroken::Stalled)) => return Poll::Ready(Err(SendFailure::Timeout)),
            Poll::Ready(Err(SendBroken::Body)) => return Poll::Ready(Err(SendFailure::RequestBody)),
            // The endpoint reads no further. It may have said why: an early 413 must not be lost.
            Poll::Ready(Err(SendBroken::Connection)) => outbox.stop(),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
    }
    loop {
        let (method, room) = outbox.for_answer();
        match inbox::head(&mut line.read, &kept.reading, method, room) {
            Ok(Some(head)) => match head.response.status() {
                StatusCode::SWITCHING_PROTOCOLS if terms.upgrade.is_some() => return Poll::Ready(Ok(head)),
                StatusCode::SWITCHING_PROTOCOLS => return Poll::Ready(Err(SendFailure::Protocol)),
                status if status.is_informational() && *interim < INTERIM_MAX => {
                    *interim += 1;
                    if let Some(hints) = terms.interim {
                        hints.pass(&head.response);
                    }
                    continue;
                }
                status if status.is_informational() => return Poll::Ready(Err(SendFailure::Protocol)),
                _ => return Poll::Ready(Ok(head)),
            },
            Ok(None) => {}
            Err(_) => return Poll::Ready(Err(SendFailure::Protocol)),
        }
        match line.poll_fill(0, &kept.rooms, cx) {
            Poll::Ready(Err(error)) if !line.served && is_alert(&error) => {
                return Poll::Ready(Err(SendFailure::Alert));
            }
            Poll::Ready(Ok(0) | Err(_)) if line.read.is_empty() && *interim == 0 => {
                return Poll::Ready(Err(SendFailure::Broken { reused: line.served }));
            }
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(SendFailure::Protocol)),
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => return Poll::Pending,
        }
    }
}

pub(super) fn until(from: Instant, pool: &Pool, terms: Terms<'_>) -> Instant {
    let within = pool.timeouts().response_header;
    let within = terms.retry.and_then(|terms| terms.per_try).map_or(within, |per_try| per_try.min(within));
    let head = from + within;
    terms.expires.map_or(head, |expires| expires.min(head))
}

/// The time for a response's head runs from the end of the request's body: while a slow client is
/// still sending, or the endpoint still taking, only the whole request's time counts (both have deadlines of their own).
pub(super) fn poll_head_deadline(
    deadline: &mut Deadline,
    pool: &Pool,
    terms: Terms<'_>,
    uploading: bool,
    cx: &mut Context<'_>,
) -> Poll<()> {
    while deadline.poll(cx).is_ready() {
        let now = Instant::now();
        let uploading = uploading && terms.flow.is_some_and(|flow| flow.failure().is_none());
        if !uploading || terms.expires.is_some_and(|expires| expires <= now) {
            return Poll::Ready(());
        }
        deadline.set(until(now, pool, terms));
    }
    Poll::Pending
}
