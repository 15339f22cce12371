//! Listeners as they are bound: each once a worker.

use std::net::{SocketAddr, TcpListener};

use anyhow::anyhow;

use super::worker::{Command, Worker};
use crate::listen::bind;

/// A listener as it is configured (the port may be 0) and as it is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    pub configured: SocketAddr,
    pub address: SocketAddr,
}

/// What was bound, and a socket of it for each worker.
pub(super) type Sockets = Vec<(Bound, Vec<TcpListener>)>;

/// Binds all of these, or none.
pub(super) fn bind_all(
    addresses: impl Iterator<Item = SocketAddr>,
    workers: usize,
) -> anyhow::Result<Sockets> {
    addresses
        .map(|configured| {
            let sockets = bind(configured, workers)?;
            let first = sockets.first().ok_or_else(|| anyhow!("no socket for {configured}"))?;
            Ok((Bound { configured, address: first.local_addr()? }, sockets))
        })
        .collect()
}

/// Gives each worker its sockets.
pub(super) fn hand_out(workers: &[Worker], sockets: Sockets) {
    for (_, sockets) in sockets {
        for (worker, socket) in workers.iter().zip(sockets) {
            worker.tell(Command::Listen(socket));
        }
    }
}
