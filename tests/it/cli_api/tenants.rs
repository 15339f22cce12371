//! `tollgate tenant`, one at a time.

use serde_json::{Value, json};

use super::{admin, body, problem, run, run_with};
use crate::harness::Request;

fn acme() -> Value {
    json!({
        "id": "acme", "plan": "free", "state": "active", "domains": ["acme.test"], "labels": { "team": "a" },
        "limits": { "rate_limit": { "rate": "5/s" } }, "revision": 7, "source": "store",
        "created_at": "2027-01-31T08:00:00Z", "updated_at": "2027-01-31T08:00:00Z",
    })
}

/// What of the only request was asked, and with which body.
fn one(request: &Request) -> (String, Value) {
    (format!("{} {}", request.method, request.target), body(request))
}

#[test]
fn create_sends_the_document_that_flags_and_file_make() {
    let origin = admin(|_, _| (201, acme()));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("acme.yaml");
    std::fs::write(&file, "plan: pro\nlabels: { team: a }\nlimits:\n  rate_limit: { rate: 5/s }\n").unwrap();
    let arguments = [
        "tenant",
        "create",
        "acme",
        "--file",
        file.to_str().unwrap(),
        "--plan",
        "free",
        "--domain",
        "acme.test",
        "--domain",
        "*.acme.test",
        "--label",
        "tier=1",
        "--pool",
        "own",
        "--state",
        "suspended",
    ];
    assert_eq!(run(&origin, &arguments).well(), "tenant acme created\n");
    let expected = json!({
        "id": "acme", "plan": "free", "domains": ["acme.test", "*.acme.test"], "labels": { "team": "a", "tier": "1" },
        "limits": { "rate_limit": { "rate": "5/s" } }, "pool": "own", "state": "suspended",
    });
    assert_eq!(one(&origin.last_request()), ("POST /api/v1/tenants".to_owned(), expected));
    assert_eq!(origin.last_request().header("content-type"), Some("application/json"));

    run_with(&origin, &["tenant", "create", "acme", "--file", "-"], "{\"plan\": \"free\"}").well();
    assert_eq!(body(&origin.last_request()), json!({ "id": "acme", "plan": "free" }));
    let error = run_with(&origin, &["tenant", "create", "acme", "--file", "-"], "id: globex").badly();
    assert!(error.contains("that of tenant globex"), "{error}");
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn get_shows_the_tenant_to_people_and_to_programs() {
    let origin = admin(|call, _| match call {
        "GET /tenants/acme" => (200, acme()),
        _ => problem(404, "unknown_tenant", "there is no tenant of this id"),
    });
    assert_eq!(
        run(&origin, &["tenant", "get", "acme"]).well(),
        "id           acme\nplan         free\nstate        active\nsource       store\ncreated_at   2027-01-31T08:00:00Z\n\
         revision     7\nupdated_at   2027-01-31T08:00:00Z\ndomains      acme.test\nlabels       team=a\nlimits\n  \
         rate_limit:\n    rate: 5/s\n"
    );
    assert_eq!(run(&origin, &["tenant", "get", "acme", "--output", "json"]).json(), acme());
    let yaml = run(&origin, &["tenant", "get", "acme", "-o", "yaml"]).well();
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), acme(), "{yaml}");
    let error = run(&origin, &["tenant", "get", "no/such"]).badly();
    assert_eq!(error, "tollgate: there is no tenant of this id (404, unknown_tenant)\n");
    assert_eq!(origin.last_request().target, "/api/v1/tenants/no%2Fsuch");
}

#[test]
fn what_get_prints_as_yaml_create_takes() {
    let origin = admin(|_, _| (200, acme()));
    let yaml = run(&origin, &["tenant", "get", "acme", "-o", "yaml"]).well();
    run_with(&origin, &["tenant", "create", "acme", "--file", "-"], &yaml).well();
    assert_eq!(body(&origin.last_request()), acme());
}

#[test]
fn set_sends_a_merge_patch() {
    let origin = admin(|_, _| (200, acme()));
    let patch = r#"{"limits":{"rate_limit":null}}"#;
    let arguments =
        ["tenant", "set", "acme", "--plan", "pro", "--unlabel", "team", "--patch", patch, "--if-match", "7"];
    assert_eq!(run(&origin, &arguments).well(), "tenant acme is at revision 7\n");
    let expected = json!({ "plan": "pro", "labels": { "team": null }, "limits": { "rate_limit": null } });
    let request = origin.last_request();
    assert_eq!(one(&request), ("PATCH /api/v1/tenants/acme".to_owned(), expected));
    assert_eq!(request.header("content-type"), Some("application/merge-patch+json"));
    assert_eq!(request.header("if-match"), Some("\"7\""));
}

#[test]
fn set_can_replace_all_of_a_tenant_that_is_there() {
    let origin = admin(|_, _| (200, acme()));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("acme.yaml");
    std::fs::write(&file, "id: acme\nplan: pro\n").unwrap();
    let replace = ["tenant", "set", "acme", "--replace", "--file", file.to_str().unwrap(), "--label", "a=1"];
    run(&origin, &replace).well();
    let request = origin.last_request();
    let expected = json!({ "plan": "pro", "labels": { "a": "1" } });
    assert_eq!(one(&request), ("PUT /api/v1/tenants/acme".to_owned(), expected));
    assert_eq!(request.header("if-match"), Some("*"));
    run(&origin, &[&replace[..], &["--if-match", "7"]].concat()).well();
    assert_eq!(origin.last_request().header("if-match"), Some("\"7\""));
}

#[test]
fn a_change_that_came_too_late_fails() {
    let origin = admin(|_, _| problem(412, "precondition_failed", "the tenant is at revision 9"));
    let error = run(&origin, &["tenant", "set", "acme", "--plan", "pro", "--if-match", "7"]).badly();
    assert!(error.contains("revision 9 (412, precondition_failed)"), "{error}");
}

#[test]
fn delete_needs_a_yes() {
    let origin = admin(|_, _| (204, Value::Null));
    let error = run(&origin, &["tenant", "delete", "acme"]).badly();
    assert!(error.contains("--yes") && error.contains("nothing was changed"), "{error}");
    assert_eq!(origin.connections(), 0);
    let done = run(&origin, &["tenant", "delete", "acme", "--yes", "--if-match", "7"]).well();
    assert_eq!(done, "tenant acme deleted\n");
    let request = origin.last_request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("DELETE", "/api/v1/tenants/acme"));
    assert_eq!(request.header("if-match"), Some("\"7\""));
    let document = run(&origin, &["tenant", "delete", "acme", "--yes", "-o", "json"]).json();
    assert_eq!(document, json!({ "id": "acme", "deleted": true }));
}

#[test]
fn suspend_and_resume_give_their_reason() {
    let origin = admin(|call, _| {
        let state = if call.ends_with("suspend") { "suspended" } else { "active" };
        (200, json!({ "id": "acme", "state": state }))
    });
    let done = run(&origin, &["tenant", "suspend", "acme", "--reason", "unpaid since May"]).well();
    assert_eq!(done, "tenant acme is suspended\n");
    assert_eq!(
        one(&origin.last_request()),
        ("POST /api/v1/tenants/acme/suspend".to_owned(), json!({ "reason": "unpaid since May" }))
    );
    assert_eq!(run(&origin, &["tenant", "resume", "acme"]).well(), "tenant acme is active\n");
    let request = origin.last_request();
    assert_eq!((request.target.as_str(), request.body.len()), ("/api/v1/tenants/acme/resume", 0));
}
