//! What has been used of a limit that counts each key (a client's address, an API key) of a tenant on its own.
//!
//! Memory is bounded, and yet no key is ever let in more often than if all keys were remembered: see [`super::shard`]. What a
//! flood of keys costs is borne by keys that are not in use yet: they share cells, and are refused too early rather
//! than too late. Every tenant has a table of its own, so that no tenant's keys can crowd out another's.
//!
//! Keys are known by their hash under a secret of the process. Their values are neither kept nor shown.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use http::{HeaderMap, HeaderName};

use super::shard::{KeyCharge, Shard};

/// Locks of a table. A lock is held for a look at eight slots; for a new key at up to eighty; and, a few times in a
/// table's life, while it grows.
const SHARDS: usize = 16;

/// What requests are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RateKey {
    /// The client's address; of IPv6 the first 64 bits, because whoever has one address there has them all.
    ClientIp,
    /// A field's value.
    Header(HeaderName),
}

/// What a tenant's keys have used of a limit. Outlives reloads.
#[derive(Debug)]
pub(super) struct KeyTable {
    hasher: RandomState,
    keys_max: AtomicUsize,
    /// Made for the first key: most tenants of a plan are idle most of the time.
    shards: OnceLock<Box<[Mutex<Shard>]>>,
}

impl RateKey {
    /// How it is written in a configuration.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::ClientIp => "client_ip".to_owned(),
            Self::Header(name) => format!("header: {name}"),
        }
    }

    /// A request's key in a table. All requests without one share one; so do those with several, so that no client
    /// makes itself a new key by adding a line.
    fn hash(&self, hasher: &RandomState, client: IpAddr, fields: &HeaderMap) -> u64 {
        let hash = match self {
            Self::ClientIp => match client {
                IpAddr::V4(ip) => hasher.hash_one((0_u8, ip.to_bits())),
                IpAddr::V6(ip) => hasher.hash_one((1_u8, (ip.to_bits() >> 64) as u64)),
            },
            Self::Header(name) => {
                let mut lines = fields.get_all(name).iter();
                match (lines.next(), lines.next()) {
                    (Some(only), None) if !only.is_empty() => hasher.hash_one((2_u8, only.as_bytes())),
                    _ => hasher.hash_one(3_u8),
                }
            }
        };
        // 0 is no key.
        hash.max(1)
    }
}

impl KeyTable {
    /// For so many keys at most.
    pub(super) fn new(keys_max: usize) -> Self {
        Self { hasher: RandomState::new(), keys_max: AtomicUsize::new(keys_max), shards: OnceLock::new() }
    }

    /// Goes on with so many keys at most.
    pub(super) fn set_keys_max(&self, keys_max: usize, now: u64) {
        let before = self.keys_max.swap(keys_max, Ordering::Relaxed);
        if keys_max < before {
            self.each(|shard| shard.shrink(now, keys_max.div_ceil(SHARDS)));
        }
    }

    /// A request's key.
    pub(super) fn key(&self, by: &RateKey, client: IpAddr, fields: &HeaderMap) -> u64 {
        by.hash(&self.hasher, client, fields)
    }

    pub(super) fn charge(&self, key: u64, now: u64, cost: u64, burst: u64) -> KeyCharge {
        let keys_max = self.keys_max.load(Ordering::Relaxed).div_ceil(SHARDS);
        let shards = self.shards.get_or_init(|| (0..SHARDS).map(|_| Mutex::default()).collect());
        match shards.get(key as usize % SHARDS) {
            Some(shard) => locked(shard).charge(key, now, cost, burst, keys_max),
            None => KeyCharge::Refused(0),
        }
    }

    pub(super) fn debt(&self, key: u64, now: u64) -> u64 {
        self.shard(key).map_or(0, |shard| shard.debt(key, now))
    }

    pub(super) fn refund(&self, key: u64, now: u64, cost: u64) -> u64 {
        self.shard(key).map_or(0, |mut shard| shard.refund(key, now, cost))
    }

    /// Keys that have something in use. Walks them all.
    pub(super) fn keys_in_use(&self, now: u64) -> usize {
        let mut keys = 0;
        self.each(|shard| keys += shard.keys_in_use(now));
        keys
    }

    /// Whether nothing is in use at that moment, so that forgetting the table changes nothing. Walks all keys.
    pub(super) fn is_rested(&self, now: u64) -> bool {
        let mut rested = true;
        self.each(|shard| rested &= shard.is_rested(now));
        rested
    }

    fn shard(&self, key: u64) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get()?.get(key as usize % SHARDS).map(locked)
    }

    fn each(&self, mut visit: impl FnMut(&mut Shard)) {
        self.shards.get().into_iter().flatten().for_each(|shard| visit(&mut locked(shard)));
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Nothing under this lock panics; if it did, a cell would be as it was or charged, never broken.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
