//! One request over a stream, and the head of its response.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::uri::Scheme;
use http::{HeaderValue, Response, StatusCode};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::body::StreamBody;
use super::head;
use super::link::Carried;
use super::upload::Upload;
use crate::http::hop_by_hop::trim;
use crate::http::http2::StreamIo;
use crate::retry::Failed;
use crate::upstream::body::{Sending, UpstreamBody};
use crate::upstream::client::{Answer, INTERIM_MAX, SendFailure, Terms, Upgraded, poll_head_deadline, until};
use crate::upstream::io::Io;
use crate::upstream::line::Idle;
use crate::upstream::outbox::Outbox;
use crate::upstream::patience::Patience;
use crate::upstream::pool::Pool;
use crate::upstream::tls::is_alert;

/// Sends a request on its place of a connection and waits for the response's head. What is left of `outgoing`
/// afterwards is as [`UpstreamClient::send`](crate::upstream::UpstreamClient::send) says.
pub(in crate::upstream) async fn exchange(
    carried: Carried,
    scheme: Scheme,
    pool: &Pool,
    outgoing: &mut Option<Outbox>,
    terms: Terms<'_>,
    idle: &Rc<Idle>,
) -> Result<Answer, SendFailure> {
    let Some(outbox) = outgoing.as_mut() else { return Err(SendFailure::Protocol) };
    let mut head = outbox.head().and_then(|text| head::request(text, scheme)).ok_or(SendFailure::Protocol)?;
    let key = match terms.upgrade {
        Some(_) => Some(head::connect(&mut head).ok_or(SendFailure::NoSwitch)?),
        None => None,
    };
    let served = carried.has_served();
    let ends = !outbox.has_more() && key.is_none();
    let (mut coming, stream) = carried.begin(head, ends).map_err(|why| unsent(&why))?;
    outbox.touch();
    let timeouts = pool.timeouts();
    let mut upload = Upload::new(stream, outbox.has_more(), timeouts.idle);
    let mut uploading = terms.flow.is_some();
    let mut deadline = idle.deadline(until(terms.since, pool, terms));
    let mut interim = 0;
    let answered = poll_fn(|cx| {
        if let Poll::Ready(Err(failure)) = upload.poll(outbox, cx) {
            return Poll::Ready(Err(failure));
        }
        if let Poll::Ready(answered) = poll_response(&mut coming, &mut interim, terms, served, cx) {
            return Poll::Ready(answered);
        }
        if uploading && upload.is_done() {
            uploading = false;
            deadline.set(until(Instant::now(), pool, terms));
        }
        poll_head_deadline(&mut deadline, pool, terms, uploading, cx).map(|()| Err(SendFailure::Timeout))
    });
    let answered = answered.await.and_then(|mut response| match head::one_length(response.headers_mut()) {
        true => {
            trim(response.headers_mut());
            Ok(response)
        }
        false => Err(SendFailure::Protocol),
    });
    let response = match answered {
        Ok(response) => response,
        Err(failure) => {
            idle.keep_deadline(deadline);
            return Err(failure);
        }
    };
    carried.heard();
    if let Some(key) = key {
        let mut stream = upload.into_stream();
        if response.status().is_success() {
            idle.keep_deadline(deadline);
            return Ok(switched(response, stream, &key, carried));
        }
        // It declines, and nothing more is said to it. If the stream has ended, all the better.
        let _ = stream.send_data(Bytes::new(), true);
        upload = Upload::new(stream, false, timeouts.idle);
    }
    let sending = match outgoing.take() {
        Some(outbox) if !upload.is_done() => Some(Sending(spawn_local(upload.finish(outbox)))),
        sent => {
            let failed = Failed::Status(response.status().as_u16());
            if terms.retry.is_some_and(|terms| terms.on.matches(failed)) {
                *outgoing = sent;
            } else if let Some(sent) = sent {
                idle.keep_text(sent.into_text(&idle.pipes));
            }
            None
        }
    };
    let patience = Patience::new(timeouts.idle, terms.expires, deadline);
    let (head, coming) = response.into_parts();
    let body = StreamBody::new(coming, &head.headers, sending, carried, patience);
    Ok(Answer::Response(Response::from_parts(head, UpstreamBody::of_stream(body))))
}

/// The stream has become the other protocol's.
fn switched(
    response: Response<RecvStream>,
    going: SendStream<Bytes>,
    key: &HeaderValue,
    carried: Carried,
) -> Answer {
    let (mut head, coming) = response.into_parts();
    head::switched(&mut head, key);
    let io = Io::Stream(Box::new(StreamIo::new(coming, going, carried)));
    let upgraded = Upgraded { io, read: Bytes::new(), open: None };
    Answer::Switched(Response::from_parts(head, ()), Box::new(upgraded))
}

/// Ready with the response; interim ones are passed on before.
fn poll_response(
    coming: &mut ResponseFuture,
    interim: &mut u32,
    terms: Terms<'_>,
    served: bool,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<RecvStream>, SendFailure>> {
    while let Poll::Ready(Some(Ok(response))) = coming.poll_informational(cx) {
        *interim += 1;
        if *interim > INTERIM_MAX || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Poll::Ready(Err(SendFailure::Protocol));
        }
        if let Some(hints) = terms.interim {
            hints.pass(&response);
        }
    }
    Pin::new(coming).poll(cx).map_err(|why| failed(&why, served))
}

/// Why a request could not begin.
fn unsent(why: &h2::Error) -> SendFailure {
    match why.is_io() || why.is_go_away() {
        true => SendFailure::Refused { leaving: true },
        false => SendFailure::Protocol,
    }
}

/// Why there is no response.
fn failed(why: &h2::Error, served: bool) -> SendFailure {
    if why.is_go_away() && why.is_remote() {
        // Only streams above the last one that the endpoint looks at fail this way (RFC 9113 §6.8).
        SendFailure::Refused { leaving: true }
    } else if why.is_reset() && why.is_remote() {
        match why.reason() {
            // RFC 9113 §8.7: nothing of it was processed.
            Some(Reason::REFUSED_STREAM) => SendFailure::Refused { leaving: false },
            _ => SendFailure::Broken { reused: false },
        }
    } else if let Some(error) = why.get_io() {
        match !served && is_alert(error) {
            true => SendFailure::Alert,
            false => SendFailure::Broken { reused: served },
        }
    } else {
        SendFailure::Protocol
    }
}
