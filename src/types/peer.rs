//! Who is at the other end of a connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Who is at the other end of a client's connection: an address, as far as there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Whoever has this address: it connected, or a trusted proxy announced it (PROXY protocol).
    Address(SocketAddr),
    /// A program on this machine, over a Unix socket: it has no address.
    Unix,
    /// A client that a proxy at this address relays without a word on whose connection it is. It is nobody that
    /// could be trusted, whoever the proxy is.
    Behind(SocketAddr),
    /// The same, of a proxy that came over a Unix socket.
    BehindUnix,
}

impl Peer {
    /// The address; where there is none, `0.0.0.0` stands in for it, which no client can have.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        match self {
            Self::Address(address) | Self::Behind(address) => address.ip().to_canonical(),
            Self::Unix | Self::BehindUnix => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }

    /// Its own address, where it is known.
    #[must_use]
    pub fn known_ip(self) -> Option<IpAddr> {
        matches!(self, Self::Address(_)).then(|| self.ip())
    }

    /// The client of this peer, a proxy that has not said who it is.
    #[must_use]
    pub fn relayed(self) -> Self {
        match self {
            Self::Address(address) | Self::Behind(address) => Self::Behind(address),
            Self::Unix | Self::BehindUnix => Self::BehindUnix,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl From<IpAddr> for Peer {
    fn from(ip: IpAddr) -> Self {
        Self::Address(SocketAddr::new(ip, 0))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Behind(address) => write!(f, "unknown, behind {address}"),
            Self::BehindUnix => f.write_str("unknown, behind unix"),
        }
    }
}
