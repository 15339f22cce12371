//! The registry of tenants: everything that operators do with tenants while the gateway runs.
//!
//! Tenants come from the configuration, which is read-only here and wins, and from the store. What is written is
//! checked as the configuration is, against the plans, pools and routes in force, made durable by the store, and
//! forgotten by the cache of tenants before the answer is given: the next request sees it.
//!
//! ```text
//! admin ──> Registry ──> InForce (the configuration's tenants, its checks)
//!                   └──> Store ──> Forget (the cache of tenants)
//! ```

mod audit;
mod backup;
mod certificates;
mod claims;
mod documents;
mod domains;
mod import;
mod in_force;
mod keys;
mod merge_patch;
mod pages;
mod plans;
mod random;
mod refusal;
mod restore;
mod restore_deferred;
mod restore_report;
mod tenants;
#[cfg(test)]
mod tests;
mod verification;

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::certificates::Certificates;
use crate::config::Document;
use crate::control::proof::Prover;
use crate::store::Store;
use crate::types::{KeyHash, TenantId};

pub use crate::config::tenant_schemas;
pub use crate::control::proof::{Look, Method};
pub use audit::{AuditFilter, AuditPage};
pub use backup::Backup;
pub use documents::Shown;
pub(crate) use documents::written_document;
pub use import::{ImportError, ImportMode, ImportReport, Line, Why};
pub use pages::{Listing, Page, SourceFilter};
pub use refusal::{InvalidMember, Refusal};
pub use restore::{Received, Receiving};
pub use restore_report::{RestoreReport, Sums};
pub use tenants::{Change, Precondition};

use in_force::InForce;

/// What must not be answered from memory any more once a tenant has changed.
pub trait Forget: Send + Sync + 'static {
    /// Forgets these tenants, and whose these hosts are. Both as they are in the store: hosts in lower case, wildcards with
    /// `*.`; those that a tenant had before and those that it has now. And keys that were nobody's, or are nobody's any more.
    fn forget(&self, tenants: &[TenantId], hosts: &[Box<str>], keys: &[KeyHash]);
}

impl<F: Fn(&[TenantId], &[Box<str>], &[KeyHash]) + Send + Sync + 'static> Forget for F {
    fn forget(&self, tenants: &[TenantId], hosts: &[Box<str>], keys: &[KeyHash]) {
        self(tenants, hosts, keys);
    }
}

/// Imports at a time: each keeps some megabytes, and the store takes one after another anyway.
const IMPORTS_MAX: usize = 2;
/// Backups and restores at a time: while one is written the store's log grows, and one that is restored lies on its disk.
const BACKUPS_MAX: usize = 1;

/// All tenants, as operators see and change them.
pub struct Registry {
    in_force: ArcSwap<InForce>,
    store: ArcSwapOption<Store>,
    cache: Arc<dyn Forget>,
    imports: Arc<Semaphore>,
    backups: Arc<Semaphore>,
    prover: Prover,
    certificates: Option<Arc<Certificates>>,
}

impl Registry {
    /// The registry of a configuration in force, without a store.
    #[must_use]
    pub fn new(document: Arc<Document>, cache: Arc<dyn Forget>) -> Self {
        let in_force = ArcSwap::from_pointee(InForce::new(document));
        let imports = Arc::new(Semaphore::new(IMPORTS_MAX));
        let backups = Arc::new(Semaphore::new(BACKUPS_MAX));
        let (store, prover) = (ArcSwapOption::empty(), Prover::default());
        Self { in_force, store, cache, imports, backups, prover, certificates: None }
    }

    /// The same, with proofs of domains looked for by this one.
    #[must_use]
    pub fn with_prover(self, prover: Prover) -> Self {
        Self { prover, ..self }
    }

    /// The same, with certificates of domains from these.
    #[must_use]
    pub fn with_certificates(self, certificates: Arc<Certificates>) -> Self {
        Self { certificates: Some(certificates), ..self }
    }

    /// Takes over another configuration, once it is in force.
    pub fn adopt(&self, document: Arc<Document>) {
        self.in_force.store(Arc::new(InForce::new(document)));
    }

    /// Writes into this store from now on, and reads from it.
    pub fn connect(&self, store: Arc<Store>) {
        self.store.store(Some(store));
    }

    /// Takes a turn for an import, which ends when the permit is dropped.
    ///
    /// # Errors
    /// [`Refusal::TooManyImports`].
    pub fn begin_import(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.imports).try_acquire_owned().map_err(|_| Refusal::TooManyImports)
    }

    /// The configuration in force.
    #[must_use]
    pub fn document(&self) -> Arc<Document> {
        self.in_force().share()
    }

    fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// The store, where there is one.
    fn readable(&self) -> Option<Arc<Store>> {
        self.store.load_full()
    }

    fn store(&self) -> Result<Arc<Store>, Refusal> {
        self.readable().ok_or(Refusal::NoStore)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("store", &self.readable()).finish_non_exhaustive()
    }
}
