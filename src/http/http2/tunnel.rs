//! A stream that has become another protocol's (RFC 8441), on either side of the gateway: its DATA is the bytes of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Who is told of what passes over such a stream.
pub trait Watcher: Unpin {
    /// Something came.
    fn came(&self);

    /// A piece of so many octets is sent; whether it is all that there was to send.
    fn sent(&self, octets: usize, is_all: bool);
}

/// Such a stream. When it is dropped before both ends, it is reset: what a TCP connection's RST is.
#[derive(Debug)]
pub struct StreamIo<W> {
    // In this order: the stream is let go of before whoever watches it.
    coming: RecvStream,
    going: SendStream<Bytes>,
    /// What came and was not taken yet.
    left: Bytes,
    watcher: W,
}

impl<W> StreamIo<W> {
    /// One whose heads have passed.
    pub fn new(coming: RecvStream, going: SendStream<Bytes>, watcher: W) -> Self {
        Self { coming, going, left: Bytes::new(), watcher }
    }
}

impl<W: Watcher> AsyncRead for StreamIo<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.left.is_empty() {
            match ready!(this.coming.poll_data(cx)) {
                Some(data) => this.left = data.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(())),
            }
            this.watcher.came();
        }
        let taken = this.left.split_to(this.left.len().min(buf.remaining()));
        buf.put_slice(&taken);
        // Whoever polls takes it: only now may the peer send as much again.
        let released = this.coming.flow_control().release_capacity(taken.len());
        Poll::Ready(released.map_err(io::Error::other))
    }
}

impl<W: Watcher> AsyncWrite for StreamIo<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { going, watcher, .. } = &mut *self;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        going.reserve_capacity(bytes.len());
        while going.capacity() == 0 {
            match ready!(going.poll_capacity(cx)) {
                Some(room) => room.map_err(io::Error::other)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        let (piece, rest) = bytes.split_at_checked(going.capacity()).unwrap_or((bytes, &[]));
        watcher.sent(piece.len(), rest.is_empty());
        let sent = going.send_data(Bytes::copy_from_slice(piece), false);
        Poll::Ready(sent.map(|()| piece.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's own task writes.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.going.send_data(Bytes::new(), true).map_err(io::Error::other))
    }
}
