//! A response's body on its way back, and the connection that it comes by.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::inbox::{Decoded, Decoder};
use super::line::{Lease, Line, Upload};
use crate::http::hop_by_hop::{Reserved, strip_trailers};
use crate::time::Deadline;

/// Octets to expect of a body that doesn't say how many there are.
const UNKNOWN: u64 = 32 * 1024;

/// Why a response's body ended before its end. The client's copy is cut, never completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseFailure {
    /// The endpoint closed, reset, or broke its framing.
    #[error("the endpoint broke off the response")]
    Broken,
    /// The endpoint sent nothing for `timeouts.idle`.
    #[error("the endpoint sent nothing for too long")]
    Stalled,
    /// The route's `timeout` for the whole request has passed.
    #[error("the response took too long")]
    Expired,
}

/// A response's body. When it has been read to its end, its connection serves the next request.
#[derive(Debug)]
pub struct UpstreamBody {
    wire: Option<Wire>,
    decoder: Decoder,
    keep_alive: bool,
    lease: Lease,
    idle: Duration,
    expires: Option<Instant>,
    deadline: Option<Deadline>,
    waiting: bool,
}

/// Who uses the connection.
#[derive(Debug)]
pub(super) enum Wire {
    /// The response alone.
    Own(Box<Line>),
    /// The rest of the request, too.
    Shared(Rc<RefCell<Line>>, Sending),
}

/// The task that sends the rest of a request; it ends with the response.
#[derive(Debug)]
pub(super) struct Sending(pub(super) JoinHandle<()>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl UpstreamBody {
    pub(super) fn new(
        wire: Wire,
        decoder: Decoder,
        keep_alive: bool,
        lease: Lease,
        idle: Duration,
        expires: Option<Instant>,
        deadline: Deadline,
    ) -> Self {
        let deadline = Some(deadline);
        let mut body =
            Self { wire: Some(wire), decoder, keep_alive, lease, idle, expires, deadline, waiting: false };
        if body.decoder.is_ended() {
            body.finish();
        }
        body
    }

    /// The body has been read to its end: the connection is free, if it can be used again.
    fn finish(&mut self) {
        let line = match self.wire.take() {
            Some(Wire::Own(line)) => Some(line),
            Some(Wire::Shared(line, sending)) => {
                drop(sending);
                Rc::try_unwrap(line).ok().map(|line| Box::new(line.into_inner()))
            }
            None => None,
        };
        let Lease { idle, endpoint, idle_max, keep } = &self.lease;
        if let Some(line) = line.filter(|line| self.keep_alive && line.upload == Upload::Done) {
            idle.put(*endpoint, line, *idle_max, *keep);
        }
        if let Some(deadline) = self.deadline.take() {
            idle.keep_deadline(deadline);
        }
    }

    fn fail(&mut self, why: ResponseFailure) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        self.wire = None;
        Poll::Ready(Some(Err(why)))
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<ResponseFailure> {
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        if !std::mem::replace(&mut self.waiting, true) {
            let idle = Instant::now() + self.idle;
            deadline.set(self.expires.map_or(idle, |expires| expires.min(idle)));
        }
        deadline.poll(cx).map(|()| match self.expires {
            Some(expires) if expires <= Instant::now() => ResponseFailure::Expired,
            _ => ResponseFailure::Stalled,
        })
    }
}

/// Reads the next piece: bytes that are here first, then more.
fn poll_next(
    line: &mut Line,
    decoder: &mut Decoder,
    cx: &mut Context<'_>,
) -> Poll<Result<Decoded, ResponseFailure>> {
    loop {
        match decoder.next(&mut line.read) {
            Ok(Decoded::More) => {}
            Ok(decoded) => return Poll::Ready(Ok(decoded)),
            Err(_) => return Poll::Ready(Err(ResponseFailure::Broken)),
        }
        match line.poll_fill(decoder.left().unwrap_or(UNKNOWN), cx) {
            Poll::Ready(Ok(0)) if decoder.close() => return Poll::Ready(Ok(Decoded::End)),
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(ResponseFailure::Broken)),
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => return Poll::Pending,
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = ResponseFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        let this = &mut *self;
        let polled = match &mut this.wire {
            None => return Poll::Ready(None),
            Some(Wire::Own(line)) => poll_next(line, &mut this.decoder, cx),
            Some(Wire::Shared(line, _)) => poll_next(&mut line.borrow_mut(), &mut this.decoder, cx),
        };
        let frame = match polled {
            Poll::Ready(Ok(Decoded::Data(data))) => Some(Frame::data(data)),
            Poll::Ready(Ok(Decoded::Trailers(mut fields))) => {
                strip_trailers(&mut fields, &Reserved::default());
                Some(Frame::trailers(fields))
            }
            Poll::Ready(Ok(Decoded::End | Decoded::More)) => None,
            Poll::Ready(Err(why)) => return this.fail(why),
            Poll::Pending => {
                return match this.poll_deadline(cx) {
                    Poll::Ready(why) => this.fail(why),
                    Poll::Pending => Poll::Pending,
                };
            }
        };
        this.waiting = false;
        if this.decoder.is_ended() {
            this.finish();
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.wire.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.decoder.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
