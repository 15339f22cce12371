//! One line of JSON for each request.

use crate::harness::{ACME, Gate, Origin, config, eventually, get, post};

#[test]
fn an_entry_says_who_what_where_and_how_long() {
    let origin = Origin::saying("0123456789");
    let gateway = config()
        .to(&origin)
        .set("routes", "[{ name: everything, match: { path_prefix: / }, pool: shared }]")
        .start();
    gateway.ask(&post(ACME, "/path?secret=1", b"12345")).assert_status(200);
    let entry = &gateway.access_log(1)[0];
    assert_eq!(entry["tenant"], "acme");
    assert_eq!(entry["route"], "everything");
    assert_eq!(entry["pool"], "shared");
    assert_eq!(entry["endpoint"].as_str().map(strip_scheme), Some(origin.address().to_string()));
    assert_eq!(entry["method"], "POST");
    assert_eq!(entry["host"], ACME);
    assert!(entry["path"].as_str().is_some_and(|path| path.starts_with("/path")), "{entry}");
    assert_eq!(entry["status"], 200);
    assert_eq!(entry["bytes_in"], 5);
    assert_eq!(entry["bytes_out"], 10);
    assert!(entry["client"].as_str().is_some_and(|client| client.starts_with("127.0.0.1")), "{entry}");
    assert_eq!(entry["request_id"].as_str(), origin.last_request().header("x-request-id"));
    assert!(entry["time"].as_str().is_some_and(|time| time.contains('T') && time.ends_with('Z')), "{entry}");
    for duration in ["duration_ms", "queue_ms", "upstream_ms"] {
        assert!(entry[duration].as_f64().is_some_and(|value| value >= 0.0), "no {duration}: {entry}");
    }
    assert!(entry["duration_ms"].as_f64() >= entry["upstream_ms"].as_f64(), "{entry}");
    assert!(entry["code"].is_null(), "no refusal: {entry}");
}

fn strip_scheme(endpoint: &str) -> String {
    endpoint.trim_start_matches("http://").to_owned()
}

#[test]
fn a_refusal_has_its_code() {
    let origin = Origin::echo();
    let gateway =
        config().to(&origin).set("routes", "[{ match: { path_prefix: /x }, pool: shared }]").start();
    gateway.ask(&get(ACME, "/"));
    gateway.ask(&get("nobody.test", "/"));
    let entries = gateway.access_log(2);
    assert_eq!((&entries[0]["code"], &entries[0]["status"]), (&"no_route".into(), &404.into()));
    assert_eq!(entries[0]["tenant"], "acme");
    assert_eq!((&entries[1]["code"], &entries[1]["status"]), (&"unknown_tenant".into(), &404.into()));
    assert!(entries[1]["tenant"].is_null(), "{}", entries[1]);
    assert_eq!(entries[1]["host"], "nobody.test");
}

#[test]
fn a_client_that_went_away_has_an_entry_too() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |_, _| {
        held.pass();
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(get(ACME, "/gone").bytes());
    eventually("it is being served", || gate.waiting() == 1);
    drop(client);
    let entry = &gateway.access_log(1)[0];
    assert_eq!(entry["tenant"], "acme");
    assert_eq!(entry["status"], 499, "as nginx calls it: {entry}");
    gate.throw_open();
}

#[test]
fn a_body_cut_short_is_not_logged_as_a_success() {
    let origin = Origin::answering_once("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/"));
    let entry = &gateway.access_log(1)[0];
    assert_eq!(entry["bytes_out"], 4, "{entry}");
    assert_eq!(entry["code"], "upstream_protocol", "{entry}");
}

#[test]
fn what_clients_send_cannot_break_a_line() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.ask(&get(ACME, "/%22quoted%22%0a%0d?a='}{"));
    client.ask(&get(ACME, "/next"));
    let entries = gateway.access_log(2);
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1]["path"], "/next");
}

#[test]
fn every_request_has_exactly_one_entry() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    for nth in 0..100 {
        gateway.ask(&get(ACME, &format!("/{nth}"))).assert_status(200);
    }
    let entries = gateway.access_log(100);
    assert_eq!(entries.len(), 100);
    let mut ids: Vec<_> = entries.iter().map(|entry| entry["request_id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

#[test]
fn a_malformed_request_has_an_entry_too() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    for bad in ["GET / HTTP/1.1\r\nHost : x\r\n\r\n", "GET /<x> HTTP/1.1\r\nHost: acme.app.test\r\n\r\n"] {
        let mut client = gateway.connect();
        client.send(bad);
        assert_eq!(client.answer().status, 400);
    }
    let entries = gateway.access_log(2);
    assert!(entries.iter().all(|entry| entry["status"] == 400), "{entries:?}");
}

#[test]
fn a_renamed_log_is_opened_anew_by_a_reload() {
    let origin = Origin::echo();
    let mut gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/before"));
    gateway.access_log(1);
    let path = gateway.directory().join("access.log");
    std::fs::rename(&path, gateway.directory().join("access.log.1")).unwrap();
    gateway.reload(|config| config).unwrap();
    gateway.ask(&get(ACME, "/after"));
    let entries = gateway.access_log(1);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["path"], "/after");
}
