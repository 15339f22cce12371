//! Opening a connection to an endpoint, in time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::endpoint::{Address, Protocol};
use super::io::{Io, Socket};
use super::tls::{ClientTls, handshake_status};

/// Why there is no connection. Nothing of a request was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFailure {
    /// The name has no address.
    #[error("the name can't be resolved: {0}")]
    Resolve(#[source] io::Error),
    /// The endpoint refused, or can't be reached.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// It took longer than `timeouts.connect`.
    #[error("no connection in time")]
    Timeout,
    /// The handshake, of TLS or of HTTP/2, came to nothing.
    #[error("no TLS or HTTP/2: {0}")]
    Handshake(#[source] io::Error),
    /// The TLS handshake took longer than it may.
    #[error("no TLS in time")]
    HandshakeTimeout,
    /// It speaks something else where it was to speak HTTP/2.
    #[error("the endpoint does not speak HTTP/2")]
    NoHttp2,
    /// It was removed, and the time in which requests there may end is over.
    #[error("the endpoint was removed")]
    Retired,
    /// All connections carry as many requests as they may, and none ended in time.
    #[error("no room on a connection in time")]
    Full,
}

impl ConnectFailure {
    /// Whether it speaks against the endpoint. That there is no room says what others have asked of it, and may be one
    /// tenant's doing.
    #[must_use]
    pub fn is_endpoints(&self) -> bool {
        match self {
            Self::Full | Self::Retired => false,
            // The gateway itself has no more files, ports or memory for sockets.
            Self::Connect(error) | Self::Resolve(error) => !is_exhaustion(error),
            _ => true,
        }
    }

    /// The error type of RFC 9209 §2.3.
    #[must_use]
    pub fn proxy_status(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "dns_error",
            Self::Connect(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "connection_refused",
                // Of a Unix domain socket: nobody has made it yet, or not for us.
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => "destination_unavailable",
                _ => "destination_ip_unroutable",
            },
            Self::Handshake(error) => handshake_status(error),
            Self::NoHttp2 => "http_protocol_error",
            Self::Retired => "destination_unavailable",
            Self::Full => "connection_limit_reached",
            Self::Timeout | Self::HandshakeTimeout => "connection_timeout",
        }
    }
}

/// Whether it is this machine that can make no connection, to anybody.
fn is_exhaustion(error: &io::Error) -> bool {
    // EMFILE, ENFILE, ENOBUFS, ENOMEM.
    error.kind() == io::ErrorKind::AddrNotAvailable
        || matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12))
}

/// Connects; a name's addresses are tried in turn. `within` is for the connection alone: the handshake
/// has a time of its own.
pub(super) async fn connect(
    address: &Address,
    tls: Option<&ClientTls>,
    offer: Protocol,
    within: Duration,
) -> Result<Io, ConnectFailure> {
    let socket = timeout(within, open(address)).await.map_err(|_| ConnectFailure::Timeout)??;
    match tls {
        None => Ok(Io::Plain(socket)),
        Some(tls) => tls.secure(socket, address, offer).await,
    }
}

async fn open(address: &Address) -> Result<Socket, ConnectFailure> {
    let (name, port) = match address {
        Address::Ip(address) | Address::Found(address, _) => {
            return open_at(*address).await.map_err(ConnectFailure::Connect);
        }
        Address::Unix(path) => {
            let opened = UnixStream::connect(path).await.map(Socket::unix);
            return opened.map_err(ConnectFailure::Connect);
        }
        Address::Name(name, port) => (name.as_str(), *port),
    };
    let addresses = lookup_host((name, port)).await.map_err(ConnectFailure::Resolve)?;
    let mut failure = None;
    for address in addresses {
        match open_at(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(error),
        }
    }
    Err(match failure {
        Some(error) => ConnectFailure::Connect(error),
        None => ConnectFailure::Resolve(io::ErrorKind::NotFound.into()),
    })
}

async fn open_at(address: SocketAddr) -> io::Result<Socket> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Socket::tcp(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_not_blamed_for_what_the_gateway_lacks() {
        let failed = |code| ConnectFailure::Connect(io::Error::from_raw_os_error(code)).is_endpoints();
        // EMFILE, EADDRNOTAVAIL; ECONNREFUSED, EHOSTUNREACH.
        assert_eq!([24, 99, 111, 113].map(failed), [false, false, true, true]);
        assert!(!ConnectFailure::Full.is_endpoints() && ConnectFailure::Timeout.is_endpoints());
    }
}
