//! What the gateway is made of, and who is told of it.

mod reload;
mod terms;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::SystemTime;

use anyhow::Context;
use serde_json::Value;
use tokio::sync::watch;

use self::terms::{access_log_settings, client_limits};
use crate::app::descriptors;
use crate::app::gateway::{Options, Source};
use crate::app::keeper::Keeper;
use crate::app::listeners::{Bound, bind_admin, bind_all, hand_out, warn_of_idle_inherited};
use crate::app::privileges;
use crate::app::worker::{Command, Worker, WorkerShare};
use crate::config::{Diagnostic, Difference, Document, Inventory, Loaded, Loader, Quarantined, Workers};
use crate::control;
use crate::control::registry::Registry;
use crate::control::{
    Clashes, Compiled, EndpointChange, FirstAddresses, Foundation, Ground, Kept, LastReload, LeftOut,
    ListenerSet, Live, PoolSet, PoolTls, Previous, Prover, Question, Status, TenantSet,
    certificates_in_force, compile, explain, limits, meter_certificates,
};
use crate::listen::{self, ConnectionCaps};
use crate::proxy::{Snapshot, SnapshotCell};
use crate::telemetry::Metrics;
use crate::telemetry::access_log::AccessLog;
use crate::tenant::SourceFault;
use crate::tls::PendingHandshakes;
use crate::types::{KeyHash, TenantId};
use crate::upstream::Pool;
use crate::upstream::dns::Resolve;

/// What the control thread and the owner of the gateway share.
pub(super) struct Core {
    source: Source,
    started: SystemTime,
    foundation: Arc<Foundation>,
    snapshot: Arc<SnapshotCell>,
    caps: Arc<ConnectionCaps>,
    handshakes: Arc<PendingHandshakes>,
    keeper: Keeper,
    registry: Arc<Registry>,
    clashes: Clashes,
    left_out: LeftOut,
    access_log: Mutex<Option<AccessLog>>,
    workers: Mutex<Vec<Worker>>,
    worker_count: usize,
    draining: AtomicBool,
    resolve: Resolve,
    /// The pools in force, for those who look after them.
    pools: watch::Sender<Vec<Arc<Pool>>>,
    // Held for a whole reload: reloads happen one at a time.
    running: Mutex<Running>,
    /// The admin listener's socket, until the control thread has it.
    admin: Mutex<Option<listen::Bound>>,
    /// Snapshots that were in force, and that requests may run on still.
    outlived: Mutex<Vec<Arc<Snapshot>>>,
}

/// The configuration in force.
struct Running {
    loader: Loader,
    document: Arc<Document>,
    pools: PoolSet,
    tenants: TenantSet,
    listeners: Vec<Bound>,
    receiving: ListenerSet,
    generation: u64,
    last_reload: LastReload,
    warnings: Vec<Diagnostic>,
    quarantined: Vec<Quarantined>,
    restart_required: Vec<&'static str>,
}

