//! The bodies that the application sends: whole, echoed, or one event a second.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};

/// Why a body breaks off; the client sees a truncated message.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The request's body ended early or grew past its bound.
    #[error("the request body could not be read to its end")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The whole exchange took longer than it may.
    #[error("the exchange took too long")]
    Deadline,
}

/// A response body.
pub(super) enum AppBody {
    Full(Full<Bytes>),
    Echo(Echo),
    Events(Events),
}

/// A request's body on its way back: nothing is held but the frame at hand.
pub(super) struct Echo {
    body: Limited<Incoming>,
    deadline: Pin<Box<Sleep>>,
}

/// Server-sent events, one a second.
pub(super) struct Events {
    next: u16,
    last: u16,
    ticks: Interval,
    name: String,
    _place: OwnedSemaphorePermit,
}

impl AppBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Full::new(bytes.into()))
    }

    /// Sends `body` back, of at most `bytes_max`, within `time_max`.
    pub(super) fn echo(body: Incoming, bytes_max: usize, time_max: Duration) -> Self {
        let body = Limited::new(body, bytes_max);
        Self::Echo(Echo { body, deadline: Box::pin(tokio::time::sleep(time_max)) })
    }

    /// Sends `count` events, the first at once; `place` is freed with the body.
    pub(super) fn events(count: u16, name: String, place: OwnedSemaphorePermit) -> Self {
        let mut ticks = tokio::time::interval_at(Instant::now(), Duration::from_secs(1));
        // A client that stopped reading gets no burst of what it missed.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Events(Events { next: 1, last: count, ticks, name, _place: place })
    }
}

impl Body for AppBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Echo(echo) => {
                if echo.deadline.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(BodyError::Deadline)));
                }
                Pin::new(&mut echo.body).poll_frame(cx).map_err(BodyError::Request)
            }
            Self::Events(events) => {
                if events.next > events.last {
                    return Poll::Ready(None);
                }
                ready!(events.ticks.poll_tick(cx));
                let number = events.next;
                events.next += 1;
                let data = serde_json::json!({ "number": number, "application": events.name });
                let text = format!("id: {number}\nevent: tick\ndata: {data}\n\n");
                Poll::Ready(Some(Ok(Frame::data(text.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::Echo(echo) => echo.body.is_end_stream(),
            Self::Events(events) => events.next > events.last,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::Echo(echo) => echo.body.size_hint(),
            Self::Events(_) => SizeHint::default(),
        }
    }
}
