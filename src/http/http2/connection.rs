//! An HTTP/2 connection: its terms, its streams, and its end.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection};
use h2::{Ping, PingPong, Reason};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::budget::{Abuse, Budget};
use super::exchange;
use super::outlet::Outlet;
use super::streams::Streams;
use super::wire::{Notes, Wire};
use crate::http::conn::{ConnState, Cut};
use crate::http::quiet::Quiet;
use crate::http::server::{Entered, Handler, ServerSettings};
use crate::telemetry::Seldom;
use crate::time::Deadline;
use crate::types::Peer;

/// Bounds of HTTP/2 connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Limits {
    /// Streams that one connection may have open (SETTINGS_MAX_CONCURRENT_STREAMS).
    pub streams_max: u32,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self { streams_max: 250 }
    }
}

/// Octets that one stream may send ahead of the upstream's reading.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Octets that one connection may send ahead: what some uploads that nobody reads may take, and others need to go on.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// What the pieces that were sent ahead may cost beside their octets, before h2 ends the connection: it counts the octets that each is
/// short of 256. A stream's window full of messages of three octets, as gRPC sends them, has to fit: it costs 7.8 MiB.
const PIECES_MAX: usize = 8 * 1024 * 1024;
/// Octets of answers that h2 keeps to be written, for each stream.
const SEND_BUFFER: usize = 32 * 1024;
/// Streams that may have been reset by their client before anybody looked at them.
const RESET_UNSEEN_MAX: usize = 32;
/// Streams that h2 may have had to reset, over a connection's life.
const RESET_BY_ERROR_MAX: usize = 1024;
/// A client that was not heard of for so long is asked whether it is there, and cut after as long again.
const PING_AFTER: Duration = Duration::from_secs(20);
/// Turns in a row, each followed by another at once, of which what was said is gathered.
const TURNS_UNWRITTEN: u32 = 4;
/// And for how long, as that other turn may be late.
const UNWRITTEN_MAX: Duration = Duration::from_micros(200);
/// How long the last words to a client may take that is sent away.
const FAREWELL: Duration = Duration::from_secs(3);

