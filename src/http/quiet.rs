//! How long an HTTP/2 connection may be without a request.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::conn::ConnState;
use super::server::ConnDeadlines;
use crate::time::Deadline;

/// The time that a connection may pass without a request: for the first one as long as for a head, then
/// as long as a connection is kept. HTTP/2 is then asked to end (GOAWAY), and soon after cut.
pub(super) struct Quiet {
    deadlines: ConnDeadlines,
    grace: Duration,
    requests: u64,
    active: bool,
    until: Instant,
    deadline: Deadline,
}

impl Quiet {
    pub(super) fn new(deadlines: ConnDeadlines) -> Self {
        let until = Instant::now() + deadlines.header_read;
        let deadline = Deadline::at(until);
        Self { deadlines, grace: deadlines.keep_alive, requests: 0, active: false, until, deadline }
    }

    /// Ready when it has been quiet for too long. Reads the clock once a request.
    pub(super) fn poll(&mut self, state: &ConnState, cx: &mut Context<'_>) -> Poll<()> {
        if !state.is_quiet() {
            self.active = true;
            return Poll::Pending;
        }
        if std::mem::take(&mut self.active) || state.requests() != self.requests {
            self.requests = state.requests();
            self.begin();
        }
        self.deadline.set(self.until);
        self.deadline.poll(cx)
    }

    /// The connection was asked to end: from now on it has as long as a head may take.
    pub(super) fn wind_up(&mut self) {
        self.grace = self.deadlines.header_read;
        self.begin();
    }

    fn begin(&mut self) {
        self.until = Instant::now() + self.grace;
    }
}
