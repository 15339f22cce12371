//! The store under quotas, other processes, and a full disk.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::*;
use crate::admission::quota::{
    CalendarUnit, Exceeded, Meter, OnExceed, OnOutage, Quota, QuotaSpec, QuotaState, Roster, Verdict, Window,
};
use crate::telemetry::Metrics;
use crate::time::{Clock, ManualClock};
use crate::types::TenantId;

/// A gateway's quotas over a store of its own.
struct World {
    folder: tempfile::TempDir,
    metrics: Metrics,
    clock: Clock,
    hand: ManualClock,
}

struct Life {
    store: Arc<Store>,
    roster: Arc<Roster>,
    runtime: tokio::runtime::Runtime,
}

const ONE: NonZeroU32 = NonZeroU32::MIN;
/// Long enough for any disk, so that no test depends on one being fast.
const PATIENCE: Duration = Duration::from_secs(10);

impl World {
    fn new() -> Self {
        let (clock, hand) = Clock::manual();
        Self { folder: tempfile::tempdir().unwrap(), metrics: Metrics::new(1).unwrap(), clock, hand }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state/tollgate.db")
    }

    fn life(&self) -> Life {
        self.life_over(Store::open(&self.path(), self.metrics.store()).unwrap())
    }

    fn life_over(&self, store: Store) -> Life {
        let store = Arc::new(store);
        let roster = Roster::new(self.clock.clone(), self.metrics.quotas());
        roster.remember(store.holdings_of(vec![TenantId::parse("acme").unwrap()]).unwrap());
        roster.connect(Arc::clone(&store) as Arc<dyn Backend>);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Life { store, roster, runtime }
    }

    fn held(&self) -> i64 {
        let connection = Connection::open(self.path()).unwrap();
        connection.query_row("SELECT coalesce(sum(units), 0) FROM quota_usage", [], |row| row.get(0)).unwrap()
    }
}

impl Life {
    fn quota(&self, spec: &QuotaSpec) -> Quota {
        let spec = Arc::new(spec.clone());
        let tenant = TenantId::parse("acme").unwrap();
        let state = QuotaState::new(tenant, Arc::clone(&spec), Arc::clone(&self.roster));
        Quota::new(spec, state)
    }

    /// Asks until the store has answered: what a request is refused for by impatience alone is asked again.
    fn ask(&self, quota: &Quota, cost: NonZeroU32) -> Verdict {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let verdict = match quota.charge(cost) {
                Verdict::Undecided => self.runtime.block_on(quota.decide(cost, quota.deadline())),
                verdict => verdict,
            };
            if verdict != Verdict::Refused(Exceeded::Unknown) || Instant::now() > deadline {
                return verdict;
            }
        }
    }

    fn admitted(&self, quota: &Quota, asked: usize) -> usize {
        (0..asked).filter(|_| matches!(self.ask(quota, ONE), Verdict::Admitted(_))).count()
    }

    fn close(self) {
        while self.roster.close() {
            thread::yield_now();
        }
        self.store.close();
    }
}

fn spec(limit: u64) -> QuotaSpec {
    let window = Window::Calendar(CalendarUnit::Day, jiff::tz::TimeZone::UTC);
    QuotaSpec {
        name: "monthly".into(),
        label: QuotaSpec::label("monthly", Meter::Requests, limit, &window),
        meter: Meter::Requests,
        limit,
        window,
        on_exceed: OnExceed::Reject,
        soft: None,
        on_outage: OnOutage::Deny,
    }
}

#[test]
fn a_quota_goes_on_where_it_was_when_the_store_was_closed() {
    let world = World::new();
    let mut admitted = 0;
    for _ in 0..3 {
        let life = world.life();
        let quota = life.quota(&spec(1_000));
        admitted += life.admitted(&quota, 300);
        life.close();
        assert_eq!(world.held(), admitted as i64, "nothing is forfeited");
    }
    let life = world.life();
    let quota = life.quota(&spec(1_000));
    assert_eq!(life.admitted(&quota, 300), 100);
    let verdict = life.ask(&quota, ONE);
    assert!(matches!(verdict, Verdict::Refused(Exceeded::UsedUp { .. })), "{verdict:?}");
    world.hand.advance(Duration::from_secs(86_400));
    assert_eq!(life.admitted(&quota, 1_200), 1_000);
}

#[test]
fn a_process_that_dies_forfeits_less_than_two_blocks_and_admits_none_too_many() {
    let world = World::new();
    let mut admitted = 0;
    for _ in 0..5 {
        // Dropped without giving anything back, as a killed process would.
        let life = world.life();
        let quota = life.quota(&spec(1_000));
        admitted += life.admitted(&quota, 150);
    }
    let life = world.life();
    let quota = life.quota(&spec(1_000));
    admitted += life.admitted(&quota, 1_000);
    assert!((1_000 - 5 * 20..=1_000).contains(&admitted), "{admitted}");
}

#[test]
fn a_quota_that_is_decided_locally_knows_from_the_start_where_it_was() {
    let world = World::new();
    let local = QuotaSpec { on_outage: OnOutage::Local, ..spec(10) };
    for window in [local.window.clone(), Window::rolling(Duration::from_secs(3_600))] {
        let local = QuotaSpec { window, ..local.clone() };
        let life = world.life();
        let quota = life.quota(&local);
        assert_eq!(life.admitted(&quota, 7), 7);
        life.close();
        let life = world.life();
        let quota = life.quota(&local);
        life.store.close();
        assert_eq!(life.admitted(&quota, 20), 3);
        // And a clock that is put back, and forth again, changes nothing of it.
        let now = world.clock.unix_ms();
        if !local.window.is_rolling() {
            world.hand.set_unix_ms(now + 86_400_000);
            assert_eq!(life.admitted(&quota, 20), 10);
            world.hand.set_unix_ms(now);
            assert_eq!(life.admitted(&quota, 20), 0);
        }
    }
}

