//! Keys that private keys of certificates are kept under: AES-256-GCM (NIST SP 800-38D), by AWS-LC.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Octets of a key.
const KEY_LEN: usize = 32;

/// A key of 32 octets that encrypts what is kept. Whoever prints it sees its id.
#[derive(Clone)]
pub struct EncryptionKey(Arc<Inner>);

struct Inner {
    id: Box<str>,
    key: LessSafeKey,
}

/// A text is no key. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEncryptionKey {
    /// It is neither hexadecimal nor base64.
    #[error("is neither base64 nor hexadecimal")]
    Encoding,
    /// It has another number of octets.
    #[error("has not 32 bytes")]
    Length,
}

/// Why nothing can be encrypted, or what was can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionFault {
    /// It was encrypted with none of the keys that there are.
    #[error("it was encrypted with the key `{0}`, which is not there")]
    OtherKey(Box<str>),
    /// It is not what was written, or stands in another's place.
    #[error("it is damaged, or not what was written here")]
    Damaged,
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

impl EncryptionKey {
    /// A key as text: 64 hexadecimal digits or the base64 of 32 octets, blanks around it aside.
    ///
    /// # Errors
    /// [`InvalidEncryptionKey`].
    pub fn parse(text: &str) -> Result<Self, InvalidEncryptionKey> {
        let text = text.trim();
        let bytes = match text.len() == KEY_LEN * 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => hexadecimal(text).ok_or(InvalidEncryptionKey::Encoding)?,
            false => base64(text).ok_or(InvalidEncryptionKey::Encoding)?,
        };
        if bytes.len() != KEY_LEN {
            return Err(InvalidEncryptionKey::Length);
        }
        let unbound = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| InvalidEncryptionKey::Length)?;
        // One that tells nothing of the key, and is the same in every gateway that has it.
        let named: Vec<u8> = b"tollgate encryption key\0".iter().chain(&bytes).copied().collect();
        let id = digest(&SHA256, &named).as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let id: String = id;
        Ok(Self(Arc::new(Inner { id: id.into(), key: LessSafeKey::new(unbound) })))
    }

    /// What it is known by: eight hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Encrypts something for one place: read anywhere else, it is damaged.
    ///
    /// # Errors
    /// [`EncryptionFault::NoRandomness`].
    pub fn encrypt(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, EncryptionFault> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| EncryptionFault::NoRandomness)?;
        let mut body = plain.to_vec();
        self.0
            .key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut body)
            .map_err(|_| EncryptionFault::NoRandomness)?;
        Ok(nonce.iter().copied().chain(body).collect())
    }

    /// Reads what was encrypted for this place.
    ///
    /// # Errors
    /// [`EncryptionFault::Damaged`].
    pub fn decrypt(&self, place: &str, kept: &[u8]) -> Result<Vec<u8>, EncryptionFault> {
        let (nonce, body) = kept.split_first_chunk::<NONCE_LEN>().ok_or(EncryptionFault::Damaged)?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.key.open_in_place(nonce, Aad::from(place), &mut body);
        let len = opened.map_err(|_| EncryptionFault::Damaged)?.len();
        body.truncate(len);
        Ok(body)
    }
}

/// The key that encrypts, and those that did before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionKeys {
    /// What is written from now on is encrypted with this one.
    pub current: EncryptionKey,
    /// What these have encrypted can still be read.
    pub former: Vec<EncryptionKey>,
}

impl EncryptionKeys {
    /// Whether the key of this id is among them.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        std::iter::once(&self.current).chain(&self.former).any(|key| key.id() == id)
    }

    /// Reads what the key of this id has encrypted for this place.
    ///
    /// # Errors
    /// [`EncryptionFault`].
    pub fn decrypt(&self, id: &str, place: &str, kept: &[u8]) -> Result<Vec<u8>, EncryptionFault> {
        let mut keys = std::iter::once(&self.current).chain(&self.former);
        let key = keys.find(|key| key.id() == id).ok_or_else(|| EncryptionFault::OtherKey(id.into()))?;
        key.decrypt(place, kept)
    }
}

impl PartialEq for EncryptionKey {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for EncryptionKey {}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EncryptionKey").field(&self.0.id).finish()
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// With or without padding, in either alphabet.
fn base64(text: &str) -> Option<Vec<u8>> {
    let terms = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, terms).decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_key_is_hexadecimal_or_base64() {
        let key = EncryptionKey::parse(HEX).unwrap();
        for same in [BASE64, BASE64.trim_end_matches('='), &format!("{BASE64}\n"), &HEX.to_uppercase()] {
            assert_eq!(EncryptionKey::parse(same).unwrap(), key, "{same}");
        }
        assert_eq!(EncryptionKey::parse("Zm9v"), Err(InvalidEncryptionKey::Length));
        assert_eq!(EncryptionKey::parse(""), Err(InvalidEncryptionKey::Length));
        assert_eq!(EncryptionKey::parse("not a key"), Err(InvalidEncryptionKey::Encoding));
    }

    #[test]
    fn what_is_encrypted_is_read_with_its_key_at_its_place_alone() {
        let key = EncryptionKey::parse(HEX).unwrap();
        let other = EncryptionKey::parse(&HEX.replace("00", "ff")).unwrap();
        let kept = key.encrypt("a.test", b"secret").unwrap();
        assert!(!kept.windows(6).any(|window| window == b"secret"));
        assert_ne!(kept, key.encrypt("a.test", b"secret").unwrap());
        assert_eq!(key.decrypt("a.test", &kept).unwrap(), b"secret");
        assert_eq!(key.decrypt("b.test", &kept), Err(EncryptionFault::Damaged));
        assert_eq!(other.decrypt("a.test", &kept), Err(EncryptionFault::Damaged));
        assert_eq!(key.decrypt("a.test", &[1, 2, 3]), Err(EncryptionFault::Damaged));
        let keys = EncryptionKeys { current: other.clone(), former: vec![key.clone()] };
        assert_eq!(keys.decrypt(key.id(), "a.test", &kept).unwrap(), b"secret");
        let without = EncryptionKeys { current: other, former: Vec::new() };
        let lost = without.decrypt(key.id(), "a.test", &kept).unwrap_err();
        assert_eq!(lost, EncryptionFault::OtherKey(key.id().into()));
    }
}
