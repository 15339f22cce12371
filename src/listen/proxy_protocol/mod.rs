//! The PROXY protocol: what a proxy in front says of the client's connection before the client's first byte.
//!
//! Versions 1 and 2 as in HAProxy's `doc/proxy-protocol.txt`, "the specification" below. Parsing is pure: bytes in, a header
//! out, or the wish for more of them.

mod tlv;
mod v1;
mod v2;

use std::net::SocketAddr;

pub use tlv::{Ssl, Tlvs};

/// Octets that a header may have: 107 in version 1; version 2 leaves room for 65,551, which no proxy needs that isn't after
/// memory. A client's certificate fits.
pub const HEADER_MAX: usize = 16 * 1024;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'b> {
    /// 1 or 2.
    pub version: u8,
    /// Whose connection it is.
    pub origin: Origin,
    /// What else is said of it. None of it is believed; it is for logs.
    pub tlvs: Tlvs<'b>,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The proxy's own (LOCAL): it looks whether the gateway is well.
    Local,
    /// Somebody's whom the proxy can't name: UNKNOWN, AF_UNSPEC, or a Unix socket's.
    Unnamed,
    /// A client's.
    Client {
        /// The client's address.
        source: SocketAddr,
        /// The address that it connected to.
        destination: SocketAddr,
    },
}

/// What the bytes so far are.
// Lives for a moment, once a connection: a box would cost more than its size.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'b> {
    /// The beginning of a header, all of them; `need` more at least complete it.
    Partial {
        /// At least so many octets are missing.
        need: usize,
    },
    /// A header and `len`, the octets that it takes: what follows is the client's.
    Whole(Header<'b>, usize),
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They begin as neither version does: the proxy sends none, or somebody has come without one.
    #[error("there is no PROXY header")]
    Missing,
    /// The first version's line is not as it must be.
    #[error("the PROXY line is malformed")]
    Line,
    /// The second version's fixed part is not.
    #[error("the version, command, family or length of the PROXY header is none that there is")]
    Fixed,
    /// It is longer than [`HEADER_MAX`].
    #[error("the PROXY header is too long")]
    TooLong,
    /// What follows the addresses does not keep to its lengths, or says a thing twice.
    #[error("the PROXY header's TLVs are malformed")]
    Tlv,
    /// The CRC-32C is another.
    #[error("the PROXY header's checksum is wrong")]
    Checksum,
}

/// Parses what has arrived so far, from the connection's first byte.
///
/// # Errors
/// [`Malformed`]: whatever follows, it is no header.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Malformed> {
    match bytes.first() {
        None => Ok(Parsed::Partial { need: v1::LEAST }),
        Some(&first) if first == v2::SIGNATURE[0] => v2::parse(bytes),
        Some(b'P') => v1::parse(bytes),
        Some(_) => Err(Malformed::Missing),
    }
}
