//! All tenants' meters, and which of them have series of their own.
//!
//! At most `bound` tenants do: the first that come, then the busiest. The rest record into one
//! shared series, `_other`. A tenant that loses its series must lose no count, although requests may be
//! recording into it at that very moment:
//!
//! 1. Its meter's handle is swapped to `_other`. Whoever loads the handle from now on counts there.
//! 2. The old series *retires*: it is read as part of `_other`, so no sum goes backwards. `ArcSwap::swap`
//!    turns every borrow that a recorder still has into a counted reference.
//! 3. Once the table holds the only reference, nobody can record into it any more: its
//!    counts are *folded* into `_other` for good, and it is freed.
//!
//! Locks: `slots` before a shard. Recorders take neither, but for a tenant's very first request,
//! which only tries.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use prometheus::proto::MetricFamily;

use super::{LimitNames, LimitSlot, Shared, TenantMeter};
use crate::telemetry::families::{self, Family, Source};
use crate::telemetry::histogram::LATENCY;
use crate::telemetry::quotas::QuotaGauge;
use crate::telemetry::reasons::REASONS;
use crate::telemetry::series::{CLASSES, Series, SeriesReading};
use crate::telemetry::stripe::StripedSum;
use crate::types::TenantId;

/// The label of requests that no tenant was found for.
const UNKNOWN: &str = "_unknown";

// So many that walking one shard of a million meters holds up nobody for longer than a millisecond.
const SHARDS: usize = 64;

/// How much busier than the least busy tenant with series another must be to take its place.
const HYSTERESIS: f64 = 2.0;

type Shard = HashMap<TenantId, Arc<TenantMeter>>;

/// See the module.
#[derive(Debug)]
pub(in crate::telemetry) struct TenantTable {
    shared: Arc<Shared>,
    unknown: Arc<TenantMeter>,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    slots: Mutex<Slots>,
    limits: LimitNames,
}

#[derive(Debug)]
struct Slots {
    bound: usize,
    named: Vec<Arc<TenantMeter>>,
    retiring: Vec<Arc<Series>>,
}

/// One value of `tenant` as it stood at one moment.
struct Reading {
    label: Option<TenantId>,
    name: &'static str,
    in_flight: u64,
    series: SeriesReading,
    quotas: Vec<Arc<dyn QuotaGauge>>,
}

impl TenantTable {
    /// The label of the tenants without series of their own. No id begins with `_`.
    pub(in crate::telemetry) const OTHER: &str = "_other";

    /// Says of each tenant which label it is shown under. Those that are only waiting yet get series of their own here, as
    /// far as there is room.
    pub(in crate::telemetry) fn labels<T>(&self, tenants: Vec<(TenantId, T)>) -> Vec<(String, T)> {
        let mut slots = locked(&self.slots);
        let known: HashSet<TenantId> = slots.named.iter().filter_map(|meter| meter.id.clone()).collect();
        let label = |(id, of): (TenantId, T)| {
            let meter = self.shard_of(&id).and_then(|shard| locked(shard).get(&id).cloned());
            let promoted = !known.contains(&id)
                && slots.named.len() < slots.bound
                && meter.is_some_and(|meter| self.promote(&mut slots, &meter));
            let own = promoted || known.contains(&id);
            (if own { id.as_str() } else { Self::OTHER }.to_owned(), of)
        };
        tenants.into_iter().map(label).collect()
    }

    pub(in crate::telemetry) fn new(bound: usize) -> Self {
        let shared = Arc::new(Shared { other: Arc::new(Series::shared()), in_flight: StripedSum::default() });
        let unknown = TenantMeter::new(None, Arc::new(Series::shared()), Arc::clone(&shared), Weak::new());
        Self {
            shared,
            unknown: Arc::new(unknown),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            slots: Mutex::new(Slots { bound, named: Vec::new(), retiring: Vec::new() }),
            limits: LimitNames::default(),
        }
    }

    /// The meter of requests without a tenant.
    pub(in crate::telemetry) fn unknown(&self) -> &Arc<TenantMeter> {
        &self.unknown
    }

    /// Where the counts of a limit of this name stand.
    pub(in crate::telemetry) fn limit(&self, name: &str) -> LimitSlot {
        self.limits.slot(name)
    }

    /// The one meter of a tenant, made where there is none.
    pub(in crate::telemetry) fn meter(self: &Arc<Self>, id: &TenantId) -> Arc<TenantMeter> {
        let make = || {
            let (shared, other) = (Arc::clone(&self.shared), Arc::clone(&self.shared.other));
            Arc::new(TenantMeter::new(Some(id.clone()), other, shared, Arc::downgrade(self)))
        };
        match self.shard_of(id) {
            Some(shard) => Arc::clone(locked(shard).entry(id.clone()).or_insert_with(make)),
            None => make(),
        }
    }

