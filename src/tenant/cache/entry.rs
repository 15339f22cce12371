//! A tenant in the cache: as it is kept, and as it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::source::{Cast, Record};
use crate::admission::quota::Holdings;
use crate::tenant::Tenant;

/// What an entry is to those who come by it.
const READ: u8 = 0;
const SETTLED: u8 = 1;
const GONE: u8 = 2;

/// Cast anew, on the thread that asks, when the configuration has changed since: a reload with a hundred thousand
/// cached tenants costs each of them a few microseconds at its next request, and nothing at once.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Record,
    /// When the source said so.
    loaded_ns: AtomicU64,
    /// [`READ`] by somebody; [`SETTLED`] when that is certain to be the last that the source has said; [`GONE`] from the cache.
    state: AtomicU8,
    /// The turn in which the cache was last told that this one is used, plus one: see [`super::turns`].
    used: AtomicU32,
    tenant: ArcSwapOption<Tenant>,
    /// The configuration that it doesn't fit, by its number plus one.
    unfit: AtomicU64,
}

impl Entry {
    /// What somebody has read; nobody else is served it before it is [settled](Self::settle).
    pub(super) fn new(record: Record) -> Self {
        Self {
            record,
            loaded_ns: AtomicU64::new(0),
            state: AtomicU8::new(READ),
            used: AtomicU32::new(0),
            tenant: ArcSwapOption::empty(),
            unfit: AtomicU64::new(0),
        }
    }

    /// The tenant under this configuration, if it fits it.
    pub(super) fn tenant(&self, cast: &dyn Cast, holdings: &[Holdings]) -> Option<Arc<Tenant>> {
        let number = cast.number();
        if let Some(tenant) = self.tenant.load().as_ref().filter(|tenant| tenant.mold == number) {
            return Some(Arc::clone(tenant));
        }
        if self.unfit.load(Ordering::Relaxed) == u64::from(number) + 1 {
            return None;
        }
        let Some(tenant) = cast.cast(&self.record, holdings) else {
            self.unfit.store(u64::from(number) + 1, Ordering::Relaxed);
            return None;
        };
        let tenant = Arc::new(tenant);
        // A request that began before a reload may come after one that began behind it.
        let newer = |known: &Arc<Tenant>| known.mold > number;
        if !self.tenant.load().as_ref().is_some_and(newer) {
            self.tenant.store(Some(Arc::clone(&tenant)));
        }
        Some(tenant)
    }

    pub(super) fn loaded_ns(&self) -> u64 {
        self.loaded_ns.load(Ordering::Relaxed)
    }

    /// The source has said so, or the same again, and nothing has changed since.
    pub(super) fn settle(&self, at_ns: u64) {
        self.loaded_ns.store(at_ns, Ordering::Relaxed);
        // One that is gone stays gone.
        let _ = self.state.compare_exchange(READ, SETTLED, Ordering::SeqCst, Ordering::SeqCst);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.state.load(Ordering::SeqCst) == SETTLED
    }

    /// It is not in the cache any more, or another one is in its place.
    pub(super) fn leave(&self) {
        self.state.store(GONE, Ordering::SeqCst);
    }

    /// Whether it is in the cache, and the cache has been told in this turn that it is used.
    pub(super) fn is_in_use(&self, turn: u32) -> bool {
        self.used.load(Ordering::Relaxed) == turn + 1 && self.is_settled()
    }

    /// The cache has been told in this turn that it is used.
    pub(super) fn note_use(&self, turn: u32) {
        self.used.store(turn + 1, Ordering::Relaxed);
    }

    /// Whether the host is an exact domain of it.
    pub(super) fn owns(&self, host: &str) -> bool {
        self.record.texts.has(host)
    }

    /// Whether a wildcard of it is above the host.
    pub(super) fn covers(&self, host: &str) -> bool {
        self.record.texts.domains().any(|domain| {
            domain.strip_prefix('*').is_some_and(|below| host.len() > below.len() && host.ends_with(below))
        })
    }

    /// Its exact domains.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.placed_hosts().map(|(_, host)| host)
    }

    /// Its exact domains, and where each begins among its texts.
    pub(super) fn placed_hosts(&self) -> impl Iterator<Item = (u32, &str)> {
        self.record.texts.placed().filter(|(_, domain)| !domain.starts_with('*'))
    }
}
