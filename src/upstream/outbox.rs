//! A request on its way to an endpoint: encoded once, then sent, by whichever connection takes it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::request::Parts;
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::cargo::Cargo;
use super::io::Io;
use super::line::{Idle, Line, Upload};
use super::progress::{Framing, Progress, SendBroken};
use super::replay::{Replay, Stock};
use super::text;
use super::time_left::TimeLeft;
use crate::http::body::RequestBody;
use crate::http::passing::{PASSED_MIN, Passing};
use crate::http::timeouts::Timeouts;
use crate::net::Pipes;
use crate::time::Deadline;

/// Octets of a body that are sent in one turn, about.
const TURN: usize = 512 * 1024;

/// A request's bytes, and where its body's come from.
#[derive(Debug)]
pub struct Outbox {
    /// The head, then what comes of the body.
    cargo: Cargo,
    method: Method,
    /// Boxed: it is large, is moved together with all this, and most requests have none.
    body: Option<Box<RequestBody>>,
    framing: Framing,
    progress: Progress,
    /// Where the head says how much time is left.
    time_left: Option<Box<TimeLeft>>,
    /// What is kept of it, to be sent once more.
    kept: Option<Box<Kept>>,
    /// Until when the connection must take more, while it takes nothing.
    stalled: Option<Deadline>,
    /// An empty map, which the answer's fields may stand in.
    room: HeaderMap,
}

#[derive(Debug)]
struct Kept {
    /// The head as it was encoded, from the moment in which something of the body stands behind it.
    head: Vec<u8>,
    /// Where it says how much time is left.
    lines: Range<usize>,
    body: Replay,
    /// It goes once it has been said.
    is_last: bool,
}

impl Outbox {
    /// Encodes a head, whose fields must have been cleaned, and behind them `own`: whole lines, in pieces. `text` is a buffer to
    /// write into.
    #[must_use]
    pub fn new(head: &Parts, own: &[&[u8]], body: RequestBody, text: Vec<u8>) -> Self {
        Self::with_body(head, own, boxed(body), text)
    }

    /// The same, of a body that is not over, or of none.
    #[must_use]
    pub fn with_body(head: &Parts, own: &[&[u8]], body: Option<Box<RequestBody>>, mut text: Vec<u8>) -> Self {
        text::head(&mut text, head, own);
        let framing = if body.is_none() {
            Framing::None
        } else if head.headers.contains_key(TRANSFER_ENCODING) {
            Framing::Chunked
        } else {
            debug_assert!(head.headers.contains_key(CONTENT_LENGTH));
            Framing::Length
        };
        Self::of(text, head.method.clone(), framing, body)
    }

    fn of(text: Vec<u8>, method: Method, framing: Framing, body: Option<Box<RequestBody>>) -> Self {
        let body_ended = framing == Framing::None;
        let progress = Progress { body_ended, ..Progress::default() };
        let cargo = Cargo::new(text);
        let (time_left, kept, stalled, room) = (None, None, None, HeaderMap::new());
        Self { cargo, method, body, framing, progress, time_left, kept, stalled, room }
    }

    /// Leaves the map that its own fields stood in to the answer's.
    pub fn leave_room(&mut self, mut fields: HeaderMap) {
        fields.clear();
        self.room = fields;
    }

    /// What an answer is read by, and a map for its fields.
    pub(super) fn for_answer(&mut self) -> (&Method, &mut HeaderMap) {
        (&self.method, &mut self.room)
    }

    /// Another request with the same head and `line`, a whole one, beside; with what is copied of the body. To be called before the
    /// first sending.
    #[must_use]
    pub fn mirrored(&self, line: &[u8], body: RequestBody) -> Self {
        debug_assert!(!self.progress.touched && !self.progress.body_taken);
        let head = &self.cargo.text;
        let mut text = Vec::with_capacity(head.len() + line.len());
        // Before the line that ends the head.
        text.extend_from_slice(head.strip_suffix(b"\r\n").unwrap_or(head));
        text.extend_from_slice(line);
        text.extend_from_slice(b"\r\n");
        let time_left = self.time_left.clone();
        Self { time_left, ..Self::of(text, self.method.clone(), self.framing, boxed(body)) }
    }

    /// Has the endpoint told how much time is left at the moment in which the request is sent, by the fields that
    /// the client used. To be called before the first sending.
    pub fn tell_time_left(&mut self, timeouts: Timeouts, expires: Instant) {
        if timeouts.shortest().is_some() && !self.progress.body_taken {
            self.time_left = Some(Box::new(TimeLeft::new(timeouts, expires, &self.cargo.text)));
        }
    }

