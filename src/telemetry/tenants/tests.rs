use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::telemetry::families::Source;
use crate::telemetry::quotas::{HalfUsed, QuotaGauge};
use crate::telemetry::series::{RequestRecord, Series};
use crate::types::TenantId;

const TENANTS: u8 = 12;

fn id(n: u8) -> TenantId {
    TenantId::parse(&format!("t{n}")).expect("an id")
}

/// A tenant that has nothing but a meter, and a quota.
#[derive(Debug)]
pub(in crate::telemetry) struct Plain(TenantId, TenantMeter);

impl Plain {
    pub(in crate::telemetry) fn new(id: &TenantId, meter: TenantMeter) -> Arc<Self> {
        Arc::new(Self(id.clone(), meter))
    }
}

impl Metered for Plain {
    fn id(&self) -> &TenantId {
        &self.0
    }

    fn meter(&self) -> &TenantMeter {
        &self.1
    }

    fn quotas(&self) -> Vec<Arc<dyn QuotaGauge>> {
        vec![Arc::new(HalfUsed)]
    }
}

#[derive(Debug, Default)]
struct Tenants(Mutex<BTreeMap<TenantId, Arc<Plain>>>);

impl MeteredTenants for Tenants {
    fn find(&self, id: &TenantId) -> Option<Arc<dyn Metered>> {
        Some(Arc::clone(self.0.lock().unwrap().get(id)?) as _)
    }

    fn select(&self, is: &mut dyn FnMut(&TenantMeter) -> bool) -> Vec<Arc<dyn Metered>> {
        let all = self.0.lock().unwrap();
        all.values().filter(|tenant| is(tenant.meter())).map(|tenant| Arc::clone(tenant) as _).collect()
    }
}

/// A table, and the tenants that it asks.
struct Bench {
    table: TenantTable,
    tenants: Arc<Tenants>,
}

impl Deref for Bench {
    type Target = TenantTable;

    fn deref(&self) -> &TenantTable {
        &self.table
    }
}

impl Bench {
    fn new(bound: usize) -> Self {
        let (table, tenants) = (TenantTable::new(bound), Arc::<Tenants>::default());
        let asked: Arc<dyn MeteredTenants> = Arc::clone(&tenants) as _;
        table.ask(Arc::downgrade(&asked));
        Self { table, tenants }
    }

    fn tenant(&self, id: &TenantId) -> Arc<Plain> {
        let mut tenants = self.tenants.0.lock().unwrap();
        Arc::clone(tenants.entry(id.clone()).or_insert_with(|| Plain::new(id, self.table.meter())))
    }

    fn retain(&self, keep: impl Fn(&TenantId) -> bool) {
        let mut tenants = self.tenants.0.lock().unwrap();
        tenants.retain(|id, tenant| {
            let kept = keep(id);
            if !kept {
                self.table.forget(tenant.meter());
            }
            kept
        });
    }
}

fn record(status: u16, refusal: Option<&'static str>) -> RequestRecord {
    RequestRecord {
        status,
        refusal,
        duration: Duration::from_micros(u64::from(status)),
        queue_wait: None,
        request_bytes: 3,
        response_bytes: 5,
    }
}

/// Every sample of the table, by family and labels; histograms as their counts.
fn samples(table: &TenantTable) -> BTreeMap<(String, String), BTreeMap<String, u64>> {
    let mut samples: BTreeMap<_, BTreeMap<String, u64>> = BTreeMap::new();
    for family in table.collect() {
        for metric in family.get_metric() {
            let tenant = metric.get_label()[0].value().to_owned();
            let detail = metric.get_label().get(1).map_or(String::new(), |label| label.value().to_owned());
            let value = metric.get_histogram().get_sample_count()
                + metric.get_counter().get_value() as u64
                + metric.get_gauge().get_value() as u64;
            samples.entry((family.name().to_owned(), detail)).or_default().insert(tenant, value);
        }
    }
    samples
}

fn sums(table: &TenantTable) -> BTreeMap<(String, String), u64> {
    samples(table).into_iter().map(|(key, tenants)| (key, tenants.values().sum())).collect()
}

