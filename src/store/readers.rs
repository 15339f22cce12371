//! The threads that read, each over a connection of its own: a reader never waits for the writer.
//!
//! Requests wait for lookups, so one thread does nothing that is slow; the other searches for the admin API, too, when
//! nothing quick waits.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection::Opened;
use super::fault::{fault, is_lasting};
use super::feed::Known;
use super::question::{Pace, Question, Questions, Taken};
use super::{StoreError, StoreFault};
use crate::telemetry::StoreMeter;

/// How long a search may wait, and how long it may take. It can't be quicker than a look at every tenant, of which there may be millions.
const SEARCH_MAX: Duration = Duration::from_secs(5);
/// Instructions of SQLite's machine between two looks at the clock.
const CLOCK_EVERY: std::os::raw::c_int = 10_000;
/// How long nobody tries again after the database could not be opened, and how often it is looked for at its path.
const PAUSE: Duration = Duration::from_millis(100);
/// The log has at most one line about failed reads of a thread in this time.
const FAILURE_LINES: Duration = Duration::from_secs(10);

/// The readers, and what waits for them.
#[derive(Debug)]
pub(super) struct Readers {
    questions: Arc<Questions>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(super) fn start(path: &Path, meter: &StoreMeter, known: &Arc<Known>) -> Result<Self, StoreError> {
        let readers = Self { questions: Arc::default(), threads: Mutex::default() };
        for (name, any) in [("store-lookup", false), ("store-search", true)] {
            let questions = Arc::clone(&readers.questions);
            let reader = Reader {
                path: path.to_owned(),
                opened: None,
                looked: None,
                openings: 0,
                fault: None,
                told: None,
                meter: meter.clone(),
                known: Arc::clone(known),
            };
            let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
                let _refusing = Refusing(&questions);
                reader.serve(&questions, any);
            });
            match thread {
                Ok(thread) => readers.threads().push(thread),
                Err(error) => {
                    readers.close();
                    return Err(StoreError::Thread(error));
                }
            }
        }
        Ok(readers)
    }

    /// Has a question answered on another thread, or at once where that can't be.
    pub(super) fn ask(&self, question: Question, pace: Pace) {
        self.questions.add(question, pace);
    }

    /// What a few rows of an index say.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreFault> {
        self.wait(read, Pace::Quick).await
    }

    /// What a search finds, over many rows perhaps.
    pub(super) async fn search<T: Send + 'static>(
        &self,
        search: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreFault> {
        self.wait(search, Pace::Slow).await
    }

    /// The same as a search, for a thread that may wait.
    pub(super) fn search_here<T: Send + 'static>(
        &self,
        search: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        // It has room for the one answer, and whoever asked waits for it.
        let tell = move |found| drop(answer.send(found));
        self.ask(Question::new(search, tell), Pace::Slow);
        answered.recv().unwrap_or(Err(StoreFault::Gone))
    }

    async fn wait<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        pace: Pace,
    ) -> Result<T, StoreFault> {
        let (answer, answered) = oneshot::channel();
        // Whoever asked may have gone.
        let tell = move |found| drop(answer.send(found));
        self.ask(Question::new(read, tell), pace);
        answered.await.unwrap_or(Err(StoreFault::Gone))
    }

    /// Answers what waits, and closes the connections.
    pub(super) fn close(&self) {
        self.questions.close();
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a reader of the store panicked");
            }
        }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After a panic nobody waits for an answer that can't come.
struct Refusing<'q>(&'q Questions);

impl Drop for Refusing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
            self.0.clear();
        }
    }
}

/// A thread's side.
struct Reader {
    path: PathBuf,
    opened: Option<Opened>,
    /// When it was looked whether the file is still at its place, or tried to open it.
    looked: Option<Instant>,
    /// How often the writer had opened it by then.
    openings: u64,
    /// Why it could not be opened.
    fault: Option<StoreFault>,
    told: Option<Instant>,
    meter: StoreMeter,
    known: Arc<Known>,
}

