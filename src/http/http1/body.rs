//! A request's body over HTTP/1.1.

use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::http::incoming::Fault;
use crate::net::Pipe;

/// The connection that a body comes by. Whoever polls it reads from the socket, on whatever task that is.
pub(super) trait Source {
    /// The next of that request's body.
    fn poll(&self, request: u64, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>>;

    /// The octets of it to come, where that is known.
    fn left(&self, request: u64) -> Option<u64>;

    /// As [`Passing::passes`](crate::http::passing::Passing::passes).
    fn passes(&self, request: u64) -> u64;

    /// As [`Passing::poll_pass`](crate::http::passing::Passing::poll_pass).
    fn poll_pass(&self, request: u64, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize, Fault>>;
}

/// A request's body as the connection brings it.
pub struct Content {
    source: Rc<dyn Source>,
    request: u64,
}

impl Content {
    pub(super) fn new(source: Rc<dyn Source>, request: u64) -> Self {
        Self { source, request }
    }

    pub(in crate::http) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.source.poll(self.request, cx)
    }

    pub(in crate::http) fn passes(&self) -> u64 {
        self.source.passes(self.request)
    }

    pub(in crate::http) fn poll_pass(
        &self,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, Fault>> {
        self.source.poll_pass(self.request, pipe, cx)
    }

    pub(in crate::http) fn is_end_stream(&self) -> bool {
        self.source.left(self.request) == Some(0)
    }

    pub(in crate::http) fn size_hint(&self) -> SizeHint {
        self.source.left(self.request).map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("request", &self.request).finish_non_exhaustive()
    }
}
