//! How a new configuration takes the place of the old one: what can fail first, then all of it.

use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use anyhow::Context as _;

use super::{Core, Running, access_log_settings, client_limits};
use crate::app::descriptors;
use crate::app::gateway::ReloadFailure;
use crate::app::keeper::terms;
use crate::app::listeners::{Bound, Sockets, bind_all, hand_out};
use crate::app::worker::Command;
use crate::config::{Difference, Document, Loaded, Look, Quarantined, Report};
use crate::control::{
    Compiled, FirstAddresses, LastReload, ListenerSet, PoolSet, PoolTls, Previous, certificates_in_force,
    compile, keeps_what_is_encrypted, keeps_what_is_used, meter_certificates,
};

/// The listeners of the next configuration.
#[derive(Default)]
struct Listening {
    kept: Vec<Bound>,
    gone: Vec<Bound>,
    new: Sockets,
}

impl Core {
    /// Loads, validates, binds and compiles first; what can fail has happened before anything changes. Every file is compared, and
    /// what is only done when it is asked for (a log file opened anew) is done.
    pub(in crate::app) fn reload(&self) -> Result<(), ReloadFailure> {
        let mut running = self.running();
        let loaded = running.loader.load();
        let outcome = self.take(&mut running, loaded);
        drop(running);
        self.tell(outcome)
    }

    /// As [`Core::reload`], if something differs from what was read last, and as far as it does. Whether it did.
    pub(in crate::app) fn reload_changed(&self, look: &Look) -> bool {
        let mut running = self.running();
        let Some(loaded) = running.loader.load_changed(look) else { return false };
        if let Ok(loaded) = &loaded
            && loaded.difference.is_empty()
            && running.has_same_findings(loaded)
        {
            return false;
        }
        tracing::info!("configuration files have changed");
        let outcome = self.take(&mut running, loaded);
        drop(running);
        // A failure is reported where the operator looks: log, status and metrics.
        let _ = self.tell(outcome);
        true
    }

    /// Takes what was loaded into use, or notes why not.
    fn take(
        &self,
        running: &mut Running,
        loaded: Result<Loaded, Report>,
    ) -> Result<Difference, ReloadFailure> {
        let loaded = loaded.map_err(ReloadFailure::Config);
        let outcome = loaded.and_then(|loaded| self.put_in_force(running, loaded));
        let (errors, failure) = match &outcome {
            Ok(_) => (Vec::new(), None),
            Err(ReloadFailure::Config(report)) => (report.diagnostics.clone(), None),
            Err(ReloadFailure::Resource(error)) => (Vec::new(), Some(format!("{error:#}"))),
        };
        running.last_reload = LastReload { at: SystemTime::now(), errors, failure };
        outcome
    }

    fn tell(&self, outcome: Result<Difference, ReloadFailure>) -> Result<(), ReloadFailure> {
        match &outcome {
            Ok(difference) => {
                self.metrics().reload_succeeded(SystemTime::now());
                self.report(difference);
            }
            Err(failure) => {
                self.metrics().reload_failed();
                tracing::error!(source = self.source.name(), "reload failed, nothing changed: {failure}");
            }
        }
        outcome.map(drop)
    }

    fn put_in_force(&self, running: &mut Running, loaded: Loaded) -> Result<Difference, ReloadFailure> {
        let Loaded { document, warnings, quarantined, watched: _, difference } = loaded;
        let main = difference.main;
        if main && let Some(store) = self.keeper.opened() {
            keeps_what_is_used(&running.document, &document, &store)
                .and_then(|()| keeps_what_is_encrypted(&running.document, &document, &store))
                .map_err(|why| ReloadFailure::Resource(anyhow::Error::msg(why)))?;
        }
        let tls =
            PoolTls::of(&document, &running.pools).map_err(|error| ReloadFailure::Resource(error.into()))?;
        let receiving = ListenerSet::of(&document, &running.receiving, &self.foundation.certificates)
            .map_err(|error| ReloadFailure::Resource(error.into()))?;
        let addresses = FirstAddresses::of(&document, &running.pools, &self.resolve);
        let listening = if main { self.listening(running, &document)? } else { Listening::default() };
        let concerns_store = main || has_quotas(&document, &difference);
        if concerns_store {
            self.keeper.open_for(&document, &self.foundation).map_err(ReloadFailure::Resource)?;
        }
        let ordering =
            certificates_in_force(&document, self.keeper.opened()).map_err(ReloadFailure::Resource)?;
        if main {
            self.reopen_access_log(&document)?;
        }

        if main {
            self.keeper.prepare(&document, &self.foundation);
        }
        running.generation += 1;
        let previous = Previous { pools: &running.pools, tenants: &running.tenants };
        let Compiled { snapshot, pools, tenants, difference: of_tenants } =
            compile(&document, running.generation, &previous, &tls, &receiving, &addresses, &self.foundation);
        running.receiving = receiving;
        self.foundation.certificates.adopt(ordering, running.document.acme != document.acme);
        let before = self.snapshot.swap(Arc::new(snapshot));
        self.outlived.lock().unwrap_or_else(PoisonError::into_inner).push(before);
        of_tenants.removed.iter().for_each(|id| self.foundation.accounts.leave(id));
        if main {
            descriptors::make_room(document.limits.max_connections);
            self.caps.set(client_limits(&document.limits));
            self.handshakes.set(document.limits.max_pending_handshakes);
            self.listen(running, listening, &document);
            meter_certificates(&document, self.metrics());
            let _ = self.pools.send(pools.pools().cloned().collect());
            self.forget(&document, &pools);
        }
        if concerns_store {
            self.keeper.adopt(&document);
            self.keeper.opened().into_iter().for_each(|store| self.registry.connect(store));
        }
        if main {
            if let Some(cache) = self.foundation.cache.get() {
                cache.set_terms(terms(&document.tenancy.cache));
            }
            running.restart_required = restart_required(&running.document, &document);
            if self.keeper.is_elsewhere(&document) {
                running.restart_required.push("store");
            }
            running.pools.retire_all_but(&pools);
        }
        (running.pools, running.tenants) = (pools, tenants);
        // What only a restart changes stays as it runs, so that the next reload compares with that.
        let Document { admin, workers, user, group, .. } = &*running.document;
        let (admin, workers, user, group) = (admin.clone(), *workers, user.clone(), group.clone());
        running.document = Arc::new(Document { admin, workers, user, group, ..document });
        self.registry.adopt(Arc::clone(&running.document));
        (running.warnings, running.quarantined) = (warnings, quarantined);
        running.loader.accept();
        Ok(difference)
    }

