//! A client's connection, over TCP or a Unix socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::backlog::Backlog;
use crate::net::{Bare, Tcp, TcpSocket};
use crate::types::Arrivals;

/// Octets that the kernel takes ahead of what the client's window lets it send; what is on its way is not counted. A fast client
/// is not kept waiting by it: more is written when half of it is sent.
const UNSENT_MAX: u32 = 128 * 1024;

/// A client's connection.
#[derive(Debug)]
pub struct ClientStream<T = TcpStream> {
    io: Io<T>,
    /// What was read and is the client's: it comes first.
    early: Option<Box<Early>>,
}

#[derive(Debug)]
enum Io<T> {
    Tcp(T),
    Unix(UnixStream),
}

/// A connection that no runtime watches, on its way from one worker to another. Nothing was read of it.
#[derive(Debug)]
pub(super) enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

#[derive(Debug)]
struct Early {
    bytes: Vec<u8>,
    given: usize,
}

impl ClientStream {
    /// The same, of a worker, whose sockets send together.
    #[must_use]
    pub fn together(self) -> ClientStream<TcpSocket> {
        let Self { io, early } = self;
        let io = match io {
            Io::Tcp(stream) => Io::Tcp(TcpSocket::from(stream)),
            Io::Unix(stream) => Io::Unix(stream),
        };
        ClientStream { io, early }
    }

    /// Gives back what was read too much.
    pub(super) fn unread(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.early = Some(Box::new(Early { bytes, given: 0 }));
        }
    }

    /// Takes it away from this thread's runtime; before anything was read.
    pub(super) fn detach(self) -> io::Result<Detached> {
        debug_assert!(self.early.is_none(), "what was read would be lost");
        Ok(match self.io {
            Io::Tcp(stream) => Detached::Tcp(stream.into_std()?),
            Io::Unix(stream) => Detached::Unix(stream.into_std()?),
        })
    }

    /// What tells how much of what was sent the client has not taken. It must be asked no longer than this lives.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        match &self.io {
            Io::Tcp(stream) => Backlog::of(stream),
            Io::Unix(stream) => Backlog::of(stream),
        }
    }
}

impl Detached {
    /// Has this thread's runtime watch it.
    pub(super) fn attach(self) -> io::Result<ClientStream> {
        Ok(match self {
            Self::Tcp(stream) => TcpStream::from_std(stream)?.into(),
            Self::Unix(stream) => UnixStream::from_std(stream)?.into(),
        })
    }
}

impl Bare for ClientStream<TcpSocket> {
    fn bare(&mut self) -> Option<&mut TcpSocket> {
        match &mut self.io {
            // What was read already comes before what is in the socket.
            Io::Tcp(socket) if self.early.is_none() => Some(socket),
            Io::Tcp(_) | Io::Unix(_) => None,
        }
    }
}

impl<T: Tcp> Arrivals for ClientStream<T> {
    fn poll_arrival(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.early.is_some() {
            return Poll::Ready(());
        }
        // A fault is told by the next read.
        match &self.io {
            Io::Tcp(socket) => socket.stream().poll_read_ready(cx).map(drop),
            Io::Unix(stream) => stream.poll_read_ready(cx).map(drop),
        }
    }
}

/// Prepares a listening socket, for what is accepted of it to be as it should: Linux has connections inherit these.
pub(super) fn prepare(listener: &TcpListener) {
    let listener = SockRef::from(listener);
    // Without it, small answers would wait for the acknowledgement of the ones before (RFC 896).
    let _ = listener.set_tcp_nodelay(true);
    // As good as sent is not: for a client that takes nothing the kernel would hold megabytes, and some thousand of them would have
    // it drop everybody's packets (tcp_mem).
    let _ = listener.set_tcp_notsent_lowat(UNSENT_MAX);
}

impl From<TcpStream> for ClientStream {
    fn from(stream: TcpStream) -> Self {
        Self { io: Io::Tcp(stream), early: None }
    }
}

impl From<UnixStream> for ClientStream {
    fn from(stream: UnixStream) -> Self {
        Self { io: Io::Unix(stream), early: None }
    }
}

impl<T: Tcp> AsyncRead for ClientStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(early) = &mut self.early {
            let left = early.bytes.get(early.given..).unwrap_or_default();
            let len = left.len().min(buf.remaining());
            buf.put_slice(left.get(..len).unwrap_or_default());
            early.given += len;
            if early.given == early.bytes.len() {
                self.early = None;
            }
            return Poll::Ready(Ok(()));
        }
        match &mut self.io {
            Io::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl<T: Tcp> AsyncWrite for ClientStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Tcp(socket) => socket.poll_write_soon(cx, data),
            Io::Unix(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // What TLS writes is one piece, as a rule: send(2) costs less than writev(2), which is every file's.
        if let [one] = data {
            return self.poll_write(cx, one);
        }
        match &mut self.io {
            Io::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, data),
            Io::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, data),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            // Sockets hold nothing back.
            Io::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Io::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_takes_so_much_ahead_and_waits_for_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        prepare(&listener);
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (served, _) = listener.accept().await.unwrap();
        let ClientStream { io: Io::Tcp(served), .. } = ClientStream::from(served) else { unreachable!() };
        assert_eq!(SockRef::from(&served).tcp_notsent_lowat().unwrap(), UNSENT_MAX);
        assert!(served.nodelay().unwrap());
        drop(client);
    }
}