fn tenants_named(table: &TenantTable) -> Vec<String> {
    let all = samples(table).remove(&("tollgate_requests_in_flight".to_owned(), String::new()));
    all.unwrap_or_default().into_keys().filter(|tenant| !tenant.starts_with('_')).collect()
}

fn of(table: &TenantTable, family: &str, detail: &str, tenant: &str) -> u64 {
    let all = samples(table).remove(&(family.to_owned(), detail.to_owned())).unwrap_or_default();
    all.get(tenant).copied().unwrap_or(0)
}

fn request(tenant: &Arc<Plain>) {
    TenantMeter::started(tenant);
    tenant.meter().finished(&record(200, None));
}

#[test]
fn the_first_that_come_have_series_of_their_own() {
    let table = Bench::new(2);
    for n in [3, 1, 2] {
        request(&table.tenant(&id(n)));
    }
    table.tenant(&id(9));
    assert_eq!(tenants_named(&table), ["t1", "t3"]);
    assert_eq!(of(&table, "tollgate_requests_total", "2xx", "_other"), 1);
}

#[test]
fn a_tenant_that_is_gone_gets_no_series() {
    let table = Bench::new(8);
    let tenant = table.tenant(&id(1));
    request(&tenant);
    table.retain(|_| true);
    assert_eq!(tenants_named(&table), ["t1"]);
    table.retain(|_| false);
    assert_eq!(tenants_named(&table), Vec::<String>::new());
    // A request that outlives its tenant is counted all the same, and makes no series.
    request(&tenant);
    assert_eq!(of(&table, "tollgate_requests_total", "2xx", "_other"), 2);
}

#[test]
fn a_refused_request_is_never_in_flight() {
    let table = Bench::new(8);
    let tenant = table.tenant(&id(1));
    TenantMeter::started(&tenant);
    TenantMeter::started(&tenant);
    TenantMeter::refused(&tenant, &record(429, Some("concurrency_exceeded")));
    assert_eq!(tenant.meter().in_flight(), 2);
    assert_eq!(of(&table, "tollgate_requests_in_flight", "", "t1"), 2);
    assert_eq!(of(&table, "tollgate_rejected_total", "concurrency_exceeded", "t1"), 1);
    tenant.meter().finished(&record(200, None));
    assert_eq!(tenant.meter().in_flight(), 1);
}

#[test]
fn requests_without_a_tenant_share_one_series() {
    let table = Bench::new(8);
    table.unknown().refused(&record(404, Some("unknown_tenant")));
    assert_eq!(of(&table, "tollgate_rejected_total", "unknown_tenant", "_unknown"), 1);
    assert_eq!(tenants_named(&table), Vec::<String>::new());
}

#[test]
fn what_limits_in_the_shadow_counted_outlives_the_tenants_series() {
    let table = Bench::new(1);
    let (limit, family) = (table.limit("strict"), "tollgate_shadow_rejected_total");
    let (one, two) = (table.tenant(&id(1)), table.tenant(&id(2)));
    request(&one);
    one.meter().shadow_rejected(limit);
    two.meter().shadow_rejected(limit);
    assert_eq!((of(&table, family, "strict", "t1"), of(&table, family, "strict", "_other")), (1, 1));
    table.set_bound(0);
    assert_eq!((of(&table, family, "strict", "t1"), of(&table, family, "strict", "_other")), (0, 2));
}

#[test]
fn names_of_limits_make_a_bounded_number_of_series() {
    let table = Bench::new(1);
    let tenant = table.tenant(&id(1));
    for n in 0..100 {
        let slot = table.limit(&format!("limit-{n}"));
        assert_eq!(slot, table.limit(&format!("limit-{n}")));
        tenant.meter().shadow_rejected(slot);
    }
    let family = "tollgate_shadow_rejected_total";
    let series = samples(&table).into_keys().filter(|(name, _)| name == family).count();
    assert_eq!(series, LIMITS_MAX);
    assert_eq!(of(&table, family, "limit-62", "_other"), 1);
    assert_eq!(of(&table, family, "_other", "_other"), 37);
}

