//! One downstream connection, from its first byte to its last: HTTP/1.1 or HTTP/2, chosen by
//! the preface, driven on its worker's thread.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::conn::{ConnState, LifeLimits};
use super::http1::{self, Intake, Kit};
use super::http2::{self, Http2Limits};
use super::incoming::Incoming;
use super::pace::MinRate;
use super::passing::Passing;
use super::preface::{Spoken, spoken};
use super::wire::HeadLimits;
use crate::net::Bare;
use crate::telemetry::{OpenConnection, Protocol};

/// Answers requests; shared by all connections of a worker.
pub trait Handler {
    /// What it answers with.
    type Body: Passing
        + Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>
        + Unpin
        + 'static;

    /// Answers one request of a connection.
    fn handle(
        self: Rc<Self>,
        conn: Rc<ConnState>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Self::Body>, Infallible>> + 'static;

    /// A connection was ended for too much of a kind of frames that do no work. The kinds are few.
    fn abused(&self, _kind: &'static str) {}
}

/// Deadlines of one downstream connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnDeadlines {
    /// From a head's first byte (or the connection's start) to its last.
    pub header_read: Duration,
    /// Between two requests.
    pub keep_alive: Duration,
    /// Without the peer taking a byte of what is being sent.
    pub write_stall: Duration,
    /// The least rate at which the peer takes what is being sent.
    pub response_rate: Option<MinRate>,
}

/// Bounds and deadlines of downstream connections.
#[derive(Debug, Clone, Copy)]
pub struct ServerSettings {
    /// Bounds on heads.
    pub head: HeadLimits,
    /// Deadlines.
    pub deadlines: ConnDeadlines,
    /// Bounds of HTTP/2.
    pub http2: Http2Limits,
    /// The least rate at which a client sends a request's body.
    pub request_rate: Option<MinRate>,
    /// How long a connection may live.
    pub life: LifeLimits,
}

/// A worker's open downstream connections: counted, and told when to wind up.
#[derive(Debug, Default)]
pub struct Connections {
    draining: Cell<bool>,
    open: Cell<usize>,
    wakers: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
    kit: Rc<Kit>,
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

    /// Lets go of what they lend each other and nobody uses at present. For the worker, about once a second.
    pub fn look(&self) {
        self.kit.clear();
    }

    /// A connection is there.
    pub fn enter(self: &Rc<Self>) -> Entered {
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
pub struct Entered {
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

    /// Whether to wind up.
    pub(super) fn is_draining_now(&self) -> bool {
        self.connections.draining.get()
    }

    /// What the worker's connections lend each other.
    pub(super) fn kit(&self) -> Rc<Kit> {
        Rc::clone(&self.connections.kit)
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

/// Serves one connection, which has `entered`, until it ends. `opened` is told what it speaks, and counts it.
// Not an `async fn`: that would have room for each argument twice, for as long as the connection lives.
pub fn serve<S, H>(
    io: S,
    state: Rc<ConnState>,
    settings: Arc<ServerSettings>,
    handler: Rc<H>,
    entered: Entered,
    opened: impl FnOnce(Protocol) -> OpenConnection,
) -> impl Future<Output = ()>
where
    S: AsyncRead + AsyncWrite + Bare + Unpin + 'static,
    H: Handler + 'static,
{
    state.limit_life(settings.life);
    // Whenever this future is dropped, a tunnel that waits to be started goes with it.
    let waiting = DropTunnel(Rc::clone(&state));
    let since = Instant::now();
    let intake = Rc::new(RefCell::new(Intake::new(io, entered.kit())));
    async move {
        if entered.connections.is_draining() {
            // What the client has asked may be there already: the runtime looks at the socket first.
            yield_now().await;
        }
        let spoken = {
            let mut spoken = pin!(spoken(&intake, since, &settings.deadlines, &state));
            poll_fn(|cx| match spoken.as_mut().poll(cx) {
                // Nothing was asked yet, or what was asked is not complete: the client may ask elsewhere.
                Poll::Pending if entered.is_draining(cx) => Poll::Ready(Spoken::Closed),
                polled => polled,
            })
            .await
        };
        // Another would be read as what it is not, by us or by whoever looks at the handshake alone (ALPACA).
        match spoken {
            Spoken::Http1 if state.may_speak(false) => {
                let _open = opened(Protocol::Http1);
                http1::serve(intake, since, state, settings, handler, &entered).await;
            }
            Spoken::Http2 if state.may_speak(true) => {
                let _open = opened(Protocol::Http2);
                if let Some(intake) = Rc::into_inner(intake) {
                    // Apart, so that a connection that does not speak it has no room for it.
                    let Intake { io, read, .. } = intake.into_inner();
                    Box::pin(http2::serve(io, read.to_vec(), state, *settings, handler, &entered)).await;
                }
            }
            _ => close(intake).await,
        }
        drop(waiting);
    }
}

/// Ends what nothing is under way on: over TLS the client is told (close_notify), so that it takes the end for none that somebody
/// else has made. What it does not take at once is not waited for.
pub(super) async fn close<S: AsyncWrite + Unpin>(intake: Rc<RefCell<Intake<S>>>) {
    poll_fn(|cx| {
        let _ = Pin::new(&mut intake.borrow_mut().io).poll_shutdown(cx);
        Poll::Ready(())
    })
    .await;
}

/// Lets go of a tunnel that was never started: it holds on to the connection's state, which holds it.
struct DropTunnel(Rc<ConnState>);

impl Drop for DropTunnel {
    fn drop(&mut self) {
        drop(self.0.tunnel_task());
    }
}
