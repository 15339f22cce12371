//! Where a request's head tells the endpoint how much time is left.

use std::ops::Range;

use tokio::time::Instant;

use crate::http::timeouts::Timeouts;

/// The lines of a head that say how much time is left, written anew whenever the head is sent.
#[derive(Debug, Clone)]
pub(super) struct TimeLeft {
    timeouts: Timeouts,
    expires: Instant,
    lines: Range<usize>,
}

impl TimeLeft {
    /// To be told in the head that `text` is, in the client's notation.
    pub(super) fn new(timeouts: Timeouts, expires: Instant, text: &[u8]) -> Self {
        // Behind the last field: before the line that ends the head.
        let end = text.len().saturating_sub(2);
        Self { timeouts, expires, lines: end..end }
    }

    /// Says it as it is now.
    pub(super) fn tell(&mut self, text: &mut Vec<u8>) {
        let left = self.expires.saturating_duration_since(Instant::now());
        let lines = self.timeouts.lines(left);
        let start = self.lines.start;
        drop(text.splice(self.lines.clone(), lines.bytes()));
        self.lines = start..start + lines.len();
    }

    /// Where in the head it is said.
    pub(super) fn lines(&self) -> Range<usize> {
        self.lines.clone()
    }

    /// The head is one again in which it is said there.
    pub(super) fn is_told_at(&mut self, lines: Range<usize>) {
        self.lines = lines;
    }
}
