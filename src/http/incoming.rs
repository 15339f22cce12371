//! A request's body as its connection brings it, whatever that speaks.

use std::rc::Rc;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use super::http1;
use super::http2::{Notes, Reply, StreamBody, StreamIo};
use super::passing::Passing;
use crate::net::Pipe;

/// A request's body, with no bound but its connection's own.
#[derive(Debug)]
pub enum Incoming {
    /// No body.
    Nothing,
    /// That of a request over HTTP/1.1.
    Http1(http1::Content),
    /// That of a request over HTTP/2.
    Http2(Box<StreamBody>),
    /// None: the stream may become another protocol's, once it is answered so (RFC 8441).
    Connect(oneshot::Receiver<StreamIo<Rc<Notes>>>),
}

impl Incoming {
    /// The way back to the client, where it has a request's all to itself.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Http2(body) => Some(body.reply()),
            Self::Nothing | Self::Http1(_) | Self::Connect(_) => None,
        }
    }
}

/// More of it will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The client has left, or has broken it off.
    #[error("the body broke off")]
    BrokenOff,
    /// Its framing is no framing.
    #[error("the body does not follow its framing")]
    Malformed,
}

impl Passing for Incoming {
    fn passes(&self) -> u64 {
        match self {
            Self::Http1(body) => body.passes(),
            Self::Nothing | Self::Http2(_) | Self::Connect(_) => 0,
        }
    }

    fn poll_pass(self: Pin<&mut Self>, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize, Fault>> {
        match &*self {
            Self::Http1(body) => body.poll_pass(pipe, cx),
            Self::Nothing | Self::Http2(_) | Self::Connect(_) => Poll::Pending,
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match &mut *self {
            Self::Nothing | Self::Connect(_) => Poll::Ready(None),
            Self::Http2(body) => body.poll(cx),
            Self::Http1(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing | Self::Connect(_) => true,
            Self::Http2(body) => body.is_end_stream(),
            Self::Http1(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing | Self::Connect(_) => SizeHint::with_exact(0),
            Self::Http2(body) => body.size_hint(),
            Self::Http1(body) => body.size_hint(),
        }
    }
}