    /// Keeps the body as it is sent, up to so many octets, so that the request can be sent once more; a body that is
    /// known to be larger is not. To be called before the first sending.
    pub(super) fn keep(&mut self, octets_max: usize, stock: &Stock) {
        let known = self.body.as_ref().and_then(|body| body.size_hint().exact()).unwrap_or_default();
        let fits = usize::try_from(known).is_ok_and(|known| known <= octets_max);
        if octets_max > 0 && fits && self.framing != Framing::None && !self.progress.body_taken {
            let body = Replay::new(octets_max, stock);
            self.kept = Some(Box::new(Kept { head: Vec::new(), lines: 0..0, body, is_last: false }));
        }
    }

    /// It will not be sent again: what was kept for that goes, but for what was taken of the body and is still to be said.
    pub(super) fn let_go(&mut self) {
        match &mut self.kept {
            Some(kept) if kept.body.is_saying() => kept.is_last = true,
            kept => *kept = None,
        }
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether all of it has been sent.
    pub(super) fn is_sent(&self) -> bool {
        self.progress.body_ended && self.cargo.is_written() && !self.progress.unflushed
    }

    /// Whether no connection took a byte of it: then another may have it, whatever it does.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        !self.progress.touched
    }

    /// Back to the first byte. `false` when that is gone: a body can be had once only, but for what is kept of it.
    #[must_use]
    pub fn rewind(&mut self) -> bool {
        if self.progress.body_taken {
            match &mut self.kept {
                Some(kept) if !kept.is_last => {
                    self.cargo.replace(&kept.head);
                    self.time_left.iter_mut().for_each(|left| left.is_told_at(kept.lines.clone()));
                    kept.body.begin_again();
                    self.progress.body_taken = false;
                    self.progress.body_ended = false;
                }
                _ if self.progress.touched => return false,
                _ => {}
            }
        }
        debug_assert!(!self.cargo.text.is_empty());
        self.cargo.begin_again();
        self.progress.touched = false;
        self.progress.stopped = false;
        self.progress.unflushed = false;
        self.stalled = None;
        true
    }

    /// The endpoint wants no more of it; it may answer still.
    pub(super) fn stop(&mut self) {
        self.progress.stopped = true;
    }

    /// Whether the endpoint wants no more of it.
    pub(super) fn is_stopped(&self) -> bool {
        self.progress.stopped
    }

    /// The buffer, for the next request.
    pub(super) fn into_text(mut self, pipes: &Pipes) -> Vec<u8> {
        self.cargo.passage.leave(pipes);
        self.cargo.text
    }

    /// The head as it was encoded, to be said in another protocol. `None` when a part of the body was taken,
    /// for it stands in chunks behind the head.
    pub(super) fn head(&mut self) -> Option<&[u8]> {
        if self.progress.body_taken || self.progress.touched {
            return None;
        }
        self.time_left.iter_mut().for_each(|left| left.tell(&mut self.cargo.text));
        Some(&self.cargo.text)
    }

    /// A connection of another protocol has taken the head.
    pub(super) fn touch(&mut self) {
        self.progress.touched = true;
    }

    /// Whether a body, or more of it, comes behind the head.
    pub(super) fn has_more(&self) -> bool {
        !self.progress.body_ended
    }

