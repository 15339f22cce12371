//! Which handshake goes on next. The answer to a hello costs a key exchange and a signature, all of it at once, and a certificate of a
//! client's has to be verified: one such step is taken at a time, and then others of the thread have their turn, so that a storm
//! of handshakes holds up nobody's requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;

/// How many steps a thread takes before it looks at everything else that it has to do.
const AT_ONCE: usize = 1;

/// How many handshakes may wait for their turn, for all listeners and threads together.
///
/// Only those count that have something to be answered: who opens a connection and says nothing, or does not go on after the answer,
/// takes nobody's place.
#[derive(Debug)]
pub struct PendingHandshakes {
    max: AtomicUsize,
    pending: AtomicUsize,
}

/// The turns of one thread: first come, first served.
#[derive(Debug)]
pub struct Turns {
    bound: Arc<PendingHandshakes>,
    free: Semaphore,
}

/// A handshake's turn to go on.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    _place: Place<'t>,
    _permit: Option<SemaphorePermit<'t>>,
}

/// A place among those that wait; free again when dropped.
#[derive(Debug)]
struct Place<'t>(&'t PendingHandshakes);

/// As many wait as may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl PendingHandshakes {
    /// At most so many.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max: AtomicUsize::new(max), pending: AtomicUsize::new(0) }
    }

    /// Changes the bound; who waits goes on waiting.
    pub fn set(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    fn enter(&self) -> Result<Place<'_>, Full> {
        if self.pending.fetch_add(1, Ordering::Relaxed) >= self.max.load(Ordering::Relaxed) {
            self.pending.fetch_sub(1, Ordering::Relaxed);
            return Err(Full);
        }
        Ok(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    /// Those of a thread.
    #[must_use]
    pub fn new(bound: Arc<PendingHandshakes>) -> Self {
        Self { bound, free: Semaphore::new(AT_ONCE) }
    }

    /// Waits for a turn.
    pub(super) async fn take(&self) -> Result<Turn<'_>, Full> {
        let place = self.bound.enter()?;
        // It is never closed.
        let permit = self.free.acquire().await.ok();
        Ok(Turn { _place: place, _permit: permit })
    }
}

impl Turn<'_> {
    /// The step is taken: the next one's turn comes when the thread has looked at everything else.
    pub(super) async fn pass_on(self) {
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn so_many_are_answered_at_a_time_and_one_too_many_is_told_so() {
        let bound = Arc::new(PendingHandshakes::new(AT_ONCE + 2));
        let (turns, elsewhere) = (Turns::new(Arc::clone(&bound)), Turns::new(Arc::clone(&bound)));
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(turns.take().await.unwrap());
        }
        let (mut first, mut second) = (pin!(turns.take()), pin!(turns.take()));
        let is_waiting = poll_fn(|cx| {
            Poll::Ready(first.as_mut().poll(cx).is_pending() && second.as_mut().poll(cx).is_pending())
        });
        assert!(is_waiting.await);
        assert_eq!(turns.take().await.unwrap_err(), Full);
        assert_eq!(elsewhere.take().await.unwrap_err(), Full, "the bound is for all threads");
        held.pop().unwrap().pass_on().await;
        let turn = first.await.unwrap();
        assert!(poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await, "in order");
        drop(turn);
        second.await.unwrap();
        drop(held);
        bound.set(1);
        let _one = elsewhere.take().await.unwrap();
        assert_eq!(turns.take().await.unwrap_err(), Full);
    }
}
