//! Backups and what is brought back of them: the commands, against gateways with a store.

mod damage;
mod handover;
mod kill;
mod tenants;
mod whole;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{ADMIN_TOKEN, Client, Config, Origin, Response, config, request, tollgate};

/// A gateway with a store and a plan with a quota.
fn stored(origin: &Origin) -> Config {
    config().to(origin).set("store", "sqlite:state/tollgate.db").set(
        "plans",
        "{ free: { quotas: [{ name: yearly, meter: requests, limit: 5, per: year }] }, pro: { features: [reports] } }",
    )
}

/// Asks the API.
#[track_caller]
fn ask(admin: SocketAddr, method: &str, path: &str, body: impl AsRef<[u8]>) -> Response {
    let message = request(method, "admin.test", &format!("/api/v1{path}"))
        .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
        .header("Connection", "close");
    let body = body.as_ref();
    Client::connect(admin).ask(&if body.is_empty() { message } else { message.body(body) })
}

#[track_caller]
fn put(admin: SocketAddr, id: &str, document: &Value) {
    let status = ask(admin, "PUT", &format!("/tenants/{id}"), document.to_string()).status;
    assert!(status == 200 || status == 201, "{id}: {status}");
}

/// Runs a command: its exit code, output and errors.
fn run(admin: SocketAddr, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = tollgate(arguments);
    command.env_clear().env("TOLLGATE_ADMIN", format!("http://{admin}")).env("TOLLGATE_TOKEN", ADMIN_TOKEN);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Runs a command that goes well.
#[track_caller]
fn well(admin: SocketAddr, arguments: &[&str]) -> String {
    let (code, out, err) = run(admin, arguments);
    assert_eq!(code, Some(0), "{out}{err}");
    out
}

/// Backs up into a file, and returns it.
#[track_caller]
fn backup(admin: SocketAddr, file: &Path) -> String {
    well(admin, &["backup", file.to_str().unwrap()]);
    std::fs::read_to_string(file).unwrap()
}

/// The stored tenants as the API shows them, each a line, by id.
#[track_caller]
fn exported(admin: SocketAddr) -> BTreeMap<String, String> {
    let answer = ask(admin, "GET", "/export", "");
    answer.assert_status(200);
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    answer.text().lines().map(|line| (id(line), line.to_owned())).collect()
}

/// The same, with revisions, times, domains and keys.
#[track_caller]
fn in_full(admin: SocketAddr) -> BTreeMap<String, [String; 3]> {
    let show = |path: String| ask(admin, "GET", &path, "").text();
    let all = exported(admin).into_keys().map(|id| {
        let parts = ["", "/domains", "/keys"].map(|part| show(format!("/tenants/{id}{part}")));
        (id, parts)
    });
    all.collect()
}

/// The records of a kind in a backup.
fn records(backup: &str, kind: &str) -> Vec<Value> {
    let lines = backup.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line.get(kind).cloned()).collect()
}

/// Three tenants with domains, claims and keys.
fn furnish(admin: SocketAddr) {
    put(
        admin,
        "initech",
        &json!({ "plan": "free", "domains": ["initech.test", "*.initech.test"], "labels": { "tier": "gold" } }),
    );
    put(
        admin,
        "hooli",
        &json!({ "plan": "pro", "domains": ["hooli.test"], "limits": { "concurrency": { "max": 3 } } }),
    );
    put(admin, "umbrella", &json!({ "plan": "free", "state": "suspended" }));
    for id in ["initech", "hooli", "umbrella"] {
        ask(admin, "POST", &format!("/tenants/{id}/keys"), "{\"name\": \"ci\"}").assert_status(201);
        let claim = format!("{{\"domain\": \"claimed.{id}.example\"}}");
        ask(admin, "POST", &format!("/tenants/{id}/domains"), claim).assert_status(201);
    }
}
