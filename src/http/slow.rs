//! Whether a request's body comes too slowly.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::pace::{MinRate, Pace};
use crate::time::Deadline;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How a client keeps to the least rate of sending. A body that never has to be waited for has none.
///
/// The body is only asked for when somebody wants it, and how long nobody did is not known: the endpoint may have been busy.
/// So it is looked at again and again, and no more time is held against the client than lies between two looks.
#[derive(Debug)]
pub(super) struct Slow {
    pace: Pace,
    every: Duration,
    waiting: Option<Instant>,
    /// It has been too slow already.
    over: bool,
    timer: Deadline,
}

impl Slow {
    pub(super) fn new(rate: MinRate) -> Self {
        let every = LOOK.min(rate.grace / 4).max(Duration::from_millis(1));
        Self {
            pace: Pace::new(rate),
            every,
            waiting: None,
            over: false,
            timer: Deadline::at(Instant::now() + every),
        }
    }

    /// Something has come.
    pub(super) fn came(&mut self, octets: u64) {
        if let Some(since) = self.waiting.take() {
            self.over |= !self.pace.passed(since.elapsed().min(self.every), octets);
        }
    }

    /// Nothing is there. Ready when it comes too slowly.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.over {
            return Poll::Ready(());
        }
        loop {
            let since = *self.waiting.get_or_insert_with(Instant::now);
            self.timer.set(since + self.every);
            ready!(self.timer.poll(cx));
            self.pace.passed(self.every, 0);
            if self.pace.is_used_up() {
                return Poll::Ready(());
            }
            self.waiting = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const RATE: MinRate = MinRate { octets: 100, grace: Duration::from_secs(10) };

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_asked_is_not_held_against_the_client() {
        let mut slow = Slow::new(RATE);
        let mut once = async || poll_fn(|cx| Poll::Ready(slow.poll(cx))).await;
        assert!(once().await.is_pending());
        // The endpoint is busy for an hour.
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert!(once().await.is_pending());
        let start = Instant::now();
        poll_fn(|cx| slow.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn an_octet_now_and_then_is_too_slow() {
        let mut slow = Slow::new(RATE);
        let start = Instant::now();
        while tokio::time::timeout(Duration::from_millis(900), poll_fn(|cx| slow.poll(cx))).await.is_err() {
            slow.came(1);
            assert!(start.elapsed() < Duration::from_secs(60));
        }
        assert!(start.elapsed() >= RATE.grace, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_keeps_the_rate_is_not_cut() {
        let mut slow = Slow::new(RATE);
        for _ in 0..200 {
            let waited = tokio::time::timeout(Duration::from_secs(8), poll_fn(|cx| slow.poll(cx))).await;
            assert!(waited.is_err());
            slow.came(820);
        }
    }
}
