//! Accepting connections on one worker's socket.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// How long to leave off when the process is out of descriptors or memory: connections wait in the
/// kernel's queue meanwhile.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until `closed` turns true; then takes in what the kernel has already let in (its clients
/// believe to be connected), and ends. `serve` starts a connection's own task.
pub async fn accept_loop(
    listener: TcpListener,
    mut closed: watch::Receiver<bool>,
    mut serve: impl FnMut(TcpStream, SocketAddr),
) {
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            _ = closed.wait_for(|closed| *closed) => break,
        };
        match accepted {
            Ok((stream, peer)) => start(stream, peer, &mut serve),
            Err(error) if is_exhaustion(&error) => {
                tracing::warn!(%error, "accepting pauses");
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
            Some(Ok((stream, peer))) => start(stream, peer, &mut serve),
            Some(Err(error)) if is_exhaustion(&error) => break,
            Some(Err(_)) => {}
            None => break,
        }
    }
}

fn start(stream: TcpStream, peer: SocketAddr, serve: &mut impl FnMut(TcpStream, SocketAddr)) {
    // Without it, small answers would wait for the acknowledgement of the ones before (RFC 896).
    if stream.set_nodelay(true).is_ok() {
        serve(stream, peer);
    }
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12))
}
