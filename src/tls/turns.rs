//! Whose handshake goes on next, and how many may wait for that. The answer to a hello costs a key exchange and a signature, all of it
//! at once, and a certificate of a client's has to be verified: each such step, and the look at what may be a hello, has a turn of its
//! own among all that its thread has to do, so that a storm of handshakes holds up nobody's requests.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What gives turns to all that a thread has to do.
pub trait Turns {
    /// Takes a step when it is its turn.
    fn take<F: Future>(&self, step: F) -> impl Future<Output = F::Output>;
}

/// How many handshakes may wait for their turn, for all listeners and threads together.
///
/// Only those count that have something to be answered: who opens a connection and says nothing, or does not go on after the answer,
/// takes nobody's place.
#[derive(Debug)]
pub struct PendingHandshakes {
    max: AtomicUsize,
    pending: AtomicUsize,
}

/// A place among those that wait; free again when dropped.
#[derive(Debug)]
pub(super) struct Place<'t>(&'t PendingHandshakes);

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

    pub(super) fn enter(&self) -> Result<Place<'_>, Full> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_wait_and_one_too_many_is_told_so() {
        let bound = PendingHandshakes::new(2);
        let (one, two) = (bound.enter().unwrap(), bound.enter().unwrap());
        assert_eq!(bound.enter().unwrap_err(), Full);
        drop(one);
        let three = bound.enter().unwrap();
        bound.set(1);
        drop((two, three));
        let _one = bound.enter().unwrap();
        assert_eq!(bound.enter().unwrap_err(), Full);
    }
}
