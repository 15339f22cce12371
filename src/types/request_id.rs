//! Request ids: 32 hexadecimal digits, unique without asking anybody.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use http::HeaderValue;

/// Octets of an id of ours.
const LEN: usize = 32;

/// What a request is called, in the log as at the client and at the application.
#[derive(Debug, Clone)]
pub enum RequestId {
    /// One of ours: digits.
    Own([u8; LEN]),
    /// One that a trusted proxy in front has given it.
    Given(HeaderValue),
}

impl RequestId {
    /// Its text, which can stand in a field.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Own(id) => id,
            Self::Given(id) => id.as_bytes(),
        }
    }

    /// The same, where it is ASCII; else nothing.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Makes one worker's ids: a random half that tells workers and processes apart, and a count. The
/// count is scrambled (by SplitMix64's finaliser, a bijection), so that an id tells no client how many
/// requests there were.
#[derive(Debug)]
pub struct RequestIds {
    worker: u64,
    key: u64,
    count: Cell<u64>,
}

impl Default for RequestIds {
    fn default() -> Self {
        // The standard library seeds each `RandomState` from the operating system.
        let random = || RandomState::new().build_hasher().finish();
        Self { worker: random(), key: random(), count: Cell::new(0) }
    }
}

impl RequestIds {
    /// The next id.
    pub fn next(&self) -> RequestId {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let mut id = [0; LEN];
        let (worker, rest) = id.split_at_mut(LEN / 2);
        for (text, half) in [(worker, self.worker), (rest, scramble(count ^ self.key))] {
            for (pair, byte) in text.chunks_exact_mut(2).zip(half.to_be_bytes()) {
                pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
        }
        RequestId::Own(id)
    }
}

fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

fn scramble(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_digits_and_never_the_same() {
        let ids = RequestIds::default();
        let other = RequestIds::default();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            for id in [ids.next(), other.next()] {
                let text = id.as_str().to_owned();
                assert_eq!(text.len(), 32);
                assert!(text.bytes().all(|b| b.is_ascii_hexdigit()));
                assert!(seen.insert(text));
            }
        }
    }
}
