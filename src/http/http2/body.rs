//! A request's body, as its stream brings it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http_body::{Frame, SizeHint};

use super::reply::Reply;
use super::wire::Notes;
use crate::http::incoming::Fault;

/// A request's body. The client may send more when this has been taken; when it is dropped before its end, and the
/// answer has been sent, the stream is reset with NO_ERROR (RFC 9113 §8.1).
#[derive(Debug)]
pub struct StreamBody {
    coming: RecvStream,
    /// Octets to come, where that is known.
    length: Option<u64>,
    reply: Reply,
    notes: Rc<Notes>,
    /// The client waits to be asked for it (RFC 9110 §10.1.1).
    expected: bool,
}

impl StreamBody {
    pub(super) fn new(coming: RecvStream, head: &Parts, reply: Reply, notes: Rc<Notes>) -> Self {
        let ended = coming.is_end_stream();
        let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
        let length = lengths.next().and_then(|length| length.to_str().ok()?.parse().ok());
        // Of two, nobody believes either: the request is refused.
        let length = if lengths.next().is_some() { None } else { length };
        let length = if ended { Some(0) } else { length };
        Self { coming, length, reply, notes, expected: !ended && head.headers.contains_key(EXPECT) }
    }

    pub(in crate::http) fn reply(&self) -> &Reply {
        &self.reply
    }

    pub(in crate::http) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if std::mem::take(&mut self.expected) {
            self.reply.ask_on();
        }
        match self.coming.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => {
                // Whoever polls takes it: only now may the client send as much again.
                let released = self.coming.flow_control().release_capacity(data.len());
                self.notes.held.taken(self.coming.stream_id().into(), data.len());
                let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
                self.length = self.length.map(|length| length.saturating_sub(len));
                Poll::Ready(Some(released.map(|()| Frame::data(data)).map_err(|_| Fault::BrokenOff)))
            }
            // Also where it was reset with NO_ERROR or CANCEL: what has come is not all.
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Fault::BrokenOff))),
            Poll::Ready(None) => {
                let trailers = ready!(Pin::new(&mut self.coming).poll_trailers(cx));
                Poll::Ready(match trailers {
                    // RFC 9113 §8.1: such a message is malformed. h2 has dropped the fields.
                    Ok(Some(_)) if self.notes.take_malformed(self.coming.stream_id().into()) => {
                        self.reply.reset(Reason::PROTOCOL_ERROR);
                        Some(Err(Fault::BrokenOff))
                    }
                    Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
                    Err(_) => Some(Err(Fault::BrokenOff)),
                })
            }
            Poll::Pending => Poll::Pending,
        }
    }

    pub(in crate::http) fn is_end_stream(&self) -> bool {
        self.coming.is_end_stream()
    }

    pub(in crate::http) fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        self.notes.held.end_body(self.coming.stream_id().into());
    }
}
