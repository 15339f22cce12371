//! Copies of requests that go to another pool: faithful, bounded, and never in the original's way.

use std::net::SocketAddr;

use crate::harness::{
    ACME, Client, GLOBEX, Gate, Message, Origin, TestGateway, config, eventually, fingerprint, get, post,
    refused_address, request,
};

/// A gateway that sends copies to a pool at `shadow`.
fn mirroring(main: &Origin, shadow: SocketAddr, more: &str) -> TestGateway {
    config()
        .to(main)
        .pool("shadow", &[shadow], more)
        .set("routes", "[{ match: { path_prefix: / }, mirror: { pool: shadow } }]")
        .start()
}

fn outcome(gateway: &TestGateway, outcome: &str) -> f64 {
    gateway.metric("tollgate_mirrored_total", &[("pool", "shadow"), ("outcome", outcome)])
}

/// Waits until so many copies have ended so, and none is under way.
#[track_caller]
fn ends(gateway: &TestGateway, count: u32, how: &str) {
    eventually(&format!("{count} {how}"), || outcome(gateway, how) >= f64::from(count));
    eventually("none is under way", || gateway.metric("tollgate_mirrors_in_flight", &[]) < 0.5);
    assert!((outcome(gateway, how) - f64::from(count)).abs() < 0.5, "{}", gateway.metrics());
    eventually("no seat is taken", || {
        gateway.metric("tollgate_pool_seats_in_use", &[("pool", "shadow")]) < 0.5
    });
}

fn large(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at * 31 % 251) as u8).collect()
}

/// What the origin behind the gateway says that it got is what was sent.
#[track_caller]
fn echoes(gateway: &TestGateway, message: &Message, body: &[u8]) {
    let answer = gateway.ask(message);
    answer.assert_status(200);
    assert_eq!(answer.json()["body"], fingerprint(body));
}

#[test]
fn a_copy_is_the_request_and_says_that_it_is_one() {
    let (main, shadow) = (Origin::echo(), Origin::saying("thrown away"));
    let gateway = mirroring(&main, shadow.address(), "");
    let message = post(ACME, "/a?b=c", b"body").header("X-Own", "1").header("X-Tollgate-Mirror", "0");
    echoes(&gateway, &message.header("X_Tollgate_Mirror", "0"), b"body");
    ends(&gateway, 1, "sent");
    let (original, copy) = (main.last_request(), shadow.last_request());
    assert_eq!(
        (&copy.method, &copy.target, &copy.body),
        (&original.method, &original.target, &original.body)
    );
    assert_eq!(copy.header("x-tenant-id"), Some("acme"));
    assert_eq!(copy.header("host"), Some(ACME));
    assert!(!original.headers.iter().any(|(name, _)| name.to_lowercase().contains("mirror")), "{original:?}");
    let without: Vec<_> =
        copy.headers.iter().filter(|(name, _)| name != "x-tollgate-mirror").cloned().collect();
    assert_eq!(without, original.headers);
    assert_eq!(copy.header("x-tollgate-mirror"), Some("1"));
    // It is nobody's request.
    assert!((gateway.metric("tollgate_requests_total", &[("tenant", "acme")]) - 1.0).abs() < 0.5);
    assert_eq!(gateway.access_log(1).len(), 1);
}

#[test]
fn bodies_are_copied_byte_for_byte_however_they_come() {
    let (main, shadow) = (Origin::echo(), Origin::saying("ok"));
    let gateway = mirroring(&main, shadow.address(), "");
    let body = large(1 << 20);
    let pieces: Vec<&[u8]> = body.chunks(10_007).collect();
    let messages = [post(ACME, "/length", &body), request("POST", ACME, "/chunks").chunks(&pieces)];
    for (at, message) in messages.iter().enumerate() {
        // Where the machine has no time for the shadow, a copy may fall behind: that is no error. One of them is whole.
        eventually("a copy is whole", || {
            echoes(&gateway, message, &body);
            eventually("none is under way", || gateway.metric("tollgate_mirrors_in_flight", &[]) < 0.5);
            shadow.requests().len() > at
        });
    }
    let copies = shadow.requests();
    assert_eq!(copies.len(), 2);
    assert!(copies.iter().all(|copy| copy.body == body), "a copy differs");
}

