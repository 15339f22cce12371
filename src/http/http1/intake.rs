//! What comes by a connection: heads, and the bodies between them.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::body::Source;
use super::kit::Kit;
use crate::http::incoming::Fault;
use crate::http::wire::{Decoded, Decoder, Framing};
use crate::net::rooms::Size;
use crate::net::{Bare, Pipe};

/// Octets of chunk extensions and trailers that a body may have.
const CHUNK_OVERHEAD_MAX: u32 = 15 * 1024;
/// With less room than this, more is made before a read.
const ROOM_MIN: usize = 4 * 1024;
/// Octets that are read while a request is being answered, to see whether its client is still there: the next requests, if it does not wait.
const AHEAD_MAX: usize = 8 * 1024;
/// Octets of a body that nobody has wanted that are read for the sake of the connection.
const SKIPPED_MAX: u64 = 64 * 1024;

/// A connection's socket, and what was read from it.
#[derive(Debug)]
pub(in crate::http) struct Intake<S> {
    pub(in crate::http) io: S,
    /// What was read and not taken yet.
    pub(in crate::http) read: BytesMut,
    /// How large the buffer is that it stands in.
    size: Size,
    kit: Rc<Kit>,
    /// The present request's body.
    content: Decoder,
    /// Which request that is.
    request: u64,
    /// Nothing more of the body will come.
    fault: Option<Fault>,
    /// The client waits to be told that its body is wanted (RFC 9110 §10.1.1).
    expects_continue: bool,
    /// It is to be told.
    wants_continue: bool,
    /// Who writes to the client.
    writer: Option<Waker>,
}

impl<S: AsyncRead + Unpin> Intake<S> {
    pub(in crate::http) fn new(io: S, kit: Rc<Kit>) -> Self {
        Self {
            io,
            read: BytesMut::new(),
            size: Size::Small,
            kit,
            content: Decoder::Ended,
            request: 0,
            fault: None,
            expects_continue: false,
            wants_continue: false,
            writer: None,
        }
    }

    /// Reads some bytes; 0 is the connection's end. `expected` octets are known to come.
    pub(in crate::http) fn poll_fill(
        &mut self,
        expected: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let size = Size::of(expected);
        if self.read.is_empty() && (self.read.capacity() == 0 || self.size != size) {
            self.leave_room();
            (self.read, self.size) = (self.kit.rooms.take(size), size);
        } else if self.read.capacity() - self.read.len() < ROOM_MIN {
            self.read.reserve(size.octets());
        }
        let read = pin!(self.io.read_buf(&mut self.read)).poll(cx);
        if read.is_pending() {
            self.leave_room();
        }
        read
    }

    /// Leaves its buffer to others, if nothing is in it.
    pub(super) fn leave_room(&mut self) {
        if self.read.is_empty() && self.read.capacity() > 0 {
            let room = std::mem::take(&mut self.read);
            // One that has been given in pieces is somebody's still, or none of the kit's.
            self.kit.rooms.leave(room, self.size);
        }
    }

    /// A request has begun, with such a body.
    pub(super) fn begin(&mut self, framing: Framing, expects_continue: bool) {
        self.request += 1;
        self.content = match framing {
            Framing::Nothing => Decoder::Ended,
            Framing::Length(octets) => Decoder::Length(octets),
            Framing::Chunked => Decoder::chunked(CHUNK_OVERHEAD_MAX),
        };
        self.expects_continue = expects_continue && framing != Framing::Nothing;
        self.wants_continue = false;
    }

    /// Which request the present body is of.
    pub(super) fn request(&self) -> u64 {
        self.request
    }

    /// Nobody else reads of the present body from now on.
    pub(super) fn detach(&mut self) {
        self.request += 1;
    }

    /// Whether the client holds its body back, and was not told to send it: what it sends next has two readings.
    pub(super) fn is_held_back(&self) -> bool {
        self.expects_continue && !self.content.is_ended()
    }

    /// Whether all of the present request has been read.
    pub(super) fn is_all_read(&self) -> bool {
        self.content.is_ended() && self.fault.is_none()
    }

    /// Whether the client is to be told that its body is wanted; once.
    pub(super) fn take_wanted(&mut self) -> bool {
        let is_wanted = self.wants_continue && self.expects_continue;
        self.expects_continue &= !is_wanted;
        is_wanted
    }

