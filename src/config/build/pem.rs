//! What files of PEM (RFC 7468) hold: certificates and keys, checked before they are used.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore, SignatureScheme};

use crate::types::{Certificate, RevocationList};

/// Whether a text has a block of such a label, begun and ended.
pub(super) fn has_block(text: &str, is: impl Fn(&str) -> bool) -> bool {
    let label = |line: &'_ str, what: &str| -> Option<String> {
        let label = line.trim_end().strip_prefix(what)?.strip_suffix("-----")?;
        is(label).then(|| label.to_owned())
    };
    let mut lines = text.lines();
    while let Some(begun) = lines.by_ref().find_map(|line| label(line, "-----BEGIN ")) {
        if lines.by_ref().find_map(|line| label(line, "-----END ")).is_some_and(|ended| ended == begun) {
            return true;
        }
    }
    false
}

/// Checks that each certificate of a text can be an authority.
///
/// # Errors
/// Which one can't, counted from 1, and why.
pub(super) fn check_authorities(text: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for (at, certificate) in CertificateDer::pem_slice_iter(text.as_bytes()).enumerate() {
        let added = certificate.map_err(|error| error.to_string());
        let added = added.and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
        added.map_err(|why| format!("its certificate {} can't be read: {why}", at + 1))?;
    }
    Ok(())
}

/// What each kind of key signs with, and no other does.
const KINDS: [SignatureScheme; 5] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
];

/// Checks that a text has lists of revoked certificates, and that each can be read.
///
/// # Errors
/// Which one can't, counted from 1, and why.
pub(super) fn check_revocations(text: &str) -> Result<Vec<RevocationList>, String> {
    let mut lists = Vec::new();
    for list in CertificateRevocationListDer::pem_slice_iter(text.as_bytes()) {
        let list = list.map_err(|error| error.to_string())?;
        let read = RevocationList::read(&list);
        lists.push(read.map_err(|why| format!("its list {} can't be read: {why}", lists.len() + 1))?);
    }
    if lists.is_empty() { Err("it has no list of revoked certificates in PEM".to_owned()) } else { Ok(lists) }
}

/// Checks that clients can be judged by a list of revoked certificates: it may be well formed, and lack what is asked of one.
///
/// # Errors
/// Why they can't.
pub(super) fn check_usable(crl: &str, ca: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(ca.as_bytes()).flatten());
    let lists = CertificateRevocationListDer::pem_slice_iter(crl.as_bytes()).flatten();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).with_crls(lists);
    match builder.build() {
        Err(why @ VerifierBuilderError::InvalidCrl(_)) => Err(why.to_string()),
        _ => Ok(()),
    }
}

/// Who has made the lists of a text, each as text (RFC 4514).
pub(super) fn issuers(crl: &str) -> impl Iterator<Item = Box<str>> {
    let lists = CertificateRevocationListDer::pem_slice_iter(crl.as_bytes()).flatten();
    lists.filter_map(|list| RevocationList::read(&list).ok()).map(|list| list.issuer)
}

/// Whose the certificates of a text are, each as text (RFC 4514).
pub(super) fn subjects(certificates: &str) -> impl Iterator<Item = Box<str>> {
    let certificates = CertificateDer::pem_slice_iter(certificates.as_bytes()).flatten();
    certificates.filter_map(|der| Certificate::read(&der)).map(|certificate| certificate.subject)
}

/// Whose those are that nobody is believed by, each as text.
pub(super) fn no_authorities(certificates: &str) -> impl Iterator<Item = Box<str>> {
    let certificates = CertificateDer::pem_slice_iter(certificates.as_bytes()).flatten();
    certificates.filter_map(|der| Certificate::read(&der)).filter(|it| !it.may_issue).map(|it| it.subject)
}

/// Why a certificate and a key are no identity.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) enum IdentityError {
    /// The chain.
    Chain(String),
    /// The key.
    Key(String),
    /// The key is another certificate's.
    Apart,
}

/// Checks that a certificate, the first of a text, and a key belong together. What the key signs with tells kinds of keys apart.
///
/// # Errors
/// [`IdentityError`]. None has anything of the key in it.
pub(super) fn check_identity(chain: &str, key: &str) -> Result<SignatureScheme, IdentityError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let chain = chain.map_err(|why| {
        IdentityError::Chain(match why {
            // It would be told by the numbers of its octets.
            pem::Error::MissingSectionEnd { .. } => "a certificate begins in it and does not end".to_owned(),
            why => why.to_string(),
        })
    })?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
    let key = key.map_err(|_| IdentityError::Key("it is no PEM".to_owned()))?;
    let provider = aws_lc_rs::default_provider();
    let signing = provider.key_provider.load_private_key(key);
    let signing = signing.map_err(|why| IdentityError::Key(why.to_string()))?;
    let kind = KINDS.into_iter().find(|kind| signing.choose_scheme(&[*kind]).is_some());
    match CertifiedKey::new(chain, signing).keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            kind.ok_or_else(|| IdentityError::Key("TLS has no signature for it".to_owned()))
        }
        Err(Error::InconsistentKeys(_)) => Err(IdentityError::Apart),
        Err(why) => Err(IdentityError::Chain(why.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    #[test]
    fn a_block_is_one_that_begins_and_ends() {
        let certificate = |text: &str| has_block(text, |label| label == "CERTIFICATE");
        assert!(certificate("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"));
        assert!(certificate(
            "subject: x\r\n-----BEGIN CERTIFICATE-----\r\nMIIB\r\n-----END CERTIFICATE-----"
        ));
        assert!(!certificate("-----BEGIN CERTIFICATE-----\nMIIB\n"));
        assert!(!certificate("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"));
        assert!(!certificate(""));
    }

    fn made() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n")
    }

    #[test]
    fn every_authority_must_be_readable() {
        let (certificate, _) = made();
        assert_eq!(check_authorities(&certificate), Ok(()));
        let why = check_authorities(&(certificate + &block("CERTIFICATE"))).unwrap_err();
        assert!(why.starts_with("its certificate 2 can't be read"), "{why}");
    }

    #[test]
    fn a_key_must_be_that_of_the_certificate() {
        let ((certificate, key), (_, other)) = (made(), made());
        assert_eq!(check_identity(&certificate, &key), Ok(SignatureScheme::ECDSA_NISTP256_SHA256));
        assert_eq!(check_identity(&certificate, &other), Err(IdentityError::Apart));
        let broken = check_identity(&block("CERTIFICATE"), &key);
        assert!(matches!(broken, Err(IdentityError::Chain(_))), "{broken:?}");
        let broken = check_identity(&certificate, &block("PRIVATE KEY"));
        assert!(matches!(broken, Err(IdentityError::Key(_))), "{broken:?}");
    }
}
