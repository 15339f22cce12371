//! Endpoints of pools.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::types::Scheme;

/// An endpoint of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where it is.
    pub target: EndpointTarget,
    /// Its part of requests beside the others', from 1 to [`Endpoint::WEIGHT_MAX`].
    pub weight: u16,
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndpointTarget {
    /// A host: `http://HOST:PORT` or `https://HOST:PORT`. A name stands for one endpoint, whatever addresses it has.
    Host {
        /// Whether over TLS.
        scheme: Scheme,
        /// The host.
        host: EndpointHost,
        /// The port; the scheme's where none was written.
        port: u16,
    },
    /// Every address of a name, each an endpoint of its own: `dns+http://NAME:PORT` or `dns+https://NAME:PORT`.
    Dns {
        /// Whether over TLS.
        scheme: Scheme,
        /// The name in lower case.
        name: String,
        /// The port; the scheme's where none was written.
        port: u16,
    },
    /// A Unix socket at an absolute path, in clear text: `unix:/PATH`.
    Unix(PathBuf),
}

/// The host of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndpointHost {
    /// An address.
    Ip(IpAddr),
    /// A name in lower case, to be resolved.
    Name(String),
}

impl Endpoint {
    /// The greatest weight.
    pub const WEIGHT_MAX: u16 = 1_000;
}

impl EndpointTarget {
    /// The same place, spoken to in clear text. A server speaks TLS there or doesn't: a place is an endpoint once.
    #[must_use]
    pub fn in_clear_text(&self) -> Self {
        let mut plain = self.clone();
        match &mut plain {
            Self::Host { scheme, .. } | Self::Dns { scheme, .. } => *scheme = Scheme::Http,
            Self::Unix(_) => {}
        }
        plain
    }

    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Host { scheme, .. } | Self::Dns { scheme, .. } => *scheme == Scheme::Https,
            Self::Unix(_) => false,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

impl fmt::Display for EndpointTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { scheme, host, port } => write!(f, "{}://{host}:{port}", scheme.as_str()),
            Self::Dns { scheme, name, port } => write!(f, "dns+{}://{name}:{port}", scheme.as_str()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for EndpointHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}