    /// Takes the body's next piece, for a connection of another protocol.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, SendBroken>> {
        let frame = ready!(self.poll_body(cx));
        self.progress.body_ended = frame.is_none();
        Poll::Ready(frame.transpose())
    }

    /// What comes next of the body: first what is being sent once more, then what the client sends.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SendBroken>>> {
        if let Some(kept) = &mut self.kept {
            if let Some(again) = kept.body.say() {
                self.progress.body_taken = true;
                return Poll::Ready(again.map(Ok));
            }
            if kept.is_last {
                self.kept = None;
            }
        }
        let frame = match &mut self.body {
            Some(body) => ready!(Pin::new(&mut **body).poll_frame(cx)),
            None => None,
        };
        if let Some(kept) = &mut self.kept {
            if kept.head.is_empty() {
                debug_assert!(!self.progress.body_taken);
                kept.head.extend_from_slice(&self.cargo.text);
                kept.lines = self.time_left.as_ref().map_or(0..0, |left| left.lines());
            }
            let come = frame.as_ref().and_then(|frame| frame.as_ref().ok());
            if kept.body.note(come).is_err() {
                self.kept = None;
            }
        }
        self.progress.body_taken = true;
        Poll::Ready(frame.map(|frame| frame.map_err(|_| SendBroken::Body)))
    }

    /// Sends what can be sent now; ready when all has been. While there is something to send, the connection must take
    /// some of it within `idle`.
    pub(super) fn poll_send(
        &mut self,
        io: &mut Io,
        idle: Duration,
        pipes: &Pipes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendBroken>> {
        if self.progress.stopped {
            return Poll::Ready(Ok(()));
        }
        if !self.progress.touched {
            self.time_left.iter_mut().for_each(|left| left.tell(&mut self.cargo.text));
            if !self.method.is_idempotent() {
                // Of what HTTP/1.1 has taken nobody ever says that it had no effect.
                self.let_go();
            }
        }
        let mut sent = 0;
        loop {
            // A small piece goes out with the head, in one write.
            self.poll_piece(io.is_bare().then_some(pipes), cx)?;
            let is_written = self.cargo.is_written();
            let taken =
                if is_written { self.poll_flush(io, cx).map_ok(|()| 0) } else { self.poll_write(io, cx) };
            let Poll::Ready(taken) = taken else { return self.poll_stalled(idle, cx) };
            sent += taken.map_err(|_| SendBroken::Connection)?;
            self.stalled = None;
            if is_written {
                return if self.progress.body_ended { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            if sent >= TURN {
                // Others of this worker's have something to do, too.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn poll_stalled(&mut self, idle: Duration, cx: &mut Context<'_>) -> Poll<Result<(), SendBroken>> {
        let stalled = self.stalled.get_or_insert_with(|| Deadline::at(Instant::now() + idle));
        stalled.poll(cx).map(|()| Err(SendBroken::Stalled))
    }

    fn poll_write(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Of what can't be sent once more it has to be known that it was not taken.
        let may_wait = self.progress.body_ended && self.method.is_idempotent();
        let octets = ready!(self.cargo.poll_write(io, may_wait, cx))?;
        self.progress.touched = true;
        self.progress.unflushed = true;
        Poll::Ready(Ok(octets))
    }

    fn poll_flush(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.progress.unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.progress.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the body's next piece when there is room for it: unseen, where it is long, to a connection that takes it from `pipes`.
    fn poll_piece(&mut self, pipes: Option<&Pipes>, cx: &mut Context<'_>) -> Result<(), SendBroken> {
        while !self.progress.body_ended && self.cargo.has_room() {
            let octets = self.passes();
            if octets >= PASSED_MIN
                && let Some(pipes) = pipes
            {
                if !self.progress.touched {
                    // What is in a pipe can't be told to another connection.
                    return Ok(());
                }
                if let Some(pipe) = self.cargo.passage.open(octets, pipes)
                    && let Some(body) = &mut self.body
                {
                    let passed = Pin::new(&mut **body).poll_pass(pipe, cx);
                    let Poll::Ready(passed) = passed else { return Ok(()) };
                    // Until then all that there is can be told to another: the head.
                    self.progress.body_taken |= passed.map_err(|_| SendBroken::Body)? > 0;
                    continue;
                }
            }
            let Poll::Ready(frame) = self.poll_body(cx) else { return Ok(()) };
            match frame {
                Some(frame) => self.take(frame?),
                None => self.end(None),
            }
        }
        Ok(())
    }

    /// How many octets of the body come next that nobody here wants to see.
    fn passes(&self) -> u64 {
        let may_pass = self.framing == Framing::Length && self.kept.is_none();
        self.body.as_ref().filter(|_| may_pass).map_or(0, |body| body.passes())
    }

    fn take(&mut self, frame: Frame<Bytes>) {
        if self.progress.touched {
            self.cargo.forget_written();
        }
        match frame.into_data() {
            Ok(piece) if piece.is_empty() => {}
            Ok(piece) if self.framing == Framing::Chunked => self.cargo.push_chunk(&piece),
            Ok(piece) => self.cargo.push(piece),
            Err(frame) => self.end(frame.into_trailers().ok()),
        }
    }

    fn end(&mut self, trailers: Option<HeaderMap>) {
        self.progress.body_ended = true;
        if self.framing == Framing::Chunked {
            self.cargo.push_last_chunk(trailers.as_ref());
        }
    }
}

fn boxed(body: RequestBody) -> Option<Box<RequestBody>> {
    (!body.is_end_stream()).then(|| Box::new(body))
}

/// Sends the rest of a request while its response is already being read, on a task of its own: the
/// upload must go on while nobody reads the response.
pub(super) async fn send_rest(mut outbox: Outbox, line: Rc<RefCell<Line>>, idle: Duration, kept: Rc<Idle>) {
    outbox.let_go();
    let sent = poll_fn(|cx| outbox.poll_send(&mut line.borrow_mut().io, idle, &kept.pipes, cx)).await.is_ok();
    line.borrow_mut().upload = if sent { Upload::Done } else { Upload::Failed };
}
