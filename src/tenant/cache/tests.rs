use super::*;
use crate::admission::RateRules;
use crate::admission::fair_share::SeatTerms;
use crate::admission::quota::{Holdings, Quotas};
use crate::telemetry::Metrics;
use crate::tenant::{Context, Features, Terms};
use crate::time::ManualClock;
use crate::types::Access;

#[path = "change_tests.rs"]
mod change_tests;
#[path = "key_tests.rs"]
mod key_tests;
#[path = "model_tests.rs"]
mod model;
#[path = "shelf.rs"]
mod shelf;

use shelf::Shelf;

const TERMS: CacheTerms = CacheTerms {
    capacity: 1_000,
    ttl: Duration::from_secs(60),
    negative_ttl: Duration::from_secs(5),
    stale_while_revalidate: Duration::from_secs(600),
};

/// Makes tenants that have nothing but an id and an account.
#[derive(Debug)]
struct Plain {
    number: u32,
    metrics: Metrics,
    accounts: Arc<Accounts>,
    clock: Clock,
    casts: AtomicU64,
}

impl Cast for Plain {
    fn number(&self) -> u32 {
        self.number
    }

    fn cast(&self, record: &Record, _: &[Holdings]) -> Option<Tenant> {
        self.casts.fetch_add(1, Ordering::SeqCst);
        if record.plan.is_some() {
            return None;
        }
        let account = self.accounts.open(&record.id, &self.metrics);
        let rules = Arc::new(RateRules::new(Vec::new(), &[], self.clock.clone()));
        Some(Tenant {
            state: record.state,
            terms: Arc::new(Terms {
                brand: Arc::default(),
                identity: Arc::from(*b"x-tenant-id: "),
                signing: None,
                access: Access::default(),
                features: Features::default(),
                seats: SeatTerms { weight: 1, max: 1, queue: 0, reserved: 0 },
                seat_wait_max: Duration::ZERO,
                request_body_max: record.revision,
                pool: None,
                cors: None,
                routes: Arc::new(crate::tenant::Routes::new(Vec::new())),
                request_headers: [].into(),
                response_headers: [].into(),
            }),
            rates: account.rates.open(&rules),
            quotas: Arc::new(Quotas::new(Vec::new())),
            mold: self.number,
            context: Context::default(),
            account,
        })
    }
}

struct Bench {
    shelf: Arc<Shelf>,
    cache: Arc<TenantCache>,
    cast: Plain,
    hand: ManualClock,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new(terms: CacheTerms) -> Self {
        let shelf = Arc::new(Shelf::default());
        let (clock, hand) = Clock::manual();
        let metrics = Metrics::new(10).unwrap();
        let accounts = Arc::<Accounts>::default();
        let source = Arc::clone(&shelf) as Arc<dyn Source>;
        let cache = TenantCache::new(source, terms, &accounts, clock.clone(), metrics.cache());
        let cast = Plain { number: 0, metrics, accounts, clock, casts: AtomicU64::new(0) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { shelf, cache, cast, hand, runtime }
    }

    /// The tenant's id and revision, as a request gets them: from the cache, or looked up.
    fn ask(&self, key: &Key) -> Result<Option<(String, u64)>, SourceFault> {
        match self.look(key) {
            Lookup::Found(tenant) => Ok(Some(said(&tenant))),
            Lookup::Nobody => Ok(None),
            Lookup::NobodyThen => Err(SourceFault::Failed),
            Lookup::NotHere => {
                let found = self.runtime.block_on(async {
                    let load = self.load(key);
                    tokio::pin!(load);
                    match futures_util::poll!(&mut load) {
                        std::task::Poll::Ready(found) => found,
                        std::task::Poll::Pending => {
                            self.shelf.let_go();
                            load.await
                        }
                    }
                });
                found.map(|found| found.map(|tenant| said(&tenant)))
            }
        }
    }

    fn now_ms(&self) -> i64 {
        self.cache.clock.unix_ms()
    }

    /// Evicts and closes what there is to: what others still have in hand is let go of a little later.
    fn settle(&self, accounts: u64) {
        for _ in 0..10_000 {
            self.cache.tidy();
            self.cast.accounts.sweep(0, &self.cast.metrics);
            if self.cast.accounts.len() as u64 == accounts {
                return;
            }
            std::thread::yield_now();
        }
        panic!("{} accounts, not {accounts}", self.cast.accounts.len());
    }

    fn look(&self, key: &Key) -> Lookup {
        match key {
            Key::Id(id) => self.cache.by_id(id.as_str(), &self.cast),
            Key::Host(host) => self.cache.by_host(host, &self.cast),
            Key::ApiKey(hash) => self.cache.by_key(hash, &self.cast),
        }
    }

    async fn load(&self, key: &Key) -> Result<Option<Arc<Tenant>>, SourceFault> {
        self.cache.load(key, &self.cast, Duration::from_secs(10)).await
    }
}

fn said(tenant: &Tenant) -> (String, u64) {
    (tenant.id().as_str().to_owned(), tenant.terms.request_body_max)
}

fn id(text: &str) -> Key {
    Key::Id(TenantId::parse(text).unwrap())
}

fn host(text: &str) -> Key {
    Key::Host(text.into())
}

fn some(id: &str, revision: u64) -> Result<Option<(String, u64)>, SourceFault> {
    Ok(Some((id.to_owned(), revision)))
}

#[test]
fn a_tenant_is_looked_up_once_and_found_by_all_its_names() {
    let bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["www.acme.test", "acme.test", "*.shop.acme.test"]);
    assert_eq!(bench.ask(&host("www.acme.test")), some("acme", 1));
    for key in [id("acme"), host("acme.test"), host("www.acme.test")] {
        assert_eq!(bench.ask(&key), some("acme", 1), "{key:?}");
    }
    assert_eq!((bench.shelf.asked(), bench.cast.casts.load(Ordering::SeqCst)), (1, 1));
    // A host below a wildcard is the source's to give: another may have it as an exact domain.
    assert_eq!(bench.ask(&host("de.shop.acme.test")), some("acme", 1));
    assert_eq!(bench.ask(&host("de.shop.acme.test")), some("acme", 1));
    assert_eq!(bench.shelf.asked(), 2);
}

