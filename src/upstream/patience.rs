//! How long the next piece of a response's body may take, whichever protocol brings it.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::body::ResponseFailure;
use crate::time::{Deadline, turn_began};

/// Waits for the next piece no longer than `idle`, and for all of them no longer than until `expires`.
#[derive(Debug)]
pub(super) struct Patience {
    idle: Duration,
    expires: Option<Instant>,
    /// That by which the head was waited for. Gone when another request has it.
    deadline: Option<Deadline>,
    waiting: bool,
}

impl Patience {
    pub(super) fn new(idle: Duration, expires: Option<Instant>, deadline: Deadline) -> Self {
        Self { idle, expires, deadline: Some(deadline), waiting: false }
    }

    /// Something has come.
    pub(super) fn heard(&mut self) {
        self.waiting = false;
    }

    /// Nothing has come: ready when it is at an end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ResponseFailure> {
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        if !std::mem::replace(&mut self.waiting, true) {
            let idle = turn_began() + self.idle;
            deadline.set(self.expires.map_or(idle, |expires| expires.min(idle)));
        }
        deadline.poll(cx).map(|()| match self.expires {
            Some(expires) if expires <= Instant::now() => ResponseFailure::Expired,
            _ => ResponseFailure::Stalled,
        })
    }

    /// All has come: another request may have the deadline.
    pub(super) fn take_deadline(&mut self) -> Option<Deadline> {
        self.deadline.take()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_piece_has_its_time_and_all_of_them_have_theirs() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let deadline = Deadline::at(start + second * 99);
        let mut patience = Patience::new(second * 2, Some(start + second * 5), deadline);
        for _ in 0..2 {
            assert!(poll_fn(|cx| Poll::Ready(patience.poll(cx).is_pending())).await);
            tokio::time::advance(second).await;
            patience.heard();
        }
        assert_eq!(poll_fn(|cx| patience.poll(cx)).await, ResponseFailure::Stalled);
        assert_eq!(start.elapsed(), second * 4);
        patience.heard();
        assert_eq!(poll_fn(|cx| patience.poll(cx)).await, ResponseFailure::Expired);
        assert_eq!(start.elapsed(), second * 5);
        assert!(patience.take_deadline().is_some() && patience.take_deadline().is_none());
        assert!(poll_fn(|cx| Poll::Ready(patience.poll(cx).is_pending())).await, "all has come");
    }
}
