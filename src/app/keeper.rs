//! The store that tenants and quotas are kept in, and keeping quotas in step with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::admission::quota::{Backend, Roster};
use crate::config::{self, Document};
use crate::control::{Foundation, StoredTenants};
use crate::store::Store;
use crate::tenant::{CacheTerms, TenantCache};

/// How long the end waits for the store to take what is left.
const CLOSING_MAX: Duration = Duration::from_secs(3);

/// Opens the store when it or the first quota is configured, and closes it at the end.
pub(super) struct Keeper {
    roster: Arc<Roster>,
    store: Mutex<Option<Arc<Store>>>,
    flush_ms: AtomicU64,
}

impl Keeper {
    pub(super) fn new(roster: Arc<Roster>) -> Self {
        Self { roster, store: Mutex::default(), flush_ms: AtomicU64::new(1_000) }
    }

    /// Opens the store, and with it the cache of its tenants, if the document wants one and it isn't open: a reload never
    /// opens it anew.
    pub(super) fn open_for(&self, document: &Document, foundation: &Foundation) -> anyhow::Result<()> {
        let mut store = self.store();
        if store.is_none() && document.wants_store() {
            let opened = Arc::new(Store::open(&document.store, foundation.metrics.store()).context("store")?);
            let tenants = document.tenants_with_quotas().map(|tenant| tenant.id.clone()).collect();
            self.roster.remember(opened.holdings_of(tenants).context("store")?);
            self.roster.connect(Arc::clone(&opened) as Arc<dyn Backend>);
            if document.asks_labels() {
                opened.read_labels();
            }
            tracing::info!(path = %document.store.display(), "store open");
            let source = Arc::new(StoredTenants::new(Arc::clone(&opened)));
            let _ = foundation.cache.set(TenantCache::new(
                source,
                terms(&document.tenancy.cache),
                &foundation.accounts,
                foundation.clock.clone(),
                foundation.metrics.cache(),
            ));
            *store = Some(opened);
        }
        Ok(())
    }

    /// Has labels read with tenants where they are asked for, and what was read without them forgotten: before a document is taken
    /// into use. They are read from then on, as requests may go on under the document that asks.
    pub(super) fn prepare(&self, document: &Document, foundation: &Foundation) {
        let Some(store) = self.opened().filter(|_| document.asks_labels()) else { return };
        if store.read_labels() {
            foundation.cache.get().into_iter().for_each(|cache| cache.forget_all());
        }
    }

    /// Takes what a document says of it into use, once the quotas are made.
    pub(super) fn adopt(&self, document: &Document) {
        self.roster.forget();
        let flush_ms = u64::try_from(document.metering.flush.as_millis()).unwrap_or(u64::MAX);
        self.flush_ms.store(flush_ms, Ordering::Relaxed);
    }

    /// Whether the store is open at another place than the document says.
    pub(super) fn is_elsewhere(&self, document: &Document) -> bool {
        self.store().as_ref().is_some_and(|store| store.path() != document.store)
    }

    /// Looks after the quotas, every `metering.flush`, until it is dropped.
    pub(super) async fn look_round(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(self.flush_ms.load(Ordering::Relaxed))).await;
            self.roster.look_round();
        }
    }

    /// Gives back what was reserved, writes down what was used, and closes the store. For an end without requests.
    pub(super) fn close(&self) {
        let Some(store) = self.store().take() else { return };
        let deadline = Instant::now() + CLOSING_MAX;
        while self.roster.close() {
            if Instant::now() >= deadline {
                tracing::error!("the store does not answer: quotas forfeit what was reserved");
                break;
            }
            // Polled: it happens once, and takes a transaction or two.
            thread::sleep(Duration::from_millis(1));
        }
        store.close();
    }

    /// The store, once it is open.
    pub(super) fn opened(&self) -> Option<Arc<Store>> {
        self.store().clone()
    }

    fn store(&self) -> MutexGuard<'_, Option<Arc<Store>>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the cache understands them.
pub(super) fn terms(written: &config::TenantCache) -> CacheTerms {
    let config::TenantCache { capacity, ttl, negative_ttl, stale_while_revalidate } = *written;
    CacheTerms { capacity, ttl, negative_ttl, stale_while_revalidate }
}