#[test]
fn the_busiest_take_over_and_equals_do_not_take_turns() {
    let table = Bench::new(2);
    let (early, busy, equal) = (table.tenant(&id(1)), table.tenant(&id(2)), table.tenant(&id(3)));
    request(&early);
    request(&busy);
    request(&equal);
    for _ in 0..10 {
        for _ in 0..100 {
            request(&busy);
            request(&equal);
        }
        table.rebalance();
    }
    assert_eq!(tenants_named(&table), ["t2", "t3"]);
    // A little busier is not enough to take a place, twice as busy is.
    let late = table.tenant(&id(4));
    for _ in 0..10 {
        for _ in 0..100 {
            request(&busy);
            request(&equal);
            request(&late);
        }
        request(&late);
        table.rebalance();
    }
    assert_eq!(tenants_named(&table), ["t2", "t3"]);
    for _ in 0..1_000 {
        request(&late);
    }
    table.rebalance();
    assert!(tenants_named(&table).contains(&"t4".to_owned()));
    assert_eq!(tenants_named(&table).len(), 2);
}

#[test]
fn room_is_given_to_whoever_is_busy() {
    let table = Bench::new(0);
    for n in 0..4 {
        for _ in 0..n {
            request(&table.tenant(&id(n)));
        }
    }
    table.set_bound(2);
    assert_eq!(tenants_named(&table), Vec::<String>::new());
    table.rebalance();
    assert_eq!(tenants_named(&table), ["t2", "t3"]);
    assert_eq!(of(&table, "tollgate_requests_total", "2xx", "_other"), 6);
}

#[test]
fn a_request_in_flight_over_a_swap_stays_in_flight() {
    let table = Bench::new(1);
    let tenant = table.tenant(&id(1));
    TenantMeter::started(&tenant);
    assert_eq!(of(&table, "tollgate_requests_in_flight", "", "t1"), 1);
    table.set_bound(0);
    assert_eq!(of(&table, "tollgate_requests_in_flight", "", "_other"), 1);
    table.set_bound(1);
    table.rebalance();
    assert_eq!(of(&table, "tollgate_requests_in_flight", "", "t1"), 1);
    assert_eq!(of(&table, "tollgate_requests_in_flight", "", "_other"), 0);
    tenant.meter().finished(&record(200, None));
    assert_eq!(of(&table, "tollgate_requests_in_flight", "", "t1"), 0);
}

#[test]
fn recorders_and_swaps_at_once_lose_nothing() {
    const EACH: u64 = 20_000;
    let table = Bench::new(2);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let recorders: Vec<_> = (0..3)
            .map(|worker: u8| {
                let table = &table;
                scope.spawn(move || {
                    let tenants: Vec<_> = (0..6).map(|n| table.tenant(&id(n))).collect();
                    for n in 0..EACH {
                        request(&tenants[(n + u64::from(worker)) as usize % tenants.len()]);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut before = 0;
            while !done.load(Ordering::Acquire) {
                table.set_bound(0);
                table.set_bound(3);
                table.rebalance();
                let now = sums(&table)[&("tollgate_requests_total".to_owned(), "2xx".to_owned())];
                assert!(now >= before, "{now} after {before}");
                before = now;
            }
        });
        for recorder in recorders {
            recorder.join().expect("a recorder");
        }
        done.store(true, Ordering::Release);
    });
    let sums = sums(&table);
    assert_eq!(sums[&("tollgate_requests_total".to_owned(), "2xx".to_owned())], 3 * EACH);
    assert_eq!(sums[&("tollgate_request_duration_seconds".to_owned(), String::new())], 3 * EACH);
    assert_eq!(sums[&("tollgate_request_bytes_total".to_owned(), String::new())], 9 * EACH);
    assert_eq!(sums[&("tollgate_requests_in_flight".to_owned(), String::new())], 0);
    table.rebalance();
    assert!(table.nothing_retires());
}

#[derive(Debug, Clone)]
enum Step {
    Start(u8),
    Finish {
        nth: usize,
        status: u16,
    },
    Refuse {
        tenant: u8,
        code: &'static str,
    },
    Unknown,
    /// A recorder loads its handle now and records only later, whatever happens in between.
    Hold(u8),
    Release {
        nth: usize,
    },
    Rebalance,
    Bound(usize),
    Retain(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..TENANTS).prop_map(Step::Start),
        8 => (any::<usize>(), 100..600_u16).prop_map(|(nth, status)| Step::Finish { nth, status }),
        2 => (0..TENANTS, prop::sample::select(vec!["rate_limited", "no_route", "made-up"]))
            .prop_map(|(tenant, code)| Step::Refuse { tenant, code }),
        1 => Just(Step::Unknown),
        2 => (0..TENANTS).prop_map(Step::Hold),
        2 => any::<usize>().prop_map(|nth| Step::Release { nth }),
        2 => Just(Step::Rebalance),
        1 => (0..6_usize).prop_map(Step::Bound),
        1 => any::<u16>().prop_map(Step::Retain),
    ]
}

