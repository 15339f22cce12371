//! What waits for the store's readers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::StoreFault;
use super::fault::fault;

/// Quick questions that wait, at most: more than a busy second's.
const QUICK_MAX: usize = 16_384;
/// Slow ones that wait, at most.
const SLOW_MAX: usize = 256;
/// Quick questions that are answered at one go.
const BATCH: usize = 64;

/// Reads, or is told why that can't be, and tells whoever asked; the error is for the connection's sake.
type Ask = dyn FnOnce(Result<&Connection, StoreFault>) -> rusqlite::Result<()> + Send;

/// Something to be read, and whoever is told.
pub(super) struct Question {
    ask: Box<Ask>,
    asked: Instant,
}

/// How long a question may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// A few rows of an index: microseconds, while requests may wait.
    Quick,
    /// A search, over many tenants perhaps.
    Slow,
}

/// Two bounded lanes.
#[derive(Debug, Default)]
pub(super) struct Questions {
    lanes: Mutex<Lanes>,
    filled: Condvar,
}

/// What a reader takes at a time.
#[derive(Debug)]
pub(super) enum Taken {
    Quick(VecDeque<Question>),
    Slow(Question),
}

#[derive(Debug, Default)]
struct Lanes {
    quick: VecDeque<Question>,
    slow: VecDeque<Question>,
    closed: bool,
}

/// An answer that is given in any case: where nobody gives it, it is that the store is gone.
struct Owed<T, A: FnOnce(Result<T, StoreFault>)> {
    answer: Option<A>,
    kind: std::marker::PhantomData<fn(T)>,
}

impl Question {
    pub(super) fn new<T: 'static>(
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        answer: impl FnOnce(Result<T, StoreFault>) + Send + 'static,
    ) -> Self {
        let owed = Owed { answer: Some(answer), kind: std::marker::PhantomData };
        let ask = move |connection: Result<&Connection, StoreFault>| {
            let (found, error) = match connection.map(read) {
                Ok(Ok(found)) => (Ok(found), Ok(())),
                Ok(Err(error)) => (Err(fault(&error)), Err(error)),
                Err(fault) => (Err(fault), Ok(())),
            };
            owed.give(found);
            error
        };
        Self { ask: Box::new(ask), asked: Instant::now() }
    }

    /// Reads, and tells whoever asked. The error is for the connection's sake.
    pub(super) fn ask(self, connection: Result<&Connection, StoreFault>) -> rusqlite::Result<()> {
        (self.ask)(connection)
    }

    /// Tells whoever asked that there is no answer.
    pub(super) fn refuse(self, fault: StoreFault) {
        // Without a connection there is no error of one.
        let _ = self.ask(Err(fault));
    }

    /// How long it has waited.
    pub(super) fn waited(&self) -> Duration {
        self.asked.elapsed()
    }
}

impl Questions {
    /// Has a question answered, by a reader or, where that can't be, at once.
    pub(super) fn add(&self, question: Question, pace: Pace) {
        let mut lanes = self.lanes();
        let closed = lanes.closed;
        let (lane, max) = match pace {
            Pace::Quick => (&mut lanes.quick, QUICK_MAX),
            Pace::Slow => (&mut lanes.slow, SLOW_MAX),
        };
        let fault = match (closed, lane.len() < max) {
            (true, _) => StoreFault::Gone,
            (false, false) => StoreFault::Busy,
            (false, true) => {
                lane.push_back(question);
                drop(lanes);
                // The one that wakes may be the one that takes no slow ones: both are told.
                self.filled.notify_all();
                return;
            }
        };
        drop(lanes);
        question.refuse(fault);
    }

    /// Waits for questions and takes some; none once it is closed and empty. Slow ones only for who takes any.
    pub(super) fn take(&self, any: bool) -> Option<Taken> {
        let mut lanes = self.lanes();
        loop {
            if !lanes.quick.is_empty() {
                let count = lanes.quick.len().min(BATCH);
                return Some(Taken::Quick(lanes.quick.drain(..count).collect()));
            }
            if any && let Some(question) = lanes.slow.pop_front() {
                return Some(Taken::Slow(question));
            }
            if lanes.closed {
                return None;
            }
            lanes = self.filled.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.lanes().closed = true;
        self.filled.notify_all();
    }

    /// Refuses what waits.
    pub(super) fn clear(&self) {
        let (quick, slow) = {
            let mut lanes = self.lanes();
            (std::mem::take(&mut lanes.quick), std::mem::take(&mut lanes.slow))
        };
        quick.into_iter().chain(slow).for_each(|question| question.refuse(StoreFault::Gone));
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, A: FnOnce(Result<T, StoreFault>)> Owed<T, A> {
    fn give(mut self, found: Result<T, StoreFault>) {
        if let Some(answer) = self.answer.take() {
            answer(found);
        }
    }
}

impl<T, A: FnOnce(Result<T, StoreFault>)> Drop for Owed<T, A> {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer(Err(StoreFault::Gone));
        }
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("asked", &self.asked).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn question() -> (Question, Receiver<Result<i64, StoreFault>>) {
        let (answer, answered) = channel();
        let one = |connection: &Connection| connection.query_row("SELECT 1", [], |row| row.get(0));
        (Question::new(one, move |found| answer.send(found).unwrap()), answered)
    }

    #[test]
    fn a_question_is_answered_once_whatever_becomes_of_it() {
        let connection = Connection::open_in_memory().unwrap();
        let (asked, answered) = question();
        asked.ask(Ok(&connection)).unwrap();
        assert_eq!(answered.iter().collect::<Vec<_>>(), [Ok(1)]);
        let (refused, answered) = question();
        refused.refuse(StoreFault::Locked);
        assert_eq!(answered.iter().collect::<Vec<_>>(), [Err(StoreFault::Locked)]);
        let (dropped, answered) = question();
        drop(dropped);
        assert_eq!(answered.iter().collect::<Vec<_>>(), [Err(StoreFault::Gone)]);
    }

    #[test]
    fn what_is_too_much_is_refused_and_what_is_slow_waits_for_what_is_quick() {
        let questions = Questions::default();
        let waiting: Vec<_> = (0..=SLOW_MAX)
            .map(|_| {
                let (slow, answered) = question();
                questions.add(slow, Pace::Slow);
                answered
            })
            .collect();
        assert_eq!(waiting[SLOW_MAX].try_recv(), Ok(Err(StoreFault::Busy)));
        let (quick, quickly) = question();
        questions.add(quick, Pace::Quick);
        assert!(matches!(questions.take(true), Some(Taken::Quick(batch)) if batch.len() == 1));
        assert_eq!(quickly.try_recv(), Ok(Err(StoreFault::Gone)));
        assert!(matches!(questions.take(true), Some(Taken::Slow(_))));
        questions.close();
        assert!(questions.take(false).is_none(), "one of the readers never takes what is slow");
        questions.clear();
        assert!(waiting[..SLOW_MAX].iter().all(|answered| answered.try_recv() == Ok(Err(StoreFault::Gone))));
        let (late, answered) = question();
        questions.add(late, Pace::Quick);
        assert_eq!(answered.try_recv(), Ok(Err(StoreFault::Gone)));
    }
}
