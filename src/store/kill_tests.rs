//! The store over many deaths: a process that writes is killed at random moments. What it was told to be done is done, and
//! nothing is half done.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::tenant_tests::{a_put, actor, tenant_id};
use super::*;
use crate::telemetry::Metrics;

/// Deaths.
const KILLS: u64 = 12;
/// Where the process that is killed finds its store; and which life it is.
const PATH: &str = "TOLLGATE_TEST_STORE";
const LIFE: &str = "TOLLGATE_TEST_LIFE";
/// Long enough for any disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// All that a tenant is follows from its id, and from how often it was changed.
fn wanted(id: &str, turn: u64) -> Put {
    let mut put = a_put(id, &[&format!("{id}.test"), &format!("*.{turn}.{id}.test")]);
    put.content.labels.insert("turn".to_owned(), turn.to_string());
    put.content.settings = Some(format!("{{\"note\":\"{}\"}}", "x".repeat(turn as usize % 7 * 300)).into());
    put
}

fn open(path: &Path) -> Store {
    Store::open(path, Metrics::new(1).unwrap().store()).unwrap()
}

/// The life of the process that is killed: says what it is about to do, and what it was told to be done.
#[test]
#[ignore = "it runs until it is killed, and only under the test below"]
fn a_life_of_writes() {
    let (Ok(path), Ok(life)) = (std::env::var(PATH), std::env::var(LIFE)) else { return };
    let store = open(Path::new(&path));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n>{line}").unwrap();
        out.flush().unwrap();
    };
    let start_ms = audit::now_ms();
    for turn in 1.. {
        // What earlier lives have entered goes while this one writes.
        runtime.block_on(store.remove_audit(start_ms)).unwrap();
        let single = format!("l{life}-{turn}");
        runtime.block_on(store.put(wanted(&single, 0))).unwrap();
        say(format!("is {single} 0"));
        say(format!("will steady {life}{turn:05}"));
        let steady: u64 = format!("{life}{turn:05}").parse().unwrap();
        runtime.block_on(store.put(wanted("steady", steady))).unwrap();
        say(format!("is steady {steady}"));
        let many: Vec<String> = (0..40).map(|number| format!("l{life}-{turn}-{number}")).collect();
        let puts = many.iter().map(|id| wanted(id, 0)).collect();
        for (id, written) in many.iter().zip(runtime.block_on(store.put_all(puts, false)).unwrap()) {
            written.unwrap();
            say(format!("is {id} 0"));
        }
        say(format!("will {single} gone"));
        runtime.block_on(store.delete(tenant_id(&single), Expect::Any, actor())).unwrap();
        say(format!("is {single} gone"));
    }
}

/// What a tenant may be: what was acknowledged last, or what was begun after that.
type Told = BTreeMap<String, BTreeSet<String>>;

/// Runs a life and ends it; what it said.
fn live_and_die(path: &Path, life: u64, moment: Duration, told: &mut Told) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::kill_tests::a_life_of_writes", "--ignored", "--nocapture"])
        .env(PATH, path)
        .env(LIFE, life.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (said, heard) = mpsc::channel();
    let out = child.stdout.take().unwrap();
    let listener = thread::spawn(move || {
        for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
            // A line that was cut off by the end says nothing: it has no number at its end.
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(line) = line.strip_prefix('>') {
                said.send(line.to_owned()).unwrap();
            }
        }
    });
    let first = heard.recv_timeout(PATIENCE).expect("it writes");
    let end = Instant::now() + moment;
    while Instant::now() < end {
        thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    listener.join().unwrap();
    for line in std::iter::once(first).chain(heard) {
        let words: Vec<&str> = line.split(' ').collect();
        let [verb, id, what] = words[..] else { continue };
        let may_be = told.entry(id.to_owned()).or_default();
        if verb == "is" {
            may_be.clear();
        }
        may_be.insert(what.to_owned());
    }
}

/// That all of it is so.
fn check(path: &Path, told: &Told) {
    let store = open(path);
    let mut there = BTreeMap::new();
    let snapshot = store.snapshot().unwrap();
    let keep = |tenant: TenantRecord| {
        there.insert(tenant.id.to_string(), tenant);
        Ok::<(), StoreFault>(())
    };
    snapshot.tenants(None, keep).unwrap();
    for (id, tenant) in &there {
        let turn = tenant.content.labels["turn"].parse().unwrap();
        let mut whole = wanted(id, turn).content;
        whole.domains.sort_unstable();
        assert_eq!(tenant.content, whole, "{id} is half there");
    }
    for (id, may_be) in told {
        let is = there.get(id).map_or("gone", |tenant| &tenant.content.labels["turn"]);
        assert!(may_be.contains(is), "{id} is {is}, and should be one of {may_be:?}");
    }
    drop((snapshot, store));
    let connection = Connection::open(path).unwrap();
    let none = |what: &str, sql: &str| {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{what}");
    };
    none("domains of nobody", "SELECT count(*) FROM domains WHERE tenant NOT IN (SELECT id FROM tenants)");
    none(
        "labels of nobody",
        "SELECT count(*) FROM tenant_labels WHERE tenant NOT IN (SELECT id FROM tenants)",
    );
    none(
        "labels that are not the tenant's",
        "SELECT count(*) FROM tenant_labels l JOIN tenants t ON t.id = l.tenant
         WHERE t.labels ->> l.name IS NOT l.value",
    );
    none(
        "labels that can't be found",
        "SELECT count(*) FROM tenants WHERE id NOT IN (SELECT tenant FROM tenant_labels)",
    );
    none(
        "tenants without their entry in the audit log",
        "SELECT count(*) FROM tenants t WHERE NOT EXISTS
         (SELECT 1 FROM audit a WHERE a.seq = t.revision AND a.tenant = t.id AND a.after IS NOT NULL)
           AND t.revision > (SELECT coalesce(max(number), 0) FROM marks)",
    );
    none(
        "entries without their tenant",
        "SELECT count(*) FROM (SELECT tenant, max(seq) AS last FROM audit WHERE after IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM audit d WHERE d.tenant = audit.tenant AND d.seq > audit.seq AND d.after IS NULL)
         GROUP BY tenant) e WHERE NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = e.tenant AND t.revision = e.last)",
    );
    none(
        "entries that were removed",
        "SELECT count(*) FROM audit WHERE seq <= (SELECT max(number) FROM marks)",
    );
    none("entries that are missing", "SELECT coalesce(max(seq) - min(seq) + 1 - count(*), 0) FROM audit");
    none(
        "numbers that would be given again",
        "SELECT count(*) FROM sqlite_sequence WHERE seq < (SELECT max(number) FROM marks)",
    );
    let sound: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn what_was_acknowledged_is_there_after_every_death_and_nothing_is_half_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.db");
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut told = Told::new();
    for life in 1..=KILLS {
        let moment = Duration::from_micros(random.u64(..60_000));
        live_and_die(&path, life, moment, &mut told);
        check(&path, &told);
    }
    let connection = Connection::open(&path).unwrap();
    let removed: i64 = connection.query_row("SELECT max(number) FROM marks", [], |row| row.get(0)).unwrap();
    assert!(removed > 0, "entries were removed meanwhile");
    println!("{} tenants over {KILLS} lives", told.len());
    assert!(told.len() as u64 >= KILLS, "each life wrote something");
}
