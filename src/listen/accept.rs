//! Accepting connections on one worker's socket, and those that other workers hand over to it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep};

use super::bind::{BACKLOG, ListeningSocket};
use super::spread::{Arrival, Spread};
use super::stream::{ClientStream, prepare};
use crate::types::Peer;

/// How long to leave off when the process is out of descriptors or memory: connections wait in the
/// kernel's queue meanwhile.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Connections that are taken in one after the other, at least, before those that are open have their turn.
const TURN: u32 = 4;
/// And for how long, if it takes no longer.
const TURN_WITHIN: Duration = Duration::from_micros(50);

/// How often the log says so.
const EXHAUSTED_WORD: Duration = Duration::from_secs(10);

/// A socket that connections are accepted on, of the runtime that it was made in.
#[derive(Debug)]
pub enum Acceptor {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a Unix socket.
    Unix(UnixListener),
}

impl Acceptor {
    /// Accepts on a socket in this thread's runtime.
    ///
    /// # Errors
    /// Those of the runtime, which has to watch it.
    pub fn new(socket: ListeningSocket) -> io::Result<Self> {
        Ok(match socket {
            ListeningSocket::Tcp(socket) => {
                let socket = TcpListener::from_std(socket)?;
                prepare(&socket);
                Self::Tcp(socket)
            }
            ListeningSocket::Unix(socket) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    /// The next connection.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(ClientStream, Peer)>> {
        match self {
            Self::Tcp(socket) => {
                socket.poll_accept(cx).map_ok(|(stream, peer)| (ClientStream::from(stream), Peer::from(peer)))
            }
            Self::Unix(socket) => {
                socket.poll_accept(cx).map_ok(|(stream, _)| (ClientStream::from(stream), Peer::Unix))
            }
        }
    }

    /// A connection that waits in the kernel, also one that the runtime has not heard of yet.
    fn accept_now(&self) -> io::Result<(ClientStream, Peer)> {
        let accept = |socket: SockRef<'_>| {
            let (stream, address) = socket.accept()?;
            stream.set_nonblocking(true)?;
            Ok::<_, io::Error>((stream, address.as_socket()))
        };
        match self {
            Self::Tcp(socket) => {
                let (stream, address) = accept(SockRef::from(socket))?;
                let address = address.ok_or(io::ErrorKind::NotConnected)?;
                Ok((TcpStream::from_std(stream.into())?.into(), Peer::from(address)))
            }
            Self::Unix(socket) => {
                let (stream, _) = accept(SockRef::from(socket))?;
                Ok((UnixStream::from_std(stream.into())?.into(), Peer::Unix))
            }
        }
    }

    /// The next connection.
    ///
    /// # Errors
    /// Those of accept(2): of the connection, which is gone again, or of the process, which has no descriptor left.
    pub async fn accept(&self) -> io::Result<(ClientStream, Peer)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }
}

/// Who receives the connections of a listener on one worker.
pub trait Desk {
    /// What a connection is let in with, by whichever worker.
    type Admission;

    /// Lets a connection in, or not.
    fn admit(&self, peer: Peer) -> Option<Self::Admission>;

    /// Starts the task of a connection that was let in and is this worker's.
    fn receive(&self, stream: ClientStream, arrival: Arrival<Self::Admission>);

    /// Accepting pauses, because the process has no descriptor or memory left.
    fn exhausted(&self);
}

/// Accepts until `closed` turns true, for the worker whose part `spread` is; then takes in what the kernel or another worker has already
/// let in (its clients believe to be connected), and ends.
pub async fn accept_loop<D: Desk>(
    listener: Acceptor,
    spread: Spread<D::Admission>,
    mut closed: watch::Receiver<bool>,
    desk: D,
) {
    let mut accepting = Accepting { listener, spread, desk, own_first: false, paused: None };
    let (mut word, mut turn) = (Word::default(), Turn::new());
    loop {
        let next = tokio::select! {
            biased;
            next = poll_fn(|cx| accepting.poll_next(cx)) => next,
            _ = closed.wait_for(|closed| *closed) => break,
        };
        match next {
            Next::Accepted(stream, peer) => accepting.place(stream, peer),
            Next::Handed(stream, arrival) => accepting.desk.receive(stream, arrival),
            Next::Exhausted(error) => {
                accepting.desk.exhausted();
                word.say(&error);
                accepting.paused = Some(Box::pin(sleep(EXHAUSTED_PAUSE)));
            }
        }
        turn.taken().await;
    }
    accepting.finish(turn).await;
}

