//! What a tenant of the store takes of memory while it is cached, and that it is given back: octets are counted as they are
//! allocated, so that no other work and no allocator's habit is in it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::alloc::{GlobalAlloc, Layout};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use mimalloc::MiMalloc;
use tollgate::admission::fair_share::Asked;
use tollgate::admission::{RateCharges, RateRequest};
use tollgate::brand::html::{Change, Coding, Injection, Pulled, Rule, Transform};
use tollgate::config;
use tollgate::control::{
    FirstAddresses, Foundation, ListenerSet, PoolSet, PoolTls, Previous, TenantSet, compile,
};
use tollgate::proxy::Snapshot;
use tollgate::telemetry::{Metrics, RequestRecord, TenantMeter};
use tollgate::tenant::{Answer, CacheTerms, Kept, Key, LookedUp, Record, Source, State, TenantCache, Texts};
use tollgate::time::Clock;
use tollgate::types::TenantId;

#[global_allocator]
static COUNTED: Counted = Counted;

/// Octets that are allocated, as the allocator rounds them.
static LIVE: AtomicI64 = AtomicI64::new(0);
/// The most that was.
static PEAK: AtomicI64 = AtomicI64::new(0);

/// Held by the test that counts: all tests of a process share the counts.
static COUNTING: Mutex<()> = Mutex::new(());

fn counting() -> MutexGuard<'static, ()> {
    COUNTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The binary's allocator, counted.
struct Counted;

fn rounded(size: usize) -> i64 {
    let step = match size {
        ..=64 => 16,
        // Eight sizes between a power of two and the next.
        _ => (size.next_power_of_two() / 8).max(16),
    };
    size.next_multiple_of(step) as i64
}

fn grow(octets: i64) {
    let live = LIVE.fetch_add(octets, Ordering::Relaxed) + octets;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: all is the allocator's.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(rounded(layout.size()));
        // SAFETY: as asked.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(rounded(layout.size()), Ordering::Relaxed);
        // SAFETY: as asked.
        unsafe { MiMalloc.dealloc(at, layout) };
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grow(rounded(size) - rounded(layout.size()));
        // SAFETY: as asked.
        unsafe { MiMalloc.realloc(at, layout, size) }
    }
}

/// A source that has every tenant that it is asked for, with a domain each.
#[derive(Debug)]
struct Everybody(Arc<str>);

impl Source for Everybody {
    fn find(&self, key: &Key, answer: Answer) {
        let Key::Host(host) = key else { return };
        let id = host.strip_suffix(".customers.test").unwrap();
        let record = Record {
            id: TenantId::parse(id).unwrap(),
            revision: 1,
            state: State::Active,
            plan: Some(Arc::clone(&self.0)),
            texts: Texts::new(None, &[host]),
        };
        answer(Ok(Some(Kept { record, holdings: Vec::new(), key_expires_ms: None })));
    }
}

struct Bench {
    foundation: Arc<Foundation>,
    snapshot: Snapshot,
    runtime: tokio::runtime::Runtime,
}

