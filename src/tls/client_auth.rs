//! Certificates of clients: whose are believed, and which are revoked.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};

/// Whose certificates clients may show, or must.
#[derive(Debug, Clone)]
pub struct ClientAuthTerms<'t> {
    /// The authorities that are believed, in PEM.
    pub ca: &'t [u8],
    /// Lists of what they have revoked, in PEM. Where there is one, every certificate of a chain has to be on record: one whose issuer
    /// has no list here, or one that is out of date, is not believed.
    pub crl: Vec<&'t [u8]>,
    /// Whether a client that shows none is turned away.
    pub required: bool,
}

/// Why certificates of clients can't be checked.
#[derive(Debug, thiserror::Error)]
pub enum ClientAuthError {
    /// What is there is no PEM.
    #[error("it is no PEM: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// An authority.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// A list of what is revoked, or there is no authority.
    #[error(transparent)]
    Verifier(#[from] VerifierBuilderError),
}

impl ClientAuthTerms<'_> {
    pub(super) fn verifier(
        self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, ClientAuthError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.ca) {
            roots.add(certificate?)?;
        }
        let mut lists = Vec::new();
        for text in self.crl {
            for list in CertificateRevocationListDer::pem_slice_iter(text) {
                lists.push(list?);
            }
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let builder = builder.with_crls(lists).enforce_revocation_expiration();
        let builder = if self.required { builder } else { builder.allow_unauthenticated() };
        Ok(builder.build()?)
    }
}
