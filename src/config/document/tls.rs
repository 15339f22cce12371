//! TLS on a listener.

use std::collections::BTreeSet;
use std::time::Duration;

use super::PemFile;
use crate::types::Secret;

/// TLS on a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// Its certificates; the first, with others of its first name, is for clients that name no host, or one that none is for.
    pub certificates: Vec<ServerCertificate>,
    /// The names that they are for, in lower case, wildcards with `*.`.
    pub names: BTreeSet<Box<str>>,
    /// A name of the certificates that are for those instead.
    pub default_certificate: Option<String>,
    /// Whether those are turned away.
    pub strict_sni: bool,
    /// Certificates of clients.
    pub client_auth: Option<ClientAuth>,
    /// Whether TLS 1.2 is too low.
    pub tls13_only: bool,
    /// What clients may speak, the best first.
    pub alpn: Vec<AlpnProtocol>,
    /// What browsers are told in Strict-Transport-Security.
    pub hsts: Option<Hsts>,
    /// Whether tenants' domains have certificates of their own, from the authority of the document.
    pub on_demand: bool,
}

/// A certificate that clients are shown, with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// The certificate, and those that lead to its authority.
    pub chain: PemFile,
    /// The private key in PEM.
    pub key: Secret,
}

/// Authentication of clients by certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// The authorities that are believed.
    pub ca: PemFile,
    /// What these have revoked.
    pub crl: Vec<PemFile>,
    /// Whether a certificate must be shown.
    pub required: bool,
    /// Whether the application is told of it.
    pub forward: bool,
}

/// A protocol over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlpnProtocol {
    /// HTTP/2.
    H2,
    /// HTTP/1.1.
    Http11,
}

/// Strict-Transport-Security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// For how long a browser remembers.
    pub max_age: Duration,
    /// Whether it holds for all hosts below as well.
    pub include_subdomains: bool,
    /// Whether browsers may ship with it.
    pub preload: bool,
}