#[test]
fn many_who_ask_at_once_share_one_lookup_and_may_leave() {
    let bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["acme.test"]);
    bench.shelf.holds.store(true, Ordering::SeqCst);
    bench.runtime.block_on(async {
        let key = host("acme.test");
        let all = futures_util::future::join_all((0..50).map(|_| bench.load(&key)));
        let gone = bench.load(&key);
        tokio::pin!(all);
        assert!(futures_util::poll!(&mut all).is_pending());
        assert!(futures_util::poll!(Box::pin(gone)).is_pending());
        assert_eq!(bench.shelf.asked(), 1);
        bench.shelf.let_go();
        for found in all.await {
            assert_eq!(said(&found.unwrap().unwrap()), ("acme".to_owned(), 1));
        }
    });
    assert_eq!(bench.cache.flights.len(), 0);
}

#[test]
fn nobody_is_remembered_for_a_while_and_at_no_tenants_expense() {
    let bench = Bench::new(CacheTerms { capacity: 100, ..TERMS });
    for n in 0..100 {
        let name = format!("t{n}");
        bench.shelf.put(&name, 1, &[&format!("{name}.test")]);
        assert_eq!(bench.ask(&host(&format!("{name}.test"))), some(&name, 1));
    }
    bench.cache.tidy();
    let kept = bench.cache.entries.entry_count();
    for n in 0..30_000 {
        assert_eq!(bench.ask(&host(&format!("scan{n}.test"))), Ok(None));
    }
    bench.cache.absent_hosts.forget("");
    bench.cache.tidy();
    assert_eq!(bench.cache.entries.entry_count(), kept);
    let asked = bench.shelf.asked();
    assert_eq!(bench.ask(&id("nobody")), Ok(None));
    assert_eq!(bench.ask(&id("nobody")), Ok(None));
    assert_eq!(bench.shelf.asked(), asked + 1);
    bench.hand.advance(Duration::from_secs(5));
    assert_eq!(bench.ask(&id("nobody")), Ok(None));
    assert_eq!(bench.shelf.asked(), asked + 2);
    // What no id can be need not be looked up.
    assert!(matches!(bench.cache.by_id("No-Id", &bench.cast), Lookup::Nobody));
}

#[test]
fn an_old_tenant_is_served_while_it_is_looked_up_again_and_a_very_old_one_is_waited_for() {
    let bench = Bench::new(TERMS);
    let key = host("acme.test");
    bench.shelf.put("acme", 1, &["acme.test"]);
    assert_eq!(bench.ask(&key), some("acme", 1));
    bench.shelf.put("acme", 2, &["acme.test"]);
    bench.hand.advance(Duration::from_secs(59));
    assert_eq!((bench.ask(&key), bench.shelf.asked()), (some("acme", 1), 1));
    bench.hand.advance(Duration::from_secs(1));
    assert_eq!(
        (bench.ask(&key), bench.shelf.asked()),
        (some("acme", 1), 2),
        "served as it was, and looked up"
    );
    assert_eq!((bench.ask(&key), bench.shelf.asked()), (some("acme", 2), 2));
    bench.shelf.put("acme", 3, &["acme.test"]);
    bench.hand.advance(Duration::from_secs(660));
    assert_eq!((bench.ask(&key), bench.shelf.asked()), (some("acme", 3), 3), "too old to be served");
    // What is confirmed is as good as new.
    bench.hand.advance(Duration::from_secs(659));
    bench.cache.confirm(bench.cache.clock.now_ns());
    bench.hand.advance(Duration::from_secs(59));
    assert_eq!((bench.ask(&key), bench.shelf.asked()), (some("acme", 3), 3));
}

