//! One request over a connection, and the head of its response.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use http::{Response, StatusCode};
use hyper::client::conn::http1::{Builder, Parts};
use hyper::ext::on_informational;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::Connection;
use super::body::{Course, HyperBody};
use super::request::{self, Loan};
use super::wire::{Seen, Wire};
use crate::retry::Failed;
use crate::time::Deadline;
use crate::upstream::body::UpstreamBody;
use crate::upstream::client::{Answer, INTERIM_MAX, SendFailure, Terms, Upgraded, poll_head_deadline, until};
use crate::upstream::inbox::HEAD_MAX;
use crate::upstream::line::{Lease, Line};
use crate::upstream::outbox::Outbox;
use crate::upstream::patience::Patience;
use crate::upstream::pool::Pool;

/// Fields that a response may have.
const FIELDS_MAX: usize = 256;

/// Interim responses that nobody has been told of, and how many there were.
type Interims = Arc<Mutex<(Vec<Response<()>>, u32)>>;

/// Sends a request by a connection and waits for the response's head. What is left of `outgoing` afterwards is as
/// [`UpstreamClient::send`](crate::upstream::UpstreamClient::send) says.
pub(in crate::upstream) async fn exchange(
    line: Box<Line>,
    lease: Lease,
    pool: &Pool,
    outgoing: &mut Option<Outbox>,
    terms: Terms<'_>,
) -> Result<Answer, SendFailure> {
    let Some(outbox) = outgoing.as_mut() else { return Err(SendFailure::Protocol) };
    if !outbox.method().is_idempotent() {
        // Of what HTTP/1.1 has taken nobody ever says that it had no effect.
        outbox.let_go();
    }
    let head = outbox.head().and_then(request::head).ok_or(SendFailure::Protocol)?;
    let (served, seen, timeouts) = (line.served, Rc::<Seen>::default(), pool.timeouts());
    let loan = Loan::of(outgoing, Rc::clone(&seen));
    let mut request = head.map(|()| loan.body());
    let interims = Interims::default();
    hear(&mut request, &interims);
    let io = TokioIo::new(Wire::new(line, Rc::clone(&seen)));
    let mut builder = Builder::new();
    builder.max_headers(FIELDS_MAX).max_header_size(HEAD_MAX);
    let opened = builder.handshake(io).await;
    let (mut sender, connection) = opened.map_err(|_| seen.failure(served))?;
    let mut course = Course::new(connection);
    let mut deadline = lease.idle.deadline(until(terms.since, pool, terms));
    let mut uploading = terms.flow.is_some();
    let mut full: Option<Deadline> = None;
    let answered = {
        let mut responding = pin!(sender.send_request(request));
        poll_fn(|cx| {
            course.poll(cx);
            if loan.has_failed() {
                return Poll::Ready(Err(SendFailure::RequestBody));
            }
            if pass(&interims, terms).is_err() {
                return Poll::Ready(Err(SendFailure::Protocol));
            }
            if let Poll::Ready(response) = responding.as_mut().poll(cx) {
                return Poll::Ready(response.map_err(|_| seen.failure(served)));
            }
            if course.is_over {
                return Poll::Ready(Err(seen.failure(served)));
            }
            if !seen.is_full.get() {
                full = None;
            } else if full
                .get_or_insert_with(|| Deadline::at(Instant::now() + timeouts.idle))
                .poll(cx)
                .is_ready()
            {
                return Poll::Ready(Err(SendFailure::Timeout));
            }
            if uploading && loan.is_sent() {
                uploading = false;
                deadline.set(until(Instant::now(), pool, terms));
            }
            poll_head_deadline(&mut deadline, pool, terms, uploading, cx).map(|()| Err(SendFailure::Timeout))
        })
        .await
    };
    let mut response = match answered {
        Ok(response) => response,
        Err(failure) => {
            lease.idle.keep_deadline(deadline);
            return Err(failure);
        }
    };
    // The reason that the endpoint gives, and what hyper would switch protocols by.
    response.extensions_mut().clear();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        lease.idle.keep_deadline(deadline);
        if terms.upgrade.is_none() {
            return Err(SendFailure::Protocol);
        }
        poll_fn(|cx| {
            course.poll(cx);
            Poll::Ready(())
        })
        .await;
        let switched = course.is_over.then(|| switched(response.map(drop), course.connection));
        return switched.ok_or(SendFailure::Protocol);
    }
    let is_sent = loan.is_sent();
    if let Some(sent) = loan.end() {
        let failed = Failed::Status(response.status().as_u16());
        if terms.retry.is_some_and(|terms| terms.on.matches(failed)) {
            *outgoing = Some(sent);
        } else {
            lease.idle.keep_text(sent.into_text(&lease.idle.pipes));
        }
    }
    let patience = Patience::new(timeouts.idle, terms.expires, deadline);
    Ok(Answer::Response(response.map(|incoming| {
        UpstreamBody::of_hyper(HyperBody::new(incoming, sender, course, !is_sent, lease, patience, seen))
    })))
}

/// Has interim responses written down as they come: hyper tells of them on any thread, as far as it knows.
fn hear<B>(request: &mut http::Request<B>, interims: &Interims) {
    let heard = Arc::clone(interims);
    on_informational(request, move |interim| {
        let mut response = Response::new(());
        *response.status_mut() = interim.status();
        *response.headers_mut() = interim.headers().clone();
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.0.push(response);
        heard.1 += 1;
    });
}

/// Passes on what was heard.
///
/// # Errors
/// There were too many.
fn pass(interims: &Interims, terms: Terms<'_>) -> Result<(), ()> {
    let mut heard = interims.lock().unwrap_or_else(PoisonError::into_inner);
    let is_too_much = heard.1 > INTERIM_MAX;
    for response in heard.0.drain(..) {
        terms.interim.iter().for_each(|hints| hints.pass(&response));
    }
    if is_too_much { Err(()) } else { Ok(()) }
}

/// The connection has become the other protocol's.
fn switched(response: Response<()>, connection: Connection) -> Answer {
    let Parts { io, read_buf, .. } = connection.into_parts();
    let Line { io, open, .. } = *io.into_inner().line;
    Answer::Switched(response, Box::new(Upgraded { io, read: read_buf, open: Some(open) }))
}
