//! The guard between a socket and hyper: only bytes with one reading pass.
//!
//! Stands right behind `listen::accept` (or TLS) on the way in. On the usual path, a whole head
//! in one read, the bytes go straight into hyper's buffer and are looked at there; only a head
//! that comes in pieces is held back until it is complete. A head that is refused is replaced
//! by a minimal good one that carries the verdict in [`ConnState`], so that a refusal is
//! answered, logged and counted by the same pipeline as every other, and hyper never sees the
//! bytes. It never parses what it passes, and of itself writes interim responses only.
//!
//! It also keeps the connection's own deadlines: a head that comes too slowly (408), a
//! connection that idles (closed), a peer that stops reading (reset).

mod write;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::conn::{ConnState, Cut, Tunnel};
use super::pace::MinRate;
use super::taking::Taking;
use super::wire::{HeadLimits, Malformed, Rest, Scanner};
use crate::time::Deadline;

/// Stands for a refused request on its way through hyper; see [`ConnState::begin`].
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// The connection preface of HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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

/// What a new connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/1.x, or something that will be refused as such.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
    /// Nothing: the peer went away or said nothing in time.
    Closed,
}

/// A socket whose bytes are framed before hyper reads them.
#[derive(Debug)]
pub struct Guard<S> {
    io: S,
    scanner: Scanner,
    state: Rc<ConnState>,
    deadlines: ConnDeadlines,
    /// Bytes that wait: `sent..ready` may pass, `ready..` is the start of a head.
    held: Vec<u8>,
    sent: usize,
    ready: usize,
    /// Bytes were read before anybody looked at them (the preface).
    unseen: bool,
    refused: Refused,
    head_since: Option<Instant>,
    read_deadline: Option<Deadline>,
    taking: Option<Box<Taking>>,
    linger: Option<Deadline>,
    framed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    No,
    /// The stand-in is to be given to hyper next.
    Next,
    /// It was given: nothing more will be read.
    Told,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Guards a socket from its first byte.
    pub fn new(io: S, limits: HeadLimits, deadlines: ConnDeadlines, state: Rc<ConnState>) -> Self {
        Self {
            io,
            scanner: Scanner::new(limits),
            state,
            deadlines,
            held: Vec::new(),
            sent: 0,
            ready: 0,
            unseen: false,
            refused: Refused::No,
            // The first head is awaited from the start.
            head_since: Some(Instant::now()),
            read_deadline: None,
            taking: None,
            linger: None,
            framed: true,
        }
    }

    /// Waits for as many bytes as tell HTTP/2 from HTTP/1.1; they stay to be read.
    pub async fn spoken(&mut self) -> Spoken {
        loop {
            let seen = self.held.get(..self.held.len().min(PREFACE.len())).unwrap_or_default();
            if !seen.is_empty() && !PREFACE.starts_with(seen) {
                self.unseen = true;
                return Spoken::Http1;
            }
            if seen.len() == PREFACE.len() {
                self.framed = false;
                self.ready = self.held.len();
                self.set_head_since(None);
                return Spoken::Http2;
            }
            let read = std::future::poll_fn(|cx| match self.poll_read_held(cx) {
                Poll::Ready(result) => Poll::Ready(result),
                Poll::Pending => self.poll_head_deadline(cx).map(|()| {
                    self.state.note_cut(Cut::HeaderTimeout);
                    Ok(0)
                }),
            });
            if !matches!(read.await, Ok(1..)) {
                return Spoken::Closed;
            }
        }
    }

