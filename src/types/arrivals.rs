//! Whether something has come, without taking it.

use std::task::{Context, Poll};

/// A socket that can be waited for.
pub trait Arrivals {
    /// Ready when something may have come that was not there at the last read, or the end has.
    fn poll_arrival(&self, cx: &mut Context<'_>) -> Poll<()>;
}

#[cfg(test)]
impl Arrivals for tokio::io::DuplexStream {
    fn poll_arrival(&self, _: &mut Context<'_>) -> Poll<()> {
        // It can't say.
        Poll::Ready(())
    }
}
