//! Listeners as they are bound: each once a worker.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::anyhow;

use super::worker::{Command, Worker};
use crate::config::Listener;
use crate::listen::bind;

/// A listener as it is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    /// What the configuration knows it by.
    pub name: Arc<str>,
    /// Where clients connect.
    pub address: SocketAddr,
}

/// What was bound, and a socket of it for each worker.
pub(super) type Sockets = Vec<(Bound, Vec<TcpListener>)>;

/// Binds all of these, or none.
pub(super) fn bind_all<'l>(
    listeners: impl Iterator<Item = &'l Listener>,
    workers: usize,
) -> anyhow::Result<Sockets> {
    listeners
        .map(|listener| {
            let sockets = bind(listener.bind, workers)?;
            let first = sockets.first().ok_or_else(|| anyhow!("no socket for {}", listener.name))?;
            Ok((Bound { name: Arc::clone(&listener.name), address: first.local_addr()? }, sockets))
        })
        .collect()
}

/// Gives each worker its sockets.
pub(super) fn hand_out(workers: &[Worker], sockets: Sockets) {
    for (bound, sockets) in sockets {
        for (worker, socket) in workers.iter().zip(sockets) {
            worker.tell(Command::Listen(Arc::clone(&bound.name), socket));
        }
    }
}