impl Core {
    pub(super) fn start(
        source: Source,
        mut loader: Loader,
        loaded: Loaded,
        options: Options,
    ) -> anyhow::Result<Self> {
        let Loaded { document, warnings, quarantined, watched, difference } = loaded;
        let worker_count = match document.workers {
            Workers::Auto => available_parallelism().map_or(1, usize::from),
            Workers::Count(count) => count.get(),
        };
        descriptors::make_room(document.limits.max_connections);
        let sockets = bind_all(document.listeners.iter(), worker_count, &[])?;
        let admin = bind_admin(&document.admin)?;
        warn_of_idle_inherited(&document);
        // Before anything is made that is to be read again later: it would be root's.
        let files = sockets.iter().filter_map(|(bound, _)| bound.file.as_deref()).chain(&admin.file);
        privileges::give_up(&document, files)?;
        if document.user.is_some() {
            privileges::warn_of_unreadable(&watched);
        }
        let metrics = Arc::new(Metrics::new(document.metrics.tenants).context("metrics")?);
        let foundation = match options.store_patience {
            Some(patience) => Foundation::with_patience(metrics, options.clock, patience),
            None => Foundation::new(metrics, options.clock),
        };
        let keeper = Keeper::new(Arc::clone(&foundation.roster));
        keeper.open_for(&document, &foundation)?;
        let foundation = Arc::new(foundation);
        let (none, nobody) = (PoolSet::default(), TenantSet::default());
        let tls = PoolTls::of(&document, &none)?;
        let receiving = ListenerSet::of(&document, &ListenerSet::default(), &foundation.certificates)?;
        let ordering = certificates_in_force(&document, keeper.opened())?;
        let addresses = FirstAddresses::of(&document, &none, &options.resolve);
        let previous = Previous { pools: &none, tenants: &nobody };
        let Compiled { snapshot, pools, tenants, .. } =
            compile(&document, 0, &previous, &tls, &receiving, &addresses, &foundation);
        keeper.adopt(&document);
        foundation.certificates.adopt(ordering, true);
        if let Some(within) = options.order_patience {
            foundation.certificates.bound_orders(within);
        }
        let document = Arc::new(document);
        let remembered = Arc::clone(&foundation);
        let forget = move |tenants: &[TenantId], hosts: &[Box<str>], keys: &[KeyHash]| {
            if let Some(cache) = remembered.cache.get() {
                cache.forget_keys(keys);
                cache.forget(tenants, hosts.iter().map(AsRef::as_ref));
            }
            remembered.certificates.forget(hosts.iter().map(AsRef::as_ref));
        };
        let prover = Prover::new(options.resolve.clone(), options.challenge_port);
        let registry = Registry::new(Arc::clone(&document), Arc::new(forget))
            .with_prover(prover)
            .with_certificates(Arc::clone(&foundation.certificates));
        keeper.opened().into_iter().for_each(|store| registry.connect(store));
        let snapshot = Arc::new(SnapshotCell::from_pointee(snapshot));
        let limits = &document.limits;
        let caps = Arc::new(ConnectionCaps::new(client_limits(limits)));
        let handshakes = Arc::new(PendingHandshakes::new(limits.max_pending_handshakes));
        let access_log = AccessLog::start(&access_log_settings(&document), foundation.metrics.access_log())
            .context("access_log.path can't be opened")?;
        let mut workers = Vec::with_capacity(worker_count);
        for index in 0..worker_count {
            let share = WorkerShare {
                snapshot: Arc::clone(&snapshot),
                metrics: Arc::clone(&foundation.metrics),
                caps: Arc::clone(&caps),
                handshakes: Arc::clone(&handshakes),
                access_log: access_log.sender(),
            };
            workers.push(Worker::start(index, share).context("can't start a worker thread")?);
        }
        let listeners: Vec<Bound> = sockets.iter().map(|(bound, _)| bound.clone()).collect();
        meter_certificates(&document, &foundation.metrics);
        hand_out(&workers, sockets, &foundation.metrics);
        foundation.metrics.reload_succeeded(SystemTime::now());
        loader.accept();
        let core = Self {
            source,
            started: SystemTime::now(),
            foundation,
            snapshot,
            caps,
            handshakes,
            keeper,
            registry: Arc::new(registry),
            clashes: Clashes::default(),
            left_out: LeftOut::default(),
            access_log: Mutex::new(Some(access_log)),
            workers: Mutex::new(workers),
            worker_count,
            draining: AtomicBool::new(false),
            resolve: options.resolve,
            pools: watch::Sender::new(pools.pools().cloned().collect()),
            outlived: Mutex::default(),
            admin: Mutex::new(Some(admin)),
            running: Mutex::new(Running {
                loader,
                document,
                pools,
                tenants,
                listeners,
                receiving,
                generation: 0,
                last_reload: LastReload { at: SystemTime::now(), errors: Vec::new(), failure: None },
                warnings,
                quarantined,
                restart_required: Vec::new(),
            }),
        };
        core.report(&difference);
        Ok(core)
    }

