//! A response's body on its way back, and the connection that it comes by.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::http2::StreamBody;
#[cfg(feature = "hyper-upstream")]
use super::hyper1::HyperBody;
use super::inbox::{Decoded, Decoder};
use super::line::{Lease, Line, Upload};
use super::patience::Patience;
use crate::http::hop_by_hop::{Reserved, strip_trailers};
use crate::http::passing::Passing;
use crate::net::Pipe;
use crate::net::rooms::Rooms;

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

/// A response's body.
#[derive(Debug)]
pub struct UpstreamBody(Kind);

/// It is moved more often than it is read, so that what most have no need of stands elsewhere.
#[derive(Debug)]
enum Kind {
    /// All that is left of it came with its head; nothing, where it has ended.
    Here(Bytes),
    Line(Box<LineBody>),
    Stream(Box<StreamBody>),
    #[cfg(feature = "hyper-upstream")]
    Hyper(Box<HyperBody>),
}

impl UpstreamBody {
    /// What comes by a connection that is on loan.
    pub(super) fn of_line(
        wire: Wire,
        decoder: Decoder,
        keep_alive: bool,
        lease: Lease,
        patience: Patience,
    ) -> Self {
        let mut body = LineBody { left: Some(wire), decoder, keep_alive, lease, patience };
        let whole = body.whole();
        if body.decoder.is_ended() {
            body.finish();
            return Self(Kind::Here(whole.unwrap_or_default()));
        }
        Self(Kind::Line(Box::new(body)))
    }

    pub(super) fn of_stream(body: StreamBody) -> Self {
        Self(Kind::Stream(Box::new(body)))
    }

    #[cfg(feature = "hyper-upstream")]
    pub(super) fn of_hyper(body: HyperBody) -> Self {
        Self(Kind::Hyper(Box::new(body)))
    }

    /// The endpoint has said its last byte: its connection is free.
    #[must_use]
    pub fn is_received(&self) -> bool {
        match &self.0 {
            Kind::Here(_) => true,
            Kind::Line(body) => body.decoder.is_ended(),
            Kind::Stream(body) => body.is_received(),
            #[cfg(feature = "hyper-upstream")]
            Kind::Hyper(body) => body.is_received(),
        }
    }
}

impl Passing for UpstreamBody {
    fn passes(&self) -> u64 {
        match &self.0 {
            Kind::Line(body) => body.passes(),
            _ => 0,
        }
    }

    fn poll_pass(
        mut self: Pin<&mut Self>,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, ResponseFailure>> {
        match &mut self.0 {
            Kind::Line(body) => body.poll_pass(pipe, cx),
            _ => Poll::Pending,
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
        match &mut self.0 {
            Kind::Here(rest) if rest.is_empty() => Poll::Ready(None),
            Kind::Here(rest) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(rest))))),
            Kind::Line(body) => Pin::new(&mut **body).poll_frame(cx),
            Kind::Stream(body) => Pin::new(&mut **body).poll_frame(cx),
            #[cfg(feature = "hyper-upstream")]
            Kind::Hyper(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Here(rest) => rest.is_empty(),
            Kind::Line(body) => body.is_end_stream(),
            Kind::Stream(body) => body.is_end_stream(),
            #[cfg(feature = "hyper-upstream")]
            Kind::Hyper(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Here(rest) => SizeHint::with_exact(rest.len() as u64),
            Kind::Line(body) => body.size_hint(),
            Kind::Stream(body) => body.size_hint(),
            #[cfg(feature = "hyper-upstream")]
            Kind::Hyper(body) => body.size_hint(),
        }
    }
}

/// A response's body over HTTP/1.1. When it has been read to its end, its connection serves the next request.
#[derive(Debug)]
struct LineBody {
    /// The connection by which the rest is to come.
    left: Option<Wire>,
    decoder: Decoder,
    keep_alive: bool,
    lease: Lease,
    patience: Patience,
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

impl LineBody {
    /// A body that came with its head: its connection need not wait for the client.
    fn whole(&mut self) -> Option<Bytes> {
        let Some(Wire::Own(line)) = &mut self.left else { return None };
        let here = line.read.len() as u64;
        self.decoder.left().filter(|left| (1..=here).contains(left))?;
        match self.decoder.next(&mut line.read) {
            Ok(Decoded::Data(data)) => Some(data),
            _ => None,
        }
    }

    /// The body has been read to its end: the connection is free, if it can be used again.
    fn finish(&mut self) {
        let line = match self.left.take() {
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
        if let Some(deadline) = self.patience.take_deadline() {
            idle.keep_deadline(deadline);
        }
    }

    fn fail(&mut self, why: ResponseFailure) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        self.left = None;
        Poll::Ready(Some(Err(why)))
    }

    /// Octets that come next which nobody has read yet, and which nothing stands between.
    fn passes(&self) -> u64 {
        match (&self.left, &self.decoder) {
            (Some(Wire::Own(line)), Decoder::Length(left)) if line.read.is_empty() && line.io.is_bare() => {
                *left
            }
            _ => 0,
        }
    }

    fn poll_pass(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize, ResponseFailure>> {
        let octets = self.passes();
        let Some(Wire::Own(line)) = &mut self.left else { return Poll::Pending };
        let why = match line.io.poll_fill(pipe, octets, cx) {
            Poll::Ready(Ok(octets @ 1..)) => {
                self.patience.heard();
                self.decoder.pass(octets as u64);
                if self.decoder.is_ended() {
                    self.finish();
                }
                return Poll::Ready(Ok(octets));
            }
            Poll::Ready(Err(_)) if pipe.is_unfit() => return Poll::Ready(Ok(0)),
            Poll::Ready(Ok(0) | Err(_)) => ResponseFailure::Broken,
            Poll::Pending => ready!(self.patience.poll(cx)),
        };
        self.left = None;
        Poll::Ready(Err(why))
    }
}

/// Reads the next piece: bytes that are here first, then more.
fn poll_next(
    line: &mut Line,
    decoder: &mut Decoder,
    rooms: &Rooms,
    cx: &mut Context<'_>,
) -> Poll<Result<Decoded, ResponseFailure>> {
    loop {
        match decoder.next(&mut line.read) {
            Ok(Decoded::More) => {}
            Ok(decoded) => {
                line.leave_room(rooms);
                return Poll::Ready(Ok(decoded));
            }
            Err(_) => return Poll::Ready(Err(ResponseFailure::Broken)),
        }
        match line.poll_fill(decoder.left().unwrap_or(UNKNOWN), rooms, cx) {
            Poll::Ready(Ok(0)) if decoder.close() => return Poll::Ready(Ok(Decoded::End)),
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(ResponseFailure::Broken)),
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => return Poll::Pending,
        }
    }
}

impl Body for LineBody {
    type Data = Bytes;
    type Error = ResponseFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        let this = &mut *self;
        let polled = match &mut this.left {
            None => return Poll::Ready(None),
            Some(Wire::Own(line)) => poll_next(line, &mut this.decoder, &this.lease.idle.rooms, cx),
            Some(Wire::Shared(line, _)) => {
                poll_next(&mut line.borrow_mut(), &mut this.decoder, &this.lease.idle.rooms, cx)
            }
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
                return match this.patience.poll(cx) {
                    Poll::Ready(why) => this.fail(why),
                    Poll::Pending => Poll::Pending,
                };
            }
        };
        this.patience.heard();
        if this.decoder.is_ended() {
            this.finish();
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.decoder.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
