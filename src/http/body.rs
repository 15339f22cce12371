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
use super::passing::Passing;
use super::slow::Slow;
use crate::net::Pipe;
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
            Poll::Pending => return self.poll_late(cx).map(|why| Some(Err(why))),
        };
        self.heard();
        Poll::Ready(match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    strip_trailers(trailers, &self.bounds.reserved);
                }
                let came = self.came(frame.data_ref().map_or(0, Bytes::len));
                if let (Some(copy), Ok(())) = (&self.copy, came) {
                    copy.push(&frame);
                }
                self.end_with_its_last();
                Some(came.map(|()| frame))
            }
            Some(Err(fault)) => Some(Err(self.broken(fault))),
            None => {
                self.end();
                None
            }
        })
    }

    /// What of it nobody here wants to see, and is not too much.
    fn passes(&self) -> u64 {
        let allowed = self.bounds.bytes_max.saturating_sub(self.flow.bytes.get());
        Some(self.body.passes()).filter(|octets| self.copy.is_none() && *octets <= allowed).unwrap_or(0)
    }

    fn poll_pass(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize, BodyFailure>> {
        let Poll::Ready(passed) = Pin::new(&mut self.body).poll_pass(pipe, cx) else {
            return self.poll_late(cx).map(Err);
        };
        self.heard();
        Poll::Ready(match passed {
            Ok(octets) => {
                let came = self.came(octets);
                self.end_with_its_last();
                came.map(|()| octets)
            }
            Err(fault) => Err(self.broken(fault)),
        })
    }

    /// Nothing has come; ready when that has been so for too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<BodyFailure> {
        let at = turn_began() + self.bounds.idle;
        let deadline = self.deadline.get_or_insert_with(|| Deadline::at(at));
        let mut why = deadline.poll(cx).map(|()| Cut::BodyTimeout);
        if why.is_pending()
            && let Some(rate) = self.bounds.rate
        {
            let slow = self.slow.get_or_insert_with(|| Box::new(Slow::new(rate)));
            why = slow.poll(cx).map(|()| Cut::SlowRequest);
        }
        self.conn.note_cut(ready!(why));
        Poll::Ready(self.fail(BodyFailure::Stalled))
    }

    /// Something has come.
    fn heard(&mut self) {
        if let Some(deadline) = &mut self.deadline {
            deadline.set(turn_began() + self.bounds.idle);
        }
    }

    /// So many octets of it have come.
    fn came(&mut self, octets: usize) -> Result<(), BodyFailure> {
        let octets = octets as u64;
        if let Some(slow) = &mut self.slow {
            slow.came(octets);
        }
        let bytes = self.flow.bytes.get().saturating_add(octets);
        self.flow.bytes.set(bytes);
        if bytes > self.bounds.bytes_max { Err(self.fail(BodyFailure::TooLarge)) } else { Ok(()) }
    }

    fn broken(&mut self, fault: Fault) -> BodyFailure {
        self.fail(match fault {
            Fault::BrokenOff => BodyFailure::Aborted,
            Fault::Malformed => BodyFailure::Malformed,
        })
    }

    fn end_with_its_last(&self) {
        if self.body.is_end_stream() && self.flow.failure().is_none() {
            self.end();
        }
    }

    fn end(&self) {
        self.flow.end();
        self.copy.iter().for_each(CopyIn::end);
    }
}

impl Passing for RequestBody {
    fn passes(&self) -> u64 {
        match &self.0 {
            Source::Client(streamed) => streamed.passes(),
            Source::Copy(_) | Source::Nothing => 0,
        }
    }

    fn poll_pass(
        mut self: Pin<&mut Self>,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, BodyFailure>> {
        match &mut self.0 {
            Source::Client(streamed) => streamed.poll_pass(pipe, cx),
            Source::Copy(_) | Source::Nothing => Poll::Pending,
        }
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