    /// Waits between two requests for more bytes, which stay to be read; `false` when none will come.
    pub fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.held.is_empty() {
            let read = ready!(self.poll_read_held(cx));
            self.unseen = true;
            return Poll::Ready(matches!(read, Ok(1..)));
        }
        Poll::Ready(true)
    }

    /// Takes back bytes that were passed and not used: they are the next to pass.
    pub fn take_back(&mut self, unused: &[u8]) {
        if !unused.is_empty() {
            self.held.splice(..self.sent, unused.iter().copied());
            (self.ready, self.sent) = (self.ready - self.sent + unused.len(), 0);
        }
    }

    /// Takes the guard off: the socket and the bytes that were read from it but not passed.
    pub fn into_inner(mut self) -> (S, Vec<u8>) {
        let rest = self.held.split_off(self.sent.min(self.held.len()));
        (self.io, rest)
    }

    /// Gives hyper what is ready; `false` when there is nothing.
    fn give(&mut self, buf: &mut ReadBufCursor<'_>) -> bool {
        let ready = self.held.get(self.sent..self.ready).unwrap_or_default();
        if ready.is_empty() {
            return false;
        }
        let len = ready.len().min(buf.remaining());
        buf.put_slice(ready.get(..len).unwrap_or_default());
        self.sent += len;
        if self.sent == self.held.len() {
            self.held = Vec::new();
            (self.sent, self.ready) = (0, 0);
        }
        true
    }

    /// Scans what is held behind `ready`.
    fn scan_held(&mut self) {
        self.unseen = false;
        if self.sent == self.ready && self.sent > 0 {
            self.held.drain(..self.sent);
            (self.sent, self.ready) = (0, 0);
        }
        let scan = self.scanner.scan(self.held.get(self.ready..).unwrap_or_default());
        self.ready += scan.passed;
        if self.scanner.passed_opaque() {
            self.state.note_early_bytes();
        }
        match scan.rest {
            Rest::Nothing => {}
            Rest::PartialHead => {
                let since = if scan.passed > 0 { None } else { self.head_since };
                self.set_head_since(Some(since.unwrap_or_else(Instant::now)));
                return;
            }
            Rest::Refused(why) => {
                self.held.truncate(self.ready);
                self.refuse(why);
            }
        }
        self.set_head_since(None);
    }

    fn set_head_since(&mut self, since: Option<Instant>) {
        self.head_since = since;
        self.state.note_head(since.is_some());
    }

    /// A bad head is replaced; a bad body is told of to whoever reads it, and read no further. hyper sees
    /// neither: an error from here would end the connection without an answer.
    fn refuse(&mut self, why: Malformed) {
        if why == Malformed::Chunk {
            self.state.refuse_body(self.scanner.heads(), why);
            self.refused = Refused::Told;
            return;
        }
        self.state.refuse(self.scanner.heads() + 1, why);
        self.refused = Refused::Next;
    }

    /// An upgrade was asked for: until it is decided the bytes are nobody's; declined, they are heads again.
    fn settle_upgrade(&mut self) {
        match self.state.tunnel() {
            Tunnel::Declined => {
                self.scanner.resume();
                self.state.await_decision();
            }
            Tunnel::Undecided | Tunnel::Taken => {}
        }
    }

    /// Ready when a head that has begun is not complete in time. (A connection without any head is the
    /// server's to close.)
    fn poll_head_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(since) = self.head_since else { return Poll::Pending };
        let at = since + self.deadlines.header_read;
        let timer = self.read_deadline.get_or_insert_with(|| Deadline::at(at));
        timer.set(at);
        timer.poll(cx)
    }

    /// The usual path: from the socket into hyper's buffer, looked at there.
    fn poll_read_through(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBufCursor<'_>,
    ) -> Poll<io::Result<Option<usize>>> {
        // SAFETY: `ReadBuf::uninit` never de-initialises, and only the filled part is advanced over below.
        #[allow(unsafe_code)]
        let mut filled = ReadBuf::uninit(unsafe { buf.as_mut() });
        if Pin::new(&mut self.io).poll_read(cx, &mut filled)?.is_pending() {
            return Poll::Pending;
        }
        let bytes = filled.filled();
        if bytes.is_empty() {
            return Poll::Ready(Ok(Some(0)));
        }
        let len = bytes.len();
        let mut passed = len;
        if self.framed {
            let scan = self.scanner.scan(bytes);
            passed = scan.passed;
            if self.scanner.passed_opaque() {
                self.state.note_early_bytes();
            }
            match scan.rest {
                Rest::Nothing => {}
                Rest::PartialHead => {
                    self.held.extend_from_slice(bytes.get(passed..).unwrap_or_default());
                    self.set_head_since(Some(Instant::now()));
                }
                Rest::Refused(why) => self.refuse(why),
            }
        }
        // SAFETY: the first `passed` of the `len` bytes just read are initialised.
        #[allow(unsafe_code)]
        unsafe {
            buf.advance(passed);
        }
        Poll::Ready(Ok(if passed > 0 { Some(passed) } else { None }))
    }

    /// The rare path: the rest of a head that came in pieces.
    fn poll_read_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = [0_u8; 4096];
        let mut buf = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)?);
        self.held.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Read for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.scanner.is_opaque() && this.refused == Refused::No {
            this.settle_upgrade();
        }
        loop {
            if this.unseen {
                this.scan_held();
            }
            if this.give(&mut buf) {
                return Poll::Ready(Ok(()));
            }
            match this.refused {
                Refused::No => {}
                Refused::Next if buf.remaining() >= STAND_IN.len() => {
                    this.refused = Refused::Told;
                    buf.put_slice(STAND_IN);
                    return Poll::Ready(Ok(()));
                }
                // The answer closes the connection; what the peer still sends is not read.
                Refused::Next | Refused::Told => return Poll::Pending,
            }
            let read = if this.held.is_empty() {
                this.poll_read_through(cx, &mut buf)?
            } else {
                match this.poll_read_held(cx)? {
                    Poll::Ready(0) => Poll::Ready(Some(0)),
                    Poll::Ready(_) => {
                        this.scan_held();
                        Poll::Ready(None)
                    }
                    Poll::Pending => Poll::Pending,
                }
            };
            match read {
                Poll::Ready(Some(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(None) => {}
                Poll::Pending => {
                    ready!(this.poll_head_deadline(cx));
                    this.state.note_cut(Cut::HeaderTimeout);
                    this.set_head_since(None);
                    this.held = Vec::new();
                    (this.sent, this.ready) = (0, 0);
                    this.refuse(Malformed::HeadTimeout);
                }
            }
        }
    }
}