proptest! {
    #[test]
    fn series_are_bounded_and_no_count_is_ever_lost(steps in prop::collection::vec(step(), 1..200), bound in 0..6_usize) {
        let table = Bench::new(bound);
        let mut bound = bound;
        let mut in_flight: Vec<Arc<Plain>> = Vec::new();
        let mut held: Vec<Arc<Series>> = Vec::new();
        let mut model: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut before: BTreeMap<(String, String), BTreeMap<String, u64>> = BTreeMap::new();
        let count = |model: &mut BTreeMap<(String, String), u64>, record: &RequestRecord| {
            let class = format!("{}xx", record.status / 100);
            *model.entry(("tollgate_requests_total".into(), class)).or_default() += 1;
            *model.entry(("tollgate_request_duration_seconds".into(), String::new())).or_default() += 1;
            *model.entry(("tollgate_request_bytes_total".into(), String::new())).or_default() += 3;
            *model.entry(("tollgate_response_bytes_total".into(), String::new())).or_default() += 5;
            if let Some(code) = record.refusal {
                let code = if code == "made-up" { "other" } else { code };
                *model.entry(("tollgate_rejected_total".into(), code.into())).or_default() += 1;
            }
        };
        for step in steps {
            match step {
                Step::Start(tenant) => {
                    let tenant = table.tenant(&id(tenant));
                    TenantMeter::started(&tenant);
                    in_flight.push(tenant);
                }
                Step::Finish { nth, status } if !in_flight.is_empty() => {
                    let tenant = in_flight.swap_remove(nth % in_flight.len());
                    tenant.meter().finished(&record(status, None));
                    count(&mut model, &record(status, None));
                }
                Step::Refuse { tenant, code } => {
                    TenantMeter::refused(&table.tenant(&id(tenant)), &record(429, Some(code)));
                    count(&mut model, &record(429, Some(code)));
                }
                Step::Unknown => {
                    table.unknown().refused(&record(404, Some("unknown_tenant")));
                    count(&mut model, &record(404, Some("unknown_tenant")));
                }
                Step::Hold(tenant) => held.push(table.tenant(&id(tenant)).meter().series.load_full()),
                Step::Release { nth } if !held.is_empty() => {
                    held.swap_remove(nth % held.len()).record(&record(500, None));
                    count(&mut model, &record(500, None));
                }
                Step::Finish { .. } | Step::Release { .. } => {}
                Step::Rebalance => table.rebalance(),
                Step::Bound(n) => {
                    bound = n;
                    table.set_bound(n);
                }
                Step::Retain(bits) => table.retain(|known| {
                    let n: u32 = known.as_str()[1..].parse().expect("a number");
                    bits >> n & 1 == 1
                }),
            }
            let now = samples(&table);
            for (family, tenants) in &now {
                prop_assert!(tenants.len() <= bound + 2, "{family:?} has {}", tenants.len());
                let sum: u64 = tenants.values().sum();
                if family.0 == "tollgate_requests_in_flight" {
                    prop_assert_eq!(sum, in_flight.len() as u64);
                    continue;
                }
                prop_assert_eq!(sum, model.get(family).copied().unwrap_or(0), "{:?}", family);
                // The shared series are there for good and never fall.
                for shared in ["_other", "_unknown"] {
                    let then = before.get(family).and_then(|tenants| tenants.get(shared)).copied();
                    prop_assert!(tenants.get(shared).copied() >= then, "{:?} of {}", family, shared);
                }
            }
            before = now;
        }
        held.clear();
        table.rebalance();
        prop_assert!(table.nothing_retires());
    }
}
