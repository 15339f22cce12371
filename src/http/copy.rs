//! A copy of a request's body, made as the original passes: never in its way, and bounded.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Frame;

use super::body::{BodyFailure, BodyFlow};

/// Octets that the original may be ahead of its copy. A copy that falls further behind is given up.
pub const AHEAD_MAX: usize = 256 * 1024;

/// What a piece counts for beside its octets, so that many small ones are bounded, too.
const PIECE_COST: usize = 64;

/// Pieces up to so many octets are copied: as a part of the buffer that they were read into they would keep all of it.
const SMALL_MAX: usize = 4 * 1024;

/// Where the original's pieces go in. Dropped before the end, it breaks the copy off.
#[derive(Debug)]
pub(super) struct CopyIn(Rc<RefCell<Copying>>);

/// Where they come out.
#[derive(Debug)]
pub(super) struct CopyOut {
    copying: Rc<RefCell<Copying>>,
    flow: Rc<BodyFlow>,
}

/// How a copy of a request's body stands.
#[derive(Debug)]
pub struct CopyWatch {
    copying: Rc<RefCell<Copying>>,
    flow: Rc<BodyFlow>,
}

#[derive(Debug, Default)]
struct Copying {
    pieces: VecDeque<Frame<Bytes>>,
    /// What they count for.
    held: usize,
    end: Option<End>,
    /// How many there were.
    pushed: u64,
    /// Whether nobody takes them any more.
    unwanted: bool,
    waker: Option<Waker>,
    /// Whoever waits for its breaking off.
    watcher: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All of it was said.
    Whole,
    /// The original broke off, or was too far ahead.
    Broken,
}

/// Both ends of a copy, and how it stands.
pub(super) fn copy() -> (CopyIn, CopyOut, CopyWatch) {
    let (copying, flow) = (Rc::<RefCell<Copying>>::default(), Rc::<BodyFlow>::default());
    let watch = CopyWatch { copying: Rc::clone(&copying), flow: Rc::clone(&flow) };
    (CopyIn(Rc::clone(&copying)), CopyOut { copying, flow }, watch)
}

impl CopyWatch {
    /// What has passed of it.
    #[must_use]
    pub fn flow(&self) -> &BodyFlow {
        &self.flow
    }

    /// Whether it is given up.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.copying.borrow().end == Some(End::Broken)
    }

    /// How many pieces of it have come, while it waits for the next; `None` where it waits for nothing of the client's.
    #[must_use]
    pub fn waits_after(&self) -> Option<u64> {
        let copying = self.copying.borrow();
        (copying.end.is_none() && copying.pieces.is_empty()).then_some(copying.pushed)
    }

    /// Waits until it is given up: while a connection takes nothing, nobody asks for the next piece, and hears of it.
    pub async fn broken(&self) {
        poll_fn(|cx| match self.is_broken() {
            true => Poll::Ready(()),
            false => {
                self.copying.borrow_mut().watcher = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await;
    }
}

impl CopyIn {
    /// A piece of the original has passed.
    pub(super) fn push(&self, frame: &Frame<Bytes>) {
        let mut copying = self.0.borrow_mut();
        if copying.unwanted || copying.end.is_some() {
            return;
        }
        let cost = PIECE_COST + frame.data_ref().map_or(0, Bytes::len);
        // One that is larger by itself is waited for.
        if copying.held > 0 && copying.held + cost > AHEAD_MAX {
            return copying.finish(End::Broken);
        }
        let piece = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) if data.len() <= SMALL_MAX => Frame::data(Bytes::copy_from_slice(data)),
            (Some(data), _) => Frame::data(data.clone()),
            (None, Some(trailers)) => Frame::trailers(trailers.clone()),
            (None, None) => return,
        };
        copying.held += cost;
        copying.pushed += 1;
        copying.pieces.push_back(piece);
        copying.wake();
    }

    /// Whether it is so far behind that it had better have a turn before the next piece.
    pub(super) fn is_behind(&self) -> bool {
        let copying = self.0.borrow();
        copying.held > AHEAD_MAX / 4 && copying.end.is_none() && !copying.unwanted
    }

    /// That was the last.
    pub(super) fn end(&self) {
        self.0.borrow_mut().finish(End::Whole);
    }
}

