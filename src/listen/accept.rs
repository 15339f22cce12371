//! Accepting connections on one worker's socket.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::bind::ListeningSocket;
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

    /// The next connection.
    ///
    /// # Errors
    /// Those of accept(2): of the connection, which is gone again, or of the process, which has no descriptor left.
    pub async fn accept(&self) -> io::Result<(ClientStream, Peer)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }
}

/// Accepts until `closed` turns true; then takes in what the kernel has already let in (its clients
/// believe to be connected), and ends. `serve` starts a connection's own task; `exhausted` is told each time that
/// accepting pauses because the process has no descriptor or memory left.
pub async fn accept_loop(
    listener: Acceptor,
    mut closed: watch::Receiver<bool>,
    mut serve: impl FnMut(ClientStream, Peer),
    exhausted: impl Fn(),
) {
    let mut word = Word::default();
    let mut turn = (0_u32, Instant::now());
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            _ = closed.wait_for(|closed| *closed) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                serve(stream, peer);
                turn.0 += 1;
                if turn.0 >= TURN && turn.1.elapsed() >= TURN_WITHIN {
                    yield_now().await;
                    turn = (0, Instant::now());
                }
            }
            Err(error) if is_exhaustion(&error) => {
                exhausted();
                word.say(&error);
                tokio::select! {
                    () = sleep(EXHAUSTED_PAUSE) => {}
                    _ = closed.wait_for(|closed| *closed) => break,
                }
            }
            // The client went away in the queue; the next one is not affected.
            Err(_) => {}
        }
    }
    loop {
        let waiting = poll_fn(|cx| match listener.poll_accept(cx) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending => Poll::Ready(None),
        });
        match waiting.await {
            Some(Ok((stream, peer))) => serve(stream, peer),
            Some(Err(error)) if is_exhaustion(&error) => break,
            Some(Err(_)) => {}
            None => break,
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
