//! TLS on a listener.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::decode::{List, Spanned, Unsupported};

/// TLS on a listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// Certificates with their keys, picked by the name that a client asks for (SNI). The first is shown to clients that name none, or
    /// another. The files are watched.
    #[serde(default)]
    pub certificates: List<Certificate>,
    /// Certificates on demand for verified domains. Not supported yet.
    pub acme: Option<Unsupported<Acme>>,
    /// Certificates of clients. Not supported yet.
    pub client_auth: Option<Unsupported<ClientAuth>>,
    /// The lowest version. Not supported yet.
    pub min_version: Option<Unsupported<TlsVersion>>,
}

/// A certificate with its key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Certificate {
    /// The file of the certificate and those that lead to its authority, in PEM.
    pub cert: Spanned<String>,
    /// The file of the private key, in PEM, not encrypted.
    pub key: Spanned<String>,
}

/// An ACME authority.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Acme {
    /// The URL of its directory.
    directory: String,
    /// Whom it may write to, like mailto:ops@example.com.
    contact: Option<String>,
}

/// Authentication of clients by certificate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ClientAuth {
    /// The file of the authorities that are believed, in PEM.
    ca: String,
    /// Whether a certificate must be shown.
    mode: Option<ClientAuthMode>,
}

/// Whether clients must show a certificate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ClientAuthMode {
    /// They may.
    Optional,
    /// They must.
    Required,
}

/// A version of TLS.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::config) enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
}
