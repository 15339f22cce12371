//! TLS on a listener.

use super::PemFile;
use crate::types::Secret;

/// TLS on a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// Its certificates; the first is for clients that name no host, or one that none is for.
    pub certificates: Vec<ServerCertificate>,
}

/// A certificate that clients are shown, with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// The certificate, and those that lead to its authority.
    pub chain: PemFile,
    /// The private key in PEM.
    pub key: Secret,
}