#[test]
fn a_part_of_the_requests_is_copied() {
    let (main, shadow) = (Origin::saying("ok"), Origin::saying("ok"));
    let routes = |percent: &str| {
        format!("[{{ match: {{ path_prefix: / }}, mirror: {{ pool: shadow, percent: {percent} }} }}]")
    };
    let mut gateway =
        config().to(&main).pool("shadow", &[shadow.address()], "").set("routes", &routes("25.5")).start();
    let mut client = gateway.connect();
    (0..400).for_each(|_| client.ask(&get(ACME, "/")).assert_status(200));
    eventually("none is under way", || gateway.metric("tollgate_mirrors_in_flight", &[]) < 0.5);
    let copies = outcome(&gateway, "sent");
    // 102 are expected; these bounds are more than seven standard deviations away.
    assert!((35.0..170.0).contains(&copies), "{copies}");
    gateway.reload(|config| config.set("routes", &routes("0"))).unwrap();
    (0..50).for_each(|_| gateway.ask(&get(ACME, "/")).assert_status(200));
    assert!((outcome(&gateway, "sent") - copies).abs() < 0.5);
}

#[test]
fn a_shadow_that_takes_nothing_is_given_up_and_the_original_is_whole() {
    let gate = Gate::shut();
    let stalled = {
        let gate = gate.clone();
        Origin::on_connection(move |_, peer| {
            gate.pass();
            drop(peer);
        })
    };
    let main = Origin::echo();
    let gateway = mirroring(&main, stalled.address(), "");
    // More than the sockets' buffers and the copy's bound together.
    let body = large(24 << 20);
    echoes(&gateway, &post(ACME, "/", &body), &body);
    ends(&gateway, 1, "abandoned");
    gate.throw_open();
}

#[test]
fn a_shadow_that_is_slow_does_not_hold_the_original_up() {
    let gate = Gate::shut();
    let (main, shadow) = (Origin::echo(), Origin::behind(&gate));
    let gateway = mirroring(&main, shadow.address(), "");
    let mut client = gateway.connect();
    for _ in 0..5 {
        client.ask(&post(ACME, "/", b"body")).assert_status(200);
    }
    eventually("all are under way", || gate.waiting() == 5);
    assert!((gateway.metric("tollgate_mirrors_in_flight", &[("pool", "shadow")]) - 5.0).abs() < 0.5);
    // Nor does the client's leaving end what was sent whole.
    drop(client);
    gate.throw_open();
    ends(&gateway, 5, "sent");
}

#[test]
fn a_shadow_that_is_not_there_or_talks_nonsense_is_no_matter() {
    let (nowhere, _held) = refused_address();
    let main = Origin::echo();
    let gateway = mirroring(&main, nowhere, "timeouts: { connect: 500ms }");
    let body = large(200_000);
    echoes(&gateway, &post(ACME, "/", &body), &body);
    ends(&gateway, 1, "failed");
    let nonsense = Origin::answering_once("what?\r\n\r\n");
    let gateway = mirroring(&main, nonsense.address(), "");
    echoes(&gateway, &post(ACME, "/", b"body"), b"body");
    ends(&gateway, 1, "failed");
    let refusing = Origin::answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let gateway = mirroring(&main, refusing.address(), "retries: { max: 2, on: [503] }");
    echoes(&gateway, &post(ACME, "/", b"body"), b"body");
    ends(&gateway, 1, "sent");
    assert_eq!(refusing.requests().len(), 1, "it is not sent again");
}

#[test]
fn a_copy_has_a_time_of_its_own() {
    let gate = Gate::shut();
    let (main, shadow) = (Origin::echo(), Origin::behind(&gate));
    let gateway = mirroring(&main, shadow.address(), "timeouts: { request: 200ms }");
    echoes(&gateway, &post(ACME, "/", b"body"), b"body");
    ends(&gateway, 1, "timed_out");
    gate.throw_open();
}

#[test]
fn copies_take_free_seats_and_wait_for_none() {
    let gate = Gate::shut();
    let (main, shadow) = (Origin::echo(), Origin::behind(&gate));
    let gateway = mirroring(&main, shadow.address(), "concurrency: { limit: 1 }");
    gateway.ask(&get(ACME, "/")).assert_status(200);
    eventually("the first is under way", || gate.waiting() == 1);
    gateway.ask(&get(ACME, "/")).assert_status(200);
    eventually("the second has no seat", || outcome(&gateway, "no_capacity") > 0.5);
    gate.throw_open();
    ends(&gateway, 1, "sent");
    gateway.ask(&get(ACME, "/")).assert_status(200);
    ends(&gateway, 2, "sent");
}

