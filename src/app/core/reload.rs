//! How a new configuration takes the place of the old one: what can fail first, then all of it.

use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use anyhow::Context as _;

use super::{Core, Running, access_log_settings};
use crate::app::gateway::ReloadFailure;
use crate::app::keeper::terms;
use crate::app::listeners::{Bound, bind_all, hand_out};
use crate::app::worker::Command;
use crate::config::{Document, Loaded};
use crate::control::{
    Compiled, Fingerprint, FirstAddresses, LastReload, PoolSet, PoolTls, Previous, TenantDifference, compile,
};

impl Core {
    /// Loads, validates, binds and compiles first; what can fail has happened before anything changes.
    pub(in crate::app) fn reload(&self) -> Result<(), ReloadFailure> {
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
        let addresses = FirstAddresses::of(document, &running.pools, &self.resolve);
        let sockets = bind_all(new, self.worker_count).map_err(ReloadFailure::Resource)?;
        self.keeper.open_for(document, &self.foundation).map_err(ReloadFailure::Resource)?;
        if let Some(log) = &*self.access_log.lock().unwrap_or_else(PoisonError::into_inner) {
            // Opened anew also when the path is the same: that is how logs are rotated.
            log.reconfigure(&access_log_settings(document))
                .and_then(|()| log.reopen())
                .context("access_log.path can't be opened")
                .map_err(ReloadFailure::Resource)?;
        }

        running.generation += 1;
        let previous = Previous { pools: &running.pools, tenants: &running.tenants };
        let Compiled { snapshot, pools, tenants, difference } =
            compile(document, running.generation, &previous, &tls, &addresses, &self.foundation);
        self.snapshot.store(Arc::new(snapshot));
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
        let _ = self.pools.send(pools.pools().cloned().collect());
        self.forget(document, &pools, &difference);
        self.keeper.adopt(document);
        running.restart_required = restart_required(&running.document, document);
        if let Some(cache) = self.foundation.cache.get() {
            cache.set_terms(terms(&document.tenancy.cache));
        }
        if self.keeper.is_elsewhere(document) {
            running.restart_required.push("store");
        }
        running.pools.retire_all_but(&pools);
        (running.pools, running.tenants) = (pools, tenants);
        let Loaded { document, warnings, quarantined, watched } = loaded;
        // What only a restart changes stays as it runs, so that the next reload compares with that.
        let (admin, workers) = (running.document.admin.clone(), running.document.workers);
        running.document = Arc::new(Document { admin, workers, ..document });
        self.keeper.opened().into_iter().for_each(|store| self.registry.connect(store));
        self.registry.adopt(Arc::clone(&running.document));
        (running.warnings, running.quarantined, running.watched) = (warnings, quarantined, watched);
        Ok(())
    }

    /// Drops the running state of what is configured no longer.
    fn forget(&self, document: &Document, pools: &PoolSet, difference: &TenantDifference) {
        let metrics = self.metrics();
        difference.removed.iter().for_each(|id| self.foundation.accounts.leave(id));
        metrics.set_tenants_max(document.metrics.tenants);
        self.foundation.seats.retain(|name| pools.contains(name));
        metrics.retain_pools(|name| pools.contains(name));
        for pool in pools.pools() {
            pool.forget_meters();
        }
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
    if before.tenancy.cache.capacity != after.tenancy.cache.capacity {
        keys.push("tenancy.cache.capacity");
    }
    keys
}
