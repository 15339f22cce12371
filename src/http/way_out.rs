//! How far the client has taken what an HTTP/1.1 connection was told to say, and answers' bodies that heed it.
//!
//! hyper would gather as much of a body as a head may be long, twice, before it writes, and again behind what a slow client has not
//! taken. Some thousand of them that take nothing would hold a gigabyte.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::conn::ConnState;

/// Octets of a body that are given to be written before something is.
const AHEAD: usize = 32 * 1024;

/// What the guard notes of its writes.
#[derive(Default)]
pub(super) struct WayOut {
    /// Counts writes of which something was taken.
    writes: Cell<u64>,
    clogged: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl WayOut {
    /// Something was taken.
    pub(super) fn note_taken(&self) {
        self.writes.set(self.writes.get() + 1);
        self.clogged.set(false);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    /// Nothing more is taken at present.
    pub(super) fn note_clogged(&self) {
        self.clogged.set(true);
    }
}

/// An answer's body that is taken from its endpoint no faster than by its client.
#[derive(Debug)]
pub(super) struct Heeding<B> {
    body: B,
    conn: Rc<ConnState>,
    /// Octets given since the last write that was seen.
    given: usize,
    writes: u64,
}

impl<B> Heeding<B> {
    pub(super) fn new(body: B, conn: Rc<ConnState>) -> Self {
        Self { body, conn, given: 0, writes: 0 }
    }

    /// Ready when there is room for more.
    fn poll_room(&mut self, cx: &Context<'_>) -> Poll<()> {
        let way_out = &self.conn.way_out;
        if self.writes != way_out.writes.get() {
            (self.writes, self.given) = (way_out.writes.get(), 0);
        }
        if !way_out.clogged.get() && self.given < AHEAD {
            return Poll::Ready(());
        }
        // Whoever polls this flushes next, and the guard tells of it.
        way_out.waiting.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Heeding<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        ready!(self.poll_room(cx));
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            self.given += data.len();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    const PIECE: usize = 8 * 1024;

    /// As much as is asked for.
    struct Endless;

    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; PIECE])))))
        }
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn no_more_is_given_than_is_written_and_nothing_while_nothing_is_taken() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let conn = Rc::new(ConnState::new(address, address));
        let (mut body, woken) = (Heeding::new(Endless, Rc::clone(&conn)), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let mut given = || {
            let mut pieces = 0;
            while Pin::new(&mut body).poll_frame(&mut cx).is_ready() {
                pieces += 1;
                assert!(pieces <= AHEAD / PIECE, "without an end");
            }
            pieces
        };
        let was_woken = || woken.0.swap(0, Ordering::Relaxed) > 0;
        assert_eq!((given(), given(), was_woken()), (AHEAD / PIECE, 0, false));
        conn.way_out.note_taken();
        assert!(was_woken());
        assert_eq!(given(), AHEAD / PIECE);
        conn.way_out.note_taken();
        conn.way_out.note_clogged();
        was_woken();
        assert_eq!((given(), was_woken()), (0, false), "what was taken before is no room");
        conn.way_out.note_taken();
        assert!(was_woken());
        assert_eq!(given(), AHEAD / PIECE);
    }
}