    /// The admin listener's socket; once.
    pub(super) fn take_admin(&self) -> Option<listen::Bound> {
        self.admin.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn workers(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The addresses that clients connect to, in the order of the configuration.
    pub(super) fn listeners(&self) -> Vec<SocketAddr> {
        self.running().listeners.iter().filter_map(|bound| bound.address).collect()
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.foundation.metrics
    }

    pub(super) fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    pub(super) fn clashes(&self) -> &Clashes {
        &self.clashes
    }

    pub(super) fn foundation(&self) -> &Foundation {
        &self.foundation
    }

    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    pub(super) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    pub(super) fn document(&self) -> Arc<Document> {
        Arc::clone(&self.running().document)
    }

    pub(super) fn watched(&self) -> Vec<PathBuf> {
        self.running().loader.watched().to_vec()
    }

    /// What the tenants' files were like when they were read.
    pub(super) fn inventory(&self) -> Inventory {
        self.running().loader.inventory()
    }

    /// Frees the snapshots that no request runs on any more: here, not on the worker that happened to be the last one.
    pub(super) fn bury_snapshots(&self) {
        let mut outlived = self.outlived.lock().unwrap_or_else(PoisonError::into_inner);
        let dead: Vec<_> = outlived.extract_if(.., |snapshot| Arc::strong_count(snapshot) == 1).collect();
        drop(outlived);
        drop(dead);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Says what was loaded, and what the operator should know about it.
    fn report(&self, difference: &Difference) {
        let running = self.running();
        if difference.main {
            for warning in &running.warnings {
                tracing::warn!("{warning}");
            }
        }
        running.quarantined.iter().for_each(report_quarantined);
        if !running.restart_required.is_empty() {
            tracing::warn!(keys = ?running.restart_required, "these changes need a restart");
        }
        tracing::info!(
            source = self.source.name(),
            generation = running.generation,
            tenants = running.document.tenants.len(),
            added = difference.added.len(),
            changed = difference.changed.len(),
            removed = difference.removed.len(),
            "configuration in force"
        );
    }

    /// The public keys that are published.
    pub(super) fn key_set(&self) -> Option<Arc<str>> {
        self.snapshot.load().key_set.clone()
    }

    pub(super) fn status(&self) -> Value {
        let running = self.running();
        let status = Status {
            started: self.started,
            draining: self.is_draining(),
            source: self.source.name(),
            generation: running.generation,
            last_reload: &running.last_reload,
            warnings: &running.warnings,
            quarantined: &running.quarantined,
            restart_required: &running.restart_required,
            listeners: running.listeners.iter().map(|bound| bound.shown.to_string()).collect(),
            document: &running.document,
            workers: self.worker_count,
            tenants: running.document.tenants.len(),
            clashes: self.clashes.to_json(),
            left_out: self.left_out.to_json(),
            connections: self.caps.open(),
        };
        status.to_json()
    }

    /// How a tenant stands with its limits, if there is such a tenant.
    pub(super) fn tenant_limits(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<Value>, SourceFault>> + Send + use<> {
        limits(self.snapshot.load_full(), id.to_owned())
    }

    /// What would become of a request, and why.
    pub(super) fn explain(&self, question: Question) -> impl Future<Output = Value> + Send + use<> {
        let running = self.running();
        // Under one lock, so that they are of one configuration.
        let live = Live { generation: running.generation, is_outdated: running.loader.is_outdated() };
        let ground = Ground {
            snapshot: self.snapshot.load_full(),
            document: Arc::clone(&running.document),
            file: running.loader.file().map(ToOwned::to_owned),
            kept: Kept::Registry(self.registry()),
            live: Some(live),
        };
        drop(running);
        async move { explain(&ground, question).await }
    }

    /// How all pools stand.
    pub(super) fn pools(&self) -> Value {
        control::pools(&self.running().pools)
    }

    /// How a pool stands.
    pub(super) fn pool(&self, name: &str) -> Result<Value, Value> {
        control::pool(&self.running().pools, name)
    }

    /// Changes an endpoint, and tells how its pool stands.
    pub(super) fn change_endpoint(
        &self,
        pool: &str,
        endpoint: &str,
        change: EndpointChange,
    ) -> Result<Value, Value> {
        control::change_endpoint(&self.running().pools, pool, endpoint, change)
    }

    /// The pools in force, now and after each reload.
    pub(super) fn watched_pools(&self) -> watch::Receiver<Vec<Arc<Pool>>> {
        self.pools.subscribe()
    }

    /// Who is asked for the addresses of endpoints' names.
    pub(super) fn resolve(&self) -> Resolve {
        self.resolve.clone()
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        let mut running = self.running();
        let within = running.document.limits.drain;
        // Nobody is to connect any more; another gateway may bind the same paths.
        running.listeners.iter_mut().for_each(|bound| bound.file = None);
        drop(running);
        self.workers().iter().for_each(|worker| worker.tell(Command::Drain(within)));
    }

    pub(super) fn stop(&self) {
        self.draining.store(true, Ordering::Release);
        self.workers().iter().for_each(|worker| worker.tell(Command::Stop));
    }

    pub(super) fn join_workers(&self) {
        // Joined outside the lock: a second signal must still reach those that run.
        let threads: Vec<_> = self.workers().iter_mut().filter_map(Worker::take_thread).collect();
        threads.into_iter().for_each(Worker::join);
        // Every sender is gone now: what they wrote is flushed.
        drop(self.access_log.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.keeper.close();
    }
}

fn report_quarantined(one: &Quarantined) {
    for diagnostic in &one.diagnostics {
        tracing::error!(file = %one.file.display(), "tenant file left out: {diagnostic}");
    }
}
