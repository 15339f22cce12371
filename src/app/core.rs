//! What the gateway is made of, and how a new configuration takes the place of the old one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::SystemTime;

use anyhow::Context;
use serde_json::Value;

use super::gateway::{Options, ReloadFailure, Source};
use super::keeper::Keeper;
use super::listeners::{Bound, bind_all, hand_out};
use super::worker::{Command, Worker, WorkerShare};
use crate::config::{self, Diagnostic, Document, Loaded, Quarantined, Workers};
use crate::control;
use crate::control::{
    Compiled, EndpointChange, Fingerprint, Foundation, LastReload, PoolSet, PoolTls, Status, compile, limits,
};
use crate::listen::ConnectionCaps;
use crate::proxy::SnapshotCell;
use crate::telemetry::Metrics;
use crate::telemetry::access_log::{AccessLog, AccessLogSettings};

/// What the control thread and the owner of the gateway share.
pub(super) struct Core {
    source: Source,
    started: SystemTime,
    foundation: Foundation,
    snapshot: Arc<SnapshotCell>,
    caps: Arc<ConnectionCaps>,
    keeper: Keeper,
    access_log: Mutex<Option<AccessLog>>,
    workers: Mutex<Vec<Worker>>,
    worker_count: usize,
    draining: AtomicBool,
    // Held for a whole reload: reloads happen one at a time.
    running: Mutex<Running>,
}

/// The configuration in force.
struct Running {
    document: Document,
    pools: PoolSet,
    listeners: Vec<Bound>,
    generation: u64,
    last_reload: LastReload,
    warnings: Vec<Diagnostic>,
    quarantined: Vec<Quarantined>,
    watched: Vec<PathBuf>,
    /// What the watched files were like when they were read.
    seen: Fingerprint,
    restart_required: Vec<&'static str>,
}

