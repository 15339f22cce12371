//! What an authority finds here when it looks whether a name leads to this gateway.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::elsewhere::Elsewhere;

/// Below this an authority asks for tokens (RFC 8555 §8.3).
pub const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// Answers to the challenges of orders that are under way, for all workers.
#[derive(Default)]
pub struct Challenges {
    placed: RwLock<Placed>,
    count: AtomicUsize,
    elsewhere: OnceLock<Weak<dyn Elsewhere>>,
}

#[derive(Default)]
struct Placed {
    /// What is answered over HTTP, by the token, for this host.
    pages: HashMap<Box<str>, (Box<str>, Arc<str>)>,
    /// What is shown in a handshake, by the name.
    certificates: HashMap<Box<str>, Arc<CertifiedKey>>,
}

/// An answer that is there until this is dropped.
#[derive(Debug)]
pub struct Placement {
    challenges: Arc<Challenges>,
    key: Key,
}

#[derive(Debug)]
enum Key {
    Token(Box<str>),
    Name(Box<str>),
}

impl Challenges {
    /// Answers HTTP-01 for a host (RFC 8555 §8.3).
    #[must_use]
    pub fn place_page(self: &Arc<Self>, token: &str, host: &str, key_authorization: &str) -> Placement {
        let page = (host.into(), key_authorization.into());
        self.place(|placed| placed.pages.insert(token.into(), page).is_none());
        Placement { challenges: Arc::clone(self), key: Key::Token(token.into()) }
    }

    /// Answers TLS-ALPN-01 for a name (RFC 8737 §3).
    ///
    /// # Errors
    /// No certificate can be made.
    pub fn place_certificate(self: &Arc<Self>, name: &str, digest: &[u8]) -> Result<Placement, rcgen::Error> {
        let certified = Arc::new(challenge_certificate(name, digest)?);
        self.place(|placed| placed.certificates.insert(name.into(), certified).is_none());
        Ok(Placement { challenges: Arc::clone(self), key: Key::Name(name.into()) })
    }

    /// Has what others have ordered asked for here from now on; once.
    pub fn seek_at(&self, elsewhere: Weak<dyn Elsewhere>) {
        let _ = self.elsewhere.set(elsewhere);
    }

    pub(super) fn elsewhere(&self) -> Option<Arc<dyn Elsewhere>> {
        self.elsewhere.get()?.upgrade()
    }

    fn place(&self, place: impl FnOnce(&mut Placed) -> bool) {
        let mut placed = self.placed.write().unwrap_or_else(PoisonError::into_inner);
        if place(&mut placed) {
            self.count.fetch_add(1, Ordering::Release);
        }
    }

    /// What a path of a host is answered with, where it is that of a token. Costs a comparison for every other path.
    #[must_use]
    pub fn page(&self, host: Option<&str>, path: &str) -> Option<Arc<str>> {
        let token = path.strip_prefix(WELL_KNOWN)?;
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let placed = self.placed.read().unwrap_or_else(PoisonError::into_inner);
        let (of, page) = placed.pages.get(token)?;
        // Nobody learns of it by another name than that which it is for.
        host.is_some_and(|host| host.eq_ignore_ascii_case(of)).then(|| Arc::clone(page))
    }

    /// What a name is shown in a handshake of an authority.
    #[must_use]
    pub fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let placed = self.placed.read().unwrap_or_else(PoisonError::into_inner);
        placed.certificates.get(name).cloned()
    }
}

impl Drop for Placement {
    fn drop(&mut self) {
        let mut placed = self.challenges.placed.write().unwrap_or_else(PoisonError::into_inner);
        let gone = match &self.key {
            Key::Token(token) => placed.pages.remove(token).is_some(),
            Key::Name(name) => placed.certificates.remove(name).is_some(),
        };
        if gone {
            self.challenges.count.fetch_sub(1, Ordering::Release);
        }
    }
}

pub(super) fn challenge_certificate(name: &str, digest: &[u8]) -> Result<CertifiedKey, rcgen::Error> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = any_supported_type(&der).map_err(|_| rcgen::Error::KeyGenerationUnavailable)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenges").field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_there_for_its_host_until_it_is_dropped() {
        let challenges = Arc::<Challenges>::default();
        let path = format!("{WELL_KNOWN}token");
        assert!(challenges.page(Some("a.test"), &path).is_none());
        let placed = challenges.place_page("token", "a.test", "token.thumb");
        assert_eq!(challenges.page(Some("A.test"), &path).as_deref(), Some("token.thumb"));
        assert!(challenges.page(Some("b.test"), &path).is_none());
        assert!(challenges.page(None, &path).is_none());
        assert!(challenges.page(Some("a.test"), &format!("{path}/x")).is_none());
        drop(placed);
        assert!(challenges.page(Some("a.test"), &path).is_none());
        assert_eq!(challenges.count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_certificate_has_the_digest_and_the_name() {
        let challenges = Arc::<Challenges>::default();
        let placed = challenges.place_certificate("a.test", &[7; 32]).unwrap();
        let shown = challenges.certificate("a.test").unwrap();
        assert!(challenges.certificate("b.test").is_none());
        use x509_parser::prelude::{FromDer as _, X509Certificate};
        let (_, certificate) = X509Certificate::from_der(&shown.cert[0]).unwrap();
        let extension = certificate.extensions().iter().find(|e| e.oid.to_string() == "1.3.6.1.5.5.7.1.31");
        let extension = extension.unwrap();
        assert!(extension.critical && extension.value.ends_with(&[7; 32]));
        drop(placed);
        assert!(challenges.certificate("a.test").is_none());
    }
}
