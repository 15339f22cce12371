//! A connection as hyper uses it, and what hyper doesn't tell of it.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::upstream::client::SendFailure;
use crate::upstream::line::Line;
use crate::upstream::tls::is_alert;

/// A connection on loan to hyper.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) line: Box<Line>,
    seen: Rc<Seen>,
}

/// What has been seen on a connection during one exchange.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// A byte was sent.
    pub(super) sent: Cell<bool>,
    /// A byte came.
    came: Cell<bool>,
    /// It was ended by a TLS alert.
    alert: Cell<bool>,
    /// It takes nothing at present.
    pub(super) is_full: Cell<bool>,
    /// The endpoint reads no further. It may have said why: hyper goes on as if it did.
    pub(super) is_deaf: Cell<bool>,
}

impl Seen {
    /// Why there is no response.
    pub(super) fn failure(&self, served: bool) -> SendFailure {
        match (self.came.get(), self.alert.get()) {
            (_, true) if !served => SendFailure::Alert,
            (false, _) => SendFailure::Broken { reused: served },
            (true, _) => SendFailure::Protocol,
        }
    }
}

impl Wire {
    pub(super) fn new(line: Box<Line>, seen: Rc<Seen>) -> Self {
        Self { line, seen }
    }

    fn note_written(&self, written: Poll<io::Result<usize>>, offered: usize) -> Poll<io::Result<usize>> {
        self.seen.is_full.set(written.is_pending());
        match ready!(written) {
            Ok(len) if len > 0 => {
                self.seen.sent.set(true);
                Poll::Ready(Ok(len))
            }
            _ => {
                self.seen.is_deaf.set(true);
                Poll::Ready(Ok(offered))
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.line.io).poll_read(cx, buf));
        self.seen.came.set(self.seen.came.get() || buf.filled().len() > before);
        self.seen.alert.set(read.as_ref().is_err_and(is_alert));
        Poll::Ready(read)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.seen.is_deaf.get() {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.line.io).poll_write(cx, buf);
        self.note_written(written, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = bufs.iter().map(|buf| buf.len()).sum();
        if self.seen.is_deaf.get() {
            return Poll::Ready(Ok(offered));
        }
        let written = Pin::new(&mut self.line.io).poll_write_vectored(cx, bufs);
        self.note_written(written, offered)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.line.io).poll_flush(cx);
        self.seen.is_full.set(flushed.is_pending());
        self.seen.is_deaf.set(self.seen.is_deaf.get() || ready!(flushed).is_err());
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line.io).poll_shutdown(cx)
    }
}
