//! How a listener speaks TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::certificates::{CertificatePem, Certificates, Unusable};
use super::on_demand::{ACME_TLS, OnDemand};

/// What a listener's TLS is made of.
#[derive(Debug)]
pub struct ServerTerms<'t> {
    /// At least one; the first is for whoever names no host, or one that none is for.
    pub certificates: Vec<CertificatePem<'t>>,
    /// Who has certificates that no file has.
    pub on_demand: Option<Arc<dyn OnDemand>>,
    /// How long a handshake may take.
    pub within: Duration,
}

/// Why a listener can't speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    /// One of its certificates.
    #[error("a certificate can't be used")]
    Certificate(#[from] Unusable),
    /// What was asked for together does not fit.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// How a listener speaks TLS; shared by all workers, so that sessions are resumed wherever a client comes back to.
#[derive(Debug)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) within: Duration,
}

/// A configuration that shows an authority that a name leads here, and nothing else (RFC 8737 §3).
pub(super) fn challenged(certified: Arc<CertifiedKey>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(config)
}

impl ServerTls {
    /// Checks the terms and prepares what every handshake needs.
    ///
    /// # Errors
    /// [`ServerTlsError`].
    pub fn new(terms: ServerTerms<'_>) -> Result<Self, ServerTlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificates = Arc::new(Certificates::new(&terms.certificates, terms.on_demand, &provider)?);
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(&certificates) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Self { config: Arc::new(config), certificates, within: terms.within })
    }
}
