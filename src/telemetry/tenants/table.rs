//! All that is shown of tenants, by the `tenant` label.
//!
//! The first that come have series of their own, then the busiest: see [`super::places`]. Tenants themselves are elsewhere,
//! and asked for when they are needed.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus::proto::MetricFamily;

use super::places::Places;
use super::{LimitNames, LimitSlot, Metered, MeteredTenants, TenantMeter};
use crate::telemetry::families::{self, Family, Source};
use crate::telemetry::histogram::LATENCY;
use crate::telemetry::quotas::QuotaGauge;
use crate::telemetry::reasons::REASONS;
use crate::telemetry::series::{CLASSES, RequestRecord, Series, SeriesReading};
use crate::types::TenantId;

/// The label of requests that no tenant was found for.
const UNKNOWN: &str = "_unknown";

/// How much busier than the least busy tenant with series another must be to take its place.
const HYSTERESIS: f32 = 2.0;

/// See the module.
#[derive(Debug)]
pub(in crate::telemetry) struct TenantTable {
    places: Arc<Places>,
    unknown: Arc<UnknownMeter>,
    tenants: Mutex<Option<Weak<dyn MeteredTenants>>>,
    limits: LimitNames,
}

/// The meter of requests that no tenant was found for.
#[derive(Debug)]
pub struct UnknownMeter(Series);

