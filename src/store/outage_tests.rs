//! The store when its file is moved, replaced, damaged, full or locked: a fault, never a panic or a wait without an end, and
//! all is well again when the cause is gone.

use std::path::Path;
use std::time::{Duration, Instant};

use super::tenant_tests::{Desk, a_put, actor, tenant_id};
use super::*;

/// Long enough for any disk.
const PATIENCE: Duration = Duration::from_secs(20);

fn eventually<T: std::fmt::Debug>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < deadline, "{what}: {why}"),
        }
        thread::park_timeout(Duration::from_millis(5));
    }
}

fn finds(desk: &Desk, host: &str, owner: Option<&str>) {
    eventually(&format!("{host} is found"), || match desk.find(TenantKey::Host(host.into())) {
        Ok(found) if found.as_ref().map(|found| found.record.id.as_str()) == owner => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// A file with its log, and the index of that.
fn move_all(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let of = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        if of(from).exists() {
            std::fs::rename(of(from), of(to)).unwrap();
        }
    }
}

#[test]
fn a_file_that_is_moved_away_takes_no_writes_and_is_whole_when_it_is_back() {
    let desk = Desk::new();
    desk.put(a_put("acme", &["acme.test"])).unwrap();
    let aside = desk.path().with_extension("aside");
    move_all(&desk.path(), &aside);
    for _ in 0..3 {
        assert_eq!(desk.put(a_put("beta", &["beta.test"])), Err(StoreFault::Failed.into()));
    }
    assert!(!desk.path().exists(), "no other database is made in its place");
    move_all(&aside, &desk.path());
    desk.put(a_put("beta", &["beta.test"])).unwrap();
    finds(&desk, "beta.test", Some("beta"));
    finds(&desk, "acme.test", Some("acme"));
    assert!(desk.metrics.render().contains("tollgate_store_errors_total 3"));
}

#[test]
fn a_file_that_was_replaced_is_the_store_from_then_on() {
    let desk = Desk::new();
    desk.put(a_put("acme", &["acme.test"])).unwrap();
    finds(&desk, "acme.test", Some("acme"));
    let other = Desk::new();
    other.put(a_put("restored", &["restored.test"])).unwrap();
    other.store.close();
    move_all(&desk.path(), &desk.path().with_extension("aside"));
    std::fs::copy(other.path(), desk.path()).unwrap();
    finds(&desk, "restored.test", Some("restored"));
    finds(&desk, "acme.test", None);
    eventually("it is written", || desk.put(a_put("beta", &[])).map_err(|error| error.to_string()));
    assert!(desk.tenant("beta").is_some() && desk.tenant("restored").is_some());
    assert_eq!(desk.wait(desk.store.has_foreign_changes()), Ok(true), "whatever is cached may be wrong");
}

#[test]
fn a_file_that_was_emptied_says_of_nobody_that_there_is_none() {
    let mut desk = Desk::new();
    desk.put(a_put("acme", &["acme.test"])).unwrap();
    desk.reopen();
    desk.store.close();
    let whole = std::fs::read(desk.path()).unwrap();
    desk.reopen();
    finds(&desk, "acme.test", Some("acme"));
    let empty = |suffix: &str| std::fs::write(format!("{}{suffix}", desk.path().display()), "").unwrap();
    empty("");
    empty("-wal");
    for _ in 0..3 {
        assert_eq!(desk.put(a_put("beta", &[])), Err(StoreFault::Failed.into()));
        assert_ne!(desk.find(TenantKey::Host("acme.test".into())), Ok(None));
    }
    move_all(&desk.path(), &desk.path().with_extension("emptied"));
    std::fs::write(desk.path(), &whole).unwrap();
    finds(&desk, "acme.test", Some("acme"));
    eventually("it is written", || desk.put(a_put("beta", &[])).map_err(|error| error.to_string()));
}

#[test]
fn damaged_pages_are_a_fault_until_they_are_restored() {
    let mut desk = Desk::new();
    let puts: Vec<Put> =
        (0..500).map(|number| a_put(&format!("t-{number}"), &[&format!("t-{number}.test")])).collect();
    desk.wait(desk.store.put_all(puts, false)).unwrap();
    desk.reopen();
    desk.store.close();
    let whole = std::fs::read(desk.path()).unwrap();
    let mut damaged = whole.clone();
    // All but the first page, which holds the schema.
    damaged[4_096..].fill(0xA5);
    std::fs::write(desk.path(), &damaged).unwrap();
    // Opening looks at little more than the schema; whatever it says, nothing panics.
    match Store::open(&desk.path(), desk.metrics.store()) {
        Ok(store) => {
            desk.store = store;
            assert_eq!(desk.find(TenantKey::Host("t-7.test".into())), Err(StoreFault::Failed));
            assert_eq!(desk.put(a_put("acme", &[])), Err(StoreFault::Failed.into()));
            std::fs::write(desk.path(), &whole).unwrap();
        }
        Err(error) => {
            assert!(error.to_string().contains("can't be opened"), "{error}");
            std::fs::write(desk.path(), &whole).unwrap();
            desk.reopen();
        }
    }
    finds(&desk, "t-7.test", Some("t-7"));
    eventually("it is written", || desk.put(a_put("acme", &[])).map_err(|error| error.to_string()));
}

#[test]
fn one_damaged_page_spoils_only_what_is_on_it() {
    let mut desk = Desk::new();
    let puts: Vec<Put> = (0..2_000)
        .map(|number| a_put(&format!("t-{number:05}"), &[&format!("t-{number:05}.test")]))
        .collect();
    desk.wait(desk.store.put_all(puts, false)).unwrap();
    desk.store.close();
    let whole = std::fs::read(desk.path()).unwrap();
    // Only in the table of tenants a revision, 1001, follows an id; a page that was split may have it still.
    let needle = b"t-01000\x03\xe9";
    let mut damaged = whole.clone();
    for page in damaged.chunks_mut(4_096) {
        if page.windows(needle.len()).any(|window| window == needle) {
            page.fill(0xA5);
        }
    }
    std::fs::write(desk.path(), &damaged).unwrap();
    desk.store = Store::open(&desk.path(), desk.metrics.store()).unwrap();
    let asked: Vec<_> = (0..2_000)
        .step_by(20)
        .map(|number| desk.find(TenantKey::Id(tenant_id(&format!("t-{number:05}")))))
        .collect();
    assert_eq!(asked[50], Err(StoreFault::Failed));
    assert!(asked.iter().any(|found| matches!(found, Ok(Some(_)))), "others are found");
    assert!(asked.iter().all(|found| !matches!(found, Ok(None))), "none is said not to be there");
    std::fs::write(desk.path(), &whole).unwrap();
    finds(&desk, "t-01000.test", Some("t-01000"));
}

#[test]
fn a_full_disk_takes_nothing_half() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.db");
    let metrics = crate::telemetry::Metrics::new(1).unwrap();
    let opened = Opened::for_the_first_time(&path).unwrap();
    let pages: i64 = opened.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    opened.connection.pragma_update(None, "max_page_count", pages + 4).unwrap();
    let store = Store::over(opened, &path, metrics.store()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut put = a_put("acme", &["acme.test"]);
    put.content.settings = Some(format!("{{\"note\":\"{}\"}}", "x".repeat(200_000)).into());
    assert_eq!(runtime.block_on(store.put(put.clone())), Err(StoreFault::NoSpace.into()));
    assert_eq!(runtime.block_on(store.tenant(tenant_id("acme"))), Ok(None));
    assert_eq!(runtime.block_on(store.domain("acme.test")), Ok(None));
    assert_eq!((store.last_seq(), runtime.block_on(store.count())), (0, Ok(0)));
    put.content.settings = None;
    runtime.block_on(store.put(put)).unwrap();
    assert_eq!(store.last_seq(), 1);
}

#[test]
fn another_process_that_writes_locks_writes_only() {
    let desk = Desk::new();
    desk.put(a_put("acme", &["acme.test"])).unwrap();
    let other = Connection::open(desk.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(desk.put(a_put("beta", &[])), Err(StoreFault::Locked.into()));
    let deleted = desk.wait(desk.store.delete(tenant_id("acme"), Expect::Any, actor()));
    assert_eq!(deleted, Err(StoreFault::Locked.into()));
    assert_eq!(desk.host("acme.test").as_deref(), Some("acme"));
    other.execute_batch("ROLLBACK").unwrap();
    desk.put(a_put("beta", &[])).unwrap();
}

#[test]
fn a_closed_store_says_so_to_everybody() {
    let desk = Desk::new();
    desk.store.close();
    assert_eq!(desk.find(TenantKey::Id(tenant_id("acme"))), Err(StoreFault::Gone));
    assert_eq!(desk.put(a_put("acme", &[])), Err(StoreFault::Gone.into()));
    assert_eq!(desk.wait(desk.store.count()), Err(StoreFault::Gone));
    assert_eq!(desk.store.holdings_of(vec![tenant_id("acme")]), Err(StoreFault::Gone));
    assert_eq!(desk.wait(desk.store.put_all(vec![a_put("acme", &[])], false)), Err(StoreFault::Gone));
}

#[test]
fn a_schema_of_the_first_version_is_brought_up_to_date_with_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(schema::STEPS[0]).unwrap();
    old.execute_batch("INSERT INTO quota_usage VALUES ('acme', 'daily', 's', 5, 7)").unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let metrics = crate::telemetry::Metrics::new(1).unwrap();
    let store = Store::open(&path, metrics.store()).unwrap();
    let held = store.holdings_of(vec![tenant_id("other"), tenant_id("acme")]).unwrap();
    let [held] = &held[..] else { panic!("{held:?}") };
    assert_eq!((held.series.tenant.as_str(), &*held.periods), ("acme", &[(5, 7)][..]));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.put(a_put("acme", &["acme.test"]))).unwrap();
    let (answer, answered) = std::sync::mpsc::channel();
    store.find(TenantKey::Host("acme.test".into()), move |found| answer.send(found).unwrap());
    let found = answered.recv_timeout(PATIENCE).unwrap().unwrap().unwrap();
    assert_eq!(found.holdings, std::slice::from_ref(held), "what its quotas hold comes with it");
}

#[test]
fn what_one_change_is_at_fault_for_does_not_hit_those_of_the_same_transaction() {
    let desk = Desk::new();
    let (begun, begins) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let blocks = desk.store.write(move |_| {
        let _ = begun.send(());
        let _ = released.recv_timeout(PATIENCE);
        Ok(Ok(()))
    });
    let at_fault = desk.store.write(|connection| {
        connection.execute("INSERT INTO tenants (id, revision, created_ms, updated_ms, state) VALUES ('half', 0, 0, 0, 'active')", [])?;
        connection.execute("INSERT INTO no_such_table VALUES (1)", []).map(|_| Ok(()))
    });
    let (first, second) = (desk.store.put(a_put("acme", &[])), desk.store.put(a_put("beta", &[])));
    let all = async {
        tokio::join!(blocks, first, at_fault, second, async {
            // All of them wait by now: one transaction takes them.
            begins.recv_timeout(PATIENCE).unwrap();
            drop(release);
        })
    };
    let (blocks, first, at_fault, second, ()) = desk.wait(all);
    assert_eq!((blocks, at_fault), (Ok(()), Err(StoreFault::Failed.into())));
    assert!(first.unwrap().created && second.unwrap().created);
    assert_eq!(desk.wait(desk.store.count()), Ok(2), "nothing of it is there");
}

#[test]
fn a_new_store_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.put(a_put("acme", &["acme.test"])).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", desk.path().display());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path}");
    }
}
