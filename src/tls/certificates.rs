//! Which certificate a client is shown.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::on_demand::OnDemand;
use crate::types::Certificate;

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
    /// None could be made, either.
    #[error("no certificate can be made: {0}")]
    Made(#[from] rcgen::Error),
}

/// The names that a certificate is for, in lower case, wildcards with `*.`.
pub type Names = Arc<[Box<str>]>;

/// A certificate with its key, and what it is for.
#[derive(Debug, Clone)]
struct Held {
    certified: Arc<CertifiedKey>,
    names: Names,
}

/// Certificates for one name, with keys of different kinds: the cheapest for us first.
#[derive(Debug, Clone, Default)]
struct Choice(Vec<Held>);

/// The certificates of a listener, by the names that they are for.
#[derive(Debug)]
pub(super) struct Certificates {
    by_name: HashMap<Box<str>, Choice>,
    /// For whoever names no host, or one that none of them is for.
    default: Choice,
    /// Whether such a client is turned away instead.
    strict: bool,
    pub(super) on_demand: Option<Arc<dyn OnDemand>>,
}

impl Choice {
    fn add(&mut self, held: Held) {
        let rank = rank(&held.certified);
        // Behind those of its kind: what was written first is shown first.
        let at = self.0.iter().position(|other| self::rank(&other.certified) > rank).unwrap_or(self.0.len());
        self.0.insert(at, held);
    }

    /// The first that the client can verify. Who offers nothing that fits is shown the last one: it says itself what it makes of that.
    fn pick(&self, schemes: &[SignatureScheme]) -> Option<&Held> {
        let fits = |held: &&Held| held.certified.key.choose_scheme(schemes).is_some();
        self.0.iter().find(fits).or(self.0.last())
    }
}

impl Certificates {
    /// These; `default` is one of their names. Where there are none, one is made that nobody believes.
    pub(super) fn new(
        pems: &[CertificatePem<'_>],
        default: Option<&str>,
        strict: bool,
        on_demand: Option<Arc<dyn OnDemand>>,
        provider: &CryptoProvider,
    ) -> Result<Self, Unusable> {
        let mut by_name: HashMap<Box<str>, Choice> = HashMap::new();
        let mut first = None;
        for pem in pems {
            let certified = Arc::new(certified(*pem, provider)?);
            let held = Held { names: names(&certified).into(), certified };
            for name in held.names.iter() {
                by_name.entry(name.clone()).or_default().add(held.clone());
            }
            first.get_or_insert(held);
        }
        let first = match first {
            Some(first) => first,
            None => Held { certified: Arc::new(made(provider)?), names: Names::default() },
        };
        let name = default.or(first.names.first().map(|name| &**name));
        // With others of its name: a client that can't verify an ECDSA certificate is shown the RSA one.
        let default = name.and_then(|name| by_name.get(name)).cloned();
        let default = default.unwrap_or_else(|| Choice(vec![first]));
        Ok(Self { by_name, default, strict, on_demand })
    }

    /// Those from files that are for this name. One that is for just it comes before a wildcard.
    fn of_file(&self, name: &str) -> Option<&Choice> {
        self.by_name.get(name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            // RFC 6125 §6.4.3: a wildcard stands for one whole label.
            self.by_name.get(format!("*.{parent}").as_str())
        })
    }

    /// What the certificate is for that is shown to a client that asks for this name and can verify these signatures.
    pub(super) fn names(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Names {
        let choice = name.and_then(|name| self.of_file(name));
        if let Some(name) = name.filter(|name| choice.is_none() && self.at_hand(name).is_some()) {
            return Arc::new([name.to_ascii_lowercase().into()]);
        }
        let shown = choice.unwrap_or(&self.default).pick(schemes);
        shown.map(|held| Arc::clone(&held.names)).unwrap_or_default()
    }

    /// Whether a file has one for this name.
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.of_file(name).is_some()
    }

    /// Whether who asks for this name is turned away: there is none for it, and the default one is not shown.
    pub(super) fn refuses(&self, name: Option<&str>) -> bool {
        self.strict && !name.is_some_and(|name| self.has_file(name) || self.at_hand(name).is_some())
    }

    /// One that no file has, if it is at hand.
    pub(super) fn at_hand(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.on_demand.as_ref()?.at_hand(name)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let choice = name.and_then(|name| self.of_file(name));
        if choice.is_none()
            && let Some(certified) = name.and_then(|name| self.at_hand(name))
        {
            return Some(certified);
        }
        let held = choice.unwrap_or(&self.default).pick(hello.signature_schemes())?;
        Some(Arc::clone(&held.certified))
    }
}

/// How early a certificate is shown to who can verify several: by what a signature costs, but Ed25519 after ECDSA, which is what
/// browsers and authorities agree on.
fn rank(certified: &CertifiedKey) -> u8 {
    let algorithm = certified.key.algorithm();
    let p256 = certified.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).is_some();
    match algorithm {
        SignatureAlgorithm::ECDSA if p256 => 0,
        SignatureAlgorithm::ED25519 => 1,
        SignatureAlgorithm::ECDSA => 2,
        _ => 3,
    }
}

fn certified(pem: CertificatePem<'_>, provider: &CryptoProvider) -> Result<CertifiedKey, Unusable> {
    let chain = CertificateDer::pem_slice_iter(pem.chain).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        return Err(Unusable::Empty);
    }
    let key = provider.key_provider.load_private_key(PrivateKeyDer::from_pem_slice(pem.key)?)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(why) => Err(why.into()),
    }
}

/// A certificate that its own key has signed, for nobody to believe: TLS needs one to say anything at all.
fn made(provider: &CryptoProvider) -> Result<CertifiedKey, Unusable> {
    // A name that never resolves (RFC 6761 §6.4).
    let mut params = rcgen::CertificateParams::new(vec!["tollgate.invalid".to_owned()])?;
    // For whoever wonders what it is that a client shows.
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Tollgate default certificate");
    let signing = rcgen::KeyPair::generate()?;
    let made = params.self_signed(&signing)?;
    let key = PrivateKeyDer::try_from(signing.serialize_der());
    let key = key.map_err(|why| rustls::Error::General(why.to_owned()))?;
    let key = provider.key_provider.load_private_key(key)?;
    Ok(CertifiedKey::new(vec![made.der().clone()], key))
}

/// The names that a certificate is for, in lower case, wildcards with `*.`. A common name is none (RFC 9525 §2), as for browsers.
fn names(certified: &CertifiedKey) -> Vec<Box<str>> {
    let leaf = certified.cert.first().and_then(|leaf| Certificate::read(leaf));
    let mut names = leaf.map(|leaf| leaf.dns).unwrap_or_default();
    let mut seen = hashbrown::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

impl fmt::Debug for CertificatePem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificatePem").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_says_what_it_is() {
        let made = made(&rustls::crypto::aws_lc_rs::default_provider()).unwrap();
        let read = Certificate::read(&made.cert[0]).unwrap();
        assert_eq!(&*read.subject, "CN=Tollgate default certificate");
        assert_eq!(read.dns, ["tollgate.invalid".into()]);
    }
}
