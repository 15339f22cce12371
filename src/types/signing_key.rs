//! Keys that sign tokens, and the signing: JSON Web Signatures in compact form (RFC 7515 §7.1), of which the gateway needs one
//! line. The cryptography is that of AWS-LC.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::Secret;

/// A key that signs, parsed once. Whoever prints it sees its id.
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    id: Box<str>,
    /// What every token by it begins with, encoded.
    header: Box<str>,
    /// What it was made of: two keys of one text are the same.
    secret: Secret,
    kind: Kind,
}

enum Kind {
    Ed25519(Box<Ed25519KeyPair>),
    Hs256(Box<hmac::Key>),
}

/// A text is no key. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSigningKey {
    /// It has no PEM block of a private key.
    #[error("has no private key in PEM")]
    NoPem,
    /// It has one, of another kind.
    #[error("has no Ed25519 key in PKCS#8")]
    NotEd25519,
    /// It is a PEM, where a secret belongs.
    #[error("has a key in PEM, which is no secret that two sides share")]
    Pem,
    /// It is shorter than what it is to sign with (RFC 7518 §3.2).
    #[error("is shorter than 32 bytes")]
    Short,
}

impl SigningKey {
    /// The fewest octets of a shared secret.
    const SECRET_MIN: usize = 32;

    /// A key of EdDSA (RFC 8037): Ed25519, as PKCS#8 in PEM. Its id is its thumbprint (RFC 7638), so it has the same one
    /// everywhere.
    ///
    /// # Errors
    /// [`InvalidSigningKey`].
    pub fn ed25519(pem: &str) -> Result<Self, InvalidSigningKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| InvalidSigningKey::NoPem)?;
        // OpenSSL writes the older form, without the public key.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
            .map_err(|_| InvalidSigningKey::NotEd25519)?;
        // Its members in the order of RFC 7638 §3, without blanks.
        let thumbprint =
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(pair.public_key().as_ref()));
        let id = encode(digest(&SHA256, thumbprint.as_bytes()).as_ref());
        Ok(Self::new(id, "EdDSA", pem, Kind::Ed25519(Box::new(pair))))
    }

    /// A secret of HS256: the text itself, without a line break at its end. Its id is a signature with it, of a text that is no
    /// token.
    ///
    /// # Errors
    /// [`InvalidSigningKey`].
    pub fn hs256(secret: &str) -> Result<Self, InvalidSigningKey> {
        let secret = secret.trim_end_matches(['\r', '\n']);
        if secret.contains("-----BEGIN") {
            return Err(InvalidSigningKey::Pem);
        }
        if secret.len() < Self::SECRET_MIN {
            return Err(InvalidSigningKey::Short);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let id = hmac::sign(&key, b"the id of a key");
        let id = encode(id.as_ref().get(..12).unwrap_or_default());
        Ok(Self::new(id, "HS256", secret, Kind::Hs256(Box::new(key))))
    }

    fn new(id: String, algorithm: &str, text: &str, kind: Kind) -> Self {
        let header = json!({ "alg": algorithm, "typ": "JWT", "kid": id }).to_string();
        let (id, header) = (id.into(), encode(header.as_bytes()).into());
        Self(Arc::new(Inner { id, header, secret: Secret::new(text), kind }))
    }

    /// What a token names it by (`kid`).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The token that carries a payload: header, payload and signature, with dots between them.
    #[must_use]
    pub fn sign(&self, payload: &[u8]) -> String {
        let mut token = format!("{}.{}", self.0.header, encode(payload));
        let signature = match &self.0.kind {
            Kind::Ed25519(pair) => encode(pair.sign(token.as_bytes()).as_ref()),
            Kind::Hs256(key) => encode(hmac::sign(key, token.as_bytes()).as_ref()),
        };
        token.push('.');
        token.push_str(&signature);
        token
    }

    /// What others check signatures with, as a JSON Web Key (RFC 7517). `None` for a secret.
    #[must_use]
    pub fn public(&self) -> Option<Value> {
        match &self.0.kind {
            Kind::Ed25519(pair) => Some(json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "x": encode(pair.public_key().as_ref()),
                "kid": self.id(),
                "use": "sig",
                "alg": "EdDSA",
            })),
            Kind::Hs256(_) => None,
        }
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.header == other.0.header && self.0.secret == other.0.secret
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.0.id).finish()
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8037, appendix A.1, as `openssl pkey` writes it.
    const RFC_8037: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

    /// Appendices A.2 and A.3 of RFC 8037.
    #[test]
    fn the_public_key_and_its_id_are_those_of_the_standard() {
        let key = SigningKey::ed25519(RFC_8037).unwrap();
        assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let public = key.public().unwrap();
        assert_eq!(public["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert!(public.get("d").is_none());
    }

    /// RFC 8037, appendix A.4, but for the header, which has more members here.
    #[test]
    fn a_token_is_header_payload_and_signature() {
        let token = SigningKey::ed25519(RFC_8037).unwrap().sign(b"Example of Ed25519 signing");
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[1], "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
        assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("JWT")));
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 64);
    }

    #[test]
    fn a_secret_signs_and_is_not_published() {
        let secret = "0123456789abcdef0123456789abcdef";
        let key = SigningKey::hs256(&format!("{secret}\n")).unwrap();
        assert_eq!(key, SigningKey::hs256(secret).unwrap());
        assert_ne!(key, SigningKey::hs256(&secret.to_uppercase()).unwrap());
        assert_eq!(key.public(), None);
        assert!(!format!("{key:?}").contains(secret) && !key.id().contains(secret));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let no_key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
        assert_eq!(SigningKey::ed25519("hunter2").unwrap_err(), InvalidSigningKey::NoPem);
        assert_eq!(SigningKey::ed25519(no_key).unwrap_err(), InvalidSigningKey::NotEd25519);
        assert_eq!(SigningKey::hs256("hunter2").unwrap_err(), InvalidSigningKey::Short);
        assert_eq!(SigningKey::hs256(RFC_8037).unwrap_err(), InvalidSigningKey::Pem);
        let rsa = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(SigningKey::ed25519(&rsa).unwrap_err(), InvalidSigningKey::NotEd25519);
    }
}