const CONFIG: &str = "
listeners: [{ bind: 127.0.0.1:8080 }]
store: sqlite:unused.db
tenancy: { identify: [domain] }
plans: { free: { rate_limit: { rate: 1000/s, burst: 1000 } } }
pools: { shared: { endpoints: [\"http://127.0.0.1:9001\"] } }
default_pool: shared
routes: [{ match: { path_prefix: / } }]
";

impl Bench {
    fn new(capacity: u64) -> Self {
        let loaded = config::load_str(CONFIG, "footprint.yaml").unwrap();
        let metrics = Arc::new(Metrics::new(100).unwrap());
        let foundation = Arc::new(Foundation::new(metrics, Clock::system()));
        let terms = CacheTerms {
            capacity,
            ttl: Duration::from_secs(3_600),
            negative_ttl: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
        };
        let Foundation { accounts, clock, metrics, cache, .. } = &*foundation;
        let source = Arc::new(Everybody("free".into()));
        cache.set(TenantCache::new(source, terms, accounts, clock.clone(), metrics.cache())).unwrap();
        let previous = Previous { pools: &PoolSet::default(), tenants: &TenantSet::default() };
        let (tls, addresses) = (PoolTls::default(), FirstAddresses::default());
        let snapshot =
            compile(&loaded.document, 1, &previous, &tls, &ListenerSet::default(), &addresses, &foundation)
                .snapshot;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { foundation, snapshot, runtime }
    }

    /// A request of each of these tenants, as far as it leaves something behind.
    fn ask(&self, tenants: std::ops::Range<u32>) {
        let fields = HeaderMap::new();
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let asked = RateRequest { route: 0, cost: NonZeroU32::MIN, client, fields: &fields };
        let record = RequestRecord {
            status: 200,
            refusal: None,
            duration: Duration::from_millis(1),
            queue_wait: None,
            request_bytes: 0,
            response_bytes: 100,
        };
        let pool = &self.snapshot.pools["shared"];
        for n in tenants {
            let host = format!("tenant-{n}.customers.test");
            let mut looked_up = LookedUp::default();
            let key = self.snapshot.directory.by_domain(&host, &looked_up).unwrap_err();
            let load = self.snapshot.directory.look_up(key, &mut looked_up, Duration::from_secs(10));
            self.runtime.block_on(load).unwrap();
            let tenant = self.snapshot.directory.by_domain(&host, &looked_up).unwrap().unwrap();
            tenant.rates.charge(&asked, |_| {}).iter_mut().for_each(RateCharges::keep);
            let share = tenant.account.share(pool.seats());
            assert!(matches!(share.ask(tenant.terms.seats), Ok(Asked::Seated(_))));
            TenantMeter::started(&tenant.account);
            tenant.account.meter.finished(&record);
            drop((share, tenant, looked_up));
            if n % 1_000 == 0 {
                // As every second in the gateway.
                self.look_round();
            }
        }
    }

    fn look_round(&self) {
        self.foundation.cache.get().unwrap().tidy();
        self.foundation.accounts.sweep(u64::MAX / 2, &self.foundation.metrics);
    }

    /// What is allocated when everything is done that is put off.
    fn settled(&self) -> i64 {
        let mut least = i64::MAX;
        let mut same = 0;
        // What is freed when nobody looks any more is freed by those who come after.
        while same < 200 {
            self.look_round();
            let live = LIVE.load(Ordering::Relaxed);
            same = if live < least { 0 } else { same + 1 };
            least = least.min(live);
        }
        least
    }
}

fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default()
}

fn measure(count: u32) -> (i64, i64) {
    let bench = Bench::new(count.into());
    bench.ask(0..100);
    let (before, rss) = (bench.settled(), resident_kib());
    bench.ask(100..count);
    let (full, rss_full) = (bench.settled(), resident_kib());
    let each = (full - before) / i64::from(count - 100);
    println!("{count} tenants: {each} octets each, resident {rss} -> {rss_full} KiB");
    for round in 1..4 {
        bench.ask(count * round..count * (round + 1));
        println!("{} others: {} octets more", count, bench.settled() - full);
        println!("resident {} KiB, {} accounts", resident_kib(), bench.foundation.accounts.len());
    }
    (each, (bench.settled() - full) / i64::from(count))
}

#[test]
fn a_cached_tenant_is_small_and_gives_back_what_it_took() {
    let _counting = counting();
    let count =
        std::env::var("FOOTPRINT_TENANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let (each, left) = measure(count);
    assert!(each <= 900, "{each} octets a tenant, its texts counted");
    assert!(left <= 100, "{left} octets a tenant are left when others have taken the places of all");
}

#[test]
fn a_tenant_has_routes_in_memory_only_if_it_has_some_of_its_own() {
    let _counting = counting();
    let text = "
listeners: [{ bind: 127.0.0.1:8080 }]
plans: { free: {}, pro: { routes: [{ name: all, timeout: 5s }] } }
pools: { shared: { endpoints: [\"http://127.0.0.1:9001\"] } }
default_pool: shared
routes: [{ name: all, match: { path_prefix: / } }, { name: api, match: { path_prefix: /api } }]
tenants:
  - { id: plain, plan: free }
  - { id: limited, plan: free, limits: { rate_limit: { rate: 1/s } }, pool: shared }
  - { id: paying, plan: pro }
  - { id: one, plan: pro, routes: [{ name: api, disabled: true }] }
  - { id: alike, plan: pro, routes: [{ name: api, disabled: true }] }
  - { id: other, plan: free, routes: [{ name: api, disabled: true }] }
";
    let loaded = config::load_str(text, "routes.yaml").unwrap();
    let foundation = Arc::new(Foundation::new(Arc::new(Metrics::new(100).unwrap()), Clock::system()));
    let previous = Previous { pools: &PoolSet::default(), tenants: &TenantSet::default() };
    let (tls, addresses) = (PoolTls::default(), FirstAddresses::default());
    let snapshot =
        compile(&loaded.document, 1, &previous, &tls, &ListenerSet::default(), &addresses, &foundation)
            .snapshot;
    let nothing = LookedUp::default();
    let routes = |id: &str| {
        let tenant = snapshot.directory.by_id(id, &nothing).unwrap().unwrap();
        Arc::clone(&tenant.terms.routes)
    };
    let same = |a: &str, b: &str| Arc::ptr_eq(&routes(a), &routes(b));
    assert!(Arc::ptr_eq(&routes("plain"), &snapshot.routes), "the base's");
    assert!(same("plain", "limited"), "other differences are none of routes");
    assert!(!same("plain", "paying"), "the plan's");
    assert!(same("one", "alike") && !same("one", "paying") && !same("one", "other"));
    assert_eq!((routes("plain").len(), routes("one").len()), (2, 1));
}

/// A mebibyte of a page that repeats something.
fn page(of: &str) -> Vec<u8> {
    let beginning = "<!doctype html><html><head><title>{{brand.name}}</title></head><body>";
    beginning.bytes().chain(of.bytes().cycle()).take(1 << 20).collect()
}

#[test]
fn a_page_on_its_way_is_bounded_whatever_it_is() {
    let _counting = counting();
    let set = |select: &str| Rule {
        select: select.to_owned(),
        change: Change { inner: Some("{{brand.name}}".to_owned()), ..Change::default() },
    };
    let rules = [set("#footer"), set("div > div .price"), set("body [data-brand]")];
    let injection =
        Arc::new(Injection::new("/.brand/", "/.brand/brand.css", None, &[("name", "Acme")], &[], &rules));
    let pages = [
        (
            "ordinary",
            page("<p class=\"row\"><a href=\"/items/1\">Item</a> costs {{brand.name}} little</p>\n"),
        ),
        ("nested", page("<div class=a>")),
        ("one tag", page("<")),
        ("one attribute", page("<a href=\"").into_iter().take(79).chain(page("x")).collect()),
        ("one comment", page("<!--").into_iter().take(73).chain(page("x")).collect()),
        ("braces", page("{{brand.")),
        ("nothing but zeros", vec![0; 4 << 20]),
    ];
    // The thread's own compressor.
    let mut first = Transform::new(&injection, Coding::Gzip, None);
    first.push(coded(b"<p>", Coding::Gzip));
    while first.pull().unwrap() != Pulled::Hungry {}
    drop(first.finish().unwrap());
    for (name, page) in pages {
        for coding in [Coding::Identity, Coding::Gzip, Coding::Brotli] {
            let body = coded(&page, coding);
            let before = LIVE.load(Ordering::Relaxed);
            PEAK.store(before, Ordering::Relaxed);
            let mut transform = Transform::new(&injection, coding, None);
            let mut rest = body.clone();
            while !rest.is_empty() {
                transform.push(rest.split_to(rest.len().min(16 * 1024)));
                while transform.pull().unwrap() != Pulled::Hungry {}
                transform.flush().unwrap();
            }
            transform.finish().unwrap();
            let held = (PEAK.load(Ordering::Relaxed) - before) / 1024;
            let bound = if coding == Coding::Brotli { 640 } else { 256 };
            assert!(held < bound, "{name}, {coding:?}: {held} KiB");
        }
    }
}

fn coded(page: &[u8], coding: Coding) -> Bytes {
    match coding {
        Coding::Identity => Bytes::copy_from_slice(page),
        Coding::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            gzip.write_all(page).unwrap();
            gzip.finish().unwrap().into()
        }
        Coding::Brotli => {
            let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 16);
            brotli.write_all(page).unwrap();
            brotli.into_inner().into()
        }
    }
}
