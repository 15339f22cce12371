//! The API for tenants, against a gateway with a store.

mod changes;
mod domains;
mod import;
mod keys;
mod lists;
mod names;
mod proofs;
mod refusals;

use serde_json::{Value, json};

use crate::harness::{ADMIN_TOKEN, Client, Config, Origin, Response, TestGateway, config, request};

/// A gateway with a store, two plans, and `acme` and `globex` in its configuration.
fn stored(origin: &Origin) -> Config {
    config()
        .to(origin)
        .set("store", "sqlite:state/tollgate.db")
        .set("plans", "{ free: { rate_limit: { rate: 10/s } }, pro: { features: [reports] } }")
        .set(
            "tenants",
            "[{ id: acme, plan: free, domains: [www.acme.test], labels: { tier: gold } }, { id: globex, plan: free }]",
        )
}

/// Asks the API; `fields` are `Name: value`.
#[track_caller]
fn ask(gateway: &TestGateway, method: &str, path: &str, fields: &[&str], body: &str) -> Response {
    let mut message = request(method, "admin.test", &format!("/api/v1{path}"))
        .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
        .header("Connection", "close");
    for (name, value) in fields.iter().filter_map(|field| field.split_once(": ")) {
        message = message.header(name, value);
    }
    if !body.is_empty() {
        message = message.body(body);
    }
    Client::connect(gateway.admin_address()).ask(&message)
}

#[track_caller]
fn show(gateway: &TestGateway, path: &str) -> Response {
    ask(gateway, "GET", path, &[], "")
}

#[track_caller]
fn put(gateway: &TestGateway, id: &str, document: &Value) -> Response {
    ask(gateway, "PUT", &format!("/tenants/{id}"), &[], &document.to_string())
}

/// Makes a tenant that was not there.
#[track_caller]
fn made(gateway: &TestGateway, id: &str, document: &Value) -> Value {
    let answer = put(gateway, id, document);
    answer.assert_status(201);
    answer.json()
}

/// What an answer says is wrong: pointers and codes.
fn faults(answer: &Response) -> Vec<(String, String)> {
    let document = answer.json();
    let errors = document["errors"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
}

/// A page's ids.
fn ids(answer: &Response) -> Vec<String> {
    let document = answer.json();
    let tenants = document["tenants"].as_array().cloned().unwrap_or_default();
    tenants.iter().map(|tenant| tenant["id"].as_str().unwrap().to_owned()).collect()
}

/// The audit log, the oldest first: what was done to whom.
fn audited(gateway: &TestGateway) -> Vec<(String, String)> {
    let answer = show(gateway, "/audit?limit=1000");
    answer.assert_status(200);
    let document = answer.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = document["entries"].as_array().unwrap().iter().rev();
    entries.map(|entry| (text(&entry["action"]), text(&entry["tenant"]))).collect()
}

#[test]
fn a_stored_tenant_has_a_look_of_its_own() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let tenant = json!({ "state": "maintenance", "branding": { "name": "Initech", "colors": { "primary": "#ff6600" } } });
    made(&gateway, "initech", &tenant);
    let page = gateway.ask(&crate::harness::get("initech.app.test", "/").header("Accept", "text/html"));
    page.assert_status(503);
    assert!(page.text().contains("Initech") && page.text().contains("#ff6600"), "{}", page.text());
}

#[test]
fn the_description_is_served_and_knows_tenants() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let answer = show(&gateway, "/openapi.json");
    answer.assert_status(200);
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/tenants/{id}"]["patch"].is_object());
    let tenant = &document["components"]["schemas"]["Tenant"]["properties"];
    assert!(tenant["branding"].is_object() && tenant["authentication"].is_null());
    let tenant = json!({ "plan": "free", "limits": { "concurrency": { "max": 3 } } });
    made(&gateway, "initech", &tenant);
}