#[test]
fn without_a_limit_there_is_a_bound() {
    let gate = Gate::shut();
    let (main, shadow) = (Origin::saying("ok"), Origin::behind(&gate));
    let gateway = mirroring(&main, shadow.address(), "");
    let mut client = gateway.connect();
    // Nobody's copies are all there are, of a tenant's on one worker.
    (0..30).for_each(|_| client.ask(&get(ACME, "/")).assert_status(200));
    assert!((outcome(&gateway, "no_capacity") - 20.0).abs() < 0.5, "{}", gateway.metrics());
    client.ask(&get(GLOBEX, "/")).assert_status(200);
    eventually("another's is under way", || gate.waiting() == 11);
    gate.throw_open();
    ends(&gateway, 11, "sent");
}

#[test]
fn half_of_the_seats_stay_for_requests_that_somebody_waits_for() {
    let gate = Gate::shut();
    let (main, shadow) = (Origin::echo(), Origin::behind(&gate));
    let gateway = mirroring(&main, shadow.address(), "concurrency: { limit: 2 }");
    gateway.ask(&get(ACME, "/")).assert_status(200);
    eventually("a copy is under way", || gate.waiting() == 1);
    gateway.ask(&get(ACME, "/")).assert_status(200);
    eventually("the next has no seat", || outcome(&gateway, "no_capacity") > 0.5);
    let seats = gateway.metric("tollgate_pool_seats_in_use", &[("pool", "shadow")]);
    assert!((seats - 1.0).abs() < 0.5, "{seats}");
    gate.throw_open();
    ends(&gateway, 1, "sent");
}

#[test]
fn a_copy_does_not_wait_for_a_client_that_says_no_more() {
    let (main, shadow) = (Origin::saying("ok"), Origin::saying("ok"));
    let gateway = mirroring(&main, shadow.address(), "concurrency: { limit: 2 }");
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 100\r\n\r\nonly this"));
    ends(&gateway, 1, "abandoned");
    // The original waits on.
    client.send([b'x'; 91]);
    client.answer().assert_status(200);
}

#[test]
fn an_original_that_breaks_off_takes_its_copy_along() {
    let (main, shadow) = (Origin::saying("ok"), Origin::saying("ok"));
    let gateway = mirroring(&main, shadow.address(), "");
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 100\r\n\r\nonly this"));
    eventually("the copy has begun", || !shadow.received().concat().is_empty());
    drop(client);
    ends(&gateway, 1, "abandoned");
    assert!(shadow.requests().is_empty(), "half a request is none");
}

#[test]
fn what_is_refused_or_answered_here_is_not_copied() {
    let (main, shadow) = (Origin::saying("ok"), Origin::saying("ok"));
    let gateway = config()
        .to(&main)
        .pool("shadow", &[shadow.address()], "")
        .set("routes", "[{ match: { path_prefix: / }, mirror: { pool: shadow }, rate_limit: { rate: 1/min, burst: 2 } }]")
        .start();
    let statuses: Vec<_> = (0..4).map(|_| gateway.ask(&get(ACME, "/")).status).collect();
    // And a copy is not charged.
    assert_eq!(statuses, [200, 200, 429, 429]);
    ends(&gateway, 2, "sent");
    assert_eq!(shadow.requests().len(), 2);
}

#[test]
fn switched_protocols_are_not_copied() {
    let main = Origin::on_request(|_, mut peer| {
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        peer.drain();
    });
    let shadow = Origin::saying("ok");
    let gateway = mirroring(&main, shadow.address(), "");
    let mut client = gateway.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: {ACME}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"));
    assert_eq!(client.answer().status, 101);
    drop(client);
    gateway.access_log(1);
    shadow.assert_untouched();
}

#[test]
fn the_end_waits_for_no_copy() {
    let gate = Gate::shut();
    let (main, shadow) = (Origin::saying("ok"), Origin::behind(&gate));
    let gateway = config()
        .to(&main)
        .pool("shadow", &[shadow.address()], "")
        .set("routes", "[{ match: { path_prefix: / }, mirror: { pool: shadow } }]")
        .set("limits", "{ drain: 60s }")
        .start();
    Client::connect(gateway.address()).ask(&get(ACME, "/").header("Connection", "close")).assert_status(200);
    eventually("the copy is under way", || gate.waiting() == 1);
    let began = std::time::Instant::now();
    gateway.drain();
    gateway.wait();
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "it waited for the copy");
    gate.throw_open();
}
