//! What one downstream connection's parts tell each other: the server and the
//! exchanges on it live on one thread, so a few cells are enough.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

pub use super::ending::{Cut, LifeLimits};
use super::http2::Reply;
use super::interim::{Hearer, Interim};
use super::kept::Kept;
use super::secured::Secured;
use super::wire::Malformed;
use crate::types::{Peer, Untaken};

/// A socket that HTTP has let go of, whatever it is made of.
pub trait RawIo: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> RawIo for T {}

/// A response that is sent as fast as an HTTP/2 client opens its window, and not even looked at while the
/// window is shut (RFC 9113 §5.2): somebody else must look after its end.
pub trait Expiring {
    /// Lets go of everything, if its time is up.
    fn cut_if_expired(&self, now: Instant);
}

/// What carries on a connection after a 101: given the client's socket and the bytes already read from it.
pub type TunnelTask = Box<dyn FnOnce(Box<dyn RawIo>, Bytes) -> Pin<Box<dyn Future<Output = ()>>>>;

/// How requests that come in the clear are led to https.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpsRedirect {
    /// The port there.
    pub port: u16,
    /// The status that says so: 301, 302, 307 or 308.
    pub status: StatusCode,
}

/// The facts of a downstream connection, and the notes that its parts leave each other.
pub struct ConnState {
    /// Who connected, or whom a trusted proxy in front has announced. Who the *client* is, [`super::client_addr`] says.
    pub peer: Peer,
    /// The address of ours that was connected to.
    pub local: SocketAddr,
    /// What the handshake of TLS has settled; `None`: the client speaks in the clear.
    pub secured: Option<Box<Secured>>,
    /// Where requests are led that come in the clear; `None`: they are served.
    pub https_redirect: Option<HttpsRedirect>,
    /// The peer's address as the fields that name it need it; made once a connection.
    pub peer_text: HeaderValue,
    /// Whether this is HTTP/2 .
    pub h2: Cell<bool>,
    calls: Cell<u64>,
    in_flight: Cell<u32>,
    refused: Cell<Option<Malformed>>,
    reading_head: Cell<bool>,
    cut: Cell<Option<Cut>>,
    cut_off: Cell<Option<Cut>>,
    untaken: OnceCell<Box<dyn Untaken>>,
    life: Cell<LifeLimits>,
    born: Instant,
    pub(super) interim: Interim,
    streams: RefCell<Vec<std::rc::Weak<dyn Expiring>>>,
    tunnel_task: RefCell<Option<TunnelTask>>,
    /// What whoever serves its requests keeps until it ends.
    pub kept: Kept,
    /// The forwarding fields for the last `Host` seen: clients keep to one.
    pub(super) forwarded_memo: RefCell<super::forwarded::Memo>,
}

impl ConnState {
    /// The state of a connection that was just accepted, over which the client speaks in the clear.
    #[must_use]
    pub fn new(peer: impl Into<Peer>, local: SocketAddr) -> Self {
        Self::of(peer.into(), local, None, None)
    }

    /// The state of a connection that was just accepted.
    #[must_use]
    pub fn of(
        peer: Peer,
        local: SocketAddr,
        secured: Option<Box<Secured>>,
        https_redirect: Option<HttpsRedirect>,
    ) -> Self {
        // `unknown` is what both fields have for a hop without an address (RFC 7239 §6.2).
        let peer_text = peer.known_ip().and_then(|ip| HeaderValue::try_from(ip.to_string()).ok());
        let peer_text = peer_text.unwrap_or_else(|| HeaderValue::from_static("unknown"));
        Self {
            peer,
            local,
            secured,
            https_redirect,
            peer_text,
            h2: Cell::new(false),
            calls: Cell::new(0),
            in_flight: Cell::new(0),
            refused: Cell::new(None),
            reading_head: Cell::new(false),
            cut: Cell::new(None),
            cut_off: Cell::new(None),
            untaken: OnceCell::new(),
            life: Cell::default(),
            born: Instant::now(),
            interim: Interim::default(),
            streams: RefCell::default(),
            tunnel_task: RefCell::new(None),
            kept: Kept::default(),
            forwarded_memo: RefCell::default(),
        }
    }

    /// What the application is told of the client's certificate, as lines of a head.
    #[must_use]
    pub fn client_lines(&self) -> Bytes {
        self.secured.as_ref().map_or_else(Bytes::new, |secured| secured.client_lines.clone())
    }

    /// Whether what the client speaks is what it has settled on in the handshake, where there was one.
    pub(super) fn may_speak(&self, h2: bool) -> bool {
        self.secured.as_ref().is_none_or(|secured| secured.h2 == h2)
    }

    /// Who is asked what the client has not taken of what was written: see [`ConnState::backlog`].
    pub fn ask_for_backlog(&self, untaken: impl Untaken + 'static) {
        let _ = self.untaken.set(Box::new(untaken));
    }

