//! Bodies that pass from one socket to another as they are.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body;
use http_body_util::Full;

use crate::net::Pipe;

/// Of less than that a copy costs no more than the system calls.
pub const PASSED_MIN: u64 = 32 * 1024;

/// A body of which some may pass through a pipe, unseen. By itself none does.
pub trait Passing: Body {
    /// How many octets come next that can: of what they are nobody wants to know, and they stand by themselves in their socket.
    fn passes(&self) -> u64 {
        0
    }

    /// Moves some of them into the pipe, in which there must be none; at least one, unless it is unfit. Only to be asked for while there
    /// are any.
    ///
    /// # Errors
    /// As [`Body::poll_frame`].
    fn poll_pass(
        self: Pin<&mut Self>,
        _pipe: &mut Pipe,
        _cx: &mut Context<'_>,
    ) -> Poll<Result<usize, Self::Error>> {
        Poll::Pending
    }
}

impl Passing for Full<Bytes> {}