#[test]
fn periods_that_nobody_asks_for_again_are_forgotten() {
    let world = World::new();
    let life = world.life();
    let rolling = QuotaSpec { window: Window::rolling(Duration::from_secs(3_600)), ..spec(1_000) };
    for window in [spec(1_000), rolling] {
        let quota = life.quota(&window);
        for _ in 0..90 {
            assert_eq!(life.admitted(&quota, 1), 1);
            world.hand.advance(Duration::from_secs(86_400));
        }
    }
    let connection = Connection::open(world.path()).unwrap();
    let periods: Vec<i64> = connection
        .prepare("SELECT count(*) FROM quota_usage GROUP BY series ORDER BY 1")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(periods, [3, 62]);
}

#[test]
fn a_store_that_another_process_holds_is_locked_and_comes_back() {
    let world = World::new();
    let life = world.life();
    let quota = life.quota(&spec(1_000));
    let other = Connection::open(world.path()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let verdict = life.runtime.block_on(quota.decide(ONE, quota.deadline()));
    assert_eq!(verdict, Verdict::Refused(Exceeded::Unknown));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(matches!(life.ask(&quota, ONE), Verdict::Admitted(_)));
    assert!(!life.roster.is_out());
}

#[test]
fn a_full_disk_is_an_outage_and_loses_nothing() {
    let world = World::new();
    let opened = open_in(&world);
    let pages: i64 = opened.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    opened.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let life = world.life_over(Store::over(opened, &world.path(), world.metrics.store()).unwrap());
    // The rows of so many quotas need another page.
    let (mut refused, local) = (0, QuotaSpec { on_outage: OnOutage::Local, ..spec(10) });
    for name in 0..200 {
        let named = QuotaSpec { name: format!("a-quota-with-a-long-name-{name}").into(), ..spec(10) };
        let quota = life.quota(&named);
        let verdict = life.runtime.block_on(quota.decide(ONE, tokio::time::Instant::now() + PATIENCE));
        refused += usize::from(verdict == Verdict::Refused(Exceeded::Unknown));
    }
    assert!(refused > 0 && life.roster.is_out());
    assert!(world.metrics.render().contains("tollgate_store_errors_total "));
    let quota = life.quota(&local);
    assert_eq!(life.admitted(&quota, 20), 10, "what can be decided locally is");
}

fn open_in(world: &World) -> Opened {
    std::fs::create_dir_all(world.path().parent().unwrap()).unwrap();
    Opened::for_the_first_time(&world.path()).unwrap()
}

#[test]
fn a_newer_schema_is_left_alone() {
    let world = World::new();
    let opened = open_in(&world);
    opened.connection.pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
    drop(opened);
    let error = Store::open(&world.path(), world.metrics.store()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error:?}");
    assert!(error.to_string().contains("newer version"));
}

#[test]
fn what_is_no_database_or_no_folder_is_said_to_be() {
    let world = World::new();
    let open = |path: &Path| Store::open(path, world.metrics.store()).unwrap_err().to_string();
    let file = world.folder.path().join("file");
    std::fs::write(&file, "this is a text of some length, and certainly no database of SQLite").unwrap();
    assert!(open(&file).contains("can't be opened"));
    assert!(open(&file.join("below/tollgate.db")).contains("the folder of the store"));
}

#[test]
fn a_closed_store_answers_that_it_is() {
    let world = World::new();
    let life = world.life();
    let quota = life.quota(&spec(10));
    life.store.close();
    assert_eq!(
        life.runtime.block_on(quota.decide(ONE, quota.deadline())),
        Verdict::Refused(Exceeded::Unknown)
    );
    assert!(life.roster.is_out());
}

#[test]
fn two_gateways_on_one_store_share_the_limit() {
    let world = World::new();
    let (one, two) = (world.life(), world.life());
    let (first, second) = (one.quota(&spec(500)), two.quota(&spec(500)));
    let mut admitted = 0;
    for _ in 0..600 {
        admitted += one.admitted(&first, 1) + two.admitted(&second, 1);
    }
    assert!((490..=500).contains(&admitted), "{admitted}");
}

#[test]
fn a_request_waits_for_a_turn_of_an_import_not_for_its_end() {
    const TENANTS: i64 = 20_000;
    let world = World::new();
    let life = world.life();
    let quota = life.quota(&spec(10));
    let puts = (0..TENANTS).map(|nth| tenant_tests::a_put(&format!("t{nth}"), &[])).collect();
    let count = || {
        let connection = Connection::open(world.path()).unwrap();
        connection.query_row("SELECT count(*) FROM tenants", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let import = std::thread::scope(|scope| {
        let store = Arc::clone(&life.store);
        let import = scope.spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
                .block_on(store.put_all(puts, false))
        });
        while count() == 0 {
            assert!(!import.is_finished(), "none was there before all of them");
        }
        assert!(matches!(life.ask(&quota, ONE), Verdict::Admitted(_)));
        let there = count();
        assert!(there < TENANTS, "the request was answered when all {there} were there");
        import.join().unwrap()
    });
    assert!(import.unwrap().iter().all(Result::is_ok));
    assert_eq!(count(), TENANTS);
    life.close();
}
