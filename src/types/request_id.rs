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
    /// Already in digits.
    worker: [u8; LEN / 2],
    key: u64,
    count: Cell<u64>,
}

impl Default for RequestIds {
    fn default() -> Self {
        // The standard library seeds each `RandomState` from the operating system.
        let random = || RandomState::new().build_hasher().finish();
        Self { worker: digits(random()), key: random(), count: Cell::new(0) }
    }
}

impl RequestIds {
    /// The next id.
    pub fn next(&self) -> RequestId {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let mut id = [0; LEN];
        let (worker, rest) = id.split_at_mut(LEN / 2);
        worker.copy_from_slice(&self.worker);
        rest.copy_from_slice(&digits(scramble(count ^ self.key)));
        RequestId::Own(id)
    }
}

/// A number's hexadecimal digits, all of them at once: half an octet of it in an octet each.
fn digits(number: u64) -> [u8; LEN / 2] {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    let mut spread = u128::from(number);
    for (shift, mask) in [
        (32, 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff),
        (16, 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff),
        (4, ONES * 0x0f),
    ] {
        spread = (spread | (spread << shift)) & mask;
    }
    // 1 where it is a letter: six more make it overflow into the upper half.
    let letters = ((spread + ONES * 6) >> 4) & ONES;
    (spread + ONES * u128::from(b'0') + letters * u128::from(b'a' - b'0' - 10)).to_be_bytes()
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
    fn digits_are_those_of_the_number() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, u64::MAX, scramble(1), scramble(2)]
        {
            assert_eq!(std::str::from_utf8(&digits(number)).unwrap(), format!("{number:016x}"));
        }
    }

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
