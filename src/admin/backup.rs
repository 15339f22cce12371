//! `/api/v1/backup`: all that the store has, as a stream that tells at its end whether it was whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_body::Frame;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::AdminState;
use super::export::LINES;
use super::paths::Paths;
use super::problem::Problem;
use super::query::Query;
use crate::store::StoreFault;

/// How long the client may take nothing: while it reads, the store's log grows.
const STALL: Duration = Duration::from_secs(30);
/// Pieces that wait for the client.
const PIECES: usize = 4;

/// The route. It takes as long as the client reads.
pub(super) fn paths() -> Paths {
    Paths::default().get("/backup", backup)
}

async fn backup(State(state): State<AdminState>, uri: Uri) -> Result<Response, Problem> {
    Query::of(&uri, &[], &[])?;
    let backup = state.control.registry().back_up().await?;
    let (pieces, receiver) = mpsc::channel(PIECES);
    let runtime = Handle::current();
    // It ends with the backup, or when the body is dropped, or its client stalls.
    spawn_blocking(move || {
        let give = |piece: Piece| match runtime.block_on(timeout(STALL, pieces.send(piece))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(BrokenOff::Gone),
            Err(_) => Err(BrokenOff::Stalled),
        };
        let written = backup.write(|bytes| give(Piece::Bytes(bytes.into()))).and_then(|()| give(Piece::End));
        if let Err(error) = written {
            tracing::warn!(%error, "a backup broke off");
        }
    });
    let headers = [(CONTENT_TYPE, LINES), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::new(Pieces(Some(receiver)))).into_response())
}

/// Why a backup was not written to its end.
#[derive(Debug, thiserror::Error)]
enum BrokenOff {
    #[error(transparent)]
    Store(#[from] StoreFault),
    #[error("its client has gone")]
    Gone,
    #[error("its client took nothing for 30 s")]
    Stalled,
}

/// What goes to the client.
enum Piece {
    Bytes(Bytes),
    /// That was all.
    End,
}

/// A body of pieces; `None` behind its end.
struct Pieces(Option<Receiver<Piece>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(receiver) = &mut self.0 else { return Poll::Ready(None) };
        match ready!(receiver.poll_recv(context)) {
            Some(Piece::Bytes(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Piece::End) => {
                self.0 = None;
                Poll::Ready(None)
            }
            // The body breaks off: what came so far must not look like all.
            None => {
                self.0 = None;
                Poll::Ready(Some(Err(io::Error::other("the backup broke off"))))
            }
        }
    }
}
