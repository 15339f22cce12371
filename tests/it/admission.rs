//! Whether a request may come in.

use std::time::Duration;

use crate::harness::{
    ACME, Client, GLOBEX, Gate, Origin, TestGateway, config, eventually, get, post, request,
};

#[test]
fn too_many_at_once_are_refused_and_a_freed_place_is_used() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway =
        config().to(&origin).set("plans", "{ free: { concurrency: { max: 2, queue: 0 } } }").start();
    let (mut one, mut two) = (gateway.asking(&get(ACME, "/")), gateway.asking(&get(ACME, "/")));
    eventually("both are being served", || gate.waiting() == 2);
    let refused = gateway.ask(&get(ACME, "/"));
    refused.assert_refused(429, "concurrency_exceeded");
    assert!(refused.header("retry-after").is_some());
    gateway_of_another_tenant_is_free(&gateway, &gate);
    gate.throw_open();
    one.answer().assert_status(200);
    two.answer().assert_status(200);
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

/// Globex gets in while acme is at its maximum.
#[track_caller]
fn gateway_of_another_tenant_is_free(gateway: &TestGateway, gate: &Gate) {
    let mut client = gateway.connect();
    client.send(get(GLOBEX, "/").bytes());
    eventually("globex is being served", || gate.waiting() == 3);
}

#[test]
fn a_client_that_goes_away_frees_its_place() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway =
        config().to(&origin).set("plans", "{ free: { concurrency: { max: 1, queue: 0 } } }").start();
    let leaving = gateway.asking(&get(ACME, "/"));
    eventually("it is being served", || gate.waiting() == 1);
    gateway.ask(&get(ACME, "/")).assert_refused(429, "concurrency_exceeded");
    drop(leaving);
    eventually("its place is free", || {
        let mut next = gateway.connect();
        next.patience(Duration::from_millis(100));
        next.send(get(ACME, "/").bytes());
        // No answer means that it is being served.
        next.response_head().map(|answer| answer.status) != Ok(429)
    });
    gate.throw_open();
}

/// An origin that answers when the gate lets it.
#[test]
fn a_tenants_state_decides_first() {
    let origin = Origin::echo();
    for (state, status, code) in [
        ("suspended", 403, "tenant_suspended"),
        ("past_due", 402, "payment_required"),
        ("maintenance", 503, "maintenance"),
    ] {
        let tenants = format!("[{{ id: acme, plan: free, state: {state} }}, {{ id: globex, plan: free }}]");
        let gateway = config().to(&origin).set("tenants", &tenants).start();
        let refused = gateway.ask(&get(ACME, "/"));
        refused.assert_refused(status, code);
        assert_eq!(refused.header("retry-after").is_some(), state == "maintenance", "{state}");
        origin.assert_untouched();
    }
}

#[test]
fn an_access_list_lets_in_whom_it_allows() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("trusted_proxies", "[127.0.0.9/32]")
        .set(
            "tenants",
            "[{ id: acme, plan: free, access: { allow: [127.0.0.0/24, 203.0.113.0/24], deny: [127.0.0.66/32] } }]",
        )
        .start();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    let mut denied = Client::connect_from("127.0.0.66", gateway.address());
    denied.ask(&get(ACME, "/")).assert_refused(403, "access_denied");
    let mut outside = Client::connect_from("127.0.1.1", gateway.address());
    outside.ask(&get(ACME, "/")).assert_refused(403, "access_denied");
    let mut proxy = Client::connect_from("127.0.0.9", gateway.address());
    proxy.ask(&get(ACME, "/").header("X-Forwarded-For", "203.0.113.5")).assert_status(200);
    let elsewhere = get(ACME, "/").header("X-Forwarded-For", "203.0.113.5, 198.51.100.1");
    proxy.ask(&elsewhere).assert_refused(403, "access_denied");
    let forged = get(ACME, "/").header("X-Forwarded-For", "203.0.113.5");
    Client::connect_from("127.0.1.1", gateway.address()).ask(&forged).assert_refused(403, "access_denied");
}

#[test]
fn a_feature_must_be_in_the_plan_or_the_tenants_own() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("plans", "{ free: {}, paid: { features: [reports] } }")
        .set(
            "tenants",
            "[{ id: acme, plan: free }, { id: globex, plan: paid }, { id: initech, plan: free, features: [reports] }]",
        )
        .set("routes", "[{ match: { path_prefix: / }, pool: shared, requires_feature: reports }]")
        .start();
    let refused = gateway.ask(&get(ACME, "/"));
    refused.assert_refused(403, "feature_not_in_plan");
    assert!(refused.text().contains("reports"), "it names the feature: {}", refused.text());
    gateway.ask(&get(GLOBEX, "/")).assert_status(200);
    gateway.ask(&get("initech.app.test", "/")).assert_status(200);
}

#[test]
fn a_body_that_says_it_is_too_large_is_refused_before_the_origin_is_asked() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("plans", "{ free: { request_body: { max: 1KiB } } }").start();
    gateway.ask(&post(ACME, "/", vec![b'x'; 1024])).assert_status(200);
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 1025\r\n\r\n"));
    client.answer().assert_refused(413, "body_too_large");
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_body_that_grows_too_large_is_refused_and_never_whole_at_the_origin() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("plans", "{ free: { request_body: { max: 1KiB } } }").start();
    let half = vec![b'x'; 512];
    gateway.ask(&request("POST", ACME, "/").chunks(&[&half, &half])).assert_status(200);
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for _ in 0..3 {
        client.send_chunk(&half);
    }
    client.answer().assert_refused(413, "body_too_large");
    assert_eq!(origin.requests().len(), 1, "the second never arrived whole");
}
