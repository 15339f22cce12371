//! Tenants of the store: found when they are asked for, cached, changed by others, evicted, and never mistaken.

use std::collections::BTreeMap;

use tollgate::store::{Actor, Expect, Put, Store, TenantContent};
use tollgate::telemetry::Metrics;
use tollgate::types::TenantId;

use crate::harness::{ADMIN_TOKEN, Client, Config, Origin, TestGateway, config, eventually, get, request};

/// The store as another process has it open.
struct Other {
    store: Store,
    runtime: tokio::runtime::Runtime,
}

impl Other {
    fn on(gateway: &TestGateway) -> Self {
        let path = gateway.directory().join("tenants.db");
        let store = Store::open(&path, Metrics::new(1).unwrap().store()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { store, runtime }
    }

    fn put(&self, id: &str, plan: Option<&str>, domains: &[&str], settings: Option<&str>) {
        self.put_as(id, plan, "active", domains, settings);
    }

    fn put_as(&self, id: &str, plan: Option<&str>, state: &str, domains: &[&str], settings: Option<&str>) {
        let mut domains: Vec<Box<str>> = domains.iter().map(|domain| (*domain).into()).collect();
        domains.sort();
        let put = Put {
            id: TenantId::parse(id).unwrap(),
            content: TenantContent {
                plan: plan.map(Into::into),
                state: state.into(),
                labels: BTreeMap::new(),
                domains,
                settings: settings.map(Into::into),
            },
            expect: Expect::Any,
            actor: Actor("a test".into()),
            action: "tenant.put",
            note: None,
        };
        self.runtime.block_on(self.store.put(put)).unwrap();
    }

    fn delete(&self, id: &str) {
        let id = TenantId::parse(id).unwrap();
        self.runtime.block_on(self.store.delete(id, Expect::Any, Actor("a test".into()))).unwrap();
    }
}

fn stored(origin: &Origin) -> Config {
    config().to(origin).set("store", "sqlite:{dir}/tenants.db")
}

fn status(gateway: &TestGateway, host: &str) -> u16 {
    gateway.ask(&get(host, "/")).status
}

#[test]
fn a_stored_tenant_is_served_by_its_id_and_its_domains() {
    let origin = Origin::saying("hello");
    let gateway = stored(&origin).start();
    let other = Other::on(&gateway);
    other.put("initech", Some("free"), &["www.initech.test", "*.shop.initech.test"], None);
    for host in ["www.initech.test", "initech.app.test", "de.shop.initech.test", "WWW.Initech.Test:80"] {
        assert_eq!(gateway.ask(&get(host, "/")).text(), "hello", "{host}");
        assert_eq!(origin.last_request().header("x-tenant-id"), Some("initech"), "{host}");
    }
    gateway.ask(&get("initech.test", "/")).assert_refused(404, "unknown_tenant");
    // The feed tells of the tenant, too: what is told of is forgotten and found again.
    eventually("it is counted", || {
        status(&gateway, "www.initech.test") == 200
            && gateway.metric("tollgate_tenant_cache_entries", &[]) == 1.0
    });
    let misses = || gateway.metric("tollgate_tenant_cache_misses", &[]);
    assert!(misses() >= 3.0);
    eventually("it is in the cache", || {
        let before = misses();
        status(&gateway, "www.initech.test") == 200 && misses() == before
    });
    // The books of a request close when its connection has let go of the answer.
    eventually("its requests are counted", || {
        gateway.metric("tollgate_requests_total", &[("tenant", "initech"), ("code", "2xx")]) >= 6.0
    });
}

#[test]
fn what_differs_from_its_plan_is_its_own() {
    let origin = Origin::saying("hello");
    let plans = "{ free: { rate_limit: { rate: 1/h, burst: 1 } }, gone: {} }";
    let gateway = stored(&origin).set("plans", plans).start();
    let other = Other::on(&gateway);
    other.put("plain", Some("free"), &[], None);
    let settings =
        r#"{"limits": {"rate_limit": {"burst": 2}}, "request_headers": {"set": {"X-Region": "eu"}}}"#;
    other.put("own", Some("free"), &[], Some(settings));
    other.put_as("shut", Some("free"), "suspended", &[], None);
    let answers = |host: &str| [(); 3].map(|()| status(&gateway, host));
    assert_eq!(answers("plain.app.test"), [200, 429, 429]);
    assert_eq!(answers("own.app.test"), [200, 200, 429]);
    assert_eq!(origin.last_request().header("x-region"), Some("eu"));
    gateway.ask(&get("shut.app.test", "/")).assert_refused(403, "tenant_suspended");
}

#[test]
fn what_another_process_changes_takes_effect() {
    let origin = Origin::saying("hello");
    let gateway = stored(&origin).start();
    let other = Other::on(&gateway);
    other.put("initech", Some("free"), &["initech.test"], None);
    assert_eq!(status(&gateway, "initech.test"), 200);
    assert_eq!(status(&gateway, "new.initech.test"), 404);
    other.put("initech", Some("free"), &["initech.test", "new.initech.test"], None);
    // The wall of this gateway stands still: it is the feed of changes that says so, no age.
    eventually("the new domain is served", || status(&gateway, "new.initech.test") == 200);
    other.put_as("initech", Some("free"), "maintenance", &["initech.test"], None);
    eventually("it is under maintenance", || status(&gateway, "initech.test") == 503);
    other.delete("initech");
    eventually("it is gone", || status(&gateway, "initech.test") == 404);
}

#[test]
fn the_configuration_wins() {
    let origin = Origin::saying("hello");
    let tenants = "[{ id: acme, plan: free, domains: ['www.acme.test', '*.acme.test'] }]";
    let gateway = stored(&origin).set("tenants", tenants).start();
    let other = Other::on(&gateway);
    other.put_as("acme", Some("free"), "suspended", &["stored.test"], None);
    other.put_as("thief", Some("free"), "suspended", &["www.acme.test", "x.acme.test"], None);
    for host in ["acme.app.test", "www.acme.test", "x.acme.test"] {
        assert_eq!(status(&gateway, host), 200, "{host}");
        assert_eq!(origin.last_request().header("x-tenant-id"), Some("acme"), "{host}");
    }
    // Whoever has the configured one's id in the store is not the configured one.
    assert_eq!(status(&gateway, "stored.test"), 404);
    let clashes = || gateway.admin("/api/v1/status").json()["clashes"].clone();
    let told = serde_json::json!([
        { "tenant": "acme", "domain": null, "stored_tenant": "acme" },
        { "tenant": "acme", "domain": "www.acme.test", "stored_tenant": "thief" },
    ]);
    eventually("the operator is told", || clashes() == told);
    other.delete("acme");
    other.delete("thief");
    eventually("they are settled", || clashes() == serde_json::json!([]));
}

#[test]
fn a_limit_is_not_reset_when_its_tenant_is_evicted() {
    let origin = Origin::saying("hello");
    let plan = "{ free: { rate_limit: { rate: 1/h, burst: 2 }, \
         quotas: [{ name: monthly, meter: requests, limit: 5, per: month }] } }";
    let tenancy = "{ identify: [{ host: '{tenant}.app.test' }], cache: { capacity: 4 } }";
    let gateway = stored(&origin).set("plans", plan).set("tenancy", tenancy).start();
    let other = Other::on(&gateway);
    for n in 0..60 {
        other.put(&format!("t{n}"), Some("free"), &[], None);
    }
    assert_eq!([(); 3].map(|()| status(&gateway, "t0.app.test")), [200, 200, 429]);
    let evictions = || gateway.metric("tollgate_tenant_cache_evictions_total", &[]);
    // The more a tenant is asked for, the harder it is to evict.
    for round in 0.. {
        (1..60).for_each(|n| _ = status(&gateway, &format!("t{n}.app.test")));
        if evictions() > 100.0 || round > 20 {
            break;
        }
    }
    assert!(evictions() > 100.0);
    assert_eq!(status(&gateway, "t0.app.test"), 429);
    gateway.advance(std::time::Duration::from_secs(3_600));
    assert_eq!([(); 2].map(|()| status(&gateway, "t0.app.test")), [200, 429]);
    // Nor is a quota, which has a place of its own: 5, of which 3 are used.
    let mut granted = 0;
    for _ in 0..6 {
        gateway.advance(std::time::Duration::from_secs(3_600));
        (1..60).for_each(|n| _ = status(&gateway, &format!("t{n}.app.test")));
        granted += u32::from(status(&gateway, "t0.app.test") == 200);
    }
    assert_eq!(granted, 2);
}

#[test]
fn a_tenant_that_does_not_fit_is_left_out_until_it_does() {
    let origin = Origin::saying("hello");
    let mut gateway = stored(&origin).start();
    let other = Other::on(&gateway);
    other.put("initech", Some("gold"), &[], None);
    gateway.ask(&get("initech.app.test", "/")).assert_refused(404, "unknown_tenant");
    gateway.reload(|config| config.set("plans", "{ free: {}, gold: {} }")).unwrap();
    assert_eq!(status(&gateway, "initech.app.test"), 200);
    gateway
        .reload(|config| config.set("plans", "{ free: {}, gold: { rate_limit: { rate: 1/h, burst: 1 } } }"))
        .unwrap();
    assert_eq!([(); 2].map(|()| status(&gateway, "initech.app.test")), [200, 429]);
}

#[test]
fn a_reload_that_takes_a_plan_from_stored_tenants_is_refused() {
    let origin = Origin::saying("hello");
    let spare = Origin::saying("spare");
    let plans = "{ free: {}, gold: {}, unused: {} }";
    let mut gateway = stored(&origin).set("plans", plans).pool("own", &[spare.address()], "").start();
    let other = Other::on(&gateway);
    other.put("initech", Some("gold"), &[], Some(r#"{"pool": "own"}"#));
    assert_eq!(gateway.ask(&get("initech.app.test", "/")).text(), "spare");
    let refused = gateway.reload(|config| config.set("plans", "{ free: {}, unused: {} }")).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("the plan `gold` is gone, and 1 of the store's tenants has it (initech)"),
        "{refused}"
    );
    assert_eq!(gateway.ask(&get("initech.app.test", "/")).text(), "spare");
    assert_eq!(gateway.metric("tollgate_config_last_reload_successful", &[]), 0.0);
    gateway.reload(|config| config.set("plans", "{ free: {}, gold: {} }")).unwrap();
    other.delete("initech");
    gateway.reload(|config| config.set("plans", "{ free: {} }")).unwrap();
}

/// As `sqlite3 .restore` or a copy under the same name does.
#[test]
fn an_older_store_in_the_place_of_a_newer_one_is_believed() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let other = Other::on(&gateway);
    // That there is none is kept, too: from then on only the feed changes what is cached.
    assert_eq!(status(&gateway, "initech.app.test"), 404);
    other.put_as("initech", None, "suspended", &[], None);
    eventually("it is suspended, as the feed has told", || status(&gateway, "initech.app.test") == 403);
    let path = gateway.directory().join("tenants.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    let seq: i64 = database.query_row("SELECT max(seq) FROM audit", [], |row| row.get(0)).unwrap();
    other.put("initech", None, &[], None);
    eventually("it is served", || status(&gateway, "initech.app.test") == 200);
    let back = format!(
        "BEGIN IMMEDIATE; DELETE FROM audit WHERE seq > {seq};
         UPDATE sqlite_sequence SET seq = {seq} WHERE name = 'audit';
         UPDATE tenants SET state = 'suspended', revision = {seq} WHERE id = 'initech'; COMMIT;"
    );
    database.execute_batch(&back).unwrap();
    eventually("it is suspended again", || status(&gateway, "initech.app.test") == 403);
    // And what comes after is followed from there.
    other.put("initech", None, &[], None);
    eventually("it is served again", || status(&gateway, "initech.app.test") == 200);
}

#[test]
fn tenants_whose_plan_is_gone_at_a_start_are_told_of() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenants.db");
    let store = Store::open(&path, Metrics::new(1).unwrap().store()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let other = Other { store, runtime };
    other.put("initech", Some("gone"), &[], None);
    other.put("umbrella", None, &[], Some(r#"{"pool": "lost"}"#));
    let gateway = config().to(&origin).set("store", &format!("sqlite:{}", path.display())).start();
    eventually("they are told of", || {
        let told = gateway.admin("/api/v1/status").json()["left_out"].to_string();
        told.contains("the plan `gone` is gone, and 1 of") && told.contains("the pool `lost` is gone")
    });
    assert_eq!((status(&gateway, "initech.app.test"), status(&gateway, "umbrella.app.test")), (404, 404));
}

#[test]
fn a_reload_keeps_what_routes_of_stored_tenants_name() {
    let origin = Origin::echo();
    let routes = "[{ name: all, match: { path_prefix: / } }, { name: api, match: { path_prefix: /api } }]";
    let mut gateway = config()
        .to(&origin)
        .pool("own", &[origin.address()], "")
        .set("store", "sqlite:{dir}/tenants.db")
        .set("routes", routes)
        .start();
    let put = |gateway: &TestGateway, body: &str| {
        let message = request("PUT", "admin.test", "/api/v1/tenants/initech")
            .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
            .header("Connection", "close")
            .body(body);
        assert!(Client::connect(gateway.admin_address()).ask(&message).status < 300);
    };
    let own = r#"{ "plan": "free", "routes": [{ "name": "api", "timeout": "9s" }, { "match": { "path": "/own" }, "pool": "own" }] }"#;
    put(&gateway, own);
    gateway.ask(&get("initech.app.test", "/own")).assert_status(200);
    let without_pool = |config: Config| config.without_pool("own");
    let without_route = |config: Config| config.set("routes", "[{ name: all, match: { path_prefix: / } }]");
    let refused = gateway.reload(without_pool).unwrap_err().to_string();
    assert!(
        refused
            .contains("the pool `own` is gone, and routes of 1 of the store's tenants lead to it (initech)"),
        "{refused}"
    );
    gateway.edit(|config| config.pool("own", &[origin.address()], ""));
    let refused = gateway.reload(without_route).unwrap_err().to_string();
    assert!(
        refused
            .contains("the route `api` is gone, and routes of 1 of the store's tenants change it (initech)"),
        "{refused}"
    );
    gateway.ask(&get("initech.app.test", "/own")).assert_status(200);

    put(&gateway, r#"{ "plan": "free" }"#);
    gateway.reload(|config| without_route(without_pool(config))).unwrap();
    gateway.ask(&get("initech.app.test", "/own")).assert_status(200);
}
