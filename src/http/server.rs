//! One downstream connection, from its first byte to its last: HTTP/1.1 or HTTP/2, chosen by
//! the preface, driven on its worker's thread.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::conn::ConnState;
use super::guard::{ConnDeadlines, Guard, Spoken};
use super::h1;
use super::incoming::Incoming;
use super::quiet::Quiet;
use super::wire::HeadLimits;
use crate::telemetry::{OpenConnection, Protocol};
use crate::time::Deadline;

/// Answers requests; shared by all connections of a worker.
pub trait Handler {
    /// What it answers with.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + 'static;

    /// Answers one request of a connection.
    fn handle(
        self: Rc<Self>,
        conn: Rc<ConnState>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Self::Body>, Infallible>> + 'static;
}

/// Bounds and deadlines of downstream connections.
#[derive(Debug, Clone, Copy)]
pub struct ServerSettings {
    /// Bounds on heads.
    pub head: HeadLimits,
    /// Deadlines.
    pub deadlines: ConnDeadlines,
}

/// Streams that one HTTP/2 connection may have open.
const H2_STREAMS_MAX: u32 = 250;
/// Octets that one HTTP/2 stream may send ahead of the upstream's reading.
const H2_STREAM_WINDOW: u32 = 256 * 1024;
/// Octets that one HTTP/2 connection may send ahead: what few uploads that nobody reads may take, and others need to go on.
///
/// h2 ends a connection on which the pieces that wait are short of 256 octets each by more than half of this, taken
/// together, and hyper leaves it no other number. A stream's window full of messages of three octets, as gRPC sends them, has to
/// fit: it costs 7.8 MiB.
const H2_CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Octets buffered to be sent, for each HTTP/2 stream.
const H2_SEND_BUFFER: usize = 256 * 1024;
/// After so long without a frame an HTTP/2 peer is pinged, and cut after as long again.
const H2_PING: Duration = Duration::from_secs(20);

/// A worker's open downstream connections: counted, and told when to wind up.
#[derive(Debug, Default)]
pub struct Connections {
    draining: Cell<bool>,
    open: Cell<usize>,
    wakers: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
}

impl Connections {
    /// Connections that have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.get()
    }

    /// Whether they have been told to wind up.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Tells every connection to end after the requests it has in flight.
    pub fn drain(&self) {
        self.draining.set(true);
        for waker in self.wakers.borrow_mut().iter_mut().filter_map(Option::take) {
            waker.wake();
        }
    }

    fn enter(self: &Rc<Self>) -> Entered {
        self.open.set(self.open.get() + 1);
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut wakers = self.wakers.borrow_mut();
            wakers.push(None);
            wakers.len() - 1
        });
        Entered { connections: Rc::clone(self), slot, registered: Cell::new(false) }
    }
}

/// One connection's place among the open ones.
pub(super) struct Entered {
    connections: Rc<Connections>,
    slot: usize,
    registered: Cell<bool>,
}

impl Entered {
    /// Whether to wind up; registers for the news the first time.
    pub(super) fn is_draining(&self, cx: &Context<'_>) -> bool {
        if !self.registered.replace(true)
            && let Some(slot) = self.connections.wakers.borrow_mut().get_mut(self.slot)
        {
            *slot = Some(cx.waker().clone());
        }
        self.connections.draining.get()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.connections.open.set(self.connections.open.get().saturating_sub(1));
        if let Some(slot) = self.connections.wakers.borrow_mut().get_mut(self.slot) {
            *slot = None;
        }
        self.connections.free.borrow_mut().push(self.slot);
    }
}

/// Serves one connection until it ends. `opened` is told what it speaks, and counts it.
pub async fn serve<S, H>(
    io: S,
    state: Rc<ConnState>,
    settings: ServerSettings,
    handler: Rc<H>,
    connections: Rc<Connections>,
    opened: impl FnOnce(Protocol) -> OpenConnection,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Handler + 'static,
{
    let entered = connections.enter();
    // Whenever this future is dropped, a tunnel that waits to be started goes with it.
    let _waiting = DropTunnel(Rc::clone(&state));
    let mut guard = Guard::new(io, settings.head, settings.deadlines, Rc::clone(&state));
    let spoken = {
        let mut spoken = std::pin::pin!(guard.spoken());
        poll_fn(|cx| {
            if entered.is_draining(cx) {
                // Nothing was asked yet, or what was asked is not complete: the client may ask elsewhere.
                return match spoken.as_mut().poll(cx) {
                    Poll::Ready(spoken) => Poll::Ready(spoken),
                    Poll::Pending => Poll::Ready(Spoken::Closed),
                };
            }
            spoken.as_mut().poll(cx)
        })
        .await
    };
    match spoken {
        Spoken::Closed => {}
        Spoken::Http1 => {
            let _open = opened(Protocol::Http1);
            h1::serve(guard, state, settings, handler, &entered).await;
        }
        Spoken::Http2 => {
            let _open = opened(Protocol::Http2);
            // Apart, so that a connection that does not speak it has no room for it.
            Box::pin(http2(guard, state, settings, handler, &entered)).await;
        }
    }
}

/// Lets go of a tunnel that was never started: it holds on to the connection's state, which holds it.
struct DropTunnel(Rc<ConnState>);

impl Drop for DropTunnel {
    fn drop(&mut self) {
        drop(self.0.tunnel_task());
    }
}

async fn http2<S, H>(
    guard: Guard<S>,
    state: Rc<ConnState>,
    settings: ServerSettings,
    handler: Rc<H>,
    entered: &Entered,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Handler + 'static,
{
    state.h2.set(true);
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(H2_STREAMS_MAX)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        .max_header_list_size(u32::try_from(settings.head.head_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(32)
        .max_local_error_reset_streams(256)
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING);
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        Rc::clone(&handler).handle(Rc::clone(&state), request.map(Incoming::Http1))
    });
    let mut conn = builder.serve_connection(guard, service);
    let mut quiet = Quiet::new(settings.deadlines);
    let mut stalls = Deadline::at(Instant::now() + settings.deadlines.write_stall / 4);
    let mut told = false;
    // How it ended is the client's affair: its requests have told their own story.
    let _ended = poll_fn(|cx| {
        while stalls.poll(cx).is_ready() {
            let now = Instant::now();
            state.cut_stalled(now);
            stalls.set(now + settings.deadlines.write_stall / 4);
        }
        if let Poll::Ready(ended) = Pin::new(&mut conn).poll(cx) {
            return Poll::Ready(ended);
        }
        let mut over = quiet.poll(&state, cx).is_ready();
        if !told && (entered.is_draining(cx) || over) {
            told = true;
            Pin::new(&mut conn).graceful_shutdown();
            quiet.wind_up();
            over = quiet.poll(&state, cx).is_ready();
            if let Poll::Ready(ended) = Pin::new(&mut conn).poll(cx) {
                return Poll::Ready(ended);
            }
        }
        if told && over { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await;
}

/// Runs an HTTP/2 connection's streams on the connection's own thread.
#[derive(Debug, Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(stream);
    }
}
