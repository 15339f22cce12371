//! What is kept of an API key: its SHA-256.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// The longest key that a client may send, in octets. Those that are issued have 46.
const KEY_MAX: usize = 256;

/// The SHA-256 of an API key. A key has 256 random bits: nobody finds it by trying, so no slow hash is needed. It is not
/// shown all the same: what clients send for a key may be a password of theirs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Of a key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self::of_octets(key.as_bytes())
    }

    /// Of a key as it came in a field; `None` for what no key can be: nothing, more than 256 octets, or anything but visible
    /// ASCII.
    #[must_use]
    pub fn of_field(value: &[u8]) -> Option<Self> {
        let is_key = (1..=KEY_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
        is_key.then(|| Self::of_octets(value))
    }

    /// The hash itself.
    #[must_use]
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    fn of_octets(key: &[u8]) -> Self {
        let mut hash = [0; 32];
        let digest = digest(&SHA256, key);
        hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(hash)
    }
}

impl From<[u8; 32]> for KeyHash {
    fn from(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn the_hash_is_sha_256_and_never_shown() {
        let hash = KeyHash::of("abc");
        let hex: String = hash.octets().iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(format!("{hash:?}"), "***");
    }

    #[test]
    fn what_no_key_can_be_has_none() {
        assert_eq!(KeyHash::of_field(b"tg_key"), Some(KeyHash::of("tg_key")));
        let longest = [b'k'; KEY_MAX + 1];
        assert!(KeyHash::of_field(&longest[1..]).is_some());
        for bad in [b"".as_slice(), &longest, b"a key", b"key\t", b"k\x7f", "kéy".as_bytes(), b"k\0y"] {
            assert_eq!(KeyHash::of_field(bad), None, "{bad:?}");
        }
    }
}