    /// Ready when the client has left, or has sent more than is read ahead of answers (then never). Who waits with it is told when there
    /// is something to write.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.content.is_ended() {
            // Somebody else reads, on a task of its own perhaps.
            if !self.writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
                self.writer = Some(cx.waker().clone());
            }
            return if self.fault == Some(Fault::BrokenOff) { Poll::Ready(()) } else { Poll::Pending };
        }
        while self.read.len() < AHEAD_MAX && self.fault.is_none() {
            match ready!(self.poll_fill(0, cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Reads the body's next piece.
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Result<Decoded, Fault>> {
        if let Some(fault) = self.fault {
            return Poll::Ready(Err(fault));
        }
        loop {
            match self.content.next(&mut self.read) {
                Ok(Decoded::More) => {}
                Ok(decoded) => {
                    self.leave_room();
                    return Poll::Ready(Ok(decoded));
                }
                Err(_) => return Poll::Ready(Err(self.fail(Fault::Malformed))),
            }
            if self.expects_continue && !std::mem::replace(&mut self.wants_continue, true) {
                self.wake_writer();
            }
            match ready!(self.poll_fill(self.content.left().unwrap_or(u64::MAX), cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(Err(self.fail(Fault::BrokenOff))),
            }
        }
    }

    fn fail(&mut self, fault: Fault) -> Fault {
        self.fault = Some(fault);
        self.wake_writer();
        fault
    }

    fn wake_writer(&mut self) {
        self.writer.take().into_iter().for_each(Waker::wake);
    }

    /// Reads what nobody has wanted of the present body, if it is little; ready when it is known whether that was all. A client that waits
    /// to be told to send it sends the next request instead, or the body: nobody knows (RFC 9110 §10.1.1).
    pub(super) fn poll_skip(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut skipped = 0;
        while !self.content.is_ended() {
            let left = self.content.left().unwrap_or(0);
            if self.expects_continue || skipped + left > SKIPPED_MAX {
                return Poll::Ready(false);
            }
            match ready!(self.poll_content(cx)) {
                Ok(Decoded::Data(data)) => skipped += data.len() as u64,
                Ok(_) => {}
                Err(_) => return Poll::Ready(false),
            }
        }
        Poll::Ready(self.is_all_read())
    }

    /// Reads, and throws away, what comes; ready when nothing more will.
    pub(super) fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.read = BytesMut::new();
        let mut buffer = [0_u8; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut buffer);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + Bare + Unpin> Source for RefCell<Intake<S>> {
    fn poll(&self, request: u64, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut intake = self.borrow_mut();
        if intake.request != request {
            return Poll::Ready(Some(Err(Fault::BrokenOff)));
        }
        let polled = ready!(intake.poll_content(cx));
        if intake.content.is_ended() {
            // From now on the connection looks whether its client is there.
            intake.wake_writer();
        }
        Poll::Ready(match polled {
            Ok(Decoded::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Decoded::Trailers(fields)) => Some(Ok(Frame::trailers(fields))),
            Ok(Decoded::End | Decoded::More) => None,
            Err(fault) => Some(Err(fault)),
        })
    }

    fn left(&self, request: u64) -> Option<u64> {
        let intake = self.borrow();
        if intake.request == request { intake.content.left() } else { None }
    }

    fn passes(&self, request: u64) -> u64 {
        let mut intake = self.borrow_mut();
        // Where the client is to be told first that it is wanted, somebody has to see that.
        let is_next = intake.request == request && intake.fault.is_none() && !intake.expects_continue;
        let is_bare = intake.io.bare().is_some();
        match intake.content {
            Decoder::Length(left) if is_next && is_bare && intake.read.is_empty() => left,
            _ => 0,
        }
    }

    fn poll_pass(&self, request: u64, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize, Fault>> {
        let octets = self.passes(request);
        let mut intake = self.borrow_mut();
        let Some(socket) = intake.io.bare().filter(|_| octets > 0) else { return Poll::Pending };
        match ready!(socket.poll_fill(pipe, octets, cx)) {
            Ok(octets @ 1..) => {
                intake.content.pass(octets as u64);
                if intake.content.is_ended() {
                    intake.wake_writer();
                }
                Poll::Ready(Ok(octets))
            }
            Err(_) if pipe.is_unfit() => Poll::Ready(Ok(0)),
            Ok(0) | Err(_) => Poll::Ready(Err(intake.fail(Fault::BrokenOff))),
        }
    }
}
