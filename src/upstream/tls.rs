//! TLS to endpoints (rustls): what a pool trusts and shows, made once; handshakes, in time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connect::ConnectFailure;
use super::endpoint::{Address, Protocol};
use super::io::{Io, Socket};
use super::unverified::Unverified;

/// Authorities that are trusted, shared by the pools that trust them.
pub type Roots = Arc<RootCertStore>;

/// What a pool's endpoints are to be asked and shown.
#[derive(Debug)]
pub struct TlsTerms<'a> {
    /// Who vouches for endpoints.
    pub trust: Trust,
    /// What the gateway shows of itself, if endpoints want to know: PEM.
    pub identity: Option<IdentityPem<'a>>,
    /// The name that endpoints' certificates have to be for, if not their own host.
    pub server_name: Option<&'a str>,
    /// For the handshake, from the connection's being there.
    pub within: Duration,
}

/// Who vouches for endpoints.
#[derive(Debug, Clone)]
pub enum Trust {
    /// These authorities.
    Roots(Roots),
    /// Nobody: whoever answers is believed. For development.
    Anyone,
}

/// A certificate chain, the gateway's own certificate first, and its key.
#[derive(Clone, Copy)]
pub struct IdentityPem<'a> {
    /// The chain.
    pub chain: &'a [u8],
    /// The key: PKCS #8, PKCS #1 or SEC 1.
    pub key: &'a [u8],
}

impl std::fmt::Debug for IdentityPem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentityPem")
    }
}

/// Why these terms can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsTermsError {
    /// No certificate in what should be a bundle of them.
    #[error("no certificate in it")]
    Empty,
    /// It is no PEM.
    #[error("not PEM: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// It is no name and no address.
    #[error("`{0}` is not a host name")]
    Name(String),
    /// The certificates or the key can't be used, or don't belong together.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// The system has no authorities, or they can't be read.
    #[error("the system's certificate authorities can't be read: {0}")]
    System(String),
}

/// The authorities of a PEM bundle.
///
/// # Errors
/// When there is none in it, or one can't be read: to trust fewer than were written would be a surprise.
pub fn roots_from_pem(pem: &[u8]) -> Result<Roots, TlsTermsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err(TlsTermsError::Empty);
    }
    Ok(Arc::new(roots))
}

/// The authorities that the system trusts. Reads files: once a compilation is enough.
///
/// # Errors
/// When there are none. Single ones that can't be read are left out, as every system has some.
pub fn system_roots() -> Result<Roots, TlsTermsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(TlsTermsError::System(why));
    }
    Ok(Arc::new(roots))
}

/// How an endpoint is spoken to over TLS. Made once a pool; sessions are resumed from whichever worker
/// had them, since all share it.
#[derive(Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    within: Duration,
}

impl ClientTls {
    /// Checks the terms and prepares what every handshake needs.
    ///
    /// # Errors
    /// [`TlsTermsError`].
    pub fn new(terms: &TlsTerms<'_>) -> Result<Self, TlsTermsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match &terms.trust {
            Trust::Roots(roots) => builder.with_root_certificates(Arc::clone(roots)),
            Trust::Anyone => {
                let anyone = Arc::new(Unverified::new(&provider));
                builder.dangerous().with_custom_certificate_verifier(anyone)
            }
        };
        let config = match terms.identity {
            None => builder.with_no_client_auth(),
            Some(IdentityPem { chain, key }) => {
                let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>()?;
                if chain.is_empty() {
                    return Err(TlsTermsError::Empty);
                }
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key)?)?
            }
        };
        let server_name = terms.server_name.map(parse_name).transpose()?;
        Ok(Self { config: Arc::new(config), server_name, within: terms.within })
    }

    /// How long a handshake may take.
    pub(super) fn within(&self) -> Duration {
        self.within
    }

    /// Shakes hands over a connection to the address.
    pub(super) async fn secure(
        &self,
        socket: Socket,
        address: &Address,
        offer: Protocol,
    ) -> Result<Io, ConnectFailure> {
        let name = match (&self.server_name, address) {
            (Some(name), _) => name.clone(),
            (None, Address::Ip(address)) => ServerName::IpAddress(address.ip().into()),
            (None, Address::Name(name, _)) => parse_name(name).map_err(unnamed)?,
            (None, Address::Found(_, name)) => parse_name(name).map_err(unnamed)?,
            (None, Address::Unix(_)) => parse_name("localhost").map_err(unnamed)?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let shaking = connector.with_alpn(alpn(offer)).connect(name, socket);
        match timeout(self.within, shaking).await {
            Ok(Ok(stream)) => Ok(Io::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(ConnectFailure::Handshake(error)),
            Err(_) => Err(ConnectFailure::HandshakeTimeout),
        }
    }
}

fn alpn(offer: Protocol) -> Vec<Vec<u8>> {
    let (http1, http2) = (b"http/1.1".to_vec(), b"h2".to_vec());
    match offer {
        Protocol::Http1 => vec![http1],
        Protocol::Http2 => vec![http2],
        Protocol::Auto => vec![http2, http1],
    }
}

fn parse_name(name: &str) -> Result<ServerName<'static>, TlsTermsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsTermsError::Name(name.to_owned()))
}

fn unnamed(why: TlsTermsError) -> ConnectFailure {
    ConnectFailure::Handshake(io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// Whether an endpoint has ended the connection by an alert. Under TLS 1.3 it looks at the gateway's own
/// certificate only after the handshake: what it finds wrong comes where a response should.
pub(super) fn is_alert(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::AlertReceived(_)))
}

/// The error type of RFC 9209 §2.3 of a handshake that came to nothing.
pub(super) fn handshake_status(error: &io::Error) -> &'static str {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => "tls_certificate_error",
        Some(rustls::Error::AlertReceived(_)) => "tls_alert_received",
        Some(_) => "tls_protocol_error",
        None if inner.is_some_and(|inner| inner.is::<TlsTermsError>()) => "tls_certificate_error",
        None => "connection_terminated",
    }
}
