//! What becomes of a lookup's answer: remembered, unless something has changed since it was asked, and told to all who wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::TenantCache;
use super::entry::Entry;
use super::flight::{Flight, Outcome};
use super::hosts::Hosts;
use super::keys::has_ended;
use super::source::{Kept, Key, SourceFault};
use crate::admission::quota::Holdings;

/// How long the source is left alone by refreshing after it had no answer.
const REST_NS: u64 = 1_000_000_000;

/// What becomes of a lookup's answer, on whatever thread it comes; one that never comes is a fault.
pub(super) struct Landing {
    cache: Arc<TenantCache>,
    key: Key,
    flight: Arc<Flight>,
    began: Instant,
    has_landed: bool,
}

impl Landing {
    pub(super) fn new(cache: Arc<TenantCache>, key: Key, flight: Arc<Flight>) -> Self {
        Self { cache, key, flight, began: Instant::now(), has_landed: false }
    }

    pub(super) fn land(mut self, answer: Result<Option<Kept>, SourceFault>) {
        let Self { cache, key, flight, began, .. } = &self;
        cache.meter.loaded(began.elapsed());
        let outcome = match answer {
            Ok(found) => match cache.take_in(key, found, flight.began) {
                Some((entry, holdings)) => Outcome::Found(entry, holdings.into()),
                None => Outcome::Nobody,
            },
            Err(fault) => cache.fault(fault),
        };
        cache.flights.land(key, flight, outcome);
        self.has_landed = true;
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.has_landed {
            let outcome = self.cache.fault(SourceFault::Failed);
            self.cache.flights.land(&self.key, &self.flight, outcome);
        }
    }
}

impl TenantCache {
    /// Remembers what a key has found, as was read from the moment `began` on: the tenant, and what it has used.
    pub(super) fn take_in(
        &self,
        key: &Key,
        found: Option<Kept>,
        began: u64,
    ) -> Option<(Arc<Entry>, Vec<Holdings>)> {
        let found = found.filter(|kept| !has_ended(kept.key_expires_ms, self.clock.unix_ms()));
        let Some(Kept { record, holdings, key_expires_ms }) = found else {
            self.remember_nobody(key, began);
            return None;
        };
        let entry = Arc::new(Entry::new(record));
        let entry = match key {
            Key::ApiKey(hash) => self.remember_owner(hash, entry, key_expires_ms, began),
            Key::Id(_) | Key::Host(_) => self.remember(key, entry, began),
        };
        Some((entry, holdings))
    }

    fn remember(&self, key: &Key, entry: Arc<Entry>, began: u64) -> Arc<Entry> {
        let Some(entry) = self.keep(key, &entry, began) else { return entry };
        if let Key::Host(host) = key
            && !Hosts::has_place_for(&entry, host)
        {
            self.aliases.note(host, &entry.record.id, began);
        }
        entry
    }

    /// Keeps a tenant that a key has found, or the one that is here already and the same; none if anything of it may have changed
    /// since it was read. Which tenant a key finds is known only then, so it is asked of the tenant, too.
    pub(super) fn keep(&self, key: &Key, entry: &Arc<Entry>, began: u64) -> Option<Arc<Entry>> {
        let id = &entry.record.id;
        let has_changed = || self.changes.since(key, began) || self.changes.of_id_since(id, began);
        if has_changed() {
            return None;
        }
        let now_ns = self.clock.now_ns();
        if let Some(known) = self.entry(id.as_str()).filter(|known| known.record == entry.record) {
            known.settle(now_ns);
            self.hosts.enter(&known);
            if !self.entries.contains_key(id) {
                // It was evicted meanwhile, and may have left before it was entered.
                self.hosts.leave(&known);
            }
            return Some(known);
        }
        // Before it is there, so that it is entered when it leaves. Whoever it takes the place of leaves then.
        self.hosts.enter(entry);
        self.entries.insert(id.clone(), Arc::clone(entry));
        if has_changed() {
            // Whoever said so may have looked here before it was.
            self.entries.invalidate(id);
            return None;
        }
        entry.settle(now_ns);
        Some(Arc::clone(entry))
    }

    /// Remembers that a key finds nobody, as was read from the moment `began` on.
    fn remember_nobody(&self, key: &Key, began: u64) {
        let now_ns = self.clock.now_ns();
        // What was here is gone. What is noted is believed only while nothing has changed since.
        match key {
            Key::Id(id) => {
                self.entries.invalidate(id);
                self.absent_ids.note(id.as_str().into(), now_ns, began);
            }
            Key::Host(host) => {
                self.hosts.remove(host);
                self.absent_hosts.note(host.clone(), now_ns, began);
            }
            Key::ApiKey(hash) => {
                self.keys.forget(hash);
                self.keys.absent.note(*hash, now_ns, began);
            }
        }
    }

    fn fault(&self, fault: SourceFault) -> Outcome {
        self.rests_until_ns.store(self.clock.now_ns().saturating_add(REST_NS), Ordering::Relaxed);
        Outcome::Fault(fault)
    }
}
