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
    /// Remembers what a key has found, as was read when its number of changes was `began`: the tenant, and what it has used.
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
        let entry = Arc::new(Entry::new(record, self.clock.now_ns()));
        let entry = match key {
            Key::ApiKey(hash) => self.remember_owner(hash, entry, key_expires_ms, began),
            Key::Id(_) | Key::Host(_) => self.remember(key, entry, began),
        };
        Some((entry, holdings))
    }

    fn remember(&self, key: &Key, entry: Arc<Entry>, began: u64) -> Arc<Entry> {
        let entry = self.keep(entry);
        let id = &entry.record.id;
        if let Key::Host(host) = key
            && !Hosts::has_place_for(&entry, host)
        {
            self.aliases.note(host, id, self.changes.wide());
        }
        if self.changes.of(key) != began {
            // It changed after it was read, and whoever said so may have looked here before it was.
            self.forget([id], []);
            if let Key::Host(host) = key {
                self.aliases.forget(host);
            }
        }
        entry
    }

    /// Keeps a tenant, or the one that is here already and the same.
    pub(super) fn keep(&self, entry: Arc<Entry>) -> Arc<Entry> {
        let id = &entry.record.id;
        let same = self.entries.get(id).filter(|known| known.record == entry.record);
        if let Some(known) = &same {
            known.renew(entry.loaded_ns());
            self.hosts.enter(known);
            if !self.entries.contains_key(id) {
                // It was evicted meanwhile, and may have left before it was entered.
                self.hosts.leave(known);
            }
        } else {
            // Before it is there, so that it is entered when it leaves. Whoever it takes the place of leaves then.
            self.hosts.enter(&entry);
            self.entries.insert(id.clone(), Arc::clone(&entry));
        }
        same.unwrap_or(entry)
    }

    /// Remembers that a key finds nobody, likewise.
    fn remember_nobody(&self, key: &Key, began: u64) {
        // What was here is gone.
        let (absent, text) = match key {
            Key::Id(id) => {
                self.entries.invalidate(id);
                (&self.absent_ids, id.as_str())
            }
            Key::Host(host) => {
                self.hosts.remove(host);
                (&self.absent_hosts, &**host)
            }
            Key::ApiKey(hash) => return self.remember_no_owner(hash, began),
        };
        absent.note(text.into(), self.clock.now_ns(), self.changes.wide());
        if self.changes.of(key) != began {
            absent.forget(text);
        }
    }

    fn fault(&self, fault: SourceFault) -> Outcome {
        self.rests_until_ns.store(self.clock.now_ns().saturating_add(REST_NS), Ordering::Relaxed);
        Outcome::Fault(fault)
    }
}
