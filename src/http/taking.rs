//! Whether a client takes what it is being sent.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::conn::{ConnState, Cut};
use super::pace::Pace;
use super::server::ConnDeadlines;
use crate::time::Deadline;

/// How often it is looked at what a client has taken that nothing more can be written to.
const LOOK: Duration = Duration::from_secs(5);

/// What is known of a client that has not taken all at once. A connection has none before the first time.
#[derive(Debug)]
pub(super) struct Taking {
    pace: Option<Pace>,
    stall: Duration,
    every: Duration,
    /// Since when nothing can be written; `None`: something can.
    waiting: Option<Waiting>,
    /// It has been too slow already.
    over: bool,
    timer: Deadline,
}

#[derive(Debug)]
struct Waiting {
    /// Up to when it is accounted for.
    since: Instant,
    /// When it took something for the last time.
    moved: Instant,
    /// What the kernel had left when it was asked last.
    left: Option<u64>,
}

impl Taking {
    pub(super) fn new(deadlines: &ConnDeadlines) -> Self {
        let stall = deadlines.write_stall;
        let shortest = deadlines.response_rate.map_or(stall, |rate| rate.grace.min(stall));
        let every = LOOK.min(shortest / 4).max(Duration::from_millis(1));
        let pace = deadlines.response_rate.map(Pace::new);
        Self { pace, stall, every, waiting: None, over: false, timer: Deadline::at(Instant::now() + every) }
    }

    /// Something was written.
    pub(super) fn written(&mut self, octets: usize, conn: &ConnState) {
        let Some(waiting) = self.waiting.take() else { return };
        let mut taken = octets as u64;
        if let Some(left) = waiting.left {
            // It was slow enough to be asked about: what was written may be in the kernel still.
            taken = (left + taken).saturating_sub(conn.backlog().unwrap_or(left));
        }
        if let Some(pace) = &mut self.pace {
            self.over |= !pace.passed(waiting.since.elapsed(), taken);
        }
    }

    /// Nothing can be written. Ready when the client has been too slow.
    pub(super) fn poll_slow(&mut self, conn: &ConnState, cx: &mut Context<'_>) -> Poll<Cut> {
        if self.over {
            return Poll::Ready(Cut::SlowResponse);
        }
        let waiting = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            Waiting { since: now, moved: now, left: None }
        });
        loop {
            self.timer.set((waiting.since + self.every).min(waiting.moved + self.stall));
            ready!(self.timer.poll(cx));
            let now = Instant::now();
            let left = conn.backlog();
            let taken = match (waiting.left, left) {
                (Some(before), Some(left)) => before.saturating_sub(left),
                _ => 0,
            };
            if taken > 0 {
                waiting.moved = now;
            }
            if let Some(pace) = &mut self.pace {
                // What went in the time before the first look is not known: it is not held against anybody who can be looked at.
                let is_known = waiting.left.is_some() || left.is_none();
                if is_known {
                    pace.passed(now.saturating_duration_since(waiting.since), taken);
                }
                if pace.is_used_up() {
                    return Poll::Ready(Cut::SlowResponse);
                }
            }
            (waiting.since, waiting.left) = (now, left);
            if now.saturating_duration_since(waiting.moved) >= self.stall {
                return Poll::Ready(Cut::WriteTimeout);
            }
        }
    }
}
