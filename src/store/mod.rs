//! What the gateway keeps durably: an embedded SQLite database.
//!
//! One thread owns the connection. It takes what waits for it, up to a bound, carries all of it out in one
//! transaction, and answers when that is on the disk (`synchronous=FULL`: also after a power cut). So a hundred
//! quotas that order blocks at the same time cost one flush of the disk, and whoever asks never waits for the disk on
//! its own thread.
//!
//! ```text
//! quota::Backend ──> queue (urgent, background; bounded) ──> thread ──> quota_usage ──> SQLite (WAL)
//! ```
//!
//! The schema is brought up to date when the store is opened ([`schema`]). Each kind of record has a module of
//! its own over the same connection.

mod queue;
mod quota_usage;
mod record;
mod schema;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::admission::quota::{Backend, BackendError, Grant, Holdings, Lane, Order};
use crate::telemetry::StoreMeter;
pub use record::{Actor, Expect, TenantContent, TenantKey, TenantRecord};

use queue::Queue;

/// How long a transaction waits for another process that writes.
const BUSY: Duration = Duration::from_millis(100);
/// How long opening waits for it: another gateway may be bringing the schema up to date.
const BUSY_OPENING: Duration = Duration::from_secs(5);
/// The log has at most one line about failed transactions in this time.
const FAILURE_LINES: Duration = Duration::from_secs(10);

/// The store; open until it is closed or dropped.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    held: Mutex<Vec<Holdings>>,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Why the store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its folder can't be made.
    #[error("the folder of the store, {}, can't be made", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file can't be opened, or is no SQLite database.
    #[error("the store {} can't be opened", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A later version of Tollgate has changed it in a way that this one doesn't know.
    #[error("the store {} was written by a newer version of Tollgate (schema {found}, this one knows {known})", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that is known.
        known: i64,
    },
    /// Its thread can't be started.
    #[error("the store's thread can't be started")]
    Thread(#[source] std::io::Error),
}

impl Store {
    /// Opens the store, making the file and its folder where they are not there. Reads and writes the disk.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(path: &Path, meter: StoreMeter) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|source| StoreError::Folder { folder: folder.to_owned(), source })?;
        }
        Self::over(connect(path)?, path, meter)
    }

    fn over(connection: Connection, path: &Path, meter: StoreMeter) -> Result<Self, StoreError> {
        let held = quota_usage::all(&connection)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        let queue = Arc::new(Queue::default());
        let served = Arc::clone(&queue);
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || {
            Serving { connection, meter, told: None }.serve(&served);
            // Also after a panic nobody waits for an answer that can't come.
            served.close();
        });
        let thread = thread.map_err(StoreError::Thread)?;
        Ok(Self { path: path.to_owned(), held: Mutex::new(held), queue, thread: Mutex::new(Some(thread)) })
    }

    /// The database's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the store held of quotas when it was opened; once.
    #[must_use]
    pub fn take_holdings(&self) -> Vec<Holdings> {
        std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Carries out what waits, and closes the database. What comes later is answered with [`BackendError::Gone`].
    pub fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's thread panicked");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl Backend for Store {
    fn submit(&self, order: Order, lane: Lane) {
        if let Err((order, error)) = self.queue.push(order, lane) {
            order.answer(Err(error));
        }
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_OPENING).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    // A log that a checkpoint has emptied is not kept at the size of its busiest hour.
    connection.pragma_update(None, "journal_size_limit", 64 << 20).map_err(failed)?;
    let found = schema::migrate(&mut connection).map_err(failed)?;
    if found > schema::VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: schema::VERSION });
    }
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// The thread's side.
struct Serving {
    connection: Connection,
    meter: StoreMeter,
    told: Option<Instant>,
}

impl Serving {
    fn serve(mut self, queue: &Queue) {
        let mut batch = Vec::new();
        while queue.take(&mut batch) {
            let started = Instant::now();
            match self.carry_out(&batch) {
                Ok(grants) => {
                    self.meter.committed(started.elapsed());
                    batch.drain(..).zip(grants).for_each(|(order, grant)| order.answer(Ok(grant)));
                }
                Err(error) => {
                    self.meter.failed();
                    let answer = self.failed(&error);
                    batch.drain(..).for_each(|order| order.answer(Err(answer)));
                }
            }
        }
        // The log is merged into the database: the file is whole without its neighbours.
        let merged = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
        if let Err(error) = merged {
            tracing::debug!(%error, "store: the log was not merged at the end");
        }
    }

    /// All orders in one transaction, durable when it returns.
    fn carry_out(&mut self, orders: &[Order]) -> rusqlite::Result<Vec<Grant>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let grants = orders.iter().map(|order| quota_usage::carry_out(&transaction, order)).collect();
        let grants: Vec<Grant> = match grants {
            Ok(grants) => grants,
            Err(error) => {
                // Dropping it would, too, but not tell.
                transaction.rollback()?;
                return Err(error);
            }
        };
        transaction.commit()?;
        Ok(grants)
    }

    fn failed(&mut self, error: &rusqlite::Error) -> BackendError {
        let at = Instant::now();
        if self.told.is_none_or(|told| at.duration_since(told) >= FAILURE_LINES) {
            self.told = Some(at);
            tracing::error!(%error, "store: a transaction failed, and nothing of it was written");
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => BackendError::Locked,
            Some(ErrorCode::DiskFull) => BackendError::NoSpace,
            _ => BackendError::Failed,
        }
    }
}
