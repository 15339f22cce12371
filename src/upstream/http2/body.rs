//! A response's body, as its stream brings it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};

use super::link::Carried;
use crate::http::hop_by_hop::{Reserved, strip_trailers};
use crate::upstream::body::{ResponseFailure, Sending};
use crate::upstream::patience::Patience;

/// A response's body. The endpoint may send more when this has been taken; when it is dropped before its end, the
/// stream is reset.
#[derive(Debug)]
pub(in crate::upstream) struct StreamBody {
    left: Option<Left>,
    /// Octets to come, where that is known.
    length: Option<u64>,
    patience: Patience,
}

/// What ends with the response.
#[derive(Debug)]
struct Left {
    // In this order: the stream is let go of before its place.
    coming: RecvStream,
    _sending: Option<Sending>,
    carried: Carried,
}

impl StreamBody {
    pub(super) fn new(
        coming: RecvStream,
        head: &HeaderMap,
        sending: Option<Sending>,
        carried: Carried,
        patience: Patience,
    ) -> Self {
        let ended = coming.is_end_stream();
        let length = head.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if ended {
            carried.ended();
        }
        let left = (!ended).then_some(Left { coming, _sending: sending, carried });
        Self { left, length: if ended { Some(0) } else { length }, patience }
    }

    pub(in crate::upstream) fn is_received(&self) -> bool {
        self.left.as_ref().is_none_or(|left| left.coming.is_end_stream())
    }

    fn fail(&mut self, why: ResponseFailure) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        self.left = None;
        Poll::Ready(Some(Err(why)))
    }
}

impl Left {
    /// The next piece, or the trailers, or the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, h2::Error>> {
        match self.coming.poll_data(cx)? {
            Poll::Ready(Some(data)) => {
                // Whoever polls takes it: only now may the endpoint send as much again.
                self.coming.flow_control().release_capacity(data.len())?;
                Poll::Ready(Ok(Some(Frame::data(data))))
            }
            Poll::Ready(None) => self.coming.poll_trailers(cx).map_ok(|trailers| {
                trailers.map(|mut trailers| {
                    strip_trailers(&mut trailers, &Reserved::default());
                    Frame::trailers(trailers)
                })
            }),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = ResponseFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        let this = &mut *self;
        let Some(left) = &mut this.left else { return Poll::Ready(None) };
        let frame = match left.poll(cx) {
            Poll::Ready(Ok(frame)) => frame,
            Poll::Ready(Err(_)) => return this.fail(ResponseFailure::Broken),
            Poll::Pending => {
                return match this.patience.poll(cx) {
                    Poll::Ready(why) => this.fail(why),
                    Poll::Pending => Poll::Pending,
                };
            }
        };
        left.carried.heard();
        this.patience.heard();
        let len = frame.as_ref().and_then(|frame| frame.data_ref()).map_or(0, |data| data.len() as u64);
        this.length = this.length.map(|length| length.saturating_sub(len));
        let is_last = frame.as_ref().is_none_or(Frame::is_trailers) || left.coming.is_end_stream();
        if is_last {
            left.carried.ended();
            this.left = None;
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
