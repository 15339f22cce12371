//! TLS to endpoints.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::EndpointHost;
use crate::types::Secret;

/// TLS to the `https` endpoints of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The authorities that are believed; `None`: the system's.
    pub ca: Option<PemFile>,
    /// What the gateway shows when it is asked who it is.
    pub client: Option<ClientCertificate>,
    /// The name that is asked for and must be proven; `None`: the endpoint's host.
    pub server_name: Option<EndpointHost>,
    /// Whether every certificate is believed.
    pub insecure: bool,
}

/// A certificate of the gateway's with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those that lead to its authority.
    pub chain: PemFile,
    /// The private key in PEM.
    pub key: Secret,
}

/// A file of certificates in PEM, as it was when the configuration was read: a reload sees a new content as a change.
#[derive(Clone, PartialEq, Eq)]
pub struct PemFile {
    /// The file.
    pub path: PathBuf,
    /// Its content; it holds at least one certificate.
    pub text: Arc<str>,
}

impl fmt::Debug for PemFile {
    /// The path alone: the content is long, and says nothing to a reader.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}
