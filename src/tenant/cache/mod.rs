//! Tenants that the configuration doesn't have: looked up where they are kept when they are asked for, and remembered.
//!
//! ```text
//! by_id, by_host, by_key ──> entries (moka: as many tenants as may)                  hosts: exact domains of these
//!        │               │ fresh │ old: served, and looked up again beside it        aliases: hosts below wildcards
//!        │               └───────┘                                                   keys: API keys of these
//!        │                                                                           absent: what finds nobody
//!        └─ not here ──> at once, where the source can tell; else load: one flight a key ──> Source (the store)
//! ```
//!
//! - **Bounded** by tenants. What clients can make up, hosts and API keys that are nobody's or hosts below a wildcard, has memories of its own.
//! - **Believed** for `ttl` after the source was last known to say so: what it said, or [`TenantCache::confirm`] that nothing has
//!   changed since. Then, for `stale_while_revalidate`, it is served while it is looked up again; beyond that, it is waited for.
//!   While the source has no answer, what was known is served however old it is.
//! - **Changed** by [`TenantCache::forget`] and [`TenantCache::forget_keys`]: when they return, no request that comes later is served as before ([`changes`]).
//! - **Evicted** is the tenant, not its account: see [`super::Accounts`].

mod absent;
mod changes;
mod entry;
mod flight;
mod hosts;
mod keys;
mod landing;
mod source;
#[cfg(test)]
mod tests;
mod texts;
mod turns;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use moka::notification::RemovalCause;
use moka::sync::Cache;

use self::absent::{Absent, Aliases};
use self::changes::Changes;
use self::entry::Entry;
use self::flight::{Flight, Flights, Outcome};
use self::hosts::Hosts;
use self::keys::Keys;
use self::landing::Landing;
pub use self::source::{Answer, Cast, Kept, Key, Record, Source, SourceFault};
pub use self::texts::Texts;
use self::turns::Turns;
use super::{Accounts, Tenant};
use crate::telemetry::{CacheMeter, CacheReading};
use crate::time::Clock;
use crate::types::{KeyHash, TenantId};

/// `tenancy.cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTerms {
    /// Tenants, at most. Only the first terms' counts: a cache does not change its size.
    pub capacity: u64,
    /// For how long a tenant is believed to be as it was.
    pub ttl: Duration,
    /// For how long it is believed that there is none.
    pub negative_ttl: Duration,
    /// For how long after `ttl` it is served while it is looked up again.
    pub stale_while_revalidate: Duration,
}

/// What a lookup comes to at once.
#[derive(Debug)]
pub enum Lookup {
    /// The tenant.
    Found(Arc<Tenant>),
    /// There is none.
    Nobody,
    /// There was none, and the source has no answer now.
    NobodyThen,
    /// Nobody knows here: see [`TenantCache::load`].
    NotHere,
}

/// See the module.
pub struct TenantCache {
    source: Arc<dyn Source>,
    clock: Clock,
    meter: CacheMeter,
    entries: Cache<TenantId, Arc<Entry>>,
    hosts: Arc<Hosts>,
    aliases: Aliases,
    absent_ids: Absent<Box<str>>,
    absent_hosts: Absent<Box<str>>,
    keys: Keys,
    changes: Changes,
    flights: Flights,
    ttl_ns: AtomicU64,
    stale_ns: AtomicU64,
    /// When the source was last known to have told of all its changes.
    confirmed_ns: AtomicU64,
    /// Until when nothing is refreshed.
    rests_until_ns: AtomicU64,
    /// In each, a tenant's first request by a host asks `entries`, which so learns who is in use; the others need not.
    turns: Arc<Turns>,
}

impl TenantCache {
    /// An empty cache over a source. Accounts of tenants that fall out of it leave `accounts`.
    #[must_use]
    pub fn new(
        source: Arc<dyn Source>,
        terms: CacheTerms,
        accounts: &Arc<Accounts>,
        clock: Clock,
        meter: CacheMeter,
    ) -> Arc<Self> {
        let (hosts, turns) = (Arc::<Hosts>::default(), Arc::<Turns>::default());
        let at_evictions = Arc::clone(&turns);
        let (of_evicted, evictions, accounts) = (Arc::clone(&hosts), meter.clone(), Arc::clone(accounts));
        let entries = Cache::builder()
            .max_capacity(terms.capacity)
            .eviction_listener(move |id: Arc<TenantId>, entry: Arc<Entry>, cause| {
                entry.leave();
                of_evicted.leave(&entry);
                if cause == RemovalCause::Replaced {
                    return;
                }
                accounts.leave(&id);
                if cause == RemovalCause::Size {
                    at_evictions.evicted();
                    evictions.evicted();
                }
            })
            .build();
        let cache = Arc::new(Self {
            source,
            clock,
            entries,
            hosts,
            aliases: Aliases::new(terms.capacity),
            absent_ids: Absent::new(),
            absent_hosts: Absent::new(),
            keys: Keys::new(terms.capacity),
            changes: Changes::default(),
            flights: Flights::default(),
            ttl_ns: AtomicU64::new(0),
            stale_ns: AtomicU64::new(0),
            confirmed_ns: AtomicU64::new(0),
            rests_until_ns: AtomicU64::new(0),
            turns,
            meter,
        });
        cache.set_terms(terms);
        let shown: Weak<dyn CacheReading> = Arc::downgrade(&cache) as _;
        cache.meter.show(shown);
        cache
    }

