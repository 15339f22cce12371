//! TLS on a listener.

use schemars::JsonSchema;
use serde::Deserialize;

use super::acme::Acme;
use crate::config::decode::{List, Spanned};
use crate::types::TimeSpan;

/// TLS on a listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// Certificates with their keys, picked by the name that a client asks for (SNI) and by the signatures that it can verify: a name
    /// may have one of each kind (ECDSA, Ed25519, RSA). One for just the name comes before a wildcard. The files are watched.
    #[serde(default)]
    pub certificates: List<Certificate>,
    /// A name of one of the certificates: that is shown to clients that ask for no name, or for one that none is for. Default: the
    /// first name of the first certificate.
    pub default_certificate: Option<Spanned<String>>,
    /// Turn such clients away instead, by the alert unrecognized_name. Default false.
    #[serde(default)]
    pub strict_sni: bool,
    /// Certificates on demand for tenants' verified domains.
    pub acme: Option<Spanned<Acme>>,
    /// Certificates of clients (mTLS).
    pub client_auth: Option<ClientAuth>,
    /// The lowest version of TLS: "1.2" or "1.3". Default "1.2".
    pub min_version: Option<TlsVersion>,
    /// The protocols that clients may speak, the best first: h2 and http/1.1. Default [h2, http/1.1].
    #[schemars(length(min = 1))]
    pub alpn: Option<Spanned<List<Alpn>>>,
    /// Have browsers come by https alone (Strict-Transport-Security, RFC 6797). An application that says something of it itself is
    /// left its own.
    pub hsts: Option<Spanned<Hsts>>,
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

/// Authentication of clients by certificate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ClientAuth {
    /// The file of the authorities that are believed, in PEM.
    pub ca: Spanned<String>,
    /// Files of what these have revoked (CRL), in PEM. Where there is one, each certificate of a chain has to be on record: whoever
    /// shows one whose issuer has no list, or one that is out of date, is turned away.
    #[serde(default)]
    pub crl: List<Spanned<String>>,
    /// Whether a certificate must be shown: required, or optional. One that is shown must be good either way. Default required.
    pub mode: Option<ClientAuthMode>,
    /// Tell the application whose certificate it is, in X-Client-Cert-Verified, -Subject, -Dns, -Uri, -Email, -Serial and -Fingerprint.
    /// Default true.
    pub forward: Option<bool>,
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ClientAuthMode {
    /// They may.
    Optional,
    /// They must.
    Required,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(in crate::config) enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
}

/// A protocol over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) enum Alpn {
    /// HTTP/2.
    #[serde(rename = "h2")]
    H2,
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http11,
}

/// Strict-Transport-Security.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Hsts {
    /// For how long a browser remembers. 0s makes it forget. Default 365d.
    pub max_age: Option<TimeSpan>,
    /// Whether it holds for all hosts below as well. Default false.
    #[serde(default)]
    pub include_subdomains: bool,
    /// Whether browsers may ship with it: includes `include_subdomains`, and a `max_age` of a year. Default false.
    #[serde(default)]
    pub preload: bool,
}
