//! Whose a request is by its API key.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{
    ADMIN_TOKEN, Client, Config, Message, Origin, Response, TestGateway, config, eventually, get, request,
};

/// A gateway that knows tenants by their domains and by their keys, over a store at this path.
fn keyed_at(origin: &Origin, store: &Path) -> Config {
    config()
        .to(origin)
        .set("store", &format!("sqlite:{}", store.display()))
        .set("tenancy", "{ identify: [domain, { api_key: X-Api-Key }] }")
        .set("tenants", "[{ id: acme, plan: free, domains: [www.acme.test] }]")
}

/// A gateway over a store of its own, with two tenants in it.
fn keyed(origin: &Origin) -> (tempfile::TempDir, TestGateway) {
    let folder = tempfile::tempdir().unwrap();
    let gateway = keyed_at(origin, &folder.path().join("t.db")).start();
    furnish(&gateway);
    (folder, gateway)
}

fn furnish(gateway: &TestGateway) {
    // Keys end by the wall's time, which the store has from the system.
    gateway.set_wall(&jiff::Timestamp::now().to_string());
    for id in ["initech", "umbrella"] {
        let document = json!({ "plan": "free", "domains": [format!("www.{id}.test")] });
        api(gateway, "PUT", &format!("/tenants/{id}"), &document).assert_status(201);
    }
}

fn api(gateway: &TestGateway, method: &str, path: &str, body: &Value) -> Response {
    let mut message = request(method, "admin.test", &format!("/api/v1{path}"))
        .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
        .header("Connection", "close");
    if !body.is_null() {
        message = message.body(body.to_string());
    }
    Client::connect(gateway.admin_address()).ask(&message)
}

/// Issues a key: its id, and the key.
fn issued(gateway: &TestGateway, path: &str, body: Value) -> (String, String) {
    let answer = api(gateway, "POST", path, &body);
    answer.assert_status(201);
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

fn with(key: &str) -> Message {
    get("api.test", "/").header("X-Api-Key", key)
}

/// Whose the request with a key is.
#[track_caller]
fn tenant_of(gateway: &TestGateway, origin: &Origin, key: &str) -> String {
    gateway.ask(&with(key)).assert_status(200);
    origin.last_request().header("x-tenant-id").unwrap_or_default().to_owned()
}

#[test]
fn a_key_names_its_tenant_as_soon_as_it_is_issued_and_until_it_is_revoked() {
    let origin = Origin::echo();
    let (_folder, gateway) = keyed(&origin);
    let mut client = gateway.connect();
    client.ask(&with("tg_nobodys")).assert_refused(404, "unknown_tenant");
    origin.assert_untouched();
    for _ in 0..5 {
        let (id, key) = issued(&gateway, "/tenants/initech/keys", Value::Null);
        for _ in 0..2 {
            client.ask(&with(&key)).assert_status(200);
            assert_eq!(origin.last_request().header("x-tenant-id"), Some("initech"));
        }
        api(&gateway, "DELETE", &format!("/tenants/initech/keys/{id}"), &Value::Null).assert_status(204);
        client.ask(&with(&key)).assert_refused(404, "unknown_tenant");
    }
    // A tenant that is deleted takes its keys with it; one of that name has others.
    let (_, key) = issued(&gateway, "/tenants/umbrella/keys", Value::Null);
    assert_eq!(tenant_of(&gateway, &origin, &key), "umbrella");
    api(&gateway, "POST", "/tenants/umbrella/suspend", &Value::Null).assert_status(200);
    client.ask(&with(&key)).assert_refused(403, "tenant_suspended");
    api(&gateway, "DELETE", "/tenants/umbrella", &Value::Null).assert_status(204);
    client.ask(&with(&key)).assert_refused(404, "unknown_tenant");
    api(&gateway, "PUT", "/tenants/umbrella", &json!({ "plan": "free" })).assert_status(201);
    client.ask(&with(&key)).assert_refused(404, "unknown_tenant");
}

#[test]
fn a_key_that_is_rotated_works_for_the_overlap_and_one_that_expires_until_then() {
    let origin = Origin::echo();
    let (_folder, gateway) = keyed(&origin);
    let (id, old) = issued(&gateway, "/tenants/initech/keys", json!({ "expires_in": "90d" }));
    assert_eq!(tenant_of(&gateway, &origin, &old), "initech");
    let rotate = format!("/tenants/initech/keys/{id}/rotate");
    let (second, new) = issued(&gateway, &rotate, json!({ "overlap": "1h", "expires_in": "1d" }));
    for key in [&old, &new] {
        assert_eq!(tenant_of(&gateway, &origin, key), "initech");
    }
    let in_hours =
        |hours: i64| (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)).to_string();
    gateway.set_wall(&in_hours(2));
    gateway.ask(&with(&old)).assert_refused(404, "unknown_tenant");
    assert_eq!(tenant_of(&gateway, &origin, &new), "initech");
    gateway.set_wall(&in_hours(25));
    gateway.ask(&with(&new)).assert_refused(404, "unknown_tenant");
    // At once, it is at once.
    gateway.set_wall(&jiff::Timestamp::now().to_string());
    let rotate = format!("/tenants/initech/keys/{second}/rotate");
    assert_eq!(tenant_of(&gateway, &origin, &new), "initech");
    let (_, third) = issued(&gateway, &rotate, json!({ "overlap": "0s" }));
    gateway.set_wall(&jiff::Timestamp::now().to_string());
    gateway.ask(&with(&new)).assert_refused(404, "unknown_tenant");
    assert_eq!(tenant_of(&gateway, &origin, &third), "initech");
}

