//! The socket under an HTTP/2 connection: every frame that passes is accounted for, and the last words arrive.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::budget::{Abuse, Budget};
use super::frames::{Frame, Frames, SMALL, kind};
use super::held::Held;
use super::outlet::Outlet;
use super::tunnel::Watcher;
use crate::time::Deadline;

/// Octets of the preface (RFC 9113 §3.4), which come before the first frame.
const PREFACE: usize = 24;
/// How long what a client still sends is read after a farewell with an error: a socket that is closed with bytes unread is reset, and
/// the farewell may be lost with it.
const LINGER: Duration = Duration::from_secs(1);
/// And how many octets.
const LINGER_OCTETS: usize = 1024 * 1024;
/// Streams whose trailers are malformed, and that nobody has asked about: of more, the oldest are forgotten.
const MALFORMED_MAX: usize = 64;

/// Frames that are read before other connections have their turn.
const TURN: u32 = 32;
/// And for how long: nothing is read after that.
const TURN_WITHIN: Duration = Duration::from_micros(100);
/// Octets that are read at a time, at least. What one read brings is looked at as a whole.
const READ_MIN: usize = 512;

/// What the wire tells the connection above it.
#[derive(Debug, Default)]
pub struct Notes {
    /// Frames that are still read in this turn.
    turn: Cell<u32>,
    /// Since when it is this turn.
    since: Cell<Option<Instant>>,
    /// What there was too much of. Nothing is read from then on.
    pub(super) abuse: Cell<Option<Abuse>>,
    /// What was wrong with a frame, where h2 has no word for it. Nothing is read from then on.
    pub(super) fault: Cell<Option<Reason>>,
    /// Pieces of answers that were cut to windows of few octets, and have not been written.
    pub(super) dribbles: Cell<u32>,
    /// Whether something waits to be written.
    pub(super) blocked: Cell<bool>,
    /// Whoever polls the connection flushes what it wrote.
    pub(super) gathers: Cell<bool>,
    /// Counts up with everything that comes.
    pub(super) heard: Cell<u64>,
    /// What its streams keep in memory.
    pub(super) held: Held,
    /// Since when a head has been coming that is not all there.
    pub(super) head_since: Cell<Option<Instant>>,
    /// The newest stream of the client's.
    newest: Cell<u32>,
    /// Streams whose trailers begin with a pseudo-header field.
    malformed: RefCell<VecDeque<u32>>,
}

impl Notes {
    /// The connection is polled: it has a turn.
    pub(super) fn begin_turn(&self) {
        self.turn.set(TURN);
        self.since.set(None);
    }

    /// Whether others have their turn before anything is read.
    fn has_had_its_turn(&self) -> bool {
        if self.turn.get() == TURN {
            // The first to be read.
            self.since.set(Some(Instant::now()));
            return false;
        }
        self.turn.get() == 0 || self.since.get().is_some_and(|since| since.elapsed() >= TURN_WITHIN)
    }

    /// Whether nothing more is read.
    fn is_over(&self) -> bool {
        self.abuse.get().is_some() || self.fault.get().is_some()
    }

    /// Takes note of a frame of the client's.
    fn note_received(&self, frame: &Frame) {
        if frame.kind != kind::HEADERS {
            return;
        }
        if frame.stream > self.newest.get() {
            self.newest.set(frame.stream);
        } else if frame.begins_with_pseudo() {
            let mut malformed = self.malformed.borrow_mut();
            if malformed.len() == MALFORMED_MAX {
                malformed.pop_front();
            }
            malformed.push_back(frame.stream);
        }
    }

    /// Whether a stream's trailers, which have come, are no trailers.
    pub(super) fn take_malformed(&self, stream: u32) -> bool {
        let mut malformed = self.malformed.borrow_mut();
        let at = malformed.iter().position(|one| *one == stream);
        at.and_then(|at| malformed.remove(at)).is_some()
    }

    /// A piece of so many octets is sent; whether it is all that there was to send.
    pub(super) fn note_cut(&self, octets: usize, is_all: bool) {
        if !is_all && octets < SMALL as usize {
            self.dribbles.set(self.dribbles.get().saturating_add(1));
        }
    }
}

impl Watcher for Rc<Notes> {
    fn came(&self) {}

    fn sent(&self, octets: usize, is_all: bool) {
        self.note_cut(octets, is_all);
    }
}

/// Such a socket.
#[derive(Debug)]
pub(super) struct Wire<S> {
    io: Rc<RefCell<Outlet<S>>>,
    /// What was read from it before.
    early: Vec<u8>,
    /// Octets of the preface that have not passed.
    preface: usize,
    coming: Frames,
    going: Frames,
    budget: Budget,
    notes: Rc<Notes>,
    /// Octets of half a turn's frames, as long as the last ones were.
    stride: usize,
    /// Whether an error was said farewell with.
    failed: bool,
    linger: Option<Deadline>,
    lingered: usize,
}