    /// Forgets the meters of tenants that are gone; what they counted stays in `_other`.
    pub(in crate::telemetry) fn retain(&self, keep: impl Fn(&TenantId) -> bool) {
        for shard in &self.shards {
            locked(shard).retain(|id, _| keep(id));
        }
        // After the shards: a claim that still found its meter there has its slot by now.
        let mut slots = locked(&self.slots);
        let (kept, gone) = std::mem::take(&mut slots.named)
            .into_iter()
            .partition(|meter| meter.id.as_ref().is_some_and(&keep));
        slots.named = kept;
        self.retire(&mut slots, gone);
    }

    /// Forgets one tenant's meter; what it counted stays in `_other`.
    pub(in crate::telemetry) fn forget(&self, id: &TenantId) {
        let gone = self.shard_of(id).and_then(|shard| locked(shard).remove(id));
        // Most have no series of their own, and `slots` is one lock for all.
        let Some(gone) = gone.filter(|meter| !meter.series.load().is_shared()) else { return };
        let mut slots = locked(&self.slots);
        slots.named.retain(|meter| !Arc::ptr_eq(meter, &gone));
        self.retire(&mut slots, vec![gone]);
    }

    /// Changes how many tenants have series of their own; the least busy lose theirs.
    pub(in crate::telemetry) fn set_bound(&self, bound: usize) {
        let mut slots = locked(&self.slots);
        slots.bound = bound;
        slots.named.sort_unstable_by(|a, b| busier_first(a.rate(), b.rate()));
        let kept = bound.min(slots.named.len());
        let gone = slots.named.split_off(kept);
        self.retire(&mut slots, gone);
    }

    /// Gives the series to the busiest tenants. Walks all meters: for a control task, twice a minute.
    pub(in crate::telemetry) fn rebalance(&self) {
        let mut rivals = self.rank_all();
        let mut slots = locked(&self.slots);
        self.settle(&mut slots);
        rivals.sort_unstable_by(|a, b| busier_first(a.0, b.0));
        rivals.truncate(slots.bound);
        let mut rivals = rivals.into_iter().peekable();
        while slots.named.len() < slots.bound
            && let Some((_, rival)) = rivals.next()
        {
            self.promote(&mut slots, &rival);
        }
        let mut named = std::mem::take(&mut slots.named);
        named.sort_unstable_by(|a, b| busier_first(a.rate(), b.rate()));
        let mut displaced = Vec::new();
        while let Some((rate, rival)) = rivals.next()
            && let Some(least) = named.pop()
        {
            if rate <= least.rate() * HYSTERESIS + 1.0 {
                named.push(least);
                break;
            }
            displaced.push(least);
            self.promote(&mut slots, &rival);
        }
        slots.named.append(&mut named);
        self.retire(&mut slots, displaced);
    }

    /// A tenant's first request: it has series of its own if there is room. Waits for nothing.
    pub(super) fn claim(&self, meter: &TenantMeter) {
        let (Some(id), Ok(mut slots)) = (&meter.id, self.slots.try_lock()) else { return };
        if slots.named.len() >= slots.bound {
            return;
        }
        let known = self.shard_of(id).and_then(|shard| shard.try_lock().ok()?.get(id).cloned());
        // A rebalancing may have been faster, and a tenant that is gone must get no series.
        if let Some(known) = known.filter(|known| std::ptr::eq(Arc::as_ptr(known), meter))
            && meter.series.load().is_shared()
        {
            meter.series.store(Arc::new(Series::own()));
            slots.named.push(known);
        }
    }

    fn rank_all(&self) -> Vec<(f64, Arc<TenantMeter>)> {
        let mut rivals = Vec::new();
        for shard in &self.shards {
            for meter in locked(shard).values() {
                let rate = meter.rank();
                if rate > 0.0 && meter.series.load().is_shared() {
                    rivals.push((rate, Arc::clone(meter)));
                }
            }
        }
        rivals
    }

    /// Gives a tenant series of its own; whether it has come by them so.
    fn promote(&self, slots: &mut Slots, meter: &Arc<TenantMeter>) -> bool {
        let Some(id) = &meter.id else { return false };
        // It may be gone since it was ranked, or have come by its series another way.
        let known = self
            .shard_of(id)
            .is_some_and(|shard| locked(shard).get(id).is_some_and(|known| Arc::ptr_eq(known, meter)));
        let promoted = known && meter.series.load().is_shared();
        if promoted {
            meter.series.store(Arc::new(Series::own()));
            slots.named.push(Arc::clone(meter));
        }
        promoted
    }

    fn retire(&self, slots: &mut Slots, meters: Vec<Arc<TenantMeter>>) {
        for meter in meters {
            slots.retiring.push(meter.series.swap(Arc::clone(&self.shared.other)));
        }
        self.settle(slots);
    }

    /// Folds the retired series that nobody records into any more.
    fn settle(&self, slots: &mut Slots) {
        for series in std::mem::take(&mut slots.retiring) {
            match Arc::try_unwrap(series) {
                Ok(series) => self.shared.other.fold(&series.read()),
                Err(series) => slots.retiring.push(series),
            }
        }
    }