    /// Binds the addresses that are new.
    fn listening(&self, running: &Running, document: &Document) -> Result<Listening, ReloadFailure> {
        let stays = |bound: &&Bound| document.listeners.iter().any(|listener| listener.name == bound.name);
        let (kept, gone): (Vec<&Bound>, Vec<&Bound>) = running.listeners.iter().partition(stays);
        let new = document.listeners.iter();
        let new = new.filter(|listener| !kept.iter().any(|bound| bound.name == listener.name));
        // A port of an address that goes is ours already.
        let own: Vec<u16> = gone.iter().filter_map(|bound| Some(bound.address?.port())).collect();
        let new = bind_all(new, self.worker_count, &own);
        let new = match running.document.user {
            Some(_) => {
                new.context("the gateway has given up root (`user`): what only root may bind needs a restart")
            }
            None => new,
        };
        let new = new.map_err(ReloadFailure::Resource)?;
        let (kept, gone) = (kept.into_iter().cloned().collect(), gone.into_iter().cloned().collect());
        Ok(Listening { kept, gone, new })
    }

    /// Has the workers accept on these addresses and on no other.
    fn listen(&self, running: &mut Running, listening: Listening, document: &Document) {
        let Listening { kept, gone, new } = listening;
        running.listeners = kept;
        for bound in &running.listeners {
            let listener = document.listeners.iter().find(|listener| listener.name == bound.name);
            if let Some((file, listener)) = bound.file.as_ref().zip(listener)
                && let Err(error) = file.set_mode(listener.mode)
            {
                tracing::warn!(listener = %bound.shown, %error, "the mode of the socket's file can't be changed");
            }
        }
        running.listeners.extend(new.iter().map(|(bound, _)| bound.clone()));
        running
            .listeners
            .sort_by_key(|bound| document.listeners.iter().position(|listener| listener.name == bound.name));
        let workers = self.workers();
        hand_out(&workers, new, self.metrics());
        for bound in gone {
            tracing::info!(listener = %bound.shown, "no longer listening");
            workers.iter().for_each(|worker| worker.tell(Command::Unlisten(Arc::clone(&bound.name))));
        }
    }

    fn reopen_access_log(&self, document: &Document) -> Result<(), ReloadFailure> {
        let Some(log) = &*self.access_log.lock().unwrap_or_else(PoisonError::into_inner) else {
            return Ok(());
        };
        // Opened anew also when the path is the same: that is how logs are rotated.
        let opened = log.reconfigure(&access_log_settings(document)).and_then(|()| log.reopen());
        opened.context("access_log.path can't be opened").map_err(ReloadFailure::Resource)
    }

    /// Drops the running state of pools that are configured no longer.
    fn forget(&self, document: &Document, pools: &PoolSet) {
        let metrics = self.metrics();
        metrics.set_tenants_max(document.metrics.tenants);
        self.foundation.seats.retain(|name| pools.contains(name));
        metrics.retain_pools(|name| pools.contains(name));
        for pool in pools.pools() {
            pool.forget_meters();
        }
    }
}

impl Running {
    /// Whether what was found in files is what was found before.
    fn has_same_findings(&self, loaded: &Loaded) -> bool {
        let same = |(a, b): (&Quarantined, &Quarantined)| a.file == b.file && a.diagnostics == b.diagnostics;
        self.warnings == loaded.warnings
            && self.quarantined.len() == loaded.quarantined.len()
            && self.quarantined.iter().zip(&loaded.quarantined).all(same)
    }
}

/// Whether a tenant that is not as it was has a quota.
fn has_quotas(document: &Document, difference: &Difference) -> bool {
    let mut tenants = difference.added.iter().chain(&difference.changed);
    tenants.any(|tenant| !document.quotas_of(tenant).is_empty())
}

fn restart_required(before: &Document, after: &Document) -> Vec<&'static str> {
    let mut keys = Vec::new();
    let v6only = |document: &Document, name: &str| {
        document.listeners.iter().find(|listener| *listener.name == *name).map(|listener| listener.v6only)
    };
    let stays = |name: &str| v6only(after, name).is_none_or(|after| v6only(before, name) == Some(after));
    if !before.listeners.iter().all(|listener| stays(&listener.name)) {
        keys.push("listeners[].v6only");
    }
    if (&before.user, &before.group) != (&after.user, &after.group) {
        keys.push("user");
    }
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