    /// Goes on under these terms, all but the capacity.
    pub fn set_terms(&self, terms: CacheTerms) {
        self.ttl_ns.store(nanos(terms.ttl), Ordering::Relaxed);
        self.stale_ns.store(nanos(terms.stale_while_revalidate), Ordering::Relaxed);
        let negative_ns = nanos(terms.negative_ttl);
        self.absent_ids.set_ttl(negative_ns);
        self.absent_hosts.set_ttl(negative_ns);
        self.keys.absent.set_ttl(negative_ns);
    }

    /// The tenant of an id, under this configuration.
    #[must_use]
    pub fn by_id(self: &Arc<Self>, id: &str, cast: &dyn Cast) -> Lookup {
        if let Some(entry) = self.entry(id) {
            return self.serve_by_id(&entry, cast);
        }
        // No such id can be kept.
        let Ok(id) = TenantId::parse(id) else { return self.absent() };
        let key = Key::Id(id);
        self.nobody(&key).unwrap_or_else(|| self.find_now(&key, cast))
    }

    /// The tenant of a host, under this configuration.
    #[must_use]
    pub fn by_host(self: &Arc<Self>, host: &str, cast: &dyn Cast) -> Lookup {
        if let Some(entry) = self.owner_of_host(host) {
            return self.serve_by_id(&entry, cast);
        }
        let key = Key::Host(host.into());
        self.nobody(&key).unwrap_or_else(|| self.find_now(&key, cast))
    }

    /// The tenant that has an API key, under this configuration.
    #[must_use]
    pub fn by_key(self: &Arc<Self>, hash: &KeyHash, cast: &dyn Cast) -> Lookup {
        if let Some((owner, entry)) = self.owner(hash) {
            if owner.has_ended(self.clock.unix_ms()) {
                return self.absent();
            }
            let loaded_ns = owner.loaded_ns.min(entry.loaded_ns());
            return self.serve(&entry, loaded_ns, || Key::ApiKey(*hash), cast);
        }
        let key = Key::ApiKey(*hash);
        self.nobody(&key).unwrap_or_else(|| self.find_now(&key, cast))
    }

    fn absent(&self) -> Lookup {
        self.meter.hit();
        Lookup::Nobody
    }

    /// Looks a key up where tenants are kept and remembers what it finds, if that is to be had at once.
    fn find_now(&self, key: &Key, cast: &dyn Cast) -> Lookup {
        self.meter.missed();
        let began = self.changes.now();
        let asked = Instant::now();
        let Some(found) = self.source.find_now(key) else { return Lookup::NotHere };
        self.meter.loaded(asked.elapsed());
        match self.take_in(key, found, began) {
            Some((entry, holdings)) => found_in(&entry, cast, &holdings),
            None => Lookup::Nobody,
        }
    }

    fn serve_by_id(self: &Arc<Self>, entry: &Arc<Entry>, cast: &dyn Cast) -> Lookup {
        self.serve(entry, entry.loaded_ns(), || Key::Id(entry.record.id.clone()), cast)
    }

    /// Serves what was said then, and can be asked for again by this key.
    fn serve(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        loaded_ns: u64,
        key: impl FnOnce() -> Key,
        cast: &dyn Cast,
    ) -> Lookup {
        let now_ns = self.clock.now_ns();
        let known_ns = loaded_ns.max(self.confirmed_ns.load(Ordering::Relaxed));
        let age_ns = now_ns.saturating_sub(known_ns);
        let ttl_ns = self.ttl_ns.load(Ordering::Relaxed);
        if age_ns >= ttl_ns {
            let is_over = age_ns >= ttl_ns.saturating_add(self.stale_ns.load(Ordering::Relaxed));
            // While the source is known to have no answer, nobody waits for it who can be served without.
            if is_over && !self.rests(now_ns) {
                return self.find_now(&key(), cast);
            }
            self.meter.stale();
            if !self.rests(now_ns) {
                // Looked up again beside the request that it is served to.
                let _ = self.depart(&key());
            }
        }
        self.meter.hit();
        found_in(entry, cast, &[])
    }

