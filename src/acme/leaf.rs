//! What a certificate says of itself.

use instant_acme::CertificateIdentifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its number, in hexadecimal.
    pub serial: String,
    /// Who has issued it: the common name, or all of its name.
    pub issuer: String,
    /// From when on it holds, in milliseconds since 1970.
    pub not_before_ms: i64,
    /// Until when, in milliseconds since 1970.
    pub not_after_ms: i64,
    /// What the authority's renewal information knows it by (RFC 9773 §4.1).
    pub(super) identifier: Option<CertificateIdentifier<'static>>,
}

impl Leaf {
    /// That of the first certificate of a chain in PEM; `None` for what is no certificate.
    #[must_use]
    pub fn of_chain(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let issuer = certificate.issuer();
        let common_name = issuer.iter_common_name().next().and_then(|name| name.as_str().ok());
        let validity = certificate.validity();
        let digits = certificate.raw_serial().iter().map(|byte| format!("{byte:02x}"));
        Some(Self {
            serial: digits.collect(),
            issuer: common_name.map_or_else(|| issuer.to_string(), ToOwned::to_owned),
            not_before_ms: validity.not_before.timestamp().saturating_mul(1_000),
            not_after_ms: validity.not_after.timestamp().saturating_mul(1_000),
            identifier: CertificateIdentifier::try_from(&der).ok().map(CertificateIdentifier::into_owned),
        })
    }
}
