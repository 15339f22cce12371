//! An HTTP/1.1 connection: hyper while requests come, and next to nothing while none do.
//!
//! hyper keeps a buffer of 8 KiB for reading and one for writing, whether or not anything is read or written. Most
//! connections of a busy edge are idle most of the time, so one that has been quiet for a while is **parked**: hyper is
//! let go of with all that it holds, and the guard waits for the next byte, which is given to another hyper.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use http::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};

use super::conn::{ConnState, Cut};
use super::guard::Guard;
use super::incoming::Incoming;
use super::quiet::Quiet;
use super::server::{Entered, Handler, ServerSettings};
use super::way_out::Heeding;

/// How long a connection is quiet before it is parked: longer than a client pauses between the parts of a page.
const PARK_AFTER: Duration = Duration::from_secs(5);

/// Serves a connection until it ends.
pub(super) async fn serve<S, H>(
    mut guard: Guard<S>,
    state: Rc<ConnState>,
    settings: ServerSettings,
    handler: Rc<H>,
    entered: &Entered,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Handler + 'static,
{
    let mut quiet = Quiet::new(settings.deadlines);
    loop {
        // Apart, so that its room is given back while the connection is parked.
        let session = session(guard, &state, settings, &handler, entered, &mut quiet);
        let Some(parked) = Box::pin(session).await else { return };
        guard = parked;
        state.parked.set(state.parked.get() + 1);
        let more = poll_fn(|cx| {
            if entered.is_draining(cx) {
                return Poll::Ready(false);
            }
            if let Poll::Ready(more) = guard.poll_arrival(cx) {
                return Poll::Ready(more);
            }
            // Closed as it is: nothing has been asked that was not answered.
            quiet.poll(&state, cx).map(|()| {
                state.note_cut(Cut::Idle);
                false
            })
        });
        if !more.await {
            return guard.close().await;
        }
    }
}

/// How hyper has come to its end.
enum Ended {
    InOrder,
    Broken,
    /// It was made to: nothing was under way.
    Quiet,
}

/// Lets hyper serve a connection until it ends, or is to be parked: then its guard is left.
async fn session<S, H>(
    guard: Guard<S>,
    state: &Rc<ConnState>,
    settings: ServerSettings,
    handler: &Rc<H>,
    entered: &Entered,
    quiet: &mut Quiet,
) -> Option<Guard<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Handler + 'static,
{
    // What is small is written as one piece, by the guard; what is large stays where it was read.
    let mut builder = http1::Builder::new();
    if settings.head.fields_max > 100 {
        builder.max_headers(settings.head.fields_max);
    }
    builder.max_buf_size(settings.head.head_bytes_max.max(64 * 1024) + 8 * 1024);
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let handled = Rc::clone(handler).handle(Rc::clone(state), request.map(Incoming::Http1));
        let state = Rc::clone(state);
        handled.map(|answer| answer.map(|answer| answer.map(|body| Heeding::new(body, state))))
    });
    let mut conn = builder.serve_connection(guard, service);
    // Not before hyper has read: what has come already is answered.
    let (mut begun, mut told) = (false, false);
    // How many requests there had been when it was to be parked.
    let mut parking = None;
    let ended = poll_fn(|cx| {
        loop {
            if begun && !told && entered.is_draining(cx) {
                told = true;
                state.park(false);
                Pin::new(&mut conn).graceful_shutdown();
            }
            if let Poll::Ready(ended) = Pin::new(&mut conn).poll(cx) {
                return Poll::Ready(if ended.is_ok() { Ended::InOrder } else { Ended::Broken });
            }
            if !std::mem::replace(&mut begun, true) && entered.is_draining(cx) {
                continue;
            }
            if told || parking.is_some() {
                // What the client is slow to take has as long as ever. Then it is closed as it is: nothing has been
                // asked that was not answered.
                return quiet.poll(state, cx).map(|()| Ended::Quiet);
            }
            ready!(quiet.poll_for(PARK_AFTER, state, cx));
            if quiet.poll(state, cx).is_ready() {
                state.note_cut(Cut::Idle);
                return Poll::Ready(Ended::Quiet);
            }
            // hyper ends when nothing is under way, and the guard keeps the socket open.
            parking = Some(state.requests());
            state.park(true);
            Pin::new(&mut conn).graceful_shutdown();
        }
    })
    .await;
    let was_parked = state.park(false);
    match ended {
        Ended::InOrder => {}
        // An answer may have been broken off, and a farewell of TLS would make it look complete.
        Ended::Broken => return None,
        Ended::Quiet => {
            conn.into_parts().io.close().await;
            return None;
        }
    }
    if let Some(tunnel) = state.tunnel_task() {
        let parts = conn.into_parts();
        let (io, held) = parts.io.into_inner();
        let mut read = parts.read_buf;
        if !held.is_empty() {
            read = [&*read, &*held].concat().into();
        }
        tunnel(Box::new(io), read).await;
        return None;
    }
    if !was_parked || parking != Some(state.requests()) {
        return None;
    }
    let parts = conn.into_parts();
    let mut guard = parts.io;
    guard.take_back(&parts.read_buf);
    Some(guard)
}

#[cfg(test)]
#[path = "h1_tests.rs"]
mod tests;
