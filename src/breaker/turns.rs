//! The line of those who wait for a connection to come free: first come, first served, whichever worker they are on.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::{Breaker, Permit};

/// Who waits, and who is to hear of it. Nobody takes its lock while nobody waits.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// How many wait: in one order with the count of what they wait for.
    len: AtomicUsize,
    line: Mutex<Line>,
    bells: Mutex<Vec<Weak<Notify>>>,
}

#[derive(Debug, Default)]
struct Line {
    next_id: u64,
    /// In the order of their ids. Whoever leaves takes its own away.
    waiting: VecDeque<Turn>,
}

#[derive(Debug)]
struct Turn {
    id: u64,
    since: Instant,
    grant: oneshot::Sender<Permit>,
}

/// A place in the line; ready with what was waited for. Dropped, it leaves the line at once.
#[derive(Debug)]
#[must_use = "it waits only while it is polled"]
pub struct Waiting {
    breaker: Arc<Breaker>,
    id: u64,
    since: Instant,
    granted: oneshot::Receiver<Permit>,
}

impl Turns {
    /// Joins the line, at its end.
    pub(super) fn join(&self, breaker: &Arc<Breaker>) -> Waiting {
        let (grant, granted) = oneshot::channel();
        let since = Instant::now();
        let mut line = self.lock();
        let id = line.next_id;
        line.next_id += 1;
        line.waiting.push_back(Turn { id, since, grant });
        self.len.store(line.waiting.len(), Ordering::SeqCst);
        Waiting { breaker: Arc::clone(breaker), id, since, granted }
    }

    /// Gives the first in the line what `take` finds for it, until that finds nothing.
    pub(super) fn serve(&self, take: impl Fn() -> Option<Permit>) {
        if self.len() == 0 {
            return;
        }
        // Dropped behind the lock, which its end would take again.
        let mut found = None;
        let mut line = self.lock();
        while !line.waiting.is_empty() {
            found = found.take().or_else(&take);
            let Some(permit) = found.take() else { break };
            let Some(turn) = line.waiting.pop_front() else { break };
            // Whoever is about to leave doesn't take it: the next one may.
            found = turn.grant.send(permit).err();
        }
        self.len.store(line.waiting.len(), Ordering::SeqCst);
        drop(line);
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Since when the first in the line has waited.
    pub(super) fn first_since(&self) -> Option<Instant> {
        if self.len() == 0 {
            return None;
        }
        self.lock().waiting.front().map(|turn| turn.since)
    }

    /// This bell is rung from now on, until it is dropped.
    pub(super) fn hang(&self, bell: &Arc<Notify>) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if bells.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(bell))) {
            return;
        }
        bells.retain(|known| known.strong_count() > 0);
        bells.push(Arc::downgrade(bell));
    }

    /// Rings all bells.
    pub(super) fn ring(&self) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.iter().filter_map(Weak::upgrade).for_each(|bell| bell.notify_one());
    }

    fn leave(&self, id: u64) {
        let mut line = self.lock();
        if let Ok(at) = line.waiting.binary_search_by_key(&id, |turn| turn.id) {
            line.waiting.remove(at);
            self.len.store(line.waiting.len(), Ordering::SeqCst);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Since when.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }
}

impl Future for Waiting {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        // Its sender is dropped only with its turn, which only this takes away.
        match Pin::new(&mut self.granted).poll(cx) {
            Poll::Ready(Ok(permit)) => Poll::Ready(permit),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.breaker.turns.leave(self.id);
    }
}
