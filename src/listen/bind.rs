//! Binding a listener: one socket a worker on the same address (SO_REUSEPORT), so that the kernel
//! spreads connections and no worker wakes another.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted; the kernel bounds it by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A listener that can't be bound.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {cause}{}", advice(cause))]
pub struct BindFailure {
    address: SocketAddr,
    cause: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (another process listens there: `ss -ltnp` names it)",
        io::ErrorKind::PermissionDenied => {
            " (ports below 1024 need CAP_NET_BIND_SERVICE, or a lower net.ipv4.ip_unprivileged_port_start)"
        }
        io::ErrorKind::AddrNotAvailable => " (no interface of this machine has that address)",
        _ => "",
    }
}

/// Binds `workers` sockets to one address. With port 0 all get the port that the first one was given.
///
/// # Errors
/// [`BindFailure`] names the address, and what to do about it.
pub fn bind(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindFailure> {
    let failed = |cause| BindFailure { address, cause };
    // SO_REUSEPORT would let a second gateway of the same user share the port in silence: whoever
    // holds it without that option shows here.
    if address.port() != 0 {
        probe(address).map_err(failed)?;
    }
    let first = open(address).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?;
    let mut sockets = vec![first];
    for _ in 1..workers.max(1) {
        sockets.push(open(bound).map_err(failed)?);
    }
    Ok(sockets)
}

fn probe(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_workers_share_one_port_and_nobody_else_gets_it() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
        let failure = bind(address, 1).unwrap_err().to_string();
        assert!(failure.contains("another process listens there"), "{failure}");
    }
}
