//! Pools as an operator sees and steers them: `/api/v1/pools`, and the metrics of endpoints.

use serde_json::Value;

use crate::harness::{ACME, Gate, Origin, TestGateway, config, eventually, get, refused_address};

const TWO: &str = "load_balancing: round_robin";

fn endpoint(gateway: &TestGateway, origin: &Origin) -> Value {
    let pool = gateway.admin("/api/v1/pools/shared");
    pool.assert_status(200);
    let name = origin.address().to_string();
    let pool = pool.json();
    let found =
        pool["endpoints"].as_array().unwrap().iter().find(|endpoint| endpoint["name"] == name.as_str());
    found.unwrap_or_else(|| panic!("{name} is not in {pool}")).clone()
}

fn steer(gateway: &TestGateway, what: &str, origin: &Origin) {
    let body = format!(r#"{{"endpoint": "{}"}}"#, origin.address());
    gateway.admin_post(&format!("/api/v1/pools/shared/{what}"), &body).assert_status(200);
}

#[test]
fn a_drained_endpoint_finishes_what_it_has_and_gets_nothing_new() {
    let gate = Gate::shut();
    let waits = gate.clone();
    let slow = Origin::serving(move |_, peer| {
        waits.pass();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
    });
    let other = Origin::saying("other");
    let gateway = config().pool("shared", &[slow.address(), other.address()], TWO).start();
    let mut held = gateway.connect();
    held.send(get(ACME, "/held").bytes());
    eventually("it is at the endpoint", || gate.waiting() == 1);
    assert_eq!(endpoint(&gateway, &slow)["in_flight"], 1);
    steer(&gateway, "drain", &slow);
    for _ in 0..5 {
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "other");
    }
    assert_eq!(endpoint(&gateway, &slow)["draining"], true);
    let labels =
        |origin: &Origin| [("pool", "shared".to_owned()), ("endpoint", origin.address().to_string())];
    let metric = |name: &str, origin: &Origin| {
        let labels = labels(origin);
        gateway.metric(name, &labels.each_ref().map(|(name, value)| (*name, value.as_str())))
    };
    assert_eq!(metric("tollgate_endpoint_draining", &slow), 1.0);
    assert_eq!(metric("tollgate_endpoint_requests_in_flight", &slow), 1.0);
    gate.throw_open();
    assert_eq!(held.answer().text(), "slow");
    eventually("nothing is in flight", || metric("tollgate_endpoint_requests_in_flight", &slow) == 0.0);
    assert_eq!(metric("tollgate_endpoint_requests_total", &slow), 1.0);
    assert_eq!(metric("tollgate_endpoint_duration_seconds_count", &slow), 1.0);
    steer(&gateway, "undrain", &slow);
    let answers: Vec<String> = (0..4).map(|_| gateway.ask(&get(ACME, "/")).text()).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "slow").count(), 2, "{answers:?}");
}