    /// How many octets the client has not taken of what was written, where that is known. The socket must be open.
    pub(super) fn backlog(&self) -> Option<u64> {
        self.untaken.get().and_then(|untaken| untaken.octets())
    }

    /// Why it was ended before its time, if it was.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        self.cut.get()
    }

    /// It is ended before its time, or a part of it. The first reason stays.
    pub fn note_cut(&self, why: Cut) {
        if self.cut.get().is_none() {
            self.cut.set(Some(why));
        }
    }

    /// It is ended before its time, with all that it carries. The socket must be open.
    pub(super) fn cut_off(&self, why: Cut) {
        self.note_cut(why);
        self.abandon();
        self.cut_off.set(Some(why));
    }

    /// Has its client told by a reset that what it was sent is not all.
    pub(super) fn abandon(&self) {
        self.untaken.get().into_iter().for_each(|untaken| untaken.abandon());
    }

    /// It takes no more requests than it has.
    pub fn wear_out(&self) {
        self.life.set(LifeLimits { requests_max: 0, ..self.life.get() });
    }

    pub(super) fn limit_life(&self, life: LifeLimits) {
        self.life.set(life);
    }

    /// Whether it has brought as many requests, or is as old, as a connection may: it takes no more, then.
    #[must_use]
    pub fn is_worn(&self) -> bool {
        let life = self.life.get();
        self.calls.get() >= life.requests_max || life.age_max.is_some_and(|max| self.born.elapsed() >= max)
    }

    /// The server hands over the next request: says whether it stands for one that was
    /// refused. The mark ends when the exchange is over.
    pub fn begin(self: &std::rc::Rc<Self>) -> (InFlight, Option<Malformed>) {
        self.calls.set(self.calls.get() + 1);
        self.in_flight.set(self.in_flight.get() + 1);
        (InFlight { conn: std::rc::Rc::clone(self), reply: None }, self.refused.take())
    }

    /// Whether a request is being answered.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// Requests handed over so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.calls.get()
    }

    /// The next request is one that is refused.
    pub(super) fn refuse(&self, why: Malformed) {
        self.refused.set(Some(why));
    }

    pub(super) fn note_head(&self, reading: bool) {
        self.reading_head.set(reading);
    }

    /// Whether nothing is going on: no request is being answered, and none has begun to arrive.
    pub(super) fn is_quiet(&self) -> bool {
        !self.is_busy() && !self.reading_head.get()
    }

    /// Has the expired among this (HTTP/2) connection's responses let go of what they hold.
    pub(super) fn cut_expired(&self, now: Instant) {
        self.streams.borrow_mut().retain(|stream| match stream.upgrade() {
            Some(stream) => {
                stream.cut_if_expired(now);
                true
            }
            None => false,
        });
    }

    /// A response whose client may stop taking it without anybody being told: see [`Expiring`].
    pub fn watch(&self, stream: std::rc::Weak<dyn Expiring>) {
        let mut streams = self.streams.borrow_mut();
        // Those that have ended are let go of each time that the list has doubled: a busy connection would
        // otherwise hold the memory of every response until the next look at the stalled.
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0);
        }
        streams.push(stream);
    }

    /// Passes an interim response (1xx) on to the client of an HTTP/1.1 connection's present request.
    pub fn pass_interim(&self, response: &Response<()>) {
        if !self.h2.get() {
            self.interim.push(response);
        }
    }

    /// The present request is answered with 101; `task` carries on once that is sent.
    pub fn take_tunnel(&self, task: TunnelTask) {
        *self.tunnel_task.borrow_mut() = Some(task);
    }

    pub(super) fn tunnel_task(&self) -> Option<TunnelTask> {
        self.tunnel_task.borrow_mut().take()
    }
}

impl std::fmt::Debug for ConnState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnState")
            .field("peer", &self.peer)
            .field("requests", &self.calls)
            .finish_non_exhaustive()
    }
}

/// Marks the connection as busy while it lives.
#[derive(Debug)]
pub struct InFlight {
    conn: std::rc::Rc<ConnState>,
    reply: Option<Reply>,
}

impl InFlight {
    /// The connection.
    #[must_use]
    pub fn conn(&self) -> &std::rc::Rc<ConnState> {
        &self.conn
    }

    /// The request has a way back to its client of its own.
    #[must_use]
    pub fn over(mut self, reply: Option<&Reply>) -> Self {
        self.reply = reply.cloned();
        self
    }

    /// Why its client was cut, if it was: not another request's on the same connection.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        self.reply.as_ref().and_then(Reply::cut).or(self.conn.cut_off.get())
    }

    /// Who is told of its interim responses.
    #[must_use]
    pub fn hearer(&self) -> Hearer {
        match &self.reply {
            Some(reply) => Hearer::Http2(reply.clone()),
            None => Hearer::Http1(std::rc::Rc::clone(&self.conn)),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.conn.in_flight.set(self.conn.in_flight.get().saturating_sub(1));
    }
}

#[cfg(test)]
#[path = "conn_tests.rs"]
mod tests;
