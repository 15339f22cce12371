//! What a refusal looks like, whichever it is.

use crate::harness::{ACME, Origin, Response, config, get, refused_address};

#[track_caller]
fn assert_problem(answer: &Response, status: u16, code: &str, tenant: Option<&str>) {
    answer.assert_refused(status, code);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert!(problem["type"].is_string(), "{problem}");
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    assert_eq!(problem["tenant"].as_str(), tenant, "{problem}");
    assert!(problem["request_id"].as_str().is_some_and(|id| id.len() >= 16), "{problem}");
    let proxy_status = answer.header("proxy-status").unwrap_or_default();
    assert!(proxy_status.to_lowercase().starts_with("tollgate"), "{proxy_status:?}");
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
}

#[test]
fn an_unknown_tenant_and_a_missing_route_are_problems() {
    let origin = Origin::echo();
    let gateway =
        config().to(&origin).set("routes", "[{ match: { path_prefix: /x }, pool: shared }]").start();
    assert_problem(&gateway.ask(&get("nobody.app.test", "/")), 404, "unknown_tenant", None);
    assert_problem(&gateway.ask(&get(ACME, "/")), 404, "no_route", Some("acme"));
}

#[test]
fn a_failed_upstream_is_a_problem_that_keeps_addresses_to_itself() {
    let (address, _held) = refused_address();
    let gateway = config().pool("shared", &[address], "").start();
    let answer = gateway.ask(&get(ACME, "/"));
    assert_problem(&answer, 502, "upstream_connect", Some("acme"));
    let everything = format!("{:?} {}", answer.headers, answer.text());
    assert!(!everything.contains("127.0.0.1"), "{everything}");
    assert!(!everything.contains(&address.port().to_string()), "{everything}");
    assert!(answer.header("proxy-status").unwrap_or_default().contains("error="), "{answer:?}");
}

#[test]
fn the_request_id_of_a_problem_is_the_one_in_the_log() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("trusted_proxies", "[127.0.0.0/8]").start();
    let answer = gateway.ask(&get("nobody.app.test", "/").header("X-Request-Id", "an-id-from-the-edge"));
    assert_eq!(answer.json()["request_id"], "an-id-from-the-edge");
    assert_eq!(gateway.access_log(1)[0]["request_id"], "an-id-from-the-edge");
}

#[test]
fn a_refusal_keeps_the_connection() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.ask(&get("nobody.app.test", "/")).assert_refused(404, "unknown_tenant");
    client.ask(&get(ACME, "/")).assert_status(200);
}

#[test]
fn a_refusal_of_a_head_has_no_body() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    let answer = client.ask(&crate::harness::request("HEAD", "nobody.app.test", "/"));
    assert_eq!(answer.status, 404);
    client.ask(&get(ACME, "/")).assert_status(200);
}

#[test]
fn what_a_client_sent_is_not_echoed_as_markup() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let answer = gateway.ask(&get("nobody.app.test", "/%3Cscript%3E?<script>"));
    assert!(!answer.text().contains("<script>"), "{}", answer.text());
}
