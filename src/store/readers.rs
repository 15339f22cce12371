//! The threads that read, each over a connection of its own: a reader never waits for the writer.
//!
//! Requests wait for lookups, so one thread does nothing else; the other takes them first, and the searches of
//! the admin API when there are none.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection::Opened;
use super::fault::{fault, is_lasting};
use super::lookup::Lookup;
use super::{StoreError, StoreFault};
use crate::telemetry::StoreMeter;

/// Lookups that wait, at most.
const LOOKUPS_MAX: usize = 16_384;
/// Searches that wait, at most.
const SEARCHES_MAX: usize = 256;
/// Lookups that are answered at one go.
const LOOKUPS_BATCH: usize = 64;
/// How long a search may take. It can't be quicker than a look at every tenant, of which there may be millions.
const SEARCH_MAX: Duration = Duration::from_secs(5);
/// Instructions of SQLite's machine between two looks at the clock.
const CLOCK_EVERY: std::os::raw::c_int = 10_000;
/// How long nobody tries again after the database could not be opened, and how often it is looked for at its path.
const PAUSE: Duration = Duration::from_millis(100);
/// The log has at most one line about failed reads of a thread in this time.
const FAILURE_LINES: Duration = Duration::from_secs(10);

/// What a search does, and whom it tells; the error is for the connection's sake.
type Search = Box<dyn FnOnce(Result<&Connection, StoreFault>) -> rusqlite::Result<()> + Send>;

/// The readers, and what waits for them.
#[derive(Debug)]
pub(super) struct Readers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    lanes: Mutex<Lanes>,
    filled: Condvar,
}

#[derive(Default)]
struct Lanes {
    lookups: VecDeque<Lookup>,
    searches: VecDeque<(Search, Instant)>,
    closed: bool,
}

enum Taken {
    Lookups(VecDeque<Lookup>),
    Search(Search, Instant),
}

/// What a thread does beside lookups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    Lookups,
    All,
}

impl Readers {
    pub(super) fn start(path: &Path, meter: &StoreMeter) -> Result<Self, StoreError> {
        let readers = Self { shared: Arc::default(), threads: Mutex::default() };
        for (name, duty) in [("store-lookup", Duty::Lookups), ("store-search", Duty::All)] {
            let shared = Arc::clone(&readers.shared);
            let (path, meter) = (path.to_owned(), meter.clone());
            let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
                Reader { path, opened: None, looked: None, fault: None, told: None, meter }
                    .serve(&shared, duty);
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

    /// Has a lookup answered, by another thread or, where that can't be, at once.
    pub(super) fn look_up(&self, lookup: Lookup) {
        let mut lanes = self.shared.lanes();
        let fault = match (lanes.closed, lanes.lookups.len() < LOOKUPS_MAX) {
            (true, _) => StoreFault::Gone,
            (false, false) => StoreFault::Busy,
            (false, true) => {
                lanes.lookups.push_back(lookup);
                drop(lanes);
                // Whoever wakes may take a search first: both are told.
                self.shared.filled.notify_all();
                return;
            }
        };
        drop(lanes);
        lookup.answer(Err(fault));
    }

    /// What a search finds.
    pub(super) async fn search<T: Send + 'static>(
        &self,
        search: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let (answer, answered) = oneshot::channel();
        self.add(Box::new(move |connection| {
            let (found, error) = outcome(connection.map(search));
            let _ = answer.send(found);
            error
        }))?;
        answered.await.unwrap_or(Err(StoreFault::Gone))
    }

    /// The same, for a thread that may wait.
    pub(super) fn search_here<T: Send + 'static>(
        &self,
        search: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.add(Box::new(move |connection| {
            let (found, error) = outcome(connection.map(search));
            let _ = answer.send(found);
            error
        }))?;
        answered.recv().unwrap_or(Err(StoreFault::Gone))
    }

    fn add(&self, search: Search) -> Result<(), StoreFault> {
        let mut lanes = self.shared.lanes();
        if lanes.closed {
            return Err(StoreFault::Gone);
        }
        if lanes.searches.len() >= SEARCHES_MAX {
            return Err(StoreFault::Busy);
        }
        lanes.searches.push_back((search, Instant::now()));
        drop(lanes);
        self.shared.filled.notify_all();
        Ok(())
    }

