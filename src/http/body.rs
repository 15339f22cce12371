//! A request's body on its way upstream: bounded, counted, with a deadline for its next byte.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::conn::{ConnState, Cut};
use super::copy::{CopyIn, CopyOut, CopyWatch, copy};
use super::hop_by_hop::{Reserved, strip_trailers};
use super::incoming::{Fault, Incoming};
use super::pace::MinRate;
use super::slow::Slow;
use crate::time::{Deadline, turn_began};

/// Why a request's body could not be passed on to its end. Each is the client's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFailure {
    /// More octets than the tenant may send.
    #[error("the body is larger than allowed")]
    TooLarge,
    /// It doesn't follow its own framing.
    #[error("the body is malformed")]
    Malformed,
    /// The client went away.
    #[error("the client stopped sending")]
    Aborted,
    /// The client sent nothing for too long, or too slowly.
    #[error("the client sent too slowly")]
    Stalled,
}

/// What is known of a body while it passes and after.
#[derive(Debug, Default)]
pub struct BodyFlow {
    pub(super) bytes: Cell<u64>,
    pub(super) failure: Cell<Option<BodyFailure>>,
    ended: Cell<Option<Instant>>,
}

impl BodyFlow {
    /// Octets passed so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// What went wrong, if something did.
    #[must_use]
    pub fn failure(&self) -> Option<BodyFailure> {
        self.failure.get()
    }

    /// Whether all of it has passed.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// All of it has passed, just now.
    pub fn end(&self) {
        // What was kept for another try may end again.
        self.ended.set(self.ended.get().or_else(|| Some(turn_began())));
    }

    /// Since when it has, if it has.
    #[must_use]
    pub fn ended_at(&self) -> Option<Instant> {
        self.ended.get()
    }
}

/// A request's body as the upstream client reads it.
#[derive(Debug)]
pub struct RequestBody(Source);

#[derive(Debug)]
enum Source {
    Nothing,
    Client(Streamed),
    Copy(CopyOut),
}

#[derive(Debug)]
struct Streamed {
    body: Incoming,
    flow: Rc<BodyFlow>,
    conn: Rc<ConnState>,
    bounds: Bounds,
    copy: Option<CopyIn>,
    /// The copy had its turn before this piece.
    waited: bool,
    deadline: Option<Deadline>,
    slow: Option<Box<Slow>>,
}

/// What a body may be.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Octets, at most.
    pub bytes_max: u64,
    /// The next of them must come within this.
    pub idle: Duration,
    /// The least rate at which it must come, while it is waited for.
    pub rate: Option<MinRate>,
    /// The fields that name the tenant, which trailers may not.
    pub reserved: Arc<Reserved>,
}

impl RequestBody {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self(Source::Nothing)
    }

    /// Passes a body on, within bounds.
    #[must_use]
    pub fn streamed(body: Incoming, conn: Rc<ConnState>, bounds: Bounds) -> (Self, Rc<BodyFlow>) {
        let flow = Rc::new(BodyFlow::default());
        let flow_of = Rc::clone(&flow);
        let streamed = Streamed {
            body,
            flow: flow_of,
            conn,
            bounds,
            copy: None,
            waited: false,
            deadline: None,
            slow: None,
        };
        (Self(Source::Client(streamed)), flow)
    }

    /// A copy of what passes from now on, and how it stands. This goes on whatever becomes of the copy: where that falls
    /// behind by more than 256 KiB, or this breaks off, it fails.
    #[must_use]
    pub fn copied(&mut self) -> (Self, Option<CopyWatch>) {
        let Source::Client(streamed) = &mut self.0 else { return (Self::empty(), None) };
        let (into, out, watch) = copy();
        streamed.copy = Some(into);
        (Self(Source::Copy(out)), Some(watch))
    }
}

impl Streamed {
    fn fail(&mut self, why: BodyFailure) -> BodyFailure {
        self.flow.failure.set(Some(why));
        why
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        if self.copy.as_ref().is_some_and(CopyIn::is_behind) && !std::mem::replace(&mut self.waited, true) {
            // All that is here would pass in one go, and its copy be too far behind before it has said a word. One turn is what it gets.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = false;
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let at = turn_began() + self.bounds.idle;
                let deadline = self.deadline.get_or_insert_with(|| Deadline::at(at));
                let mut why = deadline.poll(cx).map(|()| Cut::BodyTimeout);
                if why.is_pending()
                    && let Some(rate) = self.bounds.rate
                {
                    why = self
                        .slow
                        .get_or_insert_with(|| Box::new(Slow::new(rate)))
                        .poll(cx)
                        .map(|()| Cut::SlowRequest);
                }
                self.conn.note_cut(ready!(why));
                return Poll::Ready(Some(Err(self.fail(BodyFailure::Stalled))));
            }
        };
        if let Some(deadline) = &mut self.deadline {
            deadline.set(turn_began() + self.bounds.idle);
        }
        Poll::Ready(match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    strip_trailers(trailers, &self.bounds.reserved);
                }
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(slow) = &mut self.slow {
                    slow.came(len);
                }
                let bytes = self.flow.bytes.get().saturating_add(len);
                self.flow.bytes.set(bytes);
                if bytes > self.bounds.bytes_max {
                    Some(Err(self.fail(BodyFailure::TooLarge)))
                } else {
                    if let Some(copy) = &self.copy {
                        copy.push(&frame);
                    }
                    if self.body.is_end_stream() {
                        self.end();
                    }
                    Some(Ok(frame))
                }
            }
            Some(Err(Fault::BrokenOff)) => Some(Err(self.fail(BodyFailure::Aborted))),
            Some(Err(Fault::Malformed)) => Some(Err(self.fail(BodyFailure::Malformed))),
            None => {
                self.end();
                None
            }
        })
    }

    fn end(&self) {
        self.flow.end();
        self.copy.iter().for_each(CopyIn::end);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        match &mut self.0 {
            Source::Client(streamed) => streamed.poll(cx),
            Source::Copy(copy) => copy.poll(cx),
            Source::Nothing => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Client(streamed) => streamed.body.is_end_stream(),
            Source::Copy(copy) => copy.is_end_stream(),
            Source::Nothing => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Client(streamed) => streamed.body.size_hint(),
            Source::Copy(_) => SizeHint::default(),
            Source::Nothing => SizeHint::with_exact(0),
        }
    }
}
