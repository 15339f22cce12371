//! What workers note of an endpoint without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use super::TENANTS_MAX;

/// It failed, and has not succeeded since.
const FAILED: u64 = 1;
/// It is ejected.
const EJECTED: u64 = 1 << 1;
/// As many tenants have been seen as are told apart.
const MANY: u64 = 1 << 2;
/// Successes are counted.
const COUNTING: u64 = 1 << 3;
/// It would be ejected, but for those that are already.
const AILING: u64 = 1 << 4;

/// One endpoint's notes of the current window.
#[derive(Debug, Default)]
pub(super) struct Tally {
    state: AtomicU64,
    successes: AtomicU64,
    /// Hashes of tenants that had a request here; 0 is nobody.
    seen: [AtomicU64; TENANTS_MAX],
}

impl Tally {
    pub(super) fn is_ejected(&self) -> bool {
        self.state.load(Ordering::Relaxed) & EJECTED != 0
    }

    pub(super) fn is_ailing(&self) -> bool {
        self.state.load(Ordering::Relaxed) & AILING != 0
    }

    /// A request went well; whether it was ailing. On an endpoint that many tenants use and that has not failed, and
    /// without a count for success rates, this is one load.
    pub(super) fn succeed(&self, tenant: u64) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        if state & COUNTING != 0 {
            self.successes.fetch_add(1, Ordering::Relaxed);
        }
        if state & MANY == 0 {
            self.see(tenant);
        }
        if state & (FAILED | AILING) == 0 {
            return false;
        }
        self.state.fetch_and(!(FAILED | AILING), Ordering::AcqRel) & AILING != 0
    }

    /// Whatever failed before has nothing to do with what fails from now on.
    pub(super) fn forgive(&self) {
        self.set(FAILED, false);
    }

    /// A request failed; whether none has gone well since the last that did.
    pub(super) fn fail(&self, tenant: u64) -> bool {
        self.see(tenant);
        self.state.fetch_or(FAILED, Ordering::AcqRel) & FAILED != 0
    }

    pub(super) fn set_ejected(&self, ejected: bool) {
        self.set(EJECTED, ejected);
        self.state.fetch_and(!(FAILED | AILING), Ordering::AcqRel);
        self.successes.store(0, Ordering::Relaxed);
    }

    pub(super) fn set_ailing(&self) {
        self.set_ejected(false);
        self.set(AILING, true);
    }

    pub(super) fn set_counting(&self, counting: bool) {
        self.set(COUNTING, counting);
    }

    pub(super) fn successes(&self) -> u64 {
        self.successes.load(Ordering::Relaxed)
    }

    pub(super) fn seen(&self) -> [u64; TENANTS_MAX] {
        self.seen.each_ref().map(|tenant| tenant.load(Ordering::Relaxed))
    }

    /// Begins another window.
    pub(super) fn begin(&self) {
        self.successes.store(0, Ordering::Relaxed);
        self.seen.iter().for_each(|tenant| tenant.store(0, Ordering::Relaxed));
        self.set(MANY, false);
    }

    fn see(&self, tenant: u64) {
        for place in &self.seen {
            let there = match place.load(Ordering::Relaxed) {
                0 => place.compare_exchange(0, tenant, Ordering::Relaxed, Ordering::Relaxed),
                there => Err(there),
            };
            match there {
                Ok(_) => return,
                Err(there) if there == tenant => return,
                Err(_) => {}
            }
        }
        self.set(MANY, true);
    }

    fn set(&self, flag: u64, raised: bool) {
        match raised {
            true => self.state.fetch_or(flag, Ordering::AcqRel),
            false => self.state.fetch_and(!flag, Ordering::AcqRel),
        };
    }
}