    /// Whether the source has just had no answer.
    fn rests(&self, now_ns: u64) -> bool {
        now_ns < self.rests_until_ns.load(Ordering::Relaxed)
    }

    /// Looks a tenant up where it is kept, and remembers it. Many who ask at the same time share one lookup; each may leave.
    ///
    /// # Errors
    /// The source has no answer, and nothing old stands in for it.
    pub async fn load(
        self: &Arc<Self>,
        key: &Key,
        cast: &dyn Cast,
        patience: Duration,
    ) -> Result<Option<Arc<Tenant>>, SourceFault> {
        let flight = self.depart(key);
        let outcome = tokio::time::timeout(patience, flight.outcome()).await;
        match outcome.unwrap_or(Outcome::Fault(SourceFault::Late)) {
            Outcome::Found(entry, holdings) => Ok(entry.tenant(cast, &holdings)),
            Outcome::Nobody => Ok(None),
            Outcome::Fault(fault) => {
                self.meter.failed();
                let old = self.known(key).ok_or(fault)?;
                self.meter.stale();
                Ok(old.tenant(cast, &[]))
            }
        }
    }

    /// What is known of a key, however old it is.
    fn known(&self, key: &Key) -> Option<Arc<Entry>> {
        match key {
            Key::Id(id) => self.entry(id.as_str()),
            Key::ApiKey(hash) => {
                let (owner, entry) = self.owner(hash)?;
                (!owner.has_ended(self.clock.unix_ms())).then_some(entry)
            }
            Key::Host(host) => self.owner_of_host(host),
        }
    }

    /// The tenant of an id, as others may be served it.
    fn entry(&self, id: &str) -> Option<Arc<Entry>> {
        self.entries.get(id).filter(|entry| entry.is_settled())
    }

    /// Whose host it is, as far as is known.
    fn owner_of_host(&self, host: &str) -> Option<Arc<Entry>> {
        let turn = self.turns.now();
        let owner = self.hosts.get(host).and_then(|entry| {
            if entry.is_in_use(turn) {
                return Some(entry);
            }
            let entry = self.entry(entry.record.id.as_str())?;
            entry.note_use(turn);
            entry.owns(host).then_some(entry)
        });
        owner.or_else(|| {
            let id = self.aliases.get(host, &self.changes)?;
            self.entry(id.as_str()).filter(|entry| entry.covers(host) || entry.owns(host))
        })
    }

    /// The lookup of a key that is under way, or a new one.
    fn depart(self: &Arc<Self>, key: &Key) -> Arc<Flight> {
        let (flight, is_new) = self.flights.join(key, &self.changes);
        if is_new {
            let landing = Landing::new(Arc::clone(self), key.clone(), Arc::clone(&flight));
            self.source.find(key, Box::new(move |answer| landing.land(answer)));
        }
        flight
    }

    /// These tenants are not what they were, nor are these hosts (before and after the change; wildcards with `*.`). When it
    /// returns, no request that comes later finds what was.
    pub fn forget<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a TenantId>,
        hosts: impl IntoIterator<Item = &'a str>,
    ) {
        for host in hosts {
            if host.starts_with('*') {
                self.changes.note_wide();
                continue;
            }
            self.changes.note(host);
            self.hosts.remove(host);
            self.aliases.forget(host);
            self.absent_hosts.forget(host);
        }
        for id in ids {
            self.changes.note(id.as_str());
            self.entries.invalidate(id);
            self.absent_ids.forget(id.as_str());
        }
    }

    /// Anything may have changed.
    pub fn forget_all(&self) {
        self.changes.note_wide();
        self.entries.invalidate_all();
        // What isn't taken out at once is asked for there.
        self.turns.end();
    }

    /// Everything that had changed at the source by then was told to [`forget`](Self::forget): what is here is as
    /// good as new.
    pub fn confirm(&self, at_ns: u64) {
        self.confirmed_ns.fetch_max(at_ns, Ordering::Relaxed);
    }

    /// Whether a tenant is here now, however old. For tests and people.
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        self.entries.contains_key(id)
    }

    /// Carries out what is put off: evictions, above all. For a control task, once a second.
    pub fn tidy(&self) {
        self.turns.tick();
        self.entries.run_pending_tasks();
        self.keys.tidy();
    }
}

fn found_in(entry: &Entry, cast: &dyn Cast, holdings: &[crate::admission::quota::Holdings]) -> Lookup {
    entry.tenant(cast, holdings).map_or(Lookup::Nobody, Lookup::Found)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl CacheReading for TenantCache {
    fn entries(&self) -> u64 {
        self.entries.entry_count()
    }

    fn absent(&self) -> u64 {
        self.absent_ids.len() + self.absent_hosts.len() + self.keys.absent.len()
    }
}

impl fmt::Debug for TenantCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantCache").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}
