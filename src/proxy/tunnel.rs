//! Protocol upgrades (RFC 9110 §7.8): which may pass, and the tunnel that follows a 101.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::request::Parts;
use http::{Method, Version, response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::exchange::Exchange;
use super::rejection::Rejection;
use crate::http::conn::{Cut, RawIo, TunnelTask};
use crate::http::hop_by_hop::{Survey, has_token};
use crate::http::websocket::Handshake;
use crate::time::Deadline;
use crate::upstream::{Answer, Upgraded};

/// Octets that a tunnel holds in each direction.
const TUNNEL_BUFFER: usize = 16 * 1024;

/// The protocol that a request asks to switch to, if it does and may.
///
/// `h2c` never passes: it would carry requests that nobody here has looked at. An `Upgrade` without
/// its `Connection` token, or in HTTP/1.0 or HTTP/2, asks for nothing (RFC 9110 §7.8) and ends at this
/// hop; so does one with a body, which no two servers read alike.
///
/// # Errors
/// [`Rejection::UnsupportedUpgrade`] for a list of protocols: which one is meant, two hops could see differently.
pub(super) fn wanted(
    head: &Parts,
    survey: &Survey,
    has_body: bool,
) -> Result<Option<HeaderValue>, Rejection> {
    if !survey.upgrade || head.version != Version::HTTP_11 || head.method != Method::GET || has_body {
        return Ok(None);
    }
    if !has_token(&head.headers, &CONNECTION, b"upgrade") {
        return Ok(None);
    }
    let mut lines = head.headers.get_all(UPGRADE).iter();
    let Some(protocol) = lines.next() else { return Ok(None) };
    let name = protocol.as_bytes().split(|b| *b == b'/').next().unwrap_or_default().trim_ascii();
    if [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Ok(None);
    }
    if lines.next().is_some() || protocol.as_bytes().contains(&b',') {
        return Err(Rejection::UnsupportedUpgrade);
    }
    Ok(Some(protocol.clone()))
}

/// Asks for the protocol at the next hop.
pub(super) fn ask(fields: &mut HeaderMap, protocol: &HeaderValue) {
    fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    fields.insert(UPGRADE, protocol.clone());
}

/// Whether a 101 switches to what was asked for.
pub(super) fn agrees(fields: &HeaderMap, protocol: &HeaderValue) -> bool {
    fields.get(UPGRADE).is_some_and(|got| got.as_bytes().eq_ignore_ascii_case(protocol.as_bytes()))
}

/// Whether an endpoint's answer to a handshake over HTTP/2 can be passed on.
///
/// # Errors
/// It switched without having understood the handshake, or said that all was well without switching: its client
/// would take that for a WebSocket.
pub(super) fn shaken(handshake: &Handshake, answer: Answer) -> Result<Answer, Rejection> {
    let fits = match &answer {
        Answer::Switched(head, _) => handshake.is_accepted(head.headers()),
        Answer::Response(response) => !response.status().is_success(),
    };
    if fits { Ok(answer) } else { Err(Rejection::UpstreamProtocol("http_upgrade_failed")) }
}

/// The head that opens a stream over HTTP/2 (RFC 8441 §5), and behind it `tunnel`: it ends with the stream or the worker.
pub(super) fn open(handshake: Handshake, mut head: response::Parts, tunnel: TunnelTask) -> response::Parts {
    head.headers.remove(SEC_WEBSOCKET_ACCEPT);
    head.headers.remove(CONTENT_LENGTH);
    spawn_local(async move {
        if let Some(stream) = handshake.stream().await {
            tunnel(stream, Bytes::new()).await;
        }
    });
    head
}

/// Carries bytes both ways until both sides have ended, one has failed, or neither has said
/// anything for `idle`. One side's end is passed on to the other (half-close).
pub(super) fn task(upgraded: Box<Upgraded>, books: Box<Exchange>, idle: Duration) -> TunnelTask {
    Box::new(move |client: Box<dyn RawIo>, early: Bytes| {
        Box::pin(async move {
            // The connection counts as open as long as the tunnel lasts.
            let Upgraded { io, read, open: _open } = *upgraded;
            let quiet = Rc::new(Cell::new(Instant::now()));
            let (up, down) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let mut tally = Tally { books, up: Rc::clone(&up), down: Rc::clone(&down), ended: false };
            let mut client = Watched::new(client, early, &quiet, &up);
            let mut endpoint = Watched::new(io, read, &quiet, &down);
            let ended = {
                let copy =
                    copy_bidirectional_with_sizes(&mut client, &mut endpoint, TUNNEL_BUFFER, TUNNEL_BUFFER);
                let mut copy = std::pin::pin!(copy);
                let mut deadline = Deadline::at(Instant::now() + idle);
                std::future::poll_fn(|cx| {
                    if let Poll::Ready(ended) = copy.as_mut().poll(cx) {
                        return Poll::Ready(Some(ended));
                    }
                    deadline.set(quiet.get() + idle);
                    deadline.poll(cx).map(|()| None)
                })
                .await
            };
            tally.ended = matches!(ended, Some(Ok(_)));
            if ended.is_none() {
                tally.books.cut(Cut::TunnelIdle);
            }
        })
    })
}

/// Writes down what a tunnel carried, also when the gateway ends before it.
struct Tally {
    books: Box<Exchange>,
    up: Rc<Cell<u64>>,
    down: Rc<Cell<u64>>,
    ended: bool,
}

impl Drop for Tally {
    fn drop(&mut self) {
        if !self.ended {
            self.books.client_left();
        }
        self.books.tunnel_bytes = self.up.get();
        self.books.response_bytes = self.down.get();
    }
}

/// One side of a tunnel: first what had been read already, then the socket; notes what comes from it.
struct Watched<S> {
    io: S,
    early: Bytes,
    quiet: Rc<Cell<Instant>>,
    read: Rc<Cell<u64>>,
}

impl<S> Watched<S> {
    fn new(io: S, early: Bytes, quiet: &Rc<Cell<Instant>>, read: &Rc<Cell<u64>>) -> Self {
        Self { io, early, quiet: Rc::clone(quiet), read: Rc::clone(read) }
    }

    fn note(&self, len: usize) {
        if len > 0 {
            self.quiet.set(Instant::now());
            self.read.set(self.read.get() + len as u64);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if this.early.has_remaining() {
            let len = this.early.len().min(buf.remaining());
            buf.put_slice(&this.early.split_to(len));
            this.note(len);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf)?);
        this.note(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
