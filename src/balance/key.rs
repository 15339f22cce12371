//! What requests are kept together by under consistent hashing.

use siphasher::sip::SipHasher13;

/// A hash that is the same in every gateway, version and run, so that all of a fleet agree where a key belongs:
/// SipHash-1-3 of the bytes, under a fixed key. Since that key is known, a client that chooses its own keys
/// can find many that belong to one endpoint; the bound on an endpoint's load is what holds against that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

impl Key {
    /// "tollgate", "balance/", read as big-endian numbers.
    const SEED: (u64, u64) = (0x746f_6c6c_6761_7465, 0x6261_6c61_6e63_652f);

    /// The key of these bytes: a field's or cookie's value, an address, a tenant's id.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(SipHasher13::new_with_keys(Self::SEED.0, Self::SEED.1).hash(bytes))
    }

    /// As a number.
    pub(super) fn get(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fleet in the middle of an update agrees only if these never change. Computed by another implementation.
    #[test]
    fn keys_are_the_same_for_ever() {
        let keys = [&b""[..], b"acme", b"192.0.2.1"].map(|bytes| Key::of(bytes).get());
        assert_eq!(keys, [0x70c0_5073_7627_e570, 0x2a4c_9684_9cf5_fbbc, 0xc285_e142_c94a_7bf8]);
    }
}