impl UnknownMeter {
    /// A request was refused.
    pub fn refused(&self, record: &RequestRecord) {
        self.0.record(record);
    }
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
        let all = self.tenants();
        let mut taken = self.places.taken();
        let known: HashSet<TenantId> = taken.named.iter().map(|tenant| tenant.id().clone()).collect();
        let label = |(id, of): (TenantId, T)| {
            let has_room = !known.contains(&id) && taken.named.len() < taken.bound;
            let tenant = all.as_ref().filter(|_| has_room).and_then(|all| all.find(&id));
            let promoted = tenant.is_some_and(|tenant| self.places.promote(&mut taken, &tenant));
            let own = promoted || known.contains(&id);
            (if own { id.as_str() } else { Self::OTHER }.to_owned(), of)
        };
        tenants.into_iter().map(label).collect()
    }

    pub(in crate::telemetry) fn new(bound: usize) -> Self {
        Self {
            places: Arc::new(Places::new(bound)),
            unknown: Arc::new(UnknownMeter(Series::shared())),
            tenants: Mutex::default(),
            limits: LimitNames::default(),
        }
    }

    /// Who has all tenants.
    pub(in crate::telemetry) fn ask(&self, tenants: Weak<dyn MeteredTenants>) {
        *self.tenants.lock().unwrap_or_else(PoisonError::into_inner) = Some(tenants);
    }

    fn tenants(&self) -> Option<Arc<dyn MeteredTenants>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.upgrade()
    }

    /// The meter of requests without a tenant.
    pub(in crate::telemetry) fn unknown(&self) -> &Arc<UnknownMeter> {
        &self.unknown
    }

    /// Where the counts of a limit of this name stand.
    pub(in crate::telemetry) fn limit(&self, name: &str) -> LimitSlot {
        self.limits.slot(name)
    }

    /// A meter for a tenant, of which there must be one only.
    pub(in crate::telemetry) fn meter(&self) -> TenantMeter {
        TenantMeter::new(&self.places)
    }

    /// A tenant is gone; what it counted stays in `_other`.
    pub(in crate::telemetry) fn forget(&self, meter: &TenantMeter) {
        self.places.forget(meter);
    }

    /// Changes how many tenants have series of their own; the least busy lose theirs.
    pub(in crate::telemetry) fn set_bound(&self, bound: usize) {
        let mut taken = self.places.taken();
        taken.bound = bound;
        taken.named.sort_unstable_by(busier_first);
        let kept = bound.min(taken.named.len());
        let gone = taken.named.split_off(kept);
        self.places.retire(&mut taken, &gone);
    }

    /// Gives the series to the busiest tenants. Walks all meters: for a control task, twice a minute.
    pub(in crate::telemetry) fn rebalance(&self) {
        let bound = self.places.taken().bound;
        let rivals = self.rank_all(bound);
        let mut taken = self.places.taken();
        self.places.settle(&mut taken);
        let mut rivals = busiest(rivals, taken.bound).into_iter();
        while taken.named.len() < taken.bound
            && let Some(rival) = rivals.next()
        {
            self.places.promote(&mut taken, &rival);
        }
        let mut named = std::mem::take(&mut taken.named);
        named.sort_unstable_by(busier_first);
        let mut displaced = Vec::new();
        while let Some(rival) = rivals.next()
            && let Some(least) = named.pop()
        {
            if rival.meter().rate() <= least.meter().rate() * HYSTERESIS + 1.0 {
                named.push(least);
                break;
            }
            displaced.push(least);
            self.places.promote(&mut taken, &rival);
        }
        taken.named.append(&mut named);
        self.places.retire(&mut taken, &displaced);
    }

    /// Ranks all, and selects the busiest without series, with their rates: `count` of them and some that are less busy.
    fn rank_all(&self, count: usize) -> Vec<(f32, Arc<dyn Metered>)> {
        let Some(tenants) = self.tenants() else { return Vec::new() };
        let mut rates = Vec::new();
        // The highest so far, the least of them at hand. A rate is never negative: its bits are in its order.
        let mut highest = BinaryHeap::with_capacity(count.min(1 << 16) + 1);
        let rivals = tenants.select(&mut |meter| {
            let rate = meter.rank();
            let least = highest.peek().filter(|_| highest.len() >= count);
            let is_rival =
                rate > 0.0 && least.is_none_or(|Reverse(least)| rate.to_bits() > *least) && meter.is_shared();
            if is_rival {
                highest.push(Reverse(rate.to_bits()));
                if highest.len() > count {
                    highest.pop();
                }
                rates.push(rate);
            }
            is_rival
        });
        rates.into_iter().zip(rivals).collect()
    }

    fn read(&self) -> Vec<Reading> {
        let mut taken = self.places.taken();
        self.places.settle(&mut taken);
        // In flight first and in one go, for `_other` is what the total leaves: the longer this
        // takes, the more requests come and go between its parts.
        let in_flight: Vec<u64> = taken.named.iter().map(|tenant| tenant.meter().in_flight()).collect();
        let total = u64::try_from(self.places.in_flight.sum()).unwrap_or(0);
        let other_in_flight = total.saturating_sub(in_flight.iter().sum());

        let named = taken.named.iter().zip(in_flight);
        let mut readings: Vec<Reading> = named
            .map(|(tenant, in_flight)| Reading {
                label: Some(tenant.id().clone()),
                name: UNKNOWN,
                in_flight,
                series: tenant.meter().series.load().read(),
                quotas: tenant.quotas(),
            })
            .collect();
        let mut other = self.places.other.read();
        for series in &taken.retiring {
            series.read_into(&mut other);
        }
        // Shares of different limits can't be added up.
        let unnamed =
            |name, in_flight, series| Reading { label: None, name, in_flight, series, quotas: Vec::new() };
        readings.push(unnamed(Self::OTHER, other_in_flight, other));
        readings.push(unnamed(UNKNOWN, 0, self.unknown.0.read()));
        readings
    }

    #[cfg(test)]
    pub(super) fn nothing_retires(&self) -> bool {
        self.places.taken().retiring.is_empty()
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

/// So many of the busiest, in order. Among a million no more is sorted than that.
fn busiest(mut rivals: Vec<(f32, Arc<dyn Metered>)>, count: usize) -> Vec<Arc<dyn Metered>> {
    let in_order = |a: &(f32, _), b: &(f32, _)| b.0.total_cmp(&a.0);
    if count < rivals.len() {
        rivals.select_nth_unstable_by(count, in_order);
        rivals.truncate(count);
    }
    rivals.sort_unstable_by(in_order);
    rivals.into_iter().map(|(_, rival)| rival).collect()
}

fn busier_first(a: &Arc<dyn Metered>, b: &Arc<dyn Metered>) -> Ordering {
    b.meter().rate().total_cmp(&a.meter().rate())
}
