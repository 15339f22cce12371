//! Tenants in the store: put, found, listed, deleted.

use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::telemetry::Metrics;

/// A store in a folder of its own, and a runtime to wait for it on.
pub(super) struct Desk {
    pub(super) store: Store,
    pub(super) metrics: Metrics,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

/// Long enough for any disk, so that no test depends on one being fast.
const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const DAY_MS: i64 = 86_400_000;

impl Desk {
    pub(super) fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    /// Beside what was built: where temporary files are may be memory, which not every kernel knows to be there.
    fn on_disk() -> Self {
        let built = std::env::current_exe().unwrap();
        Self::in_folder(tempfile::tempdir_in(built.parent().unwrap()).unwrap())
    }

    fn in_folder(folder: tempfile::TempDir) -> Self {
        let metrics = Metrics::new(1).unwrap();
        let store = Store::open(&folder.path().join("tollgate.db"), metrics.store()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { store, metrics, folder, runtime }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("tollgate.db")
    }

    pub(super) fn reopen(&mut self) {
        self.store.close();
        self.store = Store::open(&self.path(), self.metrics.store()).unwrap();
    }

    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(super) fn put(&self, put: Put) -> Result<Written, WriteError> {
        self.wait(self.store.put(put))
    }

    pub(super) fn tenant(&self, id: &str) -> Option<TenantRecord> {
        self.wait(self.store.tenant(tenant_id(id))).unwrap()
    }

    pub(super) fn find(&self, key: TenantKey) -> Result<Option<Found>, StoreFault> {
        let (answer, answered) = mpsc::channel();
        self.store.find(key, move |found| answer.send(found).unwrap());
        answered.recv_timeout(PATIENCE).unwrap()
    }

    /// The same in both ways, where nobody meddles with the file.
    pub(super) fn find_both(&self, key: TenantKey) -> Option<Found> {
        let now = self.store.find_now(&key);
        let found = self.find(key).unwrap();
        assert_eq!(now.unwrap_or_else(|| found.clone()), found, "what is found at once is what is found");
        found
    }

    pub(super) fn host(&self, host: &str) -> Option<String> {
        let found = self.find_both(TenantKey::Host(host.into()));
        found.map(|found| found.record.id.to_string())
    }

    /// Has entries of the audit log been made on the day of their number.
    pub(super) fn age(&self) {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute("UPDATE audit SET at_ms = seq * ?1", [DAY_MS]).unwrap();
    }

    /// Removes what was made before a day; how many entries.
    pub(super) fn remove(&self, day: i64) -> u64 {
        let mut count = 0;
        loop {
            let removed = self.wait(self.store.remove_audit(day * DAY_MS)).unwrap();
            count += removed.count;
            if !removed.is_more {
                return count;
            }
        }
    }

    /// The entries that there are, the day of the oldest, and up to where they were removed.
    pub(super) fn seqs(&self) -> (Vec<u64>, Option<i64>, u64) {
        let query = AuditQuery { limit: 1_000, ..AuditQuery::default() };
        let found = self.wait(self.store.audit(query)).unwrap();
        let seqs = found.page.records.iter().map(|entry| entry.seq).collect();
        (seqs, found.oldest_ms.map(|oldest| oldest / DAY_MS), found.removed_up_to)
    }

    /// What has changed since, or up to where that is not known.
    pub(super) fn changed(&self, since: u64) -> Result<Vec<u64>, u64> {
        match self.wait(self.store.changes_since(since, 10_000)).unwrap() {
            Feed::Changes(changes) => Ok(changes.iter().map(|change| change.seq).collect()),
            Feed::Removed { up_to } | Feed::Rewound { to: up_to } => Err(up_to),
        }
    }

    fn ids(&self, query: TenantQuery) -> Vec<String> {
        let query = TenantQuery { limit: if query.limit == 0 { 100 } else { query.limit }, ..query };
        let page = self.wait(self.store.tenants(query)).unwrap();
        page.records.into_iter().map(|tenant| tenant.id.to_string()).collect()
    }
}

pub(super) fn tenant_id(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub(super) fn actor() -> Actor {
    Actor("token".into())
}

/// A tenant with domains.
pub(super) fn a_put(id: &str, domains: &[&str]) -> Put {
    let content = TenantContent {
        plan: Some("free".into()),
        state: "active".into(),
        domains: domains.iter().map(|&domain| domain.into()).collect(),
        ..TenantContent::default()
    };
    Put { id: tenant_id(id), content, expect: Expect::Any, actor: actor(), action: "tenant.put", note: None }
}

fn labelled(mut put: Put, labels: &[(&str, &str)]) -> Put {
    put.content.labels = labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    put
}

#[test]
fn a_tenant_is_there_when_the_call_returns_and_after_a_restart() {
    let mut desk = Desk::new();
    let mut put = labelled(a_put("acme", &["b.acme.test", "a.acme.test"]), &[("region", "eu")]);
    put.content.settings = Some(r#"{"pool":"dedicated"}"#.into());
    let written = desk.put(put.clone()).unwrap();
    assert!(written.created && written.changed && written.released.is_empty());
    assert_eq!(written.record.revision, 1);
    assert_eq!(*written.record.content.domains, ["a.acme.test".into(), "b.acme.test".into()]);
    for _ in 0..2 {
        assert_eq!(desk.tenant("acme").as_ref(), Some(&written.record));
        let mut bare = written.record.clone();
        bare.content.labels.clear();
        for key in [TenantKey::Id(tenant_id("acme")), TenantKey::Host("a.acme.test".into())] {
            assert_eq!(
                desk.find(key).unwrap(),
                Some(Found { record: bare.clone(), holdings: Vec::new(), key_expires_ms: None })
            );
        }
        assert_eq!(desk.host("c.acme.test"), None);
        assert_eq!(desk.wait(desk.store.count()), Ok(1));
        assert_eq!(desk.store.last_seq(), 1);
        desk.reopen();
    }
    // The same once more writes nothing, in whatever order its domains stand.
    put.content.domains.reverse();
    let again = desk.put(put).unwrap();
    assert!(!again.created && !again.changed);
    assert_eq!(again.record, written.record);
    assert_eq!(desk.store.last_seq(), 1);
}

#[test]
fn what_a_write_takes_for_granted_is_checked() {
    let desk = Desk::new();
    let with = |expect| Put { expect, ..a_put("acme", &[]) };
    assert_eq!(desk.put(with(Expect::Present)), Err(WriteError::Absent));
    assert_eq!(desk.put(with(Expect::Revision(1))), Err(WriteError::NotExpected { current: None }));
    let revision = desk.put(with(Expect::Absent)).unwrap().record.revision;
    assert_eq!(desk.put(with(Expect::Absent)), Err(WriteError::Exists));
    assert_eq!(
        desk.put(with(Expect::Revision(revision + 1))),
        Err(WriteError::NotExpected { current: Some(revision) })
    );
    assert!(!desk.put(with(Expect::Revision(revision))).unwrap().changed);
    let delete = |expect| desk.wait(desk.store.delete(tenant_id("acme"), expect, actor()));
    assert_eq!(
        delete(Expect::Revision(revision + 1)),
        Err(WriteError::NotExpected { current: Some(revision) })
    );
    assert_eq!(delete(Expect::Revision(revision)).unwrap().revision, revision);
    assert_eq!(delete(Expect::Any), Err(WriteError::Absent));
    assert_eq!(desk.tenant("acme"), None);
    let anew = desk.put(with(Expect::Absent)).unwrap().record.revision;
    assert!(anew > revision, "a revision is never used again");
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_in_memory_is_found_at_once_and_changes_are_seen() {
    let desk = Desk::on_disk();
    let key = |host: &str| TenantKey::Host(host.into());
    let now = |host: &str| {
        let found = desk.store.find_now(&key(host))?;
        Some(found.map(|found| found.record.revision))
    };
    // Whoever asks first has a connection opened.
    let asked = std::time::Instant::now();
    while now("shop.acme.test") != Some(None) {
        assert!(asked.elapsed() < PATIENCE, "it is not answered at once");
        std::thread::yield_now();
    }
    for round in 0..20 {
        let domain = if round % 2 == 0 { "*.acme.test" } else { "acme.test" };
        let written = desk.put(a_put("acme", &[domain])).unwrap();
        let owned = (round % 2 == 0).then_some(written.record.revision);
        assert_eq!(now("shop.acme.test"), Some(owned), "who asks after a change sees it");
    }
    assert_eq!(now(&format!("{}acme.test", "a.".repeat(20))), None, "that would take long");
    desk.store.close();
    assert_eq!(now("acme.test"), None);
}

#[test]
fn a_domain_has_one_owner_and_goes_with_its_tenant() {
    let desk = Desk::new();
    desk.put(a_put("acme", &["acme.test", "*.acme.test"])).unwrap();
    let taken = Err(WriteError::DomainTaken { domain: "acme.test".into(), owner: tenant_id("acme") });
    assert_eq!(desk.put(a_put("umbrella", &["umbrella.test", "acme.test"])), taken);
    assert_eq!(desk.host("umbrella.test"), None, "nothing of it was written");
    let written = desk.put(a_put("acme", &["*.acme.test"])).unwrap();
    assert_eq!(*written.released, ["acme.test".into()]);
    desk.put(a_put("umbrella", &["acme.test", "*.shop.acme.test"])).unwrap();
    for (host, owner) in [
        ("acme.test", Some("umbrella")),
        ("a.acme.test", Some("acme")),
        ("a.b.acme.test", Some("acme")),
        ("shop.acme.test", Some("acme")),
        ("a.shop.acme.test", Some("umbrella")),
        ("test", None),
        ("", None),
    ] {
        assert_eq!(desk.host(host).as_deref(), owner, "{host}");
    }
    let long = format!("{}acme.test", "a.".repeat(120));
    assert_eq!(desk.host(&long).as_deref(), Some("acme"));
    desk.wait(desk.store.delete(tenant_id("umbrella"), Expect::Any, actor())).unwrap();
    assert_eq!(desk.host("a.shop.acme.test").as_deref(), Some("acme"));
    assert_eq!(desk.host("acme.test"), None);
}

#[test]
fn of_many_a_bad_one_spoils_no_other_and_a_dry_run_changes_nothing() {
    let desk = Desk::new();
    desk.put(a_put("taken", &["taken.test"])).unwrap();
    let puts: Vec<Put> = vec![
        a_put("one", &["one.test"]),
        a_put("two", &["taken.test"]),
        a_put("three", &["one.test"]),
        a_put("one", &["one.test"]),
        Put { expect: Expect::Absent, ..a_put("taken", &[]) },
        a_put("four", &[]),
    ];
    let outcomes = |dry_run| {
        let all = desk.wait(desk.store.put_all(puts.clone(), dry_run)).unwrap();
        all.into_iter().map(|one| one.map(|written| (written.created, written.changed))).collect::<Vec<_>>()
    };
    let taken = |domain: &str, owner: &str| {
        Err(WriteError::DomainTaken { domain: domain.into(), owner: tenant_id(owner) })
    };
    let expected = [
        Ok((true, true)),
        taken("taken.test", "taken"),
        taken("one.test", "one"),
        Ok((false, false)),
        Err(WriteError::Exists),
        Ok((true, true)),
    ];
    assert_eq!(outcomes(true), expected);
    assert_eq!(desk.ids(TenantQuery::default()), ["taken"]);
    assert_eq!(desk.store.last_seq(), 1);
    assert_eq!(outcomes(false), expected);
    assert_eq!(desk.ids(TenantQuery::default()), ["four", "one", "taken"]);
    assert_eq!(desk.store.last_seq(), 3);
}

#[test]
fn tenants_are_listed_by_all_that_is_asked() {
    let desk = Desk::new();
    let put = |id: &str, plan: &str, state: &str, labels: &[(&str, &str)], domains: &[&str]| {
        let mut put = labelled(a_put(id, domains), labels);
        (put.content.plan, put.content.state) = (Some(plan.into()), state.into());
        desk.put(put).unwrap();
    };
    put("acme", "free", "active", &[("region", "eu"), ("tier", "1")], &["acme.test"]);
    put("beta", "free", "suspended", &[("region", "us"), ("owner", "Ada Lovelace")], &[]);
    put("gamma", "pro", "active", &[("region", "eu")], &["*.gamma.test", "gammas-shop.test"]);
    put("delta", "pro", "active", &[("region", "eu"), ("tier", "1")], &[]);
    let all = TenantQuery::default;
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (query, ids) in [
        (all(), &["acme", "beta", "delta", "gamma"][..]),
        (TenantQuery { limit: 2, ..all() }, &["acme", "beta"]),
        (TenantQuery { limit: 2, after: Some(tenant_id("beta")), ..all() }, &["delta", "gamma"]),
        (TenantQuery { plan: Some("free".into()), ..all() }, &["acme", "beta"]),
        (
            TenantQuery { state: Some("active".into()), plan: Some("pro".into()), ..all() },
            &["delta", "gamma"],
        ),
        (TenantQuery { labels: vec![label("region", "eu")], ..all() }, &["acme", "delta", "gamma"]),
        (
            TenantQuery { labels: vec![label("region", "eu"), label("tier", "1")], ..all() },
            &["acme", "delta"],
        ),
        (
            TenantQuery { labels: vec![label("region", "eu")], after: Some(tenant_id("acme")), ..all() },
            &["delta", "gamma"],
        ),
        (TenantQuery { domain: Some("*.gamma.test".into()), ..all() }, &["gamma"]),
        (TenantQuery { domain: Some("gamma.test".into()), ..all() }, &[]),
        (TenantQuery { text: Some("SHOP".into()), ..all() }, &["gamma"]),
        (TenantQuery { text: Some("lovelace".into()), ..all() }, &["beta"]),
        (TenantQuery { text: Some("ta".into()), ..all() }, &["beta", "delta"]),
        (TenantQuery { text: Some("eu".into()), plan: Some("free".into()), ..all() }, &["acme"]),
    ] {
        assert_eq!(desk.ids(query.clone()), ids, "{query:?}");
    }
    put("acme", "free", "active", &[("tier", "2")], &[]);
    assert_eq!(
        desk.ids(TenantQuery { labels: vec![label("region", "eu")], ..all() }),
        ["delta", "gamma"],
        "labels go with what had them"
    );
}

#[test]
fn who_uses_a_plan_or_a_pool_is_counted_and_named() {
    let desk = Desk::new();
    for number in 0..8 {
        let mut put = a_put(&format!("t-{number}"), &[]);
        put.content.settings = (number % 2 == 0).then(|| r#"{"pool": "dedicated"}"#.into());
        desk.put(put).unwrap();
    }
    let users = desk.wait(desk.store.plan_users("free")).unwrap();
    assert_eq!((users.count, users.some.len()), (8, 5));
    let users = desk.wait(desk.store.pool_users("dedicated")).unwrap();
    assert_eq!(users.count, 4);
    assert_eq!(users.some, ["t-0", "t-2", "t-4", "t-6"].map(tenant_id));
    assert_eq!(desk.wait(desk.store.pool_users("shared")).unwrap(), Users::default());
}
