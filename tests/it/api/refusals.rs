//! What is refused, and what is said of it.

use serde_json::json;

use super::*;
use crate::harness::get;

#[test]
fn everything_needs_the_token() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let document = show(&gateway, "/openapi.json").json();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace(['{', '}'], "x");
            let message = request(&method.to_uppercase(), "admin.test", &path);
            let answer = Client::connect(gateway.admin_address()).ask(&message.header("Connection", "close"));
            answer.assert_refused(401, "unauthenticated");
            asked += 1;
        }
    }
    assert!(asked > 25, "{asked}");
}

#[test]
fn a_document_that_is_not_valid_is_told_where() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let bad = json!({
        "id": "initech", "plan": "fre", "domains": ["a b"], "limits": { "rate_limit": { "rate": "lots" } }, "x": 1,
    });
    let expected = [
        ("#/plan", "unknown-plan"),
        ("#/domains/0", "invalid-value"),
        ("#/limits/rate_limit/rate", "invalid-value"),
        ("#/x", "unknown-key"),
    ];
    let mut expected = expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())).to_vec();
    expected.sort();
    for (method, path) in [("POST", "/tenants"), ("PUT", "/tenants/initech")] {
        let refused = ask(&gateway, method, path, &[], &bad.to_string());
        refused.assert_refused(422, "invalid_tenant");
        let mut found = faults(&refused);
        found.sort();
        assert_eq!(found, expected);
    }
    let hint = put(&gateway, "initech", &json!({ "plan": "fre" })).json()["errors"][0]["hint"].clone();
    assert_eq!(hint, "did you mean `free`?");
    made(&gateway, "initech", &json!({ "plan": "free" }));
    let refused = ask(&gateway, "PATCH", "/tenants/initech", &[], r#"{"pool": "none"}"#);
    refused.assert_refused(422, "invalid_tenant");
    assert_eq!(faults(&refused), [("#/pool".to_owned(), "unknown-pool".to_owned())]);
    let other = ask(&gateway, "PATCH", "/tenants/initech", &[], r#"{"id": "other"}"#);
    assert_eq!(faults(&other), [("#/id".to_owned(), "invalid-value".to_owned())]);
    put(&gateway, "Not_An_Id", &json!({})).assert_refused(422, "invalid_tenant");
    ask(&gateway, "POST", "/tenants", &[], r#"{"plan": "free"}"#).assert_refused(422, "invalid_tenant");
    assert_eq!(audited(&gateway).len(), 1);
}

#[test]
fn ids_and_domains_are_one_tenants() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "initech", &json!({ "plan": "free", "domains": ["www.initech.test"] }));
    let again = ask(&gateway, "POST", "/tenants", &[], r#"{"id": "initech", "plan": "free"}"#);
    again.assert_refused(409, "tenant_exists");
    for (domain, owner) in [("www.initech.test", "initech"), ("WWW.acme.test", "acme")] {
        let taken = put(&gateway, "hooli", &json!({ "plan": "free", "domains": [domain] }));
        taken.assert_refused(409, "domain_taken");
        assert_eq!(taken.json()["owner"], owner);
        assert_eq!(taken.json()["domain"], domain.to_lowercase());
    }
    let under = put(&gateway, "hooli", &json!({ "plan": "free", "domains": ["other.app.test"] }));
    assert_eq!(faults(&under), [("#/domains/0".to_owned(), "conflicting-domain".to_owned())]);
    let free = json!({ "plan": "free" }).to_string();
    for (method, path) in [
        ("PUT", "/tenants/acme"),
        ("PATCH", "/tenants/acme"),
        ("DELETE", "/tenants/acme"),
        ("POST", "/tenants/acme/suspend"),
        ("POST", "/tenants/acme/keys"),
    ] {
        let body = if method == "PUT" || method == "PATCH" { free.as_str() } else { "" };
        let refused = ask(&gateway, method, path, &[], body);
        refused.assert_refused(409, "tenant_in_configuration");
        assert!(refused.json()["detail"].as_str().unwrap().contains("tollgate.yaml:"), "{}", refused.text());
    }
    let post = ask(&gateway, "POST", "/tenants", &[], r#"{"id": "acme"}"#);
    post.assert_refused(409, "tenant_in_configuration");
}

#[test]
fn bodies_are_json_and_of_a_size() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    for body in ["{", "", "nothing", r#"{"plan": "free"} {}"#] {
        ask(&gateway, "PUT", "/tenants/initech", &[], body).assert_refused(400, "bad_json");
    }
    let text = ask(&gateway, "PUT", "/tenants/initech", &["Content-Type: text/plain"], "{}");
    text.assert_refused(415, "not_json");
    ask(&gateway, "PUT", "/tenants/initech", &["Content-Type: application/json; charset=utf-8"], "{}")
        .assert_status(201);
    let large = json!({ "labels": { "x": "x".repeat(257 << 10) } }).to_string();
    ask(&gateway, "PUT", "/tenants/hooli", &[], &large).assert_refused(413, "body_too_large");
    let fits = json!({ "labels": { "x": "x".repeat(250 << 10) } }).to_string();
    ask(&gateway, "PUT", "/tenants/hooli", &[], &fits).assert_status(201);
    ask(&gateway, "PUT", "/tenants/hooli", &["X-Tollgate-Actor:  "], "{}").assert_refused(400, "bad_actor");
}

#[test]
fn without_a_store_the_configuration_can_be_looked_at() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let acme = show(&gateway, "/tenants/acme");
    acme.assert_status(200);
    assert_eq!(acme.json()["source"], "configuration");
    assert!(acme.header("etag").is_none());
    assert_eq!(ids(&show(&gateway, "/tenants")), ["acme", "globex"]);
    let refused = put(&gateway, "initech", &json!({ "plan": "free" }));
    refused.assert_refused(409, "no_store");
    assert!(refused.text().contains("store: sqlite:"));
    for path in ["/audit", "/export"] {
        show(&gateway, path).assert_refused(409, "no_store");
    }
    show(&gateway, "/tenants/initech").assert_refused(404, "unknown_tenant");
}

#[test]
fn a_store_that_is_added_by_a_reload_is_used() {
    let origin = Origin::echo();
    let mut gateway = config().to(&origin).start();
    put(&gateway, "initech", &json!({ "plan": "free" })).assert_refused(409, "no_store");
    gateway.reload(|config| config.set("store", "sqlite:state/tollgate.db")).unwrap();
    made(&gateway, "initech", &json!({ "plan": "free" }));
    // What a reload takes away or adds is what tenants are checked against.
    gateway.reload(|config| config.set("plans", "{ free: {}, gold: {} }")).unwrap();
    put(&gateway, "initech", &json!({ "plan": "gold" })).assert_status(200);
    assert_eq!(gateway.ask(&get("acme.app.test", "/")).status, 200);
}