    fn read(&self) -> Vec<Reading> {
        let mut slots = locked(&self.slots);
        self.settle(&mut slots);
        // In flight first and in one go, for `_other` is what the total leaves: the longer this
        // takes, the more requests come and go between its parts.
        let in_flight: Vec<u64> = slots.named.iter().map(|meter| meter.in_flight()).collect();
        let unknown_in_flight = self.unknown.in_flight();
        let total = u64::try_from(self.shared.in_flight.sum()).unwrap_or(0);
        let accounted = in_flight.iter().sum::<u64>() + unknown_in_flight;

        let named = slots.named.iter().zip(in_flight);
        let mut readings: Vec<Reading> = named
            .map(|(meter, in_flight)| Reading {
                label: meter.id.clone(),
                name: UNKNOWN,
                in_flight,
                series: meter.series.load().read(),
                quotas: meter.quotas(),
            })
            .collect();
        let mut other = self.shared.other.read();
        for series in &slots.retiring {
            series.read_into(&mut other);
        }
        let in_flight = total.saturating_sub(accounted);
        // Shares of different limits can't be added up.
        readings.push(Reading {
            label: None,
            name: Self::OTHER,
            in_flight,
            series: other,
            quotas: Vec::new(),
        });
        readings.push(Reading {
            label: None,
            name: UNKNOWN,
            in_flight: unknown_in_flight,
            series: self.unknown.series.load().read(),
            quotas: Vec::new(),
        });
        readings
    }

    #[cfg(test)]
    pub(super) fn nothing_retires(&self) -> bool {
        locked(&self.slots).retiring.is_empty()
    }

    fn shard_of(&self, id: &TenantId) -> Option<&Mutex<Shard>> {
        self.shards.get(self.hasher.hash_one(id) as usize % SHARDS)
    }
}

impl Reading {
    fn label(&self) -> &str {
        self.label.as_ref().map_or(self.name, TenantId::as_str)
    }
}

impl Source for TenantTable {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 10] = [
            &families::REQUESTS,
            &families::QUEUE_WAIT,
            &families::REQUEST_DURATION,
            &families::REJECTED,
            &families::SHADOW_REJECTED,
            &families::IN_FLIGHT,
            &families::REQUEST_BYTES,
            &families::RESPONSE_BYTES,
            &families::QUOTA_USED_RATIO,
            &families::QUOTA_SOFT_EXCEEDED,
        ];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let readings = self.read();
        let (mut requests, mut rejected, mut shadow_rejected) = (Vec::new(), Vec::new(), Vec::new());
        let limits = self.limits.all();
        let (mut durations, mut in_flight, mut waits) = (Vec::new(), Vec::new(), Vec::new());
        let (mut request_bytes, mut response_bytes) = (Vec::new(), Vec::new());
        let (mut quotas_used, mut quotas_soft) = (Vec::new(), Vec::new());
        for reading in &readings {
            let (label, series) = (reading.label(), &reading.series);
            // All classes from the start: a rate can't see the step from no series to 1.
            for (class, count) in CLASSES.iter().zip(series.classes) {
                requests.push(families::REQUESTS.value(&[label, class], count as f64));
            }
            for (reason, count) in REASONS.iter().zip(series.rejected).filter(|(_, count)| *count > 0) {
                rejected.push(families::REJECTED.value(&[label, reason], count as f64));
            }
            for (limit, count) in limits.iter().zip(&series.shadow_rejected).filter(|(_, count)| **count > 0)
            {
                shadow_rejected.push(families::SHADOW_REJECTED.value(&[label, limit], *count as f64));
            }
            durations.push(families::REQUEST_DURATION.histogram(&[label], &LATENCY, &series.duration));
            waits.push(families::QUEUE_WAIT.histogram(&[label], &LATENCY, &series.queue_wait));
            in_flight.push(families::IN_FLIGHT.value(&[label], reading.in_flight as f64));
            request_bytes.push(families::REQUEST_BYTES.value(&[label], series.request_bytes as f64));
            response_bytes.push(families::RESPONSE_BYTES.value(&[label], series.response_bytes as f64));
            for quota in &reading.quotas {
                let labels = [label, quota.name()];
                quotas_used.push(families::QUOTA_USED_RATIO.value(&labels, quota.used_ratio()));
                let soft = quota.soft_exceeded().map(|passed| f64::from(u8::from(passed)));
                quotas_soft.extend(soft.map(|soft| families::QUOTA_SOFT_EXCEEDED.value(&labels, soft)));
            }
        }
        vec![
            families::REQUESTS.of(requests),
            families::QUEUE_WAIT.of(waits),
            families::REJECTED.of(rejected),
            families::SHADOW_REJECTED.of(shadow_rejected),
            families::REQUEST_DURATION.of(durations),
            families::IN_FLIGHT.of(in_flight),
            families::REQUEST_BYTES.of(request_bytes),
            families::RESPONSE_BYTES.of(response_bytes),
            families::QUOTA_USED_RATIO.of(quotas_used),
            families::QUOTA_SOFT_EXCEEDED.of(quotas_soft),
        ]
    }
}

fn busier_first(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under one of these locks leaves counts behind, never a broken structure.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
