//! A client that says how long it waits, and what the endpoint is told of it.

use std::time::{Duration, Instant};

use crate::harness::{
    ACME, Ending, Gate, H2Client, Origin, TestGateway, block_on, config, eventually, get, request,
};

const SLOW_ROUTE: &str = "[{ match: { path_prefix: / }, pool: '{tenant.pool}', timeout: 60s }]";

fn silent() -> Origin {
    Origin::on_request(|_, mut peer| {
        peer.drain();
    })
}

#[test]
fn a_client_that_waits_no_longer_is_told_so() {
    let origin = silent();
    let gateway = config().to(&origin).set("routes", SLOW_ROUTE).start();
    let since = Instant::now();
    for timeout in ["100ms", "0.1", "0.1s"] {
        let answer = gateway.ask(&get(ACME, "/").header("X-Request-Timeout", timeout));
        answer.assert_refused(504, "upstream_timeout");
    }
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_call_that_is_late_is_a_deadline_exceeded() {
    let origin = silent();
    let gateway = config().to(&origin).start();
    let answer = block_on(async {
        let call = http::Request::post(format!("http://{ACME}/demo.Echo/Say"))
            .header("content-type", "application/grpc")
            .header("grpc-timeout", "100m");
        H2Client::connect(gateway.address()).await.send(call.body(()).unwrap(), &[0; 5]).await.unwrap()
    });
    assert_eq!((answer.status.as_u16(), &answer.headers["grpc-status"]), (200, &"4".parse().unwrap()));
    assert_eq!(gateway.access_log(1)[0]["status"], 504);
}

#[test]
fn a_client_can_not_lengthen_its_routes_timeout() {
    let origin = silent();
    let routes = "[{ match: { path_prefix: / }, pool: '{tenant.pool}', timeout: 100ms }]";
    let gateway = config().to(&origin).set("routes", routes).start();
    let answer = gateway.ask(&get(ACME, "/").header("X-Request-Timeout", "3600"));
    answer.assert_refused(504, "upstream_timeout");
    assert_eq!(origin.last_request().header("x-request-timeout"), Some("1"), "of its 100 ms, rounded up");
}

#[test]
fn a_request_without_time_reaches_nobody() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/").header("X-Request-Timeout", "0")).assert_refused(504, "upstream_timeout");
    origin.assert_untouched();
}

#[test]
fn what_makes_no_sense_passes_and_asks_for_nothing() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/").header("X-Request-Timeout", "soon")).assert_status(200);
    assert_eq!(origin.last_request().header("x-request-timeout"), Some("soon"));
}

#[test]
fn the_endpoint_is_told_what_is_left_after_the_queue() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        held.pass();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let gateway = config().pool("shared", &[origin.address()], "concurrency: { limit: 1 }").start();
    let mut first = gateway.connect();
    first.send(get(ACME, "/first").bytes());
    eventually("the first is at the origin", || gate.waiting() == 1);
    let mut second = gateway.connect();
    let sent = Instant::now();
    let waiting = request("GET", ACME, "/second").header("grpc-timeout", "30S");
    second.send(waiting.header("X-Request-Timeout", "30000ms").bytes());
    eventually("time has passed", || sent.elapsed() >= Duration::from_millis(200));
    gate.throw_open();
    second.answer().assert_status(200);
    let seen = origin.last_request();
    let left = |name: &str, unit: &str| {
        assert_eq!(seen.all(name).len(), 1, "{seen:?}");
        seen.header(name).unwrap().strip_suffix(unit).unwrap().parse::<u64>().unwrap()
    };
    let (grpc, plain) = (left("grpc-timeout", "m"), left("x-request-timeout", "ms"));
    assert!((20_000..=29_800).contains(&grpc) && grpc == plain, "{grpc} {plain}");
}

#[test]
fn a_pools_time_for_a_request_holds_as_its_routes_does() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::on_request(move |request, mut peer| {
        if request.target == "/body" {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
        held.pass();
    });
    let pool = "timeouts: { request: 300ms }, retries: {}";
    let gateway = config().pool("shared", &[origin.address()], pool).set("routes", SLOW_ROUTE).start();
    let since = Instant::now();
    gateway.ask(&get(ACME, "/head")).assert_refused(504, "upstream_timeout");
    assert_eq!(gateway.ask(&get(ACME, "/body")).ending, Ending::Broken);
    let answer = gateway.ask(&get(ACME, "/told").header("X-Request-Timeout", "60000ms"));
    answer.assert_refused(504, "upstream_timeout");
    let told = origin.last_request().header("x-request-timeout").unwrap().to_owned();
    assert!(told.strip_suffix("ms").unwrap().parse::<u64>().unwrap() <= 300, "{told}");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_eq!(failures(&gateway, &origin), 2.0, "it was the gateway that waited for it");
    assert_eq!(origin.requests().len(), 3, "there was no time for a retry");
    gate.throw_open();
}

fn failures(gateway: &TestGateway, origin: &Origin) -> f64 {
    let endpoint = origin.address().to_string();
    let labels = [("pool", "shared"), ("endpoint", endpoint.as_str()), ("kind", "timeout")];
    gateway.metric("tollgate_endpoint_failures_total", &labels)
}

#[test]
fn that_a_client_waits_no_longer_is_no_failure_of_the_endpoint() {
    let origin = silent();
    let gateway = config().pool("shared", &[origin.address()], "retries: { max: 5 }").start();
    for _ in 0..3 {
        let answer = gateway.ask(&get(ACME, "/").header("X-Request-Timeout", "50ms"));
        answer.assert_refused(504, "upstream_timeout");
    }
    assert_eq!(origin.requests().len(), 3);
    assert_eq!(failures(&gateway, &origin), 0.0);
    assert_eq!(gateway.metric("tollgate_upstream_retries_total", &[("pool", "shared")]), 0.0);
}
