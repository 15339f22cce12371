//! API keys of tenants.

use serde_json::json;

use super::*;

#[test]
fn a_key_is_shown_once_rotated_and_revoked() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "initech", &json!({ "plan": "free" }));
    let issued =
        ask(&gateway, "POST", "/tenants/initech/keys", &[], r#"{"name": "ci", "expires_in": "90d"}"#);
    issued.assert_status(201);
    let issued = issued.json();
    let key = issued["key"].as_str().unwrap();
    assert!(key.starts_with("tg_") && key.len() == 46, "{key}");
    assert!(key.starts_with(issued["hint"].as_str().unwrap().trim_end_matches('…')));
    let id = issued["id"].as_str().unwrap();
    assert!(id.starts_with("key_") && id.len() == 20, "{id}");
    assert_eq!((&issued["name"], &issued["state"]), (&json!("ci"), &json!("active")));
    assert!(issued["expires_at"].is_string());

    let listed = show(&gateway, "/tenants/initech/keys");
    assert!(!listed.text().contains(key), "a key is shown once");
    assert_eq!(listed.json()["keys"][0]["id"], id);

    let rotate = format!("/tenants/initech/keys/{id}/rotate");
    let rotated = ask(&gateway, "POST", &rotate, &[], r#"{"overlap": "1h"}"#);
    rotated.assert_status(201);
    let second = rotated.json()["id"].as_str().unwrap().to_owned();
    assert_ne!(rotated.json()["key"], issued["key"]);
    assert_eq!(rotated.json()["name"], "ci");
    let listed = show(&gateway, "/tenants/initech/keys").json();
    let states: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, [json!("replaced"), json!("active")]);
    assert_eq!(listed["keys"][0]["replaced_by"], json!(second));
    ask(&gateway, "POST", &rotate, &[], "").assert_refused(409, "key_ended");
    let at_once = format!("/tenants/initech/keys/{second}/rotate");
    ask(&gateway, "POST", &at_once, &[], r#"{"overlap": "0s"}"#).assert_status(201);
    let listed = show(&gateway, "/tenants/initech/keys").json();
    assert_eq!(listed["keys"][1]["state"], "expired");

    let revoke = format!("/tenants/initech/keys/{id}");
    ask(&gateway, "DELETE", &revoke, &[], "").assert_status(204);
    ask(&gateway, "DELETE", &revoke, &[], "").assert_refused(404, "unknown_key");
    ask(&gateway, "POST", &rotate, &[], "").assert_refused(404, "unknown_key");
    let audit = show(&gateway, "/audit").text();
    assert!(!audit.contains(key), "no key is in the audit log");
    assert!(["key.issue", "key.rotate", "key.revoke"].iter().all(|action| audit.contains(action)), "{audit}");
}

#[test]
fn keys_are_of_tenants_in_the_store() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "initech", &json!({ "plan": "free" }));
    for body in [r#"{"name": 7}"#, r#"{"expires_in": "soon"}"#, r#"{"nam": "x"}"#, "[]"] {
        ask(&gateway, "POST", "/tenants/initech/keys", &[], body).assert_refused(400, "bad_body");
    }
    ask(&gateway, "POST", "/tenants/nobody/keys", &[], "").assert_refused(404, "unknown_tenant");
    show(&gateway, "/tenants/nobody/keys").assert_refused(404, "unknown_tenant");
    let none = show(&gateway, "/tenants/acme/keys");
    none.assert_status(200);
    assert_eq!(none.json(), json!({ "keys": [] }));
}
