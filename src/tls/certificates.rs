//! Which certificate a client is shown.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::on_demand::OnDemand;

/// A certificate with its key, in PEM.
#[derive(Clone, Copy)]
pub struct CertificatePem<'p> {
    /// The certificate, and those that lead to its authority.
    pub chain: &'p [u8],
    /// The private key.
    pub key: &'p [u8],
}

/// Why a certificate and its key can't be shown. Says nothing of the key.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// What is there is no PEM.
    #[error("it is no PEM: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// There is no certificate.
    #[error("there is no certificate")]
    Empty,
    /// The certificate or the key can't be used.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// The certificates of a listener, by the names that they are for.
#[derive(Debug)]
pub(super) struct Certificates {
    by_name: HashMap<Box<str>, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
    pub(super) on_demand: Option<Arc<dyn OnDemand>>,
}

impl Certificates {
    /// These, of which the first is for whoever names no host, or one that none of them is for.
    pub(super) fn new(
        pems: &[CertificatePem<'_>],
        on_demand: Option<Arc<dyn OnDemand>>,
        provider: &CryptoProvider,
    ) -> Result<Self, Unusable> {
        let mut by_name = HashMap::new();
        let mut first = None;
        for pem in pems {
            let certified = Arc::new(certified(*pem, provider)?);
            for name in names(&certified) {
                by_name.entry(name).or_insert_with(|| Arc::clone(&certified));
            }
            first.get_or_insert(certified);
        }
        Ok(Self { by_name, first: first.ok_or(Unusable::Empty)?, on_demand })
    }

    /// The one from a file that is for this name.
    pub(super) fn of_file(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        self.by_name.get(name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            // RFC 6125 §6.4.3: a wildcard stands for one whole label.
            self.by_name.get(format!("*.{parent}").as_str())
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = hello
            .server_name()
            .and_then(|name| self.of_file(name).cloned().or_else(|| self.on_demand.as_ref()?.at_hand(name)));
        Some(found.unwrap_or_else(|| Arc::clone(&self.first)))
    }
}

fn certified(pem: CertificatePem<'_>, provider: &CryptoProvider) -> Result<CertifiedKey, Unusable> {
    let chain = CertificateDer::pem_slice_iter(pem.chain).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        return Err(Unusable::Empty);
    }
    let key = provider.key_provider.load_private_key(PrivateKeyDer::from_pem_slice(pem.key)?)?;
    Ok(CertifiedKey::new(chain, key))
}

/// The names that a certificate is for, in lower case, wildcards with `*.`. A common name is none (RFC 9525 §2), as for browsers.
fn names(certified: &CertifiedKey) -> Vec<Box<str>> {
    let Some(leaf) = certified.cert.first() else { return Vec::new() };
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
        _ => None,
    });
    names.collect()
}

impl fmt::Debug for CertificatePem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificatePem").finish_non_exhaustive()
    }
}
