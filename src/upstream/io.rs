//! The byte stream of a connection to an endpoint: over TCP or a socket of this host, plain or under TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::http2::Carried;
use super::retirement::Cord;
use crate::http::http2::StreamIo;
use crate::net::{Pipe, Tcp, TcpSocket};

/// A connected socket.
#[derive(Debug)]
pub struct Socket {
    kind: Kind,
    cord: Rc<Cord>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpSocket),
    Unix(UnixStream),
}

impl Socket {
    /// TCP, without Nagle's delay.
    pub(super) fn tcp(stream: TcpStream) -> Self {
        Self { kind: Kind::Tcp(stream.into()), cord: Rc::default() }
    }

    /// A Unix domain socket.
    pub(super) fn unix(stream: UnixStream) -> Self {
        Self { kind: Kind::Unix(stream), cord: Rc::default() }
    }

    /// As [`AsyncWrite::poll_write`], but it may be sent a moment later, and an error be told only then.
    fn poll_write_soon(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.uncut()? {
            Kind::Tcp(socket) => socket.poll_write_soon(cx, buf),
            Kind::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn uncut(&mut self) -> io::Result<&mut Kind> {
        if self.cord.is_cut() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(&mut self.kind) }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = match this.uncut()? {
            Kind::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if read.is_pending() {
            this.cord.wait(cx);
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut().uncut()? {
            Kind::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Kind::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut().uncut()? {
            Kind::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Kind::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().uncut()? {
            Kind::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            // A socket keeps nothing back.
            Kind::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().uncut()? {
            Kind::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The byte stream of a connection to an endpoint, or of a stream of one.
#[derive(Debug)]
pub enum Io {
    /// As it is.
    Plain(Socket),
    /// Under TLS. Boxed, so that a plain connection doesn't carry its size.
    Tls(Box<TlsStream<Socket>>),
    /// One of the streams of a connection that others use too.
    Stream(Box<StreamIo<Carried>>),
}

impl Io {
    /// What it can be cut by; a stream goes with its connection.
    pub(super) fn cord(&self) -> Option<&Rc<Cord>> {
        match self {
            Self::Plain(socket) => Some(&socket.cord),
            Self::Tls(stream) => Some(&stream.get_ref().0.cord),
            Self::Stream(_) => None,
        }
    }

    /// As [`AsyncWrite::poll_write`], but it may be sent a moment later, and an error be told only then.
    pub(super) fn poll_write_soon(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write_soon(cx, buf),
            Self::Tls(_) | Self::Stream(_) => Pin::new(self).poll_write(cx, buf),
        }
    }

    /// Whether what comes by it can go through a pipe.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self, Self::Plain(Socket { kind: Kind::Tcp(_), .. }))
    }

    /// Takes octets that have come, no more than so many, into the pipe, which must be empty; 0 is the connection's end, or that it is not
    /// bare.
    pub(super) fn poll_fill(
        &mut self,
        pipe: &mut Pipe,
        octets_max: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Self::Plain(socket) = self else { return Poll::Ready(Ok(0)) };
        let Kind::Tcp(stream) = socket.uncut()? else { return Poll::Ready(Ok(0)) };
        let filled = stream.poll_fill(pipe, octets_max, cx);
        if filled.is_pending() {
            socket.cord.wait(cx);
        }
        filled
    }

    /// Sends what is in the pipe; how much of it was taken. It must be bare.
    pub(super) fn poll_empty(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => match socket.uncut()? {
                Kind::Tcp(stream) => stream.poll_empty(pipe, cx),
                Kind::Unix(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            },
            Self::Tls(_) | Self::Stream(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Whether HTTP/2 was agreed on by ALPN; `None` where nothing could be.
    pub(super) fn chose_http2(&self) -> Option<bool> {
        match self {
            Self::Plain(_) | Self::Stream(_) => None,
            Self::Tls(stream) => Some(stream.get_ref().1.alpn_protocol() == Some(b"h2")),
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
            Self::Stream(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
            Self::Stream(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
            Self::Stream(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        !matches!(self, Self::Stream(_))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Self::Stream(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Self::Stream(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}
