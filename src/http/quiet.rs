//! How long a connection may be without a request.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::conn::ConnState;
use super::guard::ConnDeadlines;
use crate::time::Deadline;

/// The time that a connection may pass without a request: for the first one as long as for a head, then
/// as long as a connection is kept. HTTP/2 is then asked to end (GOAWAY), and soon after cut.
pub(super) struct Quiet {
    deadlines: ConnDeadlines,
    grace: Duration,
    requests: u64,
    active: bool,
    since: Instant,
    until: Instant,
    deadline: Deadline,
}

impl Quiet {
    pub(super) fn new(deadlines: ConnDeadlines) -> Self {
        let since = Instant::now();
        let until = since + deadlines.header_read;
        let deadline = Deadline::at(until);
        Self { deadlines, grace: deadlines.keep_alive, requests: 0, active: false, since, until, deadline }
    }

    /// Ready when it has been quiet for too long.
    pub(super) fn poll(&mut self, state: &ConnState, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_for(Duration::MAX, state, cx)
    }

    /// Ready when it has been quiet for so long, or for too long. Reads the clock once a request.
    pub(super) fn poll_for(&mut self, least: Duration, state: &ConnState, cx: &mut Context<'_>) -> Poll<()> {
        if !state.is_quiet() {
            self.active = true;
            return Poll::Pending;
        }
        if std::mem::take(&mut self.active) || state.requests() != self.requests {
            self.requests = state.requests();
            self.begin();
        }
        let at = self.since.checked_add(least).map_or(self.until, |at| at.min(self.until));
        self.deadline.set(at);
        self.deadline.poll(cx)
    }

    /// The connection was asked to end: from now on it has as long as a head may take.
    pub(super) fn wind_up(&mut self) {
        self.grace = self.deadlines.header_read;
        self.begin();
    }

    fn begin(&mut self) {
        self.since = Instant::now();
        self.until = self.since + self.grace;
    }
}