impl Reader {
    fn serve(mut self, questions: &Questions, any: bool) {
        while let Some(taken) = questions.take(any) {
            match taken {
                Taken::Quick(mut batch) => {
                    while !batch.is_empty() {
                        self.answer(&mut batch);
                    }
                }
                Taken::Slow(question) => self.search(question),
            }
        }
    }

    /// Answers questions in one transaction, until one finds that the connection is of no use any more.
    fn answer(&mut self, batch: &mut VecDeque<Question>) {
        let connection: &Connection = match self.connection() {
            Ok(connection) => connection,
            Err(fault) => return batch.drain(..).for_each(|question| self.refuse(question, fault)),
        };
        // One look at the log of writes for all of them; where that fails, each says why.
        let transaction = if batch.len() > 1 { connection.unchecked_transaction().ok() } else { None };
        let mut waited = Vec::with_capacity(batch.len());
        let mut failed = Vec::new();
        while let Some(question) = batch.pop_front() {
            waited.push(question.waited());
            if let Err(error) = question.ask(Ok(connection)) {
                failed.push(error);
                if failed.last().is_some_and(is_lasting) {
                    break;
                }
            }
        }
        drop(transaction);
        waited.into_iter().for_each(|waited| self.meter.read(waited));
        failed.iter().for_each(|error| self.failed(error));
    }

    fn search(&mut self, question: Question) {
        let waited = question.waited();
        let started = Instant::now();
        if waited >= SEARCH_MAX {
            // Whoever asked has hardly the patience for more.
            return self.refuse(question, StoreFault::Busy);
        }
        let connection = match self.connection() {
            Ok(connection) => connection,
            Err(fault) => return self.refuse(question, fault),
        };
        let late = started + SEARCH_MAX;
        let limited = connection.progress_handler(CLOCK_EVERY, Some(move || Instant::now() >= late));
        // A page is of one moment, and only the first of its statements looks at the log of writes.
        let transaction = connection.unchecked_transaction().ok();
        let done = question.ask(Ok(connection));
        drop(transaction);
        let unlimited = connection.progress_handler(0, None::<fn() -> bool>);
        self.meter.read(waited + started.elapsed());
        if let Err(error) = done.and(limited).and(unlimited) {
            self.failed(&error);
        }
    }

    fn refuse(&mut self, question: Question, fault: StoreFault) {
        self.meter.read(question.waited());
        self.meter.read_failed();
        question.refuse(fault);
    }

    fn connection(&mut self) -> Result<&mut Connection, StoreFault> {
        let at = Instant::now();
        let openings = self.known.openings();
        if openings != self.openings || self.looked.is_none_or(|looked| at.duration_since(looked) >= PAUSE) {
            (self.looked, self.openings) = (Some(at), openings);
            // What was moved away can be read on; what lies in its place is the store now, and, at the latest when the
            // writer has written there, whoever has just written finds it.
            if self.opened.as_ref().is_some_and(Opened::is_replaced) {
                self.let_go();
            }
            self.fault = None;
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.opened.is_none() {
            match Opened::reader(&self.path) {
                Ok(opened) => self.opened = Some(opened),
                Err(error) => {
                    self.failed(&error);
                    self.fault = Some(fault(&error));
                    return Err(fault(&error));
                }
            }
        }
        self.opened.as_mut().map(|opened| &mut opened.connection).ok_or(StoreFault::Failed)
    }

    fn let_go(&mut self) {
        if let Some(opened) = self.opened.take() {
            opened.abandon();
        }
    }

    fn failed(&mut self, error: &rusqlite::Error) {
        self.meter.read_failed();
        let at = Instant::now();
        if self.told.is_none_or(|told| at.duration_since(told) >= FAILURE_LINES) {
            self.told = Some(at);
            tracing::error!(%error, "store: it can't be read");
        }
        if is_lasting(error) {
            self.let_go();
        }
    }
}
