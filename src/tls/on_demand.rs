//! Certificates that no file has: tenants' own domains get theirs when they are asked for.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

/// The protocol that an authority speaks to see that a name leads here (RFC 8737).
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";

/// What a certificate is waited for with.
pub type Fetching = Pin<Box<dyn Future<Output = Option<Arc<CertifiedKey>>> + Send>>;

/// Whoever has the certificates of tenants' domains. Asked where no file has one for the name. Names are in lower case, without a dot
/// at their end.
pub trait OnDemand: Send + Sync + fmt::Debug {
    /// The certificate for a name, if that can be said without waiting.
    fn at_hand(&self, name: &str) -> Option<Arc<CertifiedKey>>;

    /// Has it loaded, or issued, and waits for as long as it finds fit; `None`: there is none. What is found is at hand for a while.
    fn fetch(&self, name: &str) -> Fetching;

    /// What shows an authority that a name leads here, where it has just asked for that.
    fn challenge(&self, name: &str) -> Fetching;
}