impl Core {
    pub(super) fn start(
        source: Source,
        loaded: Loaded,
        seen: Fingerprint,
        options: Options,
    ) -> anyhow::Result<Self> {
        let Loaded { document, warnings, quarantined, watched } = loaded;
        let metrics = Arc::new(Metrics::new(document.metrics.tenants).context("metrics")?);
        let foundation = match options.store_patience {
            Some(patience) => Foundation::with_patience(metrics, options.clock, patience),
            None => Foundation::new(metrics, options.clock),
        };
        let keeper = Keeper::new(Arc::clone(&foundation.roster));
        keeper.open_for(&document, &foundation.metrics)?;
        let none = PoolSet::default();
        let tls = PoolTls::of(&document, &none)?;
        let Compiled { snapshot, pools } = compile(&document, 0, &none, &tls, &foundation);
        keeper.adopt(&document);
        let snapshot = Arc::new(SnapshotCell::from_pointee(snapshot));
        let limits = &document.limits;
        let caps = Arc::new(ConnectionCaps::new(limits.max_connections, limits.max_connections_per_client));
        let access_log = AccessLog::start(&access_log_settings(&document), foundation.metrics.access_log())
            .context("access_log.path can't be opened")?;
        let worker_count = match document.workers {
            Workers::Auto => available_parallelism().map_or(1, usize::from),
            Workers::Count(count) => count.get(),
        };
        let sockets = bind_all(document.listeners.iter().map(|listener| listener.bind), worker_count)?;
        let mut workers = Vec::with_capacity(worker_count);
        for index in 0..worker_count {
            let share = WorkerShare {
                snapshot: Arc::clone(&snapshot),
                metrics: Arc::clone(&foundation.metrics),
                caps: Arc::clone(&caps),
                access_log: access_log.sender(),
            };
            workers.push(Worker::start(index, share).context("can't start a worker thread")?);
        }
        let listeners: Vec<Bound> = sockets.iter().map(|(bound, _)| *bound).collect();
        hand_out(&workers, sockets);
        foundation.metrics.reload_succeeded(SystemTime::now());
        let core = Self {
            source,
            started: SystemTime::now(),
            foundation,
            snapshot,
            caps,
            keeper,
            access_log: Mutex::new(Some(access_log)),
            workers: Mutex::new(workers),
            worker_count,
            draining: AtomicBool::new(false),
            running: Mutex::new(Running {
                document,
                pools,
                listeners,
                generation: 0,
                last_reload: LastReload { at: SystemTime::now(), errors: Vec::new(), failure: None },
                warnings,
                quarantined,
                watched,
                seen,
                restart_required: Vec::new(),
            }),
        };
        core.report();
        Ok(core)
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn workers(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where clients connect, in the order of the configuration.
    pub(super) fn listeners(&self) -> Vec<SocketAddr> {
        self.running().listeners.iter().map(|bound| bound.address).collect()
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.foundation.metrics
    }

    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    pub(super) fn document(&self) -> Document {
        self.running().document.clone()
    }

    pub(super) fn watched(&self) -> Vec<PathBuf> {
        match &self.source {
            Source::File(_) => self.running().watched.clone(),
            Source::Text { .. } => Vec::new(),
        }
    }

    /// Whether the watched files differ from what was read last.
    pub(super) fn has_changed(&self) -> bool {
        let running = self.running();
        Fingerprint::of(&running.watched) != running.seen
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Loads, validates, binds and compiles first; what can fail has happened before anything changes.
    pub(super) fn reload(&self) -> Result<(), ReloadFailure> {
        let mut running = self.running();
        let before = Fingerprint::of(&running.watched);
        let watched = running.watched.clone();
        let outcome = self.try_reload(&mut running);
        running.seen = match watched != running.watched && Fingerprint::of(&watched) == before {
            true => Fingerprint::of(&running.watched),
            // What changed while it was being read is read again, at the watcher's next look.
            false => before,
        };
        let (errors, failure) = match &outcome {
            Ok(()) => (Vec::new(), None),
            Err(ReloadFailure::Config(report)) => (report.diagnostics.clone(), None),
            Err(ReloadFailure::Resource(error)) => (Vec::new(), Some(format!("{error:#}"))),
        };
        running.last_reload = LastReload { at: SystemTime::now(), errors, failure };
        drop(running);
        match &outcome {
            Ok(()) => {
                self.metrics().reload_succeeded(SystemTime::now());
                self.report();
            }
            Err(failure) => {
                self.metrics().reload_failed();
                tracing::error!(source = self.source.name(), "reload failed, nothing changed: {failure}");
            }
        }
        outcome
    }

    fn try_reload(&self, running: &mut Running) -> Result<(), ReloadFailure> {
        let loaded = self.source.load().map_err(ReloadFailure::Config)?;
        let document = &loaded.document;
        let (kept, gone): (Vec<Bound>, Vec<Bound>) = running
            .listeners
            .iter()
            .partition(|bound| document.listeners.iter().any(|listener| listener.bind == bound.configured));
        let new = document.listeners.iter().map(|listener| listener.bind);
        let new = new.filter(|bind| !kept.iter().any(|bound| bound.configured == *bind));
        let tls =
            PoolTls::of(document, &running.pools).map_err(|error| ReloadFailure::Resource(error.into()))?;
        let sockets = bind_all(new, self.worker_count).map_err(ReloadFailure::Resource)?;
        self.keeper.open_for(document, self.metrics()).map_err(ReloadFailure::Resource)?;
        if let Some(log) = &*self.access_log.lock().unwrap_or_else(PoisonError::into_inner) {
            // Opened anew also when the path is the same: that is how logs are rotated.
            log.reconfigure(&access_log_settings(document))
                .and_then(|()| log.reopen())
                .context("access_log.path can't be opened")
                .map_err(ReloadFailure::Resource)?;
        }

        running.generation += 1;
        let compiled = compile(document, running.generation, &running.pools, &tls, &self.foundation);
        self.snapshot.store(Arc::new(compiled.snapshot));
        self.caps.set(document.limits.max_connections, document.limits.max_connections_per_client);
        running.listeners = kept;
        running.listeners.extend(sockets.iter().map(|(bound, _)| *bound));
        running.listeners.sort_by_key(|bound| {
            document.listeners.iter().position(|listener| listener.bind == bound.configured)
        });
        let workers = self.workers();
        hand_out(&workers, sockets);
        for bound in gone {
            workers.iter().for_each(|worker| worker.tell(Command::Unlisten(bound.address)));
        }
        drop(workers);
        self.forget(document, &compiled.pools);
        self.keeper.adopt(document);
        running.restart_required = restart_required(&running.document, document);
        if self.keeper.is_elsewhere(document) {
            running.restart_required.push("store");
        }
        running.pools = compiled.pools;
        let Loaded { document, warnings, quarantined, watched } = loaded;
        // What only a restart changes stays as it runs, so that the next reload compares with that.
        running.document =
            Document { admin: running.document.admin.clone(), workers: running.document.workers, ..document };
        (running.warnings, running.quarantined, running.watched) = (warnings, quarantined, watched);
        Ok(())
    }

    /// Drops the running state of what is configured no longer.
    fn forget(&self, document: &Document, pools: &PoolSet) {
        let metrics = self.metrics();
        let now = self.foundation.clock.now_ns();
        let ids: hashbrown::HashSet<_> = document.tenants.iter().map(|tenant| &tenant.id).collect();
        self.foundation.accounts.retain(now, |id| ids.contains(id));
        metrics.retain_tenants(|id| ids.contains(id) || self.foundation.accounts.contains(id));
        metrics.set_tenants_max(document.metrics.tenants);
        self.foundation.seats.retain(|name| pools.contains(name));
        metrics.retain_pools(|name| pools.contains(name));
        for pool in pools.pools() {
            pool.meter().retain_endpoints(|name| pool.endpoints().iter().any(|own| &**own.name() == name));
        }
    }

    /// Says what was loaded, and what the operator should know about it.
    fn report(&self) {
        let running = self.running();
        for bound in &running.listeners {
            tracing::info!(listener = %bound.address, "listening");
        }
        for warning in &running.warnings {
            tracing::warn!("{warning}");
        }
        for one in &running.quarantined {
            for diagnostic in &one.diagnostics {
                tracing::error!(file = %one.file.display(), "tenant file left out: {diagnostic}");
            }
        }
        if !running.restart_required.is_empty() {
            tracing::warn!(keys = ?running.restart_required, "these changes need a restart");
        }
        tracing::info!(
            source = self.source.name(),
            generation = running.generation,
            tenants = running.document.tenants.len(),
            "configuration in force"
        );
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
            listeners: running.listeners.iter().map(|bound| bound.address.to_string()).collect(),
            workers: self.worker_count,
            tenants: running.document.tenants.len(),
            connections: self.caps.open(),
        };
        status.to_json()
    }

    /// How a tenant stands with its limits, if there is such a tenant.
    pub(super) fn tenant_limits(&self, id: &str) -> Option<Value> {
        limits(&self.snapshot.load(), id)
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

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        let within = self.running().document.limits.drain;
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

fn access_log_settings(document: &Document) -> AccessLogSettings {
    match &document.access_log {
        Some(log) => AccessLogSettings {
            path: match &log.path {
                config::AccessLogPath::Stdout => "-".to_owned(),
                config::AccessLogPath::File(path) => path.to_string_lossy().into_owned(),
            },
            sample: log.sample,
        },
        None => AccessLogSettings { path: "-".to_owned(), sample: 0.0 },
    }
}

fn restart_required(before: &Document, after: &Document) -> Vec<&'static str> {
    let mut keys = Vec::new();
    if before.workers != after.workers {
        keys.push("workers");
    }
    if before.admin != after.admin {
        keys.push("admin");
    }
    keys
}
