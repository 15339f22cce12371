//! The audit log is kept as long as it is to be; whoever follows it misses nothing.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use tollgate::store::{Actor, Expect, Put, Store, TenantContent, WriteError};
use tollgate::telemetry::Metrics;
use tollgate::types::TenantId;

use crate::harness::{ADMIN_TOKEN, Client, Config, Origin, config, eventually, get, request};

fn stored(origin: &Origin, audit: &str) -> Config {
    config().to(origin).set("store", "sqlite:{dir}/tenants.db").set("audit", audit)
}

/// The audit log as the API shows it.
#[track_caller]
fn audit(admin: std::net::SocketAddr) -> Value {
    let message = request("GET", "admin.test", "/api/v1/audit")
        .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
        .header("Connection", "close");
    let answer = Client::connect(admin).ask(&message);
    answer.assert_status(200);
    answer.json()
}

/// Makes the first entries old.
fn age(folder: &Path, up_to: u64) {
    let connection = Connection::open(folder.join("tenants.db")).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.execute("UPDATE audit SET at_ms = seq WHERE seq <= ?1", [up_to as i64]).unwrap();
}

/// The store as another process has it.
fn open(folder: &Path) -> Store {
    Store::open(&folder.join("tenants.db"), Metrics::new(1).unwrap().store()).unwrap()
}

fn put(store: &Store, domain: &str) -> u64 {
    try_put(store, domain).unwrap()
}

fn try_put(store: &Store, domain: &str) -> Result<u64, WriteError> {
    let content = TenantContent {
        plan: Some("free".into()),
        state: "active".into(),
        domains: vec![domain.into()],
        ..TenantContent::default()
    };
    let (id, actor) = (TenantId::parse("initech").unwrap(), Actor("a test".into()));
    let put = Put { id, content, expect: Expect::Any, actor, action: "tenant.update", note: None };
    wait(store.put(put)).map(|put| put.record.revision)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn what_is_older_than_it_is_to_be_goes_and_the_log_says_so() {
    let origin = Origin::saying("hello");
    let mut gateway = stored(&origin, "{ retain: forever }").start();
    let store = open(gateway.directory());
    for turn in 1..=5 {
        assert_eq!(put(&store, &format!("{turn}.test")), turn);
    }
    let before = audit(gateway.admin_address());
    assert_eq!(before["removed_up_to"], 0);
    assert_eq!(before["oldest_at"], before["entries"][4]["at"]);
    age(gateway.directory(), 3);
    gateway.reload(|config| config.set("audit", "{ retain: 30d }")).unwrap();
    eventually("they are removed", || audit(gateway.admin_address())["removed_up_to"] == 3);
    let after = audit(gateway.admin_address());
    let seqs: Vec<u64> =
        after["entries"].as_array().unwrap().iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [5, 4]);
    assert_eq!(after["oldest_at"], after["entries"][1]["at"]);
    assert_eq!(put(&store, "6.test"), 6, "no number is given again");
    eventually("it is served", || gateway.ask(&get("6.test", "/")).status == 200);
}

#[test]
fn a_gateway_that_slept_while_changes_were_removed_forgets_what_it_knew() {
    let origin = Origin::saying("hello");
    let process = stored(&origin, "{ retain: forever }").spawn();
    let store = open(process.directory());
    put(&store, "old.test");
    let status = |host: &str| process.connect().ask(&get(host, "/")).status;
    eventually("it is served, and known", || status("old.test") == 200);
    let mut last = None;
    eventually("it is stopped while it holds no lock", || {
        process.signal("STOP");
        last = try_put(&store, "new.test").ok();
        if last.is_none() {
            process.signal("CONT");
        }
        last.is_some()
    });
    let last = last.unwrap();
    // What tells of it is gone before the gateway can have read it.
    let removed = wait(store.remove_audit(i64::MAX)).unwrap();
    assert_eq!((removed.up_to, removed.is_more), (last, false));
    process.signal("CONT");
    eventually("it is told", || status("old.test") == 404);
    assert_eq!(status("new.test"), 200);
    let told =
        "changes of tenants were removed from the audit log before they were followed: the cache begins anew";
    eventually("the log says so", || process.logged(told).is_some());
}