#[test]
fn a_key_and_a_domain_that_name_two_tenants_are_a_conflict_and_a_bad_key_is_no_ones() {
    let origin = Origin::echo();
    let (_folder, gateway) = keyed(&origin);
    let (_, key) = issued(&gateway, "/tenants/initech/keys", Value::Null);
    let (_, others) = issued(&gateway, "/tenants/umbrella/keys", Value::Null);
    let at = |host: &str, keys: &[&str]| {
        let message = keys.iter().fold(get(host, "/"), |message, key| message.header("X-Api-Key", key));
        gateway.ask(&message)
    };
    at("www.initech.test", &[]).assert_status(200);
    at("www.initech.test", &[&key]).assert_status(200);
    let passed_on = origin.last_request();
    assert_eq!(
        (passed_on.header("x-tenant-id"), passed_on.header("x-api-key")),
        (Some("initech"), Some(&*key))
    );
    at("www.umbrella.test", &[&key]).assert_refused(400, "tenant_conflict");
    at("www.acme.test", &[&key]).assert_refused(400, "tenant_conflict");
    at("api.test", &[&key, &others]).assert_refused(400, "tenant_conflict");
    at("api.test", &[]).assert_refused(404, "unknown_tenant");
    // Who shows a key that is nobody's is not let in by the host.
    let long = "k".repeat(257);
    for bad in ["tg_nobodys", "", "a key", &long, &format!("{key},{key}"), &key.to_uppercase()] {
        at("www.initech.test", &[bad]).assert_refused(404, "unknown_tenant");
    }
    // What an application could take for the key was not looked at, and is not passed on.
    gateway.ask(&with(&key).header("X_Api_Key", &others)).assert_status(200);
    let passed_on = origin.last_request();
    assert_eq!((passed_on.header("x_api_key"), passed_on.header("x-api-key")), (None, Some(&*key)));
    // No key is shown anywhere.
    let log = gateway.access_log(12);
    let shown =
        format!("{log:?}{}{}", gateway.metrics(), api(&gateway, "GET", "/audit", &Value::Null).text());
    assert!(!shown.contains(&key) && !shown.contains(&others));
}

