//! Whose a name is, and what it has.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{Certificates, InForce, now_ms};
use crate::store::{KeptCertificate, NameFound, StoreFault};
use crate::types::{EncryptionFault, TenantId};

/// A name of a tenant.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) tenant: TenantId,
    /// Whether certificates are ordered for it.
    pub(super) may_order: bool,
    /// Whether it is the configuration that gives it to the tenant.
    pub(super) by_configuration: bool,
    pub(super) found: NameFound,
}

/// What a handshake makes of a name.
#[derive(Debug)]
pub(super) enum Seen {
    /// It has a certificate.
    Ready(Arc<CertifiedKey>),
    /// It is a tenant's, and is to have one.
    Wanted(TenantId),
    /// It has none.
    Nothing,
}

/// Whether a text can be a name that an authority issues for: labels and dots, no address, no wildcard.
pub(super) fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inner)
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(is_label)
        && !last.bytes().all(|b| b.is_ascii_digit())
}

impl Certificates {
    /// Whose a name is, by what was found of it.
    pub(super) fn owned(force: &InForce, name: &str, found: NameFound) -> Option<Owned> {
        if let Some((tenant, may_order)) = force.owners.of(name) {
            return Some(Owned { tenant, may_order, by_configuration: true, found });
        }
        let (tenant, state) = found.owner.clone()?;
        let may_order = *state != *"suspended";
        (!force.owners.has(&tenant)).then_some(Owned { tenant, may_order, by_configuration: false, found })
    }

    /// Asks the store for a name.
    pub(super) async fn find(force: &InForce, name: &str) -> Result<Option<Owned>, StoreFault> {
        let found = force.store.name(name, force.owners.of(name).is_some()).await?;
        Ok(Self::owned(force, name, found))
    }

    /// What is to be done for a handshake, remembered.
    pub(super) fn judge(&self, force: &InForce, name: &str, owned: Option<Owned>) -> Seen {
        let Some(owned) = owned else {
            self.shelf.is_nobodys(name);
            return Seen::Nothing;
        };
        let now_ms = now_ms();
        let kept = owned.found.certificate.as_ref();
        if let Some(kept) = kept.filter(|kept| kept.tenant == owned.tenant && kept.not_after_ms > now_ms) {
            if let Some(certified) = self.put(force, kept) {
                return Seen::Ready(certified);
            }
            self.shelf.has_not_now(name);
            return Seen::Nothing;
        }
        let waits = owned.found.work.as_ref().is_some_and(|work| work.next_ms > now_ms);
        if !owned.may_order || waits {
            self.shelf.has_not_now(name);
            return Seen::Nothing;
        }
        Seen::Wanted(owned.tenant)
    }

    /// Has a certificate at hand from now on. One that can't be read is told of, and is as none.
    pub(super) fn put(&self, force: &InForce, kept: &KeptCertificate) -> Option<Arc<CertifiedKey>> {
        if let Some(ready) = self.shelf.ready(&kept.name).filter(|ready| ready.serial == kept.serial) {
            self.shelf.put(&kept.name, Arc::clone(&ready.certified), &kept.serial, kept.not_after_ms);
            return Some(ready.certified);
        }
        match read(force, kept) {
            Ok(certified) => {
                let certified = Arc::new(certified);
                self.shelf.put(&kept.name, Arc::clone(&certified), &kept.serial, kept.not_after_ms);
                Some(certified)
            }
            // Said once for all of them, when the configuration came into force: not again at each handshake.
            Err(why) if !force.terms.keys.has(&kept.key_id) => {
                tracing::debug!(domain = %kept.name, %why, "the certificate of a domain can't be read");
                None
            }
            Err(why) => {
                tracing::error!(domain = %kept.name, %why, "the certificate of a domain can't be read");
                None
            }
        }
    }
}

/// Makes what is kept what is shown.
///
/// # Errors
/// Why not, in plain words.
pub(super) fn read(force: &InForce, kept: &KeptCertificate) -> Result<CertifiedKey, String> {
    let key = force.terms.keys.decrypt(&kept.key_id, &kept.name, &kept.key).map_err(|why| {
        let hint = match &why {
            EncryptionFault::OtherKey(_) => {
                ": add its file to `former_encryption_key_files`, or put it back into `encryption_key_file`, and reload"
            }
            _ => "",
        };
        format!("its private key: {why}{hint}")
    })?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(kept.chain.as_bytes()).collect();
    let chain = chain.map_err(|error| format!("its chain: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| "its private key is no PEM".to_owned())?;
    let key = any_supported_type(&key).map_err(|error| format!("its private key: {error}"))?;
    Ok(CertifiedKey::new(chain, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_that_certificates_are_issued_for() {
        for name in ["a.test", "xn--bcher-kva.example", "a-1.b.co.uk"] {
            assert!(is_name(name), "{name}");
        }
        let long = format!("{}.test", "a".repeat(64));
        for name in
            ["", "test", "*.a.test", "1.2.3.4", "A.test", "a..test", ".a.test", "a_b.test", "::1", &long]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