#[test]
fn what_is_known_is_served_however_old_while_the_source_is_down() {
    let bench = Bench::new(TERMS);
    let key = host("acme.test");
    bench.shelf.put("acme", 1, &["acme.test", "*.acme.test"]);
    assert_eq!(bench.ask(&key), some("acme", 1));
    assert_eq!(bench.ask(&host("de.acme.test")), some("acme", 1));
    bench.shelf.is_down.store(true, Ordering::SeqCst);
    bench.hand.advance(Duration::from_secs(86_400));
    let asked = bench.shelf.asked();
    for _ in 0..20 {
        assert_eq!(bench.ask(&key), some("acme", 1));
        assert_eq!(bench.ask(&host("de.acme.test")), some("acme", 1));
    }
    assert_eq!(bench.shelf.asked(), asked + 1, "it is left alone for a second");
    assert_eq!(bench.ask(&host("other.test")), Err(SourceFault::Failed));
    bench.shelf.put("acme", 2, &["acme.test"]);
    bench.shelf.is_down.store(false, Ordering::SeqCst);
    bench.hand.advance(Duration::from_secs(2));
    assert_eq!(bench.ask(&key), some("acme", 2));
}

#[test]
fn an_answer_that_never_comes_is_a_fault() {
    let bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["acme.test"]);
    bench.shelf.holds.store(true, Ordering::SeqCst);
    bench.runtime.block_on(async {
        let key = id("acme");
        let load = bench.load(&key);
        tokio::pin!(load);
        assert!(futures_util::poll!(&mut load).is_pending());
        bench.shelf.waiting.lock().unwrap().clear();
        assert!(matches!(load.await, Err(SourceFault::Failed)));
    });
    assert_eq!(bench.cache.flights.len(), 0);
}

#[test]
fn a_tenant_is_cast_anew_for_another_configuration_and_an_unfit_one_is_nobody() {
    let mut bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["acme.test"]);
    assert_eq!(bench.ask(&id("acme")), some("acme", 1));
    bench.cast.number = 1;
    assert_eq!(bench.ask(&id("acme")), some("acme", 1));
    assert_eq!((bench.shelf.asked(), bench.cast.casts.load(Ordering::SeqCst)), (1, 2));
    bench.shelf.tenants.lock().unwrap().get_mut("acme").unwrap().plan = Some("gone".into());
    bench.cache.forget([&TenantId::parse("acme").unwrap()], ["acme.test"]);
    assert_eq!(bench.ask(&id("acme")), Ok(None));
    assert_eq!(bench.ask(&host("acme.test")), Ok(None));
    assert_eq!(bench.cast.casts.load(Ordering::SeqCst), 3, "once for each configuration");
}

#[test]
fn evicted_tenants_leave_nothing_but_accounts_that_still_owe() {
    let bench = Bench::new(CacheTerms { capacity: 50, ..TERMS });
    for n in 0..5_000 {
        let name = format!("t{n}");
        bench.shelf.put(&name, 1, &[&format!("{name}.test"), &format!("www.{name}.test")]);
        assert_eq!(bench.ask(&host(&format!("{name}.test"))), some(&name, 1));
    }
    bench.cache.tidy();
    assert!(bench.cache.entries.entry_count() <= 50);
    assert!(bench.cache.hosts.len() as u64 <= 2 * bench.cache.entries.entry_count());
    assert!(bench.cast.accounts.len() > 4_000);
    bench.settle(bench.cache.entries.entry_count());
    bench.cache.forget_all();
    bench.settle(0);
    assert_eq!(bench.cache.hosts.len(), 0);
}

#[test]
fn what_a_tenant_no_longer_has_leaves_with_what_it_was() {
    let bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["acme.test", "www.acme.test", "*.acme.test"]);
    assert_eq!(bench.ask(&id("acme")), some("acme", 1));
    assert_eq!(bench.cache.hosts.len(), 2);
    bench.shelf.put("acme", 2, &["acme.test", "shop.test"]);
    bench.hand.advance(TERMS.ttl);
    // Served as it was, and looked up; then as it is.
    assert_eq!(bench.ask(&id("acme")), some("acme", 1));
    assert_eq!(bench.ask(&host("shop.test")), some("acme", 2));
    assert_eq!((bench.cache.hosts.len(), bench.shelf.asked()), (2, 2));
    bench.hand.advance(TERMS.ttl);
    assert_eq!(bench.ask(&host("acme.test")), some("acme", 2));
    bench.cache.forget([&TenantId::parse("acme").unwrap()], ["acme.test", "shop.test", "www.acme.test"]);
    bench.cache.tidy();
    assert_eq!(bench.cache.hosts.len(), 0);
}

/// A hundred thousand of them are in memory.
#[test]
fn an_entry_is_small() {
    assert!(
        size_of::<Entry>() <= 104 && size_of::<Tenant>() <= 64,
        "{} {}",
        size_of::<Entry>(),
        size_of::<Tenant>()
    );
}
