//! Which tenants have series of their own, and how one that loses them loses no count.
//!
//! At most `bound` tenants do. The rest record into one shared series, `_other`. Requests may be recorded into a series at the
//! very moment that its tenant loses it:
//!
//! 1. Its meter's handle is swapped to `_other`. Whoever loads the handle from now on counts there.
//! 2. The old series *retires*: it is read as part of `_other`, so no sum goes backwards. `ArcSwap::swap`
//!    turns every borrow that a recorder still has into a counted reference.
//! 3. Once only the places hold it, nobody can record into it any more: its counts are *folded* into `_other` for good,
//!    and it is freed.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Metered, TenantMeter};
use crate::telemetry::series::Series;
use crate::telemetry::stripe::StripedSum;

/// See the module. What all meters share without knowing each other.
#[derive(Debug)]
pub(super) struct Places {
    /// The series of all tenants that have none of their own.
    pub(super) other: Arc<Series>,
    /// Requests in flight of all tenants.
    pub(super) in_flight: StripedSum,
    taken: Mutex<Taken>,
}

/// What is changed under one lock. Recorders don't take it, but for a tenant's very first request, which only tries.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) bound: usize,
    pub(super) named: Vec<Arc<dyn Metered>>,
    pub(super) retiring: Vec<Arc<Series>>,
}

impl Places {
    pub(super) fn new(bound: usize) -> Self {
        let taken = Taken { bound, named: Vec::new(), retiring: Vec::new() };
        let other = Arc::new(Series::shared());
        Self { other, in_flight: StripedSum::default(), taken: Mutex::new(taken) }
    }

    pub(super) fn taken(&self) -> MutexGuard<'_, Taken> {
        // A panic under this lock leaves counts behind, never a broken structure.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tenant's first request for some time: it has series of its own if there is room. Waits for nothing.
    pub(super) fn claim<M: Metered + 'static>(&self, tenant: &Arc<M>) {
        if !tenant.meter().is_shared() {
            return;
        }
        let Ok(mut taken) = self.taken.try_lock() else { return };
        if taken.named.len() < taken.bound {
            self.promote(&mut taken, &(Arc::clone(tenant) as Arc<dyn Metered>));
        }
    }

    /// Gives a tenant series of its own; whether it has come by them so.
    pub(super) fn promote(&self, taken: &mut Taken, tenant: &Arc<dyn Metered>) -> bool {
        let meter = tenant.meter();
        // It may be gone since it was ranked, or have come by its series another way.
        if meter.is_gone() || !meter.is_shared() {
            return false;
        }
        meter.series.store(Arc::new(Series::own()));
        taken.named.push(Arc::clone(tenant));
        // Who forgets it says so first, and looks for its series then: one of us sees what the other has done.
        fence(Ordering::SeqCst);
        if meter.is_gone() {
            self.forget_named(taken, meter);
            return false;
        }
        true
    }

    /// A tenant is gone; what it counted stays in `_other`.
    pub(super) fn forget(&self, meter: &TenantMeter) {
        meter.gone.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        // Most have no series of their own, and the lock is one for all.
        if !meter.is_shared() {
            self.forget_named(&mut self.taken(), meter);
        }
    }

    fn forget_named(&self, taken: &mut Taken, meter: &TenantMeter) {
        let at = taken.named.iter().position(|named| std::ptr::eq(named.meter(), meter));
        let gone = at.map(|at| taken.named.swap_remove(at));
        self.retire(taken, gone.as_slice());
    }

    /// These are not among the named any more: what they have counted so far goes on in `_other`.
    pub(super) fn retire(&self, taken: &mut Taken, tenants: &[Arc<dyn Metered>]) {
        for tenant in tenants {
            taken.retiring.push(tenant.meter().series.swap(Arc::clone(&self.other)));
        }
        self.settle(taken);
    }

    /// Folds the retired series that nobody records into any more.
    pub(super) fn settle(&self, taken: &mut Taken) {
        for series in std::mem::take(&mut taken.retiring) {
            match Arc::try_unwrap(series) {
                Ok(series) => self.other.fold(&series.read()),
                Err(series) => taken.retiring.push(series),
            }
        }
    }
}