/// An accept loop's state.
struct Accepting<D: Desk> {
    listener: Acceptor,
    spread: Spread<D::Admission>,
    desk: D,
    /// Whether the own socket is looked at before what others hand over: in turns, so that neither keeps the other waiting.
    own_first: bool,
    /// Until when nothing is accepted. What others hand over has its descriptor already.
    paused: Option<Pin<Box<Sleep>>>,
}

enum Next<T> {
    Accepted(ClientStream, Peer),
    Handed(ClientStream, Arrival<T>),
    Exhausted(io::Error),
}

impl<D: Desk> Accepting<D> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<D::Admission>> {
        self.own_first = !self.own_first;
        if self.own_first
            && let next @ Poll::Ready(_) = self.poll_own(cx)
        {
            return next;
        }
        // `None`: never before it was closed.
        if let Poll::Ready(Some((stream, arrival))) = self.spread.poll_handed(cx) {
            return Poll::Ready(Next::Handed(stream, arrival));
        }
        if self.own_first { Poll::Pending } else { self.poll_own(cx) }
    }

    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<Next<D::Admission>> {
        if let Some(pause) = &mut self.paused {
            ready!(pause.as_mut().poll(cx));
            self.paused = None;
        }
        loop {
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, peer)) => return Poll::Ready(Next::Accepted(stream, peer)),
                Err(error) if is_exhaustion(&error) => return Poll::Ready(Next::Exhausted(error)),
                // The client went away in the queue; the next one is not affected.
                Err(_) => {}
            }
        }
    }

    /// Lets a connection in that was accepted here. One that is refused is handed to nobody.
    fn place(&self, stream: ClientStream, peer: Peer) {
        if let Some(admission) = self.desk.admit(peer)
            && let Some((stream, arrival)) = self.spread.place(stream, peer, admission)
        {
            self.desk.receive(stream, arrival);
        }
    }

    /// Takes in all that is there. Others are at their end, too: it is handed to none of them.
    async fn finish(self, mut turn: Turn) {
        let Self { listener, mut spread, desk, .. } = self;
        spread.close();
        // As many as can wait; if more come all the time, this has an end nevertheless.
        for _ in 0..=BACKLOG {
            match listener.accept_now() {
                Ok((stream, peer)) => {
                    if let Some(admission) = desk.admit(peer) {
                        desk.receive(stream, spread.keep(peer, admission));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_exhaustion(&error) => break,
                Err(_) => {}
            }
            turn.taken().await;
        }
        // Whoever comes now is refused, and knows it.
        drop(listener);
        while let Some((stream, arrival)) = poll_fn(|cx| spread.poll_handed(cx)).await {
            desk.receive(stream, arrival);
            turn.taken().await;
        }
    }
}

/// An accept loop's turn among a worker's tasks.
struct Turn {
    taken: u32,
    since: Instant,
}

impl Turn {
    fn new() -> Self {
        Self { taken: 0, since: Instant::now() }
    }

    /// Another was taken in: when it has been enough, those that are open have their turn.
    async fn taken(&mut self) {
        self.taken += 1;
        if self.taken >= TURN && self.since.elapsed() >= TURN_WITHIN {
            yield_now().await;
            *self = Self::new();
        }
    }
}

/// Says that accepting pauses, now and then. Nobody is turned away: whoever waits in the kernel's queue is served when another
/// has gone.
#[derive(Default)]
struct Word(Option<Instant>);

impl Word {
    fn say(&mut self, error: &io::Error) {
        if self.0.is_none_or(|said| said.elapsed() >= EXHAUSTED_WORD) {
            self.0 = Some(Instant::now());
            tracing::error!(%error, "accepting pauses: raise the limit of open files (LimitNOFILE=, ulimit -n), or lower limits.max_connections");
        }
    }
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12))
}
