//! A request's body on its way by a stream: a piece is taken from the client when the endpoint has room for it.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use tokio::time::Instant;

use crate::time::Deadline;
use crate::upstream::client::SendFailure;
use crate::upstream::outbox::Outbox;

/// A stream's side towards the endpoint. When it is dropped before its end, the stream is reset.
#[derive(Debug)]
pub(super) struct Upload {
    stream: SendStream<Bytes>,
    /// What was taken from the client and has no room yet.
    piece: Bytes,
    done: bool,
    /// The endpoint must make room within this.
    idle: Duration,
    stalled: Option<Deadline>,
}

impl Upload {
    pub(super) fn new(stream: SendStream<Bytes>, has_more: bool, idle: Duration) -> Self {
        Self { stream, piece: Bytes::new(), done: !has_more, idle, stalled: None }
    }

    /// The stream, where nothing was to be sent.
    pub(super) fn into_stream(self) -> SendStream<Bytes> {
        self.stream
    }

    /// Whether all was sent, or the endpoint wants no more of it.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Sends what there is room for; ready when it is done.
    ///
    /// # Errors
    /// When the client's side fails, or the endpoint makes no room. That the stream has ended is no error: its
    /// response says why.
    pub(super) fn poll(
        &mut self,
        outbox: &mut Outbox,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendFailure>> {
        while !self.done {
            if !self.piece.is_empty() {
                ready!(self.poll_piece(cx))?;
                continue;
            }
            if self.stream.poll_reset(cx).is_ready() {
                self.done = true;
                break;
            }
            let frame = ready!(outbox.poll_frame(cx)).map_err(|_| SendFailure::RequestBody)?;
            let sent = match frame.map(http_body::Frame::into_data) {
                Some(Ok(piece)) => {
                    self.piece = piece;
                    continue;
                }
                Some(Err(last)) => self.stream.send_trailers(last.into_trailers().unwrap_or_default()),
                None => self.stream.send_data(Bytes::new(), true),
            };
            // An error means that the stream has ended.
            let _ = sent;
            self.done = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendFailure>> {
        self.stream.reserve_capacity(self.piece.len());
        let room = match self.stream.capacity() {
            0 => match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(room))) => room,
                Poll::Ready(Some(Err(_)) | None) => {
                    self.done = true;
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => {
                    let idle = self.idle;
                    let stalled = self.stalled.get_or_insert_with(|| Deadline::at(Instant::now() + idle));
                    return stalled.poll(cx).map(|()| Err(SendFailure::Timeout));
                }
            },
            room => room,
        };
        if room > 0 {
            self.stalled = None;
            let piece = self.piece.split_to(room.min(self.piece.len()));
            self.done = self.stream.send_data(piece, false).is_err();
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the rest while the response is already coming.
    pub(super) async fn finish(mut self, mut outbox: Outbox) {
        outbox.let_go();
        // A failure resets the stream, which the response shows.
        let _ = poll_fn(|cx| self.poll(&mut outbox, cx)).await;
    }
}