#[test]
fn draining_outlives_a_reload_and_all_drained_is_503() {
    let origin = Origin::saying("here");
    let mut gateway = config().to(&origin).start();
    steer(&gateway, "drain", &origin);
    gateway.ask(&get(ACME, "/")).assert_refused(503, "no_endpoint");
    gateway.reload(|config| config.pool("shared", &[origin.address()], "max_idle: 3")).unwrap();
    gateway.ask(&get(ACME, "/")).assert_refused(503, "no_endpoint");
    steer(&gateway, "undrain", &origin);
    steer(&gateway, "undrain", &origin);
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

#[test]
fn failures_are_told_by_kind() {
    let (dead, _held) = refused_address();
    let broken = Origin::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let garbled = Origin::answering("nonsense\r\n\r\n");
    let config = config()
        .pool("shared", &[broken.address()], "")
        .pool("other", &[dead], "")
        .pool("third", &[garbled.address()], "")
        .set(
            "routes",
            "[{ match: { path_prefix: /dead }, pool: other }, { match: { path_prefix: /odd }, pool: third }, \
             { match: { path_prefix: / }, pool: shared }]",
        );
    let gateway = config.start();
    gateway.ask(&get(ACME, "/")).assert_status(503);
    gateway.ask(&get(ACME, "/dead")).assert_refused(502, "upstream_connect");
    gateway.ask(&get(ACME, "/odd")).assert_refused(502, "upstream_protocol");
    for (pool, kind) in [("shared", "status"), ("other", "connect"), ("third", "protocol")] {
        let of = |kind| gateway.metric("tollgate_endpoint_failures_total", &[("pool", pool), ("kind", kind)]);
        assert_eq!(of(kind), 1.0, "{pool}");
        let all = gateway.metric("tollgate_endpoint_failures_total", &[("pool", pool)]);
        assert_eq!(all, 1.0, "{pool}");
    }
    let pools = gateway.admin("/api/v1/pools").json();
    let names: Vec<_> = pools["pools"].as_array().unwrap().iter().map(|pool| pool["name"].clone()).collect();
    assert_eq!(names, ["other", "shared", "third"]);
    assert_eq!(pools["pools"][0]["endpoints"][0]["up"], false);
    assert_eq!(pools["pools"][0]["endpoints"][0]["failures"]["connect"], 1);
}

#[test]
fn what_is_asked_wrongly_says_how_to_ask() {
    let origin = Origin::saying("here");
    let gateway = config().to(&origin).start();
    gateway.admin("/api/v1/pools/nowhere").assert_refused(404, "unknown_pool");
    let drain = |pool: &str, body: &str| gateway.admin_post(&format!("/api/v1/pools/{pool}/drain"), body);
    drain("nowhere", r#"{"endpoint": "x"}"#).assert_refused(404, "unknown_pool");
    let unknown = drain("shared", r#"{"endpoint": "10.0.0.1:80"}"#);
    unknown.assert_refused(404, "unknown_endpoint");
    assert!(unknown.text().contains(&origin.address().to_string()), "{unknown:?}");
    for body in ["", "[]", "{}", r#"{"endpoint": 7}"#] {
        drain("shared", body).assert_refused(400, "bad_body");
    }
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

/// So many requests, and who answered each.
fn answers(
    gateway: &TestGateway,
    count: usize,
    message: impl Fn(usize) -> crate::harness::Message,
) -> Vec<String> {
    (0..count).map(|nth| gateway.ask(&message(nth)).text()).collect()
}

fn count(answers: &[String], of: &str) -> usize {
    answers.iter().filter(|answer| *answer == of).count()
}

#[test]
fn weights_are_kept_and_can_be_changed_while_it_runs() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let pool = format!(
        "{{ load_balancing: round_robin, endpoints: [{{ url: 'http://{}', weight: 3 }}, 'http://{}'] }}",
        one.address(),
        two.address()
    );
    let gateway = config().pool_as("shared", pool).start();
    let seen = answers(&gateway, 40, |_| get(ACME, "/"));
    assert_eq!((count(&seen, "one"), count(&seen, "two")), (30, 10));
    let weigh = |weight: &str| {
        let body = format!(r#"{{"endpoint": "{}", "weight": {weight}}}"#, one.address());
        gateway.admin_post("/api/v1/pools/shared/weight", &body)
    };
    weigh("1").assert_status(200);
    assert_eq!(endpoint(&gateway, &one)["weight"], 1);
    let seen = answers(&gateway, 40, |_| get(ACME, "/"));
    assert_eq!(count(&seen, "one"), 20);
    weigh("0").assert_status(200);
    assert_eq!(count(&answers(&gateway, 10, |_| get(ACME, "/")), "one"), 0);
    for wrong in ["-1", "1001", "\"3\"", "null"] {
        weigh(wrong).assert_refused(400, "bad_body");
    }
}

#[test]
fn a_busy_endpoint_gets_less_by_requests_in_flight() {
    let gate = Gate::shut();
    let waits = gate.clone();
    let busy = Origin::serving(move |_, peer| {
        waits.pass();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbusy");
    });
    let idle = Origin::saying("idle");
    let gateway = config().pool("shared", &[busy.address(), idle.address()], "").start();
    let mut held = Vec::new();
    eventually("one request is at the busy endpoint", || {
        let mut client = gateway.connect();
        client.send(get(ACME, "/").bytes());
        held.push(client);
        eventually("it has arrived somewhere", || gate.waiting() + idle.requests().len() == held.len());
        gate.waiting() == 1
    });
    // Of any two the one with nothing in flight is chosen, and there are but two.
    let before = idle.requests().len();
    for _ in 0..20 {
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "idle");
    }
    assert_eq!((gate.waiting(), idle.requests().len() - before), (1, 20));
    gate.throw_open();
}

#[test]
fn what_has_the_same_hash_goes_to_the_same_endpoint() {
    let origins: Vec<Origin> = (0..5).map(|nth| Origin::saying(&format!("origin-{nth}"))).collect();
    let addresses: Vec<_> = origins.iter().map(Origin::address).collect();
    for (of, message) in [
        (
            "{ header: X-Session }",
            (|nth| get(ACME, "/").header("X-Session", &format!("s{nth}"))) as fn(usize) -> _,
        ),
        ("{ cookie: sid }", |nth| get(ACME, "/").header("Cookie", &format!("a=1; sid=s{nth}; b=2"))),
    ] {
        let policy = format!("load_balancing: {{ consistent_hash: {of} }}");
        let gateway = config().pool("shared", &addresses, &policy).start();
        let first = answers(&gateway, 40, message);
        assert_eq!(answers(&gateway, 40, message), first, "{of}");
        for nth in 0..5 {
            assert!(count(&first, &format!("origin-{nth}")) > 0, "{of}: {first:?}");
        }
    }
    for of in ["client_ip", "tenant"] {
        let policy = format!("load_balancing: {{ consistent_hash: {of} }}");
        let gateway = config().pool("shared", &addresses, &policy).start();
        let seen = answers(&gateway, 20, |_| get(ACME, "/"));
        assert_eq!(count(&seen, &seen[0]), 20, "{of}: {seen:?}");
    }
}
