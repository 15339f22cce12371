//! What goes by a connection: written in few pieces, and no more of it held than one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use crate::http::conn::ConnState;
use crate::http::server::ConnDeadlines;
use crate::http::taking::Taking;
use crate::net::{Bare, Passage};

/// A piece of a body of at most this many octets is written together with what stands before it. To copy it costs less than that the
/// kernel gathers it.
const FLAT_MAX: usize = 4 * 1024;
/// Octets that are gathered before something is written.
const GATHERED_MAX: usize = 8 * 1024;

/// Octets on their way to a client.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    /// Heads, the framing of chunks, and small pieces.
    pub(super) text: Vec<u8>,
    /// So much of `text` was written.
    written: usize,
    /// A large piece of a body; goes behind `text`.
    piece: Bytes,
    /// What ends it.
    end: &'static [u8],
    /// What of a body passes unseen; goes behind `text`.
    pub(super) passage: Passage,
    taking: Option<Box<Taking>>,
    /// The connection may still hold bytes back: TLS has encrypted, but not sent them.
    unflushed: bool,
}

impl Outlet {
    /// Whether all has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.written == self.text.len() && self.has_no_piece()
    }

    fn has_no_piece(&self) -> bool {
        self.piece.is_empty() && self.end.is_empty() && self.passage.is_empty()
    }

    /// Whether it has left the connection, too.
    pub(super) fn is_sent(&self) -> bool {
        self.is_empty() && !self.unflushed
    }

    /// Whether more may be said before something is written.
    pub(super) fn has_room(&self) -> bool {
        self.has_no_piece() && self.text.len() - self.written < GATHERED_MAX
    }

    /// Says a piece of a body, and behind it what ends that. There must be room.
    pub(super) fn push(&mut self, piece: Bytes, end: &'static [u8]) {
        if piece.len() <= FLAT_MAX {
            self.text.extend_from_slice(&piece);
            self.text.extend_from_slice(end);
        } else {
            (self.piece, self.end) = (piece, end);
        }
    }

    /// Writes all of it, and flushes. Fails where the client takes nothing, too little, or has gone.
    pub(super) fn poll_write<S: AsyncWrite + Bare + Unpin>(
        &mut self,
        io: &mut S,
        conn: &ConnState,
        deadlines: &ConnDeadlines,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let sent = self.poll_some(io, cx);
            let octets = ready!(self.heed(sent, conn, deadlines, cx))?;
            if octets == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(octets);
            self.unflushed = true;
        }
        self.text.clear();
        self.written = 0;
        if self.unflushed {
            let flushed = Pin::new(io).poll_flush(cx).map_ok(|()| 0);
            ready!(self.heed(flushed, conn, deadlines, cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_some<S: AsyncWrite + Bare + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let text = self.text.get(self.written..).unwrap_or_default();
        if text.is_empty()
            && let Some(pipe) = self.passage.held()
        {
            let socket = io.bare().ok_or(io::ErrorKind::Unsupported)?;
            return socket.poll_empty(pipe, cx);
        }
        if self.piece.is_empty() && self.end.is_empty() {
            return Pin::new(io).poll_write(cx, text);
        }
        let all = [IoSlice::new(text), IoSlice::new(&self.piece), IoSlice::new(self.end)];
        Pin::new(io).poll_write_vectored(cx, &all)
    }

    fn advance(&mut self, octets: usize) {
        let of_text = octets.min(self.text.len() - self.written);
        self.written += of_text;
        let of_piece = (octets - of_text).min(self.piece.len());
        self.piece.advance(of_piece);
        self.end = self.end.get(octets - of_text - of_piece..).unwrap_or_default();
    }

    /// Heeds how the client takes what it is sent.
    fn heed(
        &mut self,
        sent: Poll<io::Result<usize>>,
        conn: &ConnState,
        deadlines: &ConnDeadlines,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match sent {
            Poll::Ready(result) => {
                if let (Some(taking), Ok(octets)) = (&mut self.taking, &result) {
                    taking.written(*octets, conn);
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                let taking = self.taking.get_or_insert_with(|| Box::new(Taking::new(deadlines)));
                let why = ready!(taking.poll_slow(conn, cx));
                conn.cut_off(why);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::TcpSocket;
    use proptest::prelude::*;
    use std::rc::Rc;
    use std::task::Waker;
    use std::time::Duration;

    /// Takes so many octets at each write.
    struct Narrow {
        seen: Vec<u8>,
        takes: usize,
        writes: usize,
    }

    impl Bare for Narrow {
        fn bare(&mut self) -> Option<&mut TcpSocket> {
            None
        }
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(self.takes);
            self.seen.extend_from_slice(&buf[..taken]);
            self.writes += 1;
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all = bufs.iter().flat_map(|buf| buf.iter().copied()).collect::<Vec<u8>>();
            self.as_mut().poll_write(cx, &all)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    proptest! {
        #[test]
        fn all_is_written_in_its_order_and_what_is_small_in_one_piece(
            pieces in proptest::collection::vec((0_usize..3 * FLAT_MAX, any::<bool>()), 0..8),
            takes in prop_oneof![1_usize..10_000, Just(usize::MAX)],
        ) {
            let second = Duration::from_secs(1);
            let deadlines = ConnDeadlines { header_read: second, keep_alive: second, write_stall: second, response_rate: None };
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
            let conn = Rc::new(ConnState::new(address, address));
            let mut outlet = Outlet::default();
            let mut io = Narrow { seen: Vec::new(), takes, writes: 0 };
            let mut cx = Context::from_waker(Waker::noop());
            let mut said = Vec::new();
            for (at, (len, ends)) in pieces.iter().enumerate() {
                if !outlet.has_room() {
                    prop_assert!(outlet.poll_write(&mut io, &conn, &deadlines, &mut cx).is_ready());
                }
                let piece = vec![at as u8; *len];
                let end: &[u8] = if *ends { b"\r\n" } else { b"" };
                said.extend_from_slice(&piece);
                said.extend_from_slice(end);
                outlet.push(piece.into(), end);
            }
            prop_assert!(outlet.poll_write(&mut io, &conn, &deadlines, &mut cx).is_ready());
            prop_assert!(outlet.is_empty() && outlet.has_room());
            prop_assert_eq!(&io.seen, &said);
            if takes == usize::MAX {
                let large = pieces.iter().filter(|(len, _)| *len > FLAT_MAX).count();
                prop_assert!(io.writes <= large + 1 + said.len() / GATHERED_MAX);
            }
        }
    }
}
