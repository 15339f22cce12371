//! What the gateway keeps durably: an embedded SQLite database.
//!
//! One thread writes. It takes what waits for it, up to a bound, carries all of it out in one
//! transaction, and answers when that is on the disk (`synchronous=FULL`: also after a power cut). So a hundred
//! quotas that order blocks at the same time cost one flush of the disk, and whoever asks never waits for the disk on
//! its own thread. Two threads read, and never wait for the one that writes (WAL). What a request has to know is looked up on
//! its own thread, where the kernel has the pages in memory.
//!
//! ```text
//! quota::Backend ──────────────> queue (urgent, background, works; bounded) ──> writer ──> SQLite (WAL)
//! put, delete, domains, keys ──>                                                             │
//! find (requests), tenants, audit (admin API) ──> questions (quick, slow; bounded) ──> readers <───┤
//! find_now (requests) ──────────────────────────> at_hand (page_cache) <───────────────────────────┘
//! ```
//!
//! The schema is brought up to date when the store is opened ([`schema`]). Each kind of record has a module of
//! its own over the same connections.

mod acme_accounts;
mod acme_challenges;
mod acme_held;
mod acme_names;
mod acme_orders;
#[cfg(test)]
mod acme_tests;
mod at_hand;
mod audit;
mod certificates;
mod connection;
#[cfg(test)]
mod domain_tests;
mod domains;
mod fault;
mod feed;
mod glance;
mod handover;
mod import;
mod key_uses;
mod keys;
#[cfg(test)]
mod kill_tests;
mod lookup;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod outage_tests;
mod page;
mod page_cache;
mod question;
mod queue;
mod quota_usage;
mod readers;
mod record;
mod replacement;
mod restore;
mod retention;
mod route_users;
mod schema;
mod snapshot;
mod tenant_query;
#[cfg(test)]
mod tenant_tests;
mod tenants;
#[cfg(test)]
mod tests;
mod work;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use crate::admission::quota::{Backend, Holdings, Lane, Order};
use crate::telemetry::StoreMeter;
use crate::types::TenantId;
pub use acme_accounts::KeptAccount;
pub use acme_challenges::SharedChallenge;
pub use acme_held::{BY_FILE, HeldName, SUSPENDED};
pub use acme_names::{DueName, NameWork};
pub use acme_orders::{AcmeBudget, AcmeBudgets, Begin, Begun};
pub use audit::{AuditEntry, AuditFound, AuditQuery};
pub use certificates::{KeptCertificate, NameFound};
pub use domains::{Claim, ClaimTerms, DomainRecord};
pub use fault::{StoreFault, WriteError};
pub use feed::{Change, Feed};
pub use glance::Glance;
pub use key_uses::{KeyUse, KeyUses};
pub use keys::{KeyRecord, NewKey};
pub use lookup::{Claimed, Found};
pub use page::{PAGE_BYTES, Page};
pub use record::{Actor, Expect, TenantContent, TenantKey, TenantRecord};
pub use restore::{Before, Difference, Part, Restoration, Restored};
pub use retention::Removed;
pub use route_users::RouteUse;
pub use snapshot::{StoreSnapshot, UsageRecord};
pub use tenant_query::{TenantQuery, Users};
pub use tenants::{Put, Written};

use at_hand::AtHand;
use connection::Opened;
use feed::Known;
use queue::Queue;
use readers::Readers;
use work::{Made, Task};
use writer::Writer;

/// The store; open until it is closed or dropped.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Readers,
    at_hand: Arc<AtHand>,
    known: Arc<Known>,
    /// Whether look-ups read labels.
    labels: AtomicBool,
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
    /// An earlier version has written it, and nobody has brought it up to date since.
    #[error("the store {} was written by an older version of Tollgate (schema {found}, this one knows {known}): a gateway that starts on it brings it up to date", .path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The schema that is known.
        known: i64,
    },
    /// Its thread can't be started.
    #[error("the store's thread can't be started")]
    Thread(#[source] std::io::Error),
}

impl Store {
    /// Opens the store, making the file and its folder where they are not there. Reads and writes the disk, but not all that
    /// is kept: however many tenants there are, it takes the same time.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(path: &Path, meter: StoreMeter) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|source| StoreError::Folder { folder: folder.to_owned(), source })?;
        }
        // Before there is any connection.
        page_cache::prepare();
        Self::over(Opened::for_the_first_time(path)?, path, meter)
    }

    fn over(opened: Opened, path: &Path, meter: StoreMeter) -> Result<Self, StoreError> {
        let known = Known::of(&opened.connection)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        let known = Arc::new(known);
        let readers = Readers::start(path, &meter, &known)?;
        let at_hand = AtHand::new(path, &meter, &known);
        let queue = Arc::new(Queue::default());
        let served = Arc::clone(&queue);
        let writer = Writer::new(path.to_owned(), opened, meter, Arc::clone(&known));
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || {
            // Also after a panic nobody waits for an answer that can't come.
            let _closed = Closing(&served);
            writer.serve(&served);
        });
        match thread {
            Ok(thread) => {
                let writer = Mutex::new(Some(thread));
                let (path, labels) = (path.to_owned(), AtomicBool::new(false));
                Ok(Self { path, queue, writer, readers, at_hand, known, labels })
            }
            Err(error) => {
                readers.close();
                Err(StoreError::Thread(error))
            }
        }
    }

    /// The database's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the store holds of these tenants' quotas. Waits for the disk: for a start, not for a request.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn holdings_of(&self, tenants: Vec<TenantId>) -> Result<Vec<Holdings>, StoreFault> {
        self.readers.search_here(move |connection| quota_usage::of_tenants(connection, &tenants))
    }

    /// Carries out what waits, and closes the database. What comes later is answered with [`StoreFault::Gone`].
    pub fn close(&self) {
        // The readers first: the writer merges its log into the database when nobody reads it any more.
        self.readers.close();
        self.at_hand.close();
        self.queue.close();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's thread panicked");
        }
    }

    /// Has a change made; durable when it returns.
    async fn write<T: Send + 'static>(
        &self,
        change: impl FnMut(&Connection) -> Made<T> + Send + 'static,
    ) -> Result<T, WriteError> {
        let (task, answered) = Task::new(change);
        self.queue.add(Box::new(task))?;
        answered.await.unwrap_or(Err(WriteError::Fault(StoreFault::Gone)))
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

/// Closes the queue when the thread ends, however it ends.
struct Closing<'q>(&'q Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.clear();
    }
}
