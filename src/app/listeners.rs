//! Listeners as they are bound: each once a worker.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;

use super::worker::{Command, Worker};
use crate::config::{Admin, Document, Listener};
use crate::listen::{self, BindOptions, ListeningSocket, SocketFile, Spread, bind};
use crate::telemetry::Metrics;
use crate::types::BindAddress;

/// A listener as it is bound.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// What the configuration knows it by.
    pub name: Arc<str>,
    /// Where clients connect, for people and metrics.
    pub shown: Arc<str>,
    /// Where clients connect, if that has an address.
    pub address: Option<SocketAddr>,
    /// The file that stands for it; gone when this is.
    pub file: Option<Arc<SocketFile>>,
}

/// What was bound, and a socket of it for each worker.
pub(super) type Sockets = Vec<(Bound, Vec<ListeningSocket>)>;

/// Binds all of these, or none. Some ports are this gateway's own already, by other addresses.
pub(super) fn bind_all<'l>(
    listeners: impl Iterator<Item = &'l Listener>,
    workers: usize,
    own_ports: &[u16],
) -> anyhow::Result<Sockets> {
    listeners
        .map(|listener| {
            let is_own =
                matches!(&listener.bind, BindAddress::Inet(address) if own_ports.contains(&address.port()));
            let options = BindOptions { v6only: listener.v6only, mode: listener.mode, is_own };
            let bound = bind(&listener.bind, options, workers)?;
            let shown = match bound.address {
                Some(address) => address.to_string(),
                None => listener.bind.to_string(),
            };
            let file = bound.file.map(Arc::new);
            let name = Arc::clone(&listener.name);
            Ok((Bound { name, shown: shown.into(), address: bound.address, file }, bound.sockets))
        })
        .collect()
}

/// Binds the admin listener, which one thread serves.
pub(super) fn bind_admin(admin: &Admin) -> anyhow::Result<listen::Bound> {
    let options = BindOptions { v6only: true, mode: admin.mode, is_own: false };
    bind(&admin.bind, options, 1).context("admin.bind")
}

/// Says which sockets were handed over that nothing of this is bound to.
pub(super) fn warn_of_idle_inherited(document: &Document) {
    let meant = document.listeners.iter().map(|listener| &listener.bind);
    listen::warn_of_idle_inherited(meant.chain([&document.admin.bind]));
}

/// Gives each worker its sockets, and says so: once for each listener, not again at every reload.
pub(super) fn hand_out(workers: &[Worker], sockets: Sockets, metrics: &Metrics) {
    for (bound, sockets) in sockets {
        tracing::info!(listener = %bound.shown, "listening");
        let (parts, loads) = Spread::over(workers.len());
        // As long as there are connections: they may outlive the listener.
        let loads = Arc::downgrade(&loads);
        metrics.count_by_worker(move |worker| Some(loads.upgrade()?.open(worker)));
        for (worker, (socket, spread)) in workers.iter().zip(sockets.into_iter().zip(parts)) {
            worker.tell(Command::Listen {
                name: Arc::clone(&bound.name),
                shown: Arc::clone(&bound.shown),
                socket,
                spread,
            });
        }
    }
}
