//! A tenant in the cache: as it is kept, and as it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::source::{Cast, Record};
use crate::admission::quota::Holdings;
use crate::tenant::Tenant;

/// Cast anew, on the thread that asks, when the configuration has changed since: a reload with a hundred thousand
/// cached tenants costs each of them a few microseconds at its next request, and nothing at once.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Record,
    /// When the source said so.
    loaded_ns: AtomicU64,
    tenant: ArcSwapOption<Tenant>,
    /// The configuration that it doesn't fit, by its number plus one.
    unfit: AtomicU64,
}

impl Entry {
    pub(super) fn new(record: Record, now_ns: u64) -> Self {
        Self {
            record,
            loaded_ns: AtomicU64::new(now_ns),
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
        if self.unfit.load(Ordering::Relaxed) == number + 1 {
            return None;
        }
        let Some(tenant) = cast.cast(&self.record, holdings) else {
            self.unfit.store(number + 1, Ordering::Relaxed);
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

    /// The source has said the same again.
    pub(super) fn renew(&self, now_ns: u64) {
        self.loaded_ns.store(now_ns, Ordering::Relaxed);
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
