//! What is to go by a connection next: text, and behind it a large piece of a body, or what of it passes unseen.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use tokio::io::AsyncWrite;

use super::io::Io;
use super::text;
use crate::net::Passage;

/// A piece of a body of at most this many octets is written together with what stands before it.
const FLAT_MAX: usize = 8 * 1024;

/// Octets on their way to an endpoint.
#[derive(Debug)]
pub(super) struct Cargo {
    /// The head, then the framing of chunks and small pieces.
    pub(super) text: Vec<u8>,
    /// So much of `text` was written.
    written: usize,
    /// A large piece of the body; goes behind `text`.
    piece: Bytes,
    /// What of it passes unseen; goes behind `text`.
    pub(super) passage: Passage,
}

impl Cargo {
    pub(super) fn new(text: Vec<u8>) -> Self {
        Self { text, written: 0, piece: Bytes::new(), passage: Passage::default() }
    }

    /// Whether the connection has taken all that there is so far.
    pub(super) fn is_written(&self) -> bool {
        self.written == self.text.len() && self.has_no_piece()
    }

    fn has_no_piece(&self) -> bool {
        self.piece.is_empty() && self.passage.is_empty()
    }

    /// Whether more may be said before something is written.
    pub(super) fn has_room(&self) -> bool {
        self.has_no_piece() && self.text.len() - self.written < FLAT_MAX
    }

    /// Back to the first octet of what is there.
    pub(super) fn begin_again(&mut self) {
        self.written = 0;
    }

    /// This in place of all that is there.
    pub(super) fn replace(&mut self, text: &[u8]) {
        self.forget();
        self.text.extend_from_slice(text);
    }

    fn forget(&mut self) {
        self.text.clear();
        self.written = 0;
        self.piece = Bytes::new();
    }

    /// Makes room of what was written, if that is all of it: it can't be said again.
    pub(super) fn forget_written(&mut self) {
        if self.is_written() {
            self.forget();
        }
    }

    /// Says a piece of a body. There must be room.
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.len() <= FLAT_MAX {
            self.text.extend_from_slice(&piece);
        } else {
            self.piece = piece;
        }
    }

    /// Says it as a chunk (RFC 9112 §7.1); it must not be empty.
    pub(super) fn push_chunk(&mut self, piece: &[u8]) {
        text::chunk_size(&mut self.text, piece.len());
        self.text.extend_from_slice(piece);
        self.text.extend_from_slice(b"\r\n");
    }

    /// Says that there are no more, and what comes behind them.
    pub(super) fn push_last_chunk(&mut self, trailers: Option<&HeaderMap>) {
        self.text.extend_from_slice(b"0\r\n");
        if let Some(trailers) = trailers {
            text::fields(&mut self.text, trailers);
        }
        self.text.extend_from_slice(b"\r\n");
    }

    /// Writes some of it; how many octets. Where it `may_wait`, it may be sent a moment later, and an error be told only then.
    pub(super) fn poll_write(
        &mut self,
        io: &mut Io,
        may_wait: bool,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let text = self.text.get(self.written..).unwrap_or_default();
        let octets = if text.is_empty()
            && let Some(pipe) = self.passage.held()
        {
            ready!(io.poll_empty(pipe, cx))?
        } else if !self.piece.is_empty() {
            let both = [IoSlice::new(text), IoSlice::new(&self.piece)];
            ready!(Pin::new(io).poll_write_vectored(cx, &both))?
        } else if may_wait {
            ready!(io.poll_write_soon(cx, text))?
        } else {
            ready!(Pin::new(io).poll_write(cx, text))?
        };
        if octets == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let of_text = octets.min(text.len());
        self.written += of_text;
        self.piece.advance((octets - of_text).min(self.piece.len()));
        Poll::Ready(Ok(octets))
    }
}
