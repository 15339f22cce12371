//! What goes out of an HTTP/2 connection: the frames of many streams are gathered, and written together.
//!
//! h2 writes each DATA frame of more than a few octets by itself: a system call and a TLS record an answer. Here its frames are
//! copied one behind the other, until as many are there as fill some TLS records, or the connection has nothing more to say.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::Notes;
use crate::http::conn::ConnState;
use crate::http::server::ConnDeadlines;
use crate::http::taking::Taking;

/// Octets that are gathered before they are written: two TLS records (RFC 8446 §5.1).
const FULL: usize = 32 * 1024;

thread_local! {
    /// A buffer that nobody uses: only connections whose clients are slow to take have one of their own.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A socket, and what is to be written to it.
#[derive(Debug)]
pub(super) struct Outlet<S> {
    io: S,
    held: Vec<u8>,
    /// Octets of it that are written.
    written: usize,
    /// Octets that TLS has taken, and not been seen to be rid of.
    within: usize,
    /// Something was not taken for want of room.
    starved: bool,
    notes: Rc<Notes>,
    state: Rc<ConnState>,
    deadlines: ConnDeadlines,
    taking: Option<Box<Taking>>,
}

impl<S> Outlet<S> {
    pub(super) fn new(io: S, deadlines: ConnDeadlines, state: Rc<ConnState>, notes: Rc<Notes>) -> Self {
        Self {
            io,
            held: Vec::new(),
            written: 0,
            within: 0,
            starved: false,
            notes,
            state,
            deadlines,
            taking: None,
        }
    }

    /// Whether something was not taken since the last time that this was asked.
    pub(super) fn was_starved(&mut self) -> bool {
        std::mem::take(&mut self.starved)
    }

    /// Something was taken, at the pace of the client.
    fn taken(&mut self, octets: usize) {
        self.notes.blocked.set(false);
        if let Some(taking) = &mut self.taking {
            taking.written(octets, &self.state);
        }
    }

    /// Ready when the client has taken nothing for too long, or too little.
    fn poll_slow<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.notes.blocked.set(true);
        let deadlines = &self.deadlines;
        let taking = self.taking.get_or_insert_with(|| Box::new(Taking::new(deadlines)));
        let why = ready!(taking.poll_slow(&self.state, cx));
        self.state.cut_off(why);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> Outlet<S> {
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> Outlet<S> {
    /// Takes all of it, to be written by [`Outlet::poll_flush`] at the latest; pending while the client has not taken what was
    /// gathered before.
    pub(super) fn poll_take(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.held.len() >= FULL {
            match self.poll_drain(cx) {
                Poll::Ready(drained) => drained?,
                Poll::Pending => {
                    self.starved = true;
                    return Poll::Pending;
                }
            }
        }
        if self.held.capacity() == 0 {
            self.held = SPARE.take();
            self.held.reserve_exact(FULL + FULL / 2);
        }
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// Writes what was gathered, and lets the client have it.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx)?);
        match Pin::new(&mut self.io).poll_flush(cx) {
            // TLS has more than the socket takes.
            Poll::Pending => self.poll_slow(cx),
            flushed => {
                let within = std::mem::take(&mut self.within);
                if self.notes.blocked.get() {
                    self.taken(within);
                }
                flushed
            }
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx)?);
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.held.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.io).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(len)) => {
                    self.written += len;
                    self.within = len;
                    self.taken(len);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_slow(cx),
            }
        }
        if self.held.capacity() > 0 {
            self.written = 0;
            self.held.clear();
            SPARE.set(std::mem::take(&mut self.held));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use crate::http::pace::MinRate;

    /// As TLS does it: whatever is written is taken, and flushed when the socket has room.
    struct Tls {
        has_room: Rc<std::cell::Cell<bool>>,
    }

    impl AsyncWrite for Tls {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.has_room.get() { Poll::Ready(Ok(())) } else { Poll::Pending }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_taken_all_is_not_waited_for_while_nothing_is_said() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let (state, notes) = (Rc::new(ConnState::new(address, address)), Rc::new(Notes::default()));
        let grace = Duration::from_secs(20);
        let deadlines = ConnDeadlines {
            header_read: grace,
            keep_alive: grace,
            write_stall: 3 * grace,
            response_rate: Some(MinRate { octets: 240, grace }),
        };
        let has_room = Rc::new(std::cell::Cell::new(true));
        let tls = Tls { has_room: Rc::clone(&has_room) };
        let mut outlet = Outlet::new(tls, deadlines, state, Rc::clone(&notes));
        for _ in 0..3 {
            poll_fn(|cx| outlet.poll_take(cx, &[0; 1000])).await.unwrap();
            has_room.set(false);
            let flushed = poll_fn(|cx| Poll::Ready(outlet.poll_flush(cx))).await;
            assert!(flushed.is_pending(), "{flushed:?}");
            assert!(notes.blocked.get());
            has_room.set(true);
            poll_fn(|cx| outlet.poll_flush(cx)).await.unwrap();
            assert!(!notes.blocked.get());
            tokio::time::advance(2 * grace).await;
        }
    }
}