#[test]
fn another_gateway_on_the_same_store_follows() {
    let origin = Origin::echo();
    let (folder, one) = keyed(&origin);
    let other = keyed_at(&origin, &folder.path().join("t.db")).start();
    other.set_wall(&jiff::Timestamp::now().to_string());
    let (id, key) = issued(&one, "/tenants/initech/keys", Value::Null);
    eventually("a key that was issued elsewhere is known", || other.ask(&with(&key)).status == 200);
    let rotate = format!("/tenants/initech/keys/{id}/rotate");
    let (second, new) = issued(&one, &rotate, json!({ "overlap": "0s" }));
    eventually("the new key is known", || other.ask(&with(&new)).status == 200);
    other.set_wall(&jiff::Timestamp::now().to_string());
    eventually("the old one is not any more", || other.ask(&with(&key)).status == 404);
    api(&one, "DELETE", &format!("/tenants/initech/keys/{second}"), &Value::Null).assert_status(204);
    eventually("one that was revoked is not known", || other.ask(&with(&new)).status == 404);
}

#[test]
fn cached_keys_outlive_the_store_and_others_are_not_said_to_be_nobodys() {
    let origin = Origin::echo();
    let (folder, gateway) = keyed(&origin);
    let (_, key) = issued(&gateway, "/tenants/initech/keys", Value::Null);
    let (_, cold) = issued(&gateway, "/tenants/umbrella/keys", Value::Null);
    assert_eq!(tenant_of(&gateway, &origin, &key), "initech");
    for name in ["t.db", "t.db-wal", "t.db-shm"] {
        std::fs::rename(folder.path().join(name), folder.path().join(format!("away-{name}"))).unwrap();
    }
    std::fs::write(folder.path().join("t.db"), "this is no database, and long enough to be seen to be none")
        .unwrap();
    let mut count = 0;
    eventually("the store is down", || {
        count += 1;
        gateway.ask(&with(&format!("tg_{count}"))).status == 503
    });
    gateway.ask(&with(&cold)).assert_refused(503, "tenant_unavailable");
    for _ in 0..3 {
        gateway.advance(std::time::Duration::from_secs(3_600));
        // Also at a host that is known to have been nobody's: it can't be told, and needn't be.
        assert_eq!(tenant_of(&gateway, &origin, &key), "initech");
        assert_eq!(gateway.ask(&with(&key)).status, 200);
        gateway.ask(&get("api.test", "/")).assert_refused(503, "tenant_unavailable");
    }
    for name in ["t.db", "t.db-wal", "t.db-shm"] {
        std::fs::rename(folder.path().join(format!("away-{name}")), folder.path().join(name)).unwrap();
    }
    eventually("it is back", || gateway.ask(&with(&cold)).status == 200);
    assert_eq!(tenant_of(&gateway, &origin, &key), "initech");
}

#[test]
fn a_key_alone_is_enough_and_needs_a_store() {
    let origin = Origin::echo();
    let (folder, first) = keyed(&origin);
    let (_, key) = issued(&first, "/tenants/initech/keys", Value::Null);
    drop(first);
    let mut gateway = config().to(&origin).start();
    let alone = "{ identify: [{ api_key: X-Api-Key }], unknown: { tenant: acme } }";
    let refused = gateway.reload(|config| config.set("tenancy", alone)).unwrap_err();
    assert!(refused.to_string().contains("needs a store"), "{refused}");
    let store = format!("sqlite:{}", folder.path().join("t.db").display());
    gateway.reload(|config| config.set("tenancy", alone).set("store", &store)).unwrap();
    gateway.set_wall(&jiff::Timestamp::now().to_string());
    assert_eq!(tenant_of(&gateway, &origin, &key), "initech");
    gateway.ask(&get("anything.test", "/")).assert_status(200);
    assert_eq!(origin.last_request().header("x-tenant-id"), Some("acme"), "without a key it is unknown");
    gateway.ask(&with("tg_nobodys")).assert_refused(404, "unknown_tenant");
}