impl<S> Wire<S> {
    pub(super) fn new(io: Rc<RefCell<Outlet<S>>>, early: Vec<u8>, budget: Budget, notes: Rc<Notes>) -> Self {
        Self {
            io,
            early,
            preface: PREFACE,
            coming: Frames::default(),
            going: Frames::default(),
            budget,
            notes,
            stride: 2 * READ_MIN,
            failed: false,
            linger: None,
            lingered: 0,
        }
    }

    /// Accounts for what came; `false` when it is too much.
    fn account(&mut self, bytes: &[u8]) -> bool {
        let Self { coming, budget, notes, preface, stride, .. } = self;
        let mut frames = 0_usize;
        let skipped = (*preface).min(bytes.len());
        *preface -= skipped;
        coming.pass(bytes.get(skipped..).unwrap_or_default(), |frame| {
            frames += 1;
            notes.turn.set(notes.turn.get().saturating_sub(1));
            if !notes.is_over() {
                notes.fault.set(frame.fault());
                let is_new = frame.stream > notes.newest.get();
                let kept = notes.held.came(frame, is_new).then_some(Abuse::Other);
                notes.abuse.set(budget.received(frame).or(kept));
                notes.note_received(frame);
            }
        });
        if !notes.is_over() {
            notes.fault.set(coming.fault_of_settings());
        }
        *stride = (bytes.len() / frames.max(1)).saturating_mul(TURN as usize / 2).max(READ_MIN);
        match coming.is_amid_block() {
            true if notes.head_since.get().is_none() => notes.head_since.set(Some(Instant::now())),
            true => {}
            false => notes.head_since.set(None),
        }
        notes.heard.set(notes.heard.get().wrapping_add(1));
        !notes.is_over()
    }

    /// Reads, of small frames no more than half a turn's.
    fn poll_some(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncRead + Unpin,
    {
        let mut io = self.io.borrow_mut();
        if buf.remaining() <= self.stride {
            return io.poll_read(cx, buf);
        }
        let mut some = ReadBuf::new(buf.initialize_unfilled_to(self.stride));
        ready!(io.poll_read(cx, &mut some)?);
        let len = some.filled().len();
        buf.advance(len);
        Poll::Ready(Ok(()))
    }

    /// Takes account of what went.
    fn sent(&mut self, bytes: &[u8]) {
        let Self { going, budget, notes, failed, .. } = self;
        going.pass(bytes, |frame| {
            if frame.kind == kind::GOAWAY && frame.code() != 0 {
                *failed = true;
            }
            if frame.kind == kind::RST_STREAM {
                notes.held.end_body(frame.stream);
            }
            // Which stream's it is makes no difference to the account.
            let dribbles = notes.dribbles.get();
            let is_dribble = dribbles > 0 && frame.is_small_data();
            if is_dribble {
                notes.dribbles.set(dribbles - 1);
            }
            if let Some(abuse) = budget.sent(frame, is_dribble)
                && notes.abuse.get().is_none()
            {
                notes.abuse.set(Some(abuse));
            }
        });
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.notes.is_over() {
            // The connection ends; whoever polls it looks at the notes next.
            return Poll::Pending;
        }
        if this.notes.has_had_its_turn() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if this.early.is_empty() {
            ready!(this.poll_some(cx, buf)?);
        } else {
            let len = this.early.len().min(buf.remaining()).min(this.stride);
            buf.put_slice(this.early.get(..len).unwrap_or_default());
            this.early.drain(..len);
            if this.early.is_empty() {
                this.early = Vec::new();
            }
        }
        let came = buf.filled().get(before..).unwrap_or_default();
        if came.is_empty() || this.account(came) {
            return Poll::Ready(Ok(()));
        }
        // Nothing of what was too much is looked at.
        buf.set_filled(before);
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = ready!(self.io.borrow_mut().poll_take(cx, bytes)?);
        self.sent(bytes.get(..taken).unwrap_or_default());
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // h2 flushes behind each DATA frame.
        if self.notes.gathers.get() { Poll::Ready(Ok(())) } else { self.io.borrow_mut().poll_flush(cx) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(this.io.borrow_mut().poll_shutdown(cx)?);
            this.linger = Some(Deadline::at(Instant::now() + LINGER));
        }
        if !this.failed {
            return Poll::Ready(Ok(()));
        }
        let mut buffer = [0_u8; 4096];
        while this.lingered < LINGER_OCTETS {
            let mut buf = ReadBuf::new(&mut buffer);
            match this.io.borrow_mut().poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => this.lingered += buf.filled().len(),
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    let Some(linger) = this.linger.as_mut() else { return Poll::Ready(Ok(())) };
                    return linger.poll(cx).map(Ok);
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