impl Drop for CopyIn {
    fn drop(&mut self) {
        self.0.borrow_mut().finish(End::Broken);
    }
}

impl Copying {
    fn finish(&mut self, end: End) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(end);
        self.wake();
        if end == End::Broken {
            self.pieces.clear();
            self.watcher.take().into_iter().for_each(Waker::wake);
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl CopyOut {
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let mut copying = self.copying.borrow_mut();
        if copying.end == Some(End::Broken) {
            self.flow.failure.set(Some(BodyFailure::Aborted));
            return Poll::Ready(Some(Err(BodyFailure::Aborted)));
        }
        if let Some(frame) = copying.pieces.pop_front() {
            let octets = frame.data_ref().map_or(0, Bytes::len);
            copying.held = copying.held.saturating_sub(PIECE_COST + octets);
            self.flow.bytes.set(self.flow.bytes.get() + octets as u64);
            return Poll::Ready(Some(Ok(frame)));
        }
        if copying.end.is_some() {
            self.flow.end();
            return Poll::Ready(None);
        }
        copying.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let copying = self.copying.borrow();
        copying.pieces.is_empty() && copying.end == Some(End::Whole)
    }
}

impl Drop for CopyOut {
    fn drop(&mut self) {
        let mut copying = self.copying.borrow_mut();
        copying.unwanted = true;
        copying.pieces.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::task::Waker;

    fn next(out: &CopyOut) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        out.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn piece(len: usize) -> Frame<Bytes> {
        Frame::data(Bytes::from(vec![7; len]))
    }

    #[test]
    fn one_that_is_too_far_behind_is_given_up_and_holds_nothing() {
        let (into, out, watch) = copy();
        into.push(&piece(AHEAD_MAX - 2 * PIECE_COST));
        assert!(!watch.is_broken());
        into.push(&piece(1));
        assert!(out.copying.borrow().pieces.is_empty(), "a piece has its own cost");
        assert!(matches!(next(&out), Poll::Ready(Some(Err(BodyFailure::Aborted)))));
        into.push(&piece(1));
        into.end();
        assert!(out.copying.borrow().pieces.is_empty());
        assert_eq!(watch.flow().failure(), Some(BodyFailure::Aborted));
    }

    #[test]
    fn a_piece_of_any_size_passes_alone() {
        let (into, out, _) = copy();
        into.push(&piece(AHEAD_MAX * 2));
        assert!(matches!(next(&out), Poll::Ready(Some(Ok(_)))));
        assert!(next(&out).is_pending());
    }

    #[test]
    fn an_original_that_breaks_off_breaks_its_copy_off() {
        let (into, out, _) = copy();
        into.push(&piece(1));
        drop(into);
        assert!(matches!(next(&out), Poll::Ready(Some(Err(_)))));
    }

    #[test]
    fn nothing_is_kept_for_nobody() {
        let (into, out, _) = copy();
        into.push(&piece(1));
        let copying = Rc::clone(&out.copying);
        drop(out);
        into.push(&piece(1));
        assert!(copying.borrow().pieces.is_empty());
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_went_in(sizes in prop::collection::vec((0..9_000_usize, 0..3_usize), 0..40)) {
            let (into, out, watch) = copy();
            let flow = watch.flow();
            let (mut sent, mut received) = (Vec::new(), Vec::new());
            let take = |received: &mut Vec<u8>| match next(&out) {
                Poll::Ready(Some(Ok(frame))) => received.extend_from_slice(frame.data_ref().unwrap()),
                Poll::Ready(Some(Err(why))) => panic!("{why}"),
                Poll::Ready(None) | Poll::Pending => {}
            };
            for (at, (size, reads)) in sizes.iter().enumerate() {
                let data = Bytes::from(vec![at as u8; *size]);
                sent.extend_from_slice(&data);
                into.push(&Frame::data(data));
                (0..(*reads).max(1)).for_each(|_| take(&mut received));
            }
            into.end();
            (0..=sizes.len()).for_each(|_| take(&mut received));
            prop_assert!(sent == received);
            prop_assert!(flow.ended() && out.is_end_stream());
            prop_assert_eq!((flow.bytes(), out.copying.borrow().held), (sent.len() as u64, 0));
        }
    }
}
