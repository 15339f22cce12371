//! Room for descriptors before they are needed.
//!
//! The kernel doubles a process's table of descriptors as it fills up. In a process with threads it waits each time until none of them
//! can still be looking at the old one (`synchronize_rcu` in `expand_fdtable`, fs/file.c): for ten milliseconds and more the worker that
//! has accepted one connection too many serves nobody. A table never shrinks, so it is made as large as it may become.

use std::os::fd::RawFd;
use std::os::unix::net::UnixDatagram;

use rlimit::{Resource, getrlimit};

/// What the process has open beside its connections, generously: the pipes of large bodies, which are some hundred on each worker, a thousand at the most, and the rest.
const OTHERS: u64 = 8 * 1024;
/// At the most: 2 MiB of the kernel's memory.
const ROOM_MAX: u64 = 1 << 18;

/// Makes room for so many connections of clients, each with one to an endpoint, as far as the process may have so many.
pub(super) fn make_room(connections: usize) {
    let wanted = (connections as u64).saturating_mul(2).saturating_add(OTHERS).min(ROOM_MAX);
    let made = getrlimit(Resource::NOFILE).and_then(|(may, _)| {
        let last = RawFd::try_from(wanted.min(may).saturating_sub(1)).unwrap_or(RawFd::MAX);
        let any = UnixDatagram::unbound()?;
        // The first one that is free from there on; closed again at once.
        Ok(rustix::io::fcntl_dupfd_cloexec(any, last).map(drop)?)
    });
    if let Err(error) = made {
        tracing::debug!(%error, "no room is made for descriptors ahead");
    }
}
