//! Binding a listener: one socket a worker on the same address (SO_REUSEPORT), so that all can accept and none of them wakes the
//! others. Where that is not to be had, workers share one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use socket2::{Domain, Protocol, Socket, Type};

use super::inherited;
use super::unix::{self, SocketFile};
use crate::types::BindAddress;

/// Connections that may wait to be accepted; the kernel bounds it by `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 4096;

/// A socket that connections can be accepted on.
#[derive(Debug)]
pub enum ListeningSocket {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a Unix socket.
    Unix(UnixListener),
}

/// How a listener is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindOptions {
    /// Whether an IPv6 address takes IPv6 connections only, whatever the system's default is.
    pub v6only: bool,
    /// Who may connect to a Unix socket, as of a file.
    pub mode: u32,
    /// Whether this process has the port already, by another address that is to go.
    pub is_own: bool,
}

/// What a listener was bound to.
#[derive(Debug)]
pub struct Bound {
    /// A socket for each worker.
    pub sockets: Vec<ListeningSocket>,
    /// The address and port, where it has one.
    pub address: Option<SocketAddr>,
    /// The socket's file, which goes with this.
    pub file: Option<SocketFile>,
}

/// A listener that can't be bound.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {cause}{}", advice(cause))]
pub struct BindFailure {
    address: BindAddress,
    cause: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        // What is an error of ours says what to do.
        _ if error.raw_os_error().is_none() => "",
        io::ErrorKind::AddrInUse => " (another process listens there: `ss -ltnp` names it)",
        io::ErrorKind::PermissionDenied => {
            " (ports below 1024 need CAP_NET_BIND_SERVICE, or a lower net.ipv4.ip_unprivileged_port_start; a Unix socket needs a directory that this user may write to)"
        }
        io::ErrorKind::AddrNotAvailable => " (no interface of this machine has that address)",
        io::ErrorKind::NotFound => " (the directory is not there)",
        _ => "",
    }
}

/// Binds `workers` sockets to one address. With port 0 all get the port that the first one was given.
///
/// # Errors
/// [`BindFailure`] names the address, and what to do about it.
pub fn bind(address: &BindAddress, options: BindOptions, workers: usize) -> Result<Bound, BindFailure> {
    let bound = match address {
        BindAddress::Inet(inet) => bind_inet(*inet, options, workers),
        BindAddress::Unix(path) => unix::bind(path, options.mode).and_then(|(socket, file)| {
            let sockets = shared(ListeningSocket::Unix(socket), workers)?;
            Ok(Bound { sockets, address: None, file: Some(file) })
        }),
        BindAddress::Named(_) | BindAddress::Descriptor(_) => inherited::take(address).and_then(|socket| {
            let address = match &socket {
                ListeningSocket::Tcp(socket) => Some(socket.local_addr()?),
                ListeningSocket::Unix(_) => None,
            };
            Ok(Bound { sockets: shared(socket, workers)?, address, file: None })
        }),
    };
    bound.map_err(|cause| BindFailure { address: address.clone(), cause })
}

fn bind_inet(address: SocketAddr, options: BindOptions, workers: usize) -> io::Result<Bound> {
    let v6only = options.v6only;
    // SO_REUSEPORT would let a second gateway of the same user share the port in silence: whoever
    // holds it without that option shows here.
    if address.port() != 0 && !options.is_own {
        probe(address, v6only)?;
    }
    let first = open(address, v6only)?;
    let bound = first.local_addr()?;
    let mut sockets = vec![ListeningSocket::Tcp(first)];
    for _ in 1..workers.max(1) {
        sockets.push(ListeningSocket::Tcp(open(bound, v6only)?));
    }
    Ok(Bound { sockets, address: Some(bound), file: None })
}

/// One socket for all workers, under a descriptor each: whoever is free first takes a connection.
fn shared(socket: ListeningSocket, workers: usize) -> io::Result<Vec<ListeningSocket>> {
    let mut sockets = Vec::with_capacity(workers.max(1));
    for _ in 1..workers.max(1) {
        sockets.push(socket.try_clone()?);
    }
    sockets.push(socket);
    Ok(sockets)
}

impl ListeningSocket {
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }
}

fn socket_for(address: SocketAddr, v6only: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Said in either case: the system's default (net.ipv6.bindv6only) differs between machines.
        socket.set_only_v6(v6only)?;
    }
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn probe(address: SocketAddr, v6only: bool) -> io::Result<()> {
    socket_for(address, v6only)?.bind(&address.into())
}

fn open(address: SocketAddr, v6only: bool) -> io::Result<TcpListener> {
    let socket = socket_for(address, v6only)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: BindOptions = BindOptions { v6only: true, mode: 0o660, is_own: false };

    fn inet(text: &str) -> BindAddress {
        BindAddress::Inet(text.parse().unwrap())
    }

    #[test]
    fn all_workers_share_one_port_and_nobody_else_gets_it() {
        let bound = bind(&inet("127.0.0.1:0"), OPTIONS, 3).unwrap();
        let address = bound.address.unwrap();
        assert!(bound.sockets.iter().all(|socket| match socket {
            ListeningSocket::Tcp(socket) => socket.local_addr().unwrap() == address,
            ListeningSocket::Unix(_) => false,
        }));
        let failure = bind(&BindAddress::Inet(address), OPTIONS, 1).unwrap_err().to_string();
        assert!(failure.contains("another process listens there"), "{failure}");
    }

    #[test]
    fn both_families_share_a_port() {
        let v6 = bind(&inet("[::]:0"), OPTIONS, 1).unwrap();
        let port = v6.address.unwrap().port();
        let v4 = bind(&inet(&format!("0.0.0.0:{port}")), OPTIONS, 1).unwrap();
        assert_eq!(v4.address.unwrap().port(), port);
        drop((v4, v6));
        let both = bind(&inet("[::]:0"), BindOptions { v6only: false, ..OPTIONS }, 1).unwrap();
        let port = both.address.unwrap().port();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        std::net::TcpStream::connect(("::1", port)).unwrap();
    }
}
