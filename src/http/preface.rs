//! What a new connection speaks, by its first octets.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::Poll;

use tokio::io::AsyncRead;
use tokio::time::Instant;

use super::conn::{ConnState, Cut};
use super::http1::Intake;
use super::server::ConnDeadlines;
use crate::time::Deadline;

/// The connection preface of HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a new connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    /// HTTP/1.x, or something that will be refused as such.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
    /// Nothing: the peer went away or said nothing in time.
    Closed,
}

/// Waits for as many octets as tell HTTP/2 from HTTP/1.1, which stay to be read.
pub(super) async fn spoken<S: AsyncRead + Unpin>(
    intake: &RefCell<Intake<S>>,
    since: Instant,
    deadlines: &ConnDeadlines,
    state: &ConnState,
) -> Spoken {
    let mut deadline = None;
    poll_fn(|cx| {
        let mut intake = intake.borrow_mut();
        loop {
            let seen = intake.read.get(..intake.read.len().min(PREFACE.len())).unwrap_or_default();
            if !seen.is_empty() && !PREFACE.starts_with(seen) {
                return Poll::Ready(Spoken::Http1);
            }
            if seen.len() == PREFACE.len() {
                return Poll::Ready(Spoken::Http2);
            }
            match intake.poll_fill(0, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Spoken::Closed),
                Poll::Pending => {
                    let deadline =
                        deadline.get_or_insert_with(|| Deadline::at(since + deadlines.header_read));
                    return deadline.poll(cx).map(|()| {
                        state.note_cut(Cut::HeaderTimeout);
                        Spoken::Closed
                    });
                }
            }
        }
    })
    .await
}