    /// Answers what waits, and closes the connections.
    pub(super) fn close(&self) {
        self.shared.lanes().closed = true;
        self.shared.filled.notify_all();
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a reader of the store panicked");
            }
        }
        // Only after a panic is there something left; nobody waits for it in vain.
        let left = {
            let mut lanes = self.shared.lanes();
            (std::mem::take(&mut lanes.lookups), std::mem::take(&mut lanes.searches))
        };
        left.0.into_iter().for_each(|lookup| lookup.answer(Err(StoreFault::Gone)));
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn take(&self, duty: Duty) -> Option<Taken> {
        let mut lanes = self.lanes();
        loop {
            if !lanes.lookups.is_empty() {
                let count = lanes.lookups.len().min(LOOKUPS_BATCH);
                return Some(Taken::Lookups(lanes.lookups.drain(..count).collect()));
            }
            if duty == Duty::All
                && let Some((search, asked)) = lanes.searches.pop_front()
            {
                return Some(Taken::Search(search, asked));
            }
            if lanes.closed {
                return None;
            }
            lanes = self.filled.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").field("lookups", &self.lookups.len()).finish_non_exhaustive()
    }
}

/// A thread's side.
struct Reader {
    path: PathBuf,
    opened: Option<Opened>,
    /// When it was looked whether the file is still at its place, or tried to open it.
    looked: Option<Instant>,
    /// Why it could not be opened.
    fault: Option<StoreFault>,
    told: Option<Instant>,
    meter: StoreMeter,
}

impl Reader {
    fn serve(mut self, shared: &Shared, duty: Duty) {
        while let Some(taken) = shared.take(duty) {
            match taken {
                Taken::Lookups(mut lookups) => {
                    while !lookups.is_empty() {
                        self.look_up(&mut lookups);
                    }
                }
                Taken::Search(search, asked) => self.search(search, asked),
            }
        }
    }

    /// Answers lookups in one transaction, until one finds that the connection is of no use any more.
    fn look_up(&mut self, lookups: &mut VecDeque<Lookup>) {
        let connection: &Connection = match self.connection() {
            Ok(connection) => connection,
            Err(fault) => {
                for lookup in lookups.drain(..) {
                    self.meter.read(lookup.waited());
                    self.meter.read_failed();
                    lookup.answer(Err(fault));
                }
                return;
            }
        };
        // One look at the log of writes for all of them; where that fails, each says why.
        let transaction = if lookups.len() > 1 { connection.unchecked_transaction().ok() } else { None };
        let mut lasting = None;
        let mut answers = Vec::with_capacity(lookups.len());
        while let Some(lookup) = lookups.pop_front() {
            let found = lookup.find(connection);
            lasting = found.as_ref().err().filter(|error| is_lasting(error)).map(|error| error.to_string());
            answers.push((lookup, found));
            if lasting.is_some() {
                break;
            }
        }
        drop(transaction);
        for (lookup, found) in answers {
            self.meter.read(lookup.waited());
            let (found, error) = outcome(Ok(found));
            if let Err(error) = error {
                self.failed(&error);
            }
            lookup.answer(found);
        }
        if lasting.is_some() {
            self.let_go();
        }
    }

    fn search(&mut self, search: Search, asked: Instant) {
        // Whoever has just written looks into the same file.
        self.follow();
        let done = match self.connection() {
            Ok(connection) => {
                let late = Instant::now() + SEARCH_MAX;
                let limited = connection.progress_handler(CLOCK_EVERY, Some(move || Instant::now() >= late));
                let done = search(Ok(connection));
                let unlimited = connection.progress_handler(0, None::<fn() -> bool>);
                done.and(limited).and(unlimited)
            }
            Err(fault) => {
                self.meter.read_failed();
                search(Err(fault))
            }
        };
        self.meter.read(asked.elapsed());
        if let Err(error) = done {
            self.failed(&error);
            if is_lasting(&error) {
                self.let_go();
            }
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, StoreFault> {
        let at = Instant::now();
        if self.looked.is_none_or(|looked| at.duration_since(looked) >= PAUSE) {
            self.looked = Some(at);
            self.follow();
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

    /// What was moved away can be read on; what lies in its place is the store now.
    fn follow(&mut self) {
        if self.opened.as_ref().is_some_and(Opened::is_replaced) {
            self.let_go();
        }
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
    }
}

/// What the one who asked is told, and what the thread has to know of it.
fn outcome<T>(
    found: Result<rusqlite::Result<T>, StoreFault>,
) -> (Result<T, StoreFault>, rusqlite::Result<()>) {
    match found {
        Ok(Ok(found)) => (Ok(found), Ok(())),
        Ok(Err(error)) => (Err(fault(&error)), Err(error)),
        Err(fault) => (Err(fault), Ok(())),
    }
}
