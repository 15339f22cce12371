//! A change of tenants on its way through the writer.

use std::fmt;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{StoreFault, WriteError};

/// How long a transaction goes on with works: its flush is shared by many, and who comes meanwhile waits some milliseconds.
const TURN: Duration = Duration::from_millis(5);
/// And in which a request waits for its order, be it in this transaction or for the next.
const PRESSED_TURN: Duration = Duration::from_millis(1);

/// Something that the writer does within a transaction.
///
/// It is begun again from where it was last settled when its transaction was undone for the sake of another's error.
pub(super) trait Work: Send + fmt::Debug {
    /// Does all of it, or, when its turn is over, a part.
    fn carry_out(&mut self, connection: &Connection, turn: &Turn<'_>) -> rusqlite::Result<Progress>;

    /// What was done since the last time is durable, or undone and never done again. Answers when that was all.
    fn settle(&mut self, outcome: Result<(), StoreFault>);
}

/// Whether a work has more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// All is done.
    Done,
    /// It goes on in another transaction.
    More,
}

/// The time that a transaction has for works.
pub(super) struct Turn<'p> {
    began: Instant,
    urgent: bool,
    pressed: &'p dyn Fn() -> bool,
}

impl<'p> Turn<'p> {
    /// One that begins now. It is short where requests wait for its `urgent` orders, and ends early when others wait for the
    /// next.
    pub(super) fn now(urgent: bool, pressed: &'p dyn Fn() -> bool) -> Self {
        Self { began: Instant::now(), urgent, pressed }
    }

    /// One that is over as soon as anything was done.
    #[cfg(test)]
    pub(super) fn short() -> Turn<'static> {
        let began = Instant::now().checked_sub(TURN).unwrap_or_else(Instant::now);
        Turn { began, urgent: true, pressed: &|| true }
    }

    /// Whether the time is over.
    pub(super) fn is_over(&self) -> bool {
        let taken = self.began.elapsed();
        taken >= TURN || (taken >= PRESSED_TURN && (self.urgent || (self.pressed)()))
    }
}

/// What a change makes, or why it is not made: then it must have changed nothing.
pub(super) type Made<T> = rusqlite::Result<Result<T, WriteError>>;

/// A work that is done at one go.
pub(super) struct Task<T, F> {
    change: F,
    made: Option<Result<T, WriteError>>,
    answer: Option<oneshot::Sender<Result<T, WriteError>>>,
}

impl<T, F: FnMut(&Connection) -> Made<T>> Task<T, F> {
    pub(super) fn new(change: F) -> (Self, oneshot::Receiver<Result<T, WriteError>>) {
        let (answer, answered) = oneshot::channel();
        (Self { change, made: None, answer: Some(answer) }, answered)
    }
}

impl<T: Send, F: FnMut(&Connection) -> Made<T> + Send> Work for Task<T, F> {
    fn carry_out(&mut self, connection: &Connection, _: &Turn<'_>) -> rusqlite::Result<Progress> {
        self.made = Some((self.change)(connection)?);
        Ok(Progress::Done)
    }

    fn settle(&mut self, outcome: Result<(), StoreFault>) {
        let made = self.made.take();
        let made = match outcome {
            Ok(()) => made.unwrap_or(Err(StoreFault::Failed.into())),
            Err(fault) => Err(fault.into()),
        };
        if let Some(answer) = self.answer.take() {
            // Whoever asked may have gone: it is done all the same.
            let _ = answer.send(made);
        }
    }
}

impl<T, F> fmt::Debug for Task<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("made", &self.made.is_some()).finish_non_exhaustive()
    }
}