/// Serves a connection until it ends.
pub(in crate::http) async fn serve<S, H>(
    io: S,
    early: Vec<u8>,
    state: Rc<ConnState>,
    settings: ServerSettings,
    handler: Rc<H>,
    entered: &Entered,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Handler + 'static,
{
    state.h2.set(true);
    let notes = Rc::new(Notes::default());
    let budget = Budget::new(settings.head.head_bytes_max);
    let outlet = Outlet::new(io, settings.deadlines, Rc::clone(&state), Rc::clone(&notes));
    let outlet = Rc::new(RefCell::new(outlet));
    let wire = Wire::new(Rc::clone(&outlet), early, budget, Rc::clone(&notes));
    notes.begin_turn();
    let greeting = terms(&settings).handshake::<_, Bytes>(wire);
    let Ok(Ok(mut connection)) = timeout(settings.deadlines.header_read, greeting).await else { return };
    let Some(pulse) = connection.ping_pong().map(Pulse::new) else { return };
    notes.gathers.set(true);
    let quiet = Quiet::new(settings.deadlines);
    let stalls = Deadline::at(Instant::now() + settings.deadlines.write_stall / 4);
    let mut driver = Driver {
        streams: Streams::default(),
        connection,
        outlet,
        state,
        settings,
        handler,
        notes,
        pulse,
        quiet,
        stalls,
        told: false,
        farewell: None,
        unwritten: 0,
        unwritten_since: Instant::now(),
        slow_head: None,
    };
    // How it ended is the client's affair: its requests have told their own story.
    poll_fn(|cx| driver.poll(entered, cx)).await;
    driver.streams.end().await;
}

fn terms(settings: &ServerSettings) -> Builder {
    let mut terms = Builder::new();
    terms
        .enable_connect_protocol()
        .max_concurrent_streams(settings.http2.streams_max)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(PIECES_MAX)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(settings.head.head_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESET_UNSEEN_MAX)
        .max_local_error_reset_streams(Some(RESET_BY_ERROR_MAX));
    terms
}

/// A connection while it lasts.
struct Driver<S, H> {
    // Before the connection, which resets those that are not answered.
    streams: Streams,
    connection: Connection<Wire<S>, Bytes>,
    outlet: Rc<RefCell<Outlet<S>>>,
    state: Rc<ConnState>,
    settings: ServerSettings,
    handler: Rc<H>,
    notes: Rc<Notes>,
    pulse: Pulse,
    quiet: Quiet,
    stalls: Deadline,
    /// The client was told that no new streams will be looked at.
    told: bool,
    /// Until when the last words may take, once they are said.
    farewell: Option<Deadline>,
    /// Turns since what was gathered has been written.
    unwritten: u32,
    /// Since the first of them.
    unwritten_since: Instant,
    slow_head: Option<Deadline>,
}

impl<S, H> Driver<S, H>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Handler + 'static,
{
    fn poll(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        self.notes.begin_turn();
        let write_stall = self.settings.deadlines.write_stall;
        while self.stalls.poll(cx).is_ready() {
            let now = Instant::now();
            self.state.cut_expired(now);
            self.stalls.set(now + write_stall / 4);
        }
        loop {
            if self.poll_frames(cx).is_ready() {
                return Poll::Ready(());
            }
            if let Some(farewell) = &mut self.farewell {
                return farewell.poll(cx);
            }
            if let Some(reason) = self.poll_fault(cx) {
                self.connection.abrupt_shutdown(reason);
                self.farewell = Some(Deadline::at(Instant::now() + FAREWELL));
                continue;
            }
            if self.pulse.poll(self.notes.heard.get(), cx).is_ready() {
                return Poll::Ready(());
            }
            let over = self.quiet.poll(&self.state, cx).is_ready();
            if self.told {
                // Answers may still be on their way out: whoever is slow to take them is looked after by the wire.
                return if over && !self.notes.blocked.get() { Poll::Ready(()) } else { Poll::Pending };
            }
            if !over && !entered.is_draining(cx) && !self.state.is_worn() {
                return Poll::Pending;
            }
            if over {
                self.state.note_cut(Cut::Idle);
            }
            // In two steps (RFC 9113 §6.8): a GOAWAY that refuses nothing yet, and the one that says where it ends when the client
            // has heard of it.
            self.told = true;
            self.connection.graceful_shutdown();
            self.quiet.wind_up();
        }
    }

    /// Why the client is to be sent away at once, if it is.
    fn poll_fault(&mut self, cx: &mut Context<'_>) -> Option<Reason> {
        if let Some(abuse) = self.notes.abuse.get() {
            self.report(abuse);
            return Some(Reason::ENHANCE_YOUR_CALM);
        }
        if let Some(fault) = self.notes.fault.get() {
            return Some(fault);
        }
        self.poll_slow_head(cx).is_ready().then(|| {
            self.state.note_cut(Cut::HeaderTimeout);
            Reason::ENHANCE_YOUR_CALM
        })
    }

    /// Ready when a head that has begun is not all there in time.
    fn poll_slow_head(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = self.notes.head_since.get();
        self.state.note_head(since.is_some());
        let Some(since) = since else { return Poll::Pending };
        let at = since + self.settings.deadlines.header_read;
        let deadline = self.slow_head.get_or_insert_with(|| Deadline::at(at));
        deadline.set(at);
        deadline.poll(cx)
    }

    /// Moves frames, and answers what comes; ready when the connection has ended.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.streams.poll(cx);
        loop {
            if self.poll_connection(cx).is_ready() {
                return Poll::Ready(());
            }
            // Those that have just come. What they have said already wakes the task again.
            self.streams.poll_new(cx);
            if self.streams.is_cut() && self.unwritten < TURNS_UNWRITTEN {
                if self.unwritten == 0 {
                    self.unwritten_since = Instant::now();
                }
                // Another turn comes at once: what it has to say is written with the rest.
                self.unwritten += 1;
                if self.unwritten_since.elapsed() < UNWRITTEN_MAX {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            self.unwritten = 0;
            let mut outlet = self.outlet.borrow_mut();
            match outlet.poll_flush(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                // There is room again for what h2 was not rid of.
                Poll::Ready(Ok(())) if outlet.was_starved() => {}
                _ => return Poll::Pending,
            }
        }
    }

    /// Reads and writes frames, and starts what comes; ready when the connection has ended.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match ready!(self.connection.poll_accept(cx)) {
                Some(Ok((request, respond))) => {
                    let (handler, state) = (Rc::clone(&self.handler), Rc::clone(&self.state));
                    let (deadlines, notes) = (self.settings.deadlines, Rc::clone(&self.notes));
                    self.streams
                        .start(|| exchange::serve(handler, state, request, respond, deadlines, notes));
                }
                Some(Err(why)) => {
                    if why.is_go_away() && why.is_library() && why.reason() == Some(Reason::ENHANCE_YOUR_CALM)
                    {
                        self.report(Abuse::Other);
                    }
                    return Poll::Ready(());
                }
                None => return Poll::Ready(()),
            }
        }
    }

    fn report(&self, abuse: Abuse) {
        self.handler.abused(abuse.name());
        tell(self.state.peer, abuse.name());
    }
}

thread_local! {
    static LINES: Seldom = const { Seldom::new() };
}

fn tell(peer: Peer, kind: &'static str) {
    LINES.with(|lines| {
        lines.tell(|untold| {
            tracing::info!(%peer, kind, untold, "an HTTP/2 connection was ended (ENHANCE_YOUR_CALM): too much of what does no work");
        });
    });
}

/// Finds out whether a silent client is still there.
struct Pulse {
    ping: PingPong,
    asked: bool,
    heard: u64,
    deadline: Deadline,
}

impl Pulse {
    fn new(ping: PingPong) -> Self {
        Self { ping, asked: false, heard: 0, deadline: Deadline::at(Instant::now() + PING_AFTER) }
    }

    /// Ready when it has not answered. `heard` counts up with what comes of it.
    fn poll(&mut self, heard: u64, cx: &mut Context<'_>) -> Poll<()> {
        if self.asked && self.ping.poll_pong(cx).is_ready() {
            self.asked = false;
        }
        while self.deadline.poll(cx).is_ready() {
            if heard == self.heard {
                if self.asked {
                    return Poll::Ready(());
                }
                self.asked = self.ping.send_ping(Ping::opaque()).is_ok();
            }
            self.heard = heard;
            self.deadline.set(Instant::now() + PING_AFTER);
        }
        Poll::Pending
    }
}
