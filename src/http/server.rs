//! One downstream connection, from its first byte to its last: HTTP/1.1 or HTTP/2, chosen by
//! the preface, driven on its worker's thread.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::yield_now;

use super::conn::{ConnState, LifeLimits};
use super::guard::{ConnDeadlines, Guard, Spoken};
use super::h1;
use super::http2::{self, Http2Limits};
use super::incoming::Incoming;
use super::pace::MinRate;
use super::wire::HeadLimits;
use crate::telemetry::{OpenConnection, Protocol};

/// Answers requests; shared by all connections of a worker.
pub trait Handler {
    /// What it answers with.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Unpin + 'static;

    /// Answers one request of a connection.
    fn handle(
        self: Rc<Self>,
        conn: Rc<ConnState>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Self::Body>, Infallible>> + 'static;

    /// A connection was ended for too much of a kind of frames that do no work. The kinds are few.
    fn abused(&self, _kind: &'static str) {}
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
pub async fn serve<S, H>(
    io: S,
    state: Rc<ConnState>,
    settings: ServerSettings,
    handler: Rc<H>,
    entered: Entered,
    opened: impl FnOnce(Protocol) -> OpenConnection,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Handler + 'static,
{
    state.limit_life(settings.life);
    // Whenever this future is dropped, a tunnel that waits to be started goes with it.
    let _waiting = DropTunnel(Rc::clone(&state));
    let mut guard = Guard::new(io, settings.head, settings.deadlines, Rc::clone(&state));
    let spoken = {
        if entered.connections.is_draining() {
            // What the client has asked may be there already: the runtime looks at the socket first.
            yield_now().await;
        }
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
        Spoken::Closed => guard.close().await,
        // Another would be read as what it is not, by us or by whoever looks at the handshake alone (ALPACA).
        Spoken::Http1 | Spoken::Http2 if !state.may_speak(spoken == Spoken::Http2) => guard.close().await,
        Spoken::Http1 => {
            let _open = opened(Protocol::Http1);
            h1::serve(guard, state, settings, handler, &entered).await;
        }
        Spoken::Http2 => {
            let _open = opened(Protocol::Http2);
            // Apart, so that a connection that does not speak it has no room for it.
            Box::pin(http2::serve(guard, state, settings, handler, &entered)).await;
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
