//! Attacks that once succeeded: each names what an attacker gained.

use std::time::Duration;

use crate::harness::{
    ACME, Gate, H2Client, Origin, Silence, block_on, config, eventually, eventually_async, get,
};

const IN_FLIGHT: &str = "tollgate_requests_in_flight";

#[test]
fn an_identity_header_with_underscores_can_not_be_forged() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("identity", "{ header: X_Customer }").start();
    let forged = get(ACME, "/").header("X_Customer", "globex").header("X-Customer", "globex");
    gateway.ask(&forged).assert_status(200);
    let seen = origin.last_request();
    assert_eq!(seen.all("x_customer"), ["acme"], "{seen:#?}");
    assert!(seen.all("x-customer").is_empty(), "an application may read it as the same: {seen:#?}");
}

#[test]
fn a_header_that_identifies_does_not_pass_from_an_untrusted_client() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("tenancy", "{ identify: [{ host: '{tenant}.app.test' }, { header: X-Org }] }")
        .start();
    gateway.ask(&get(ACME, "/").header("X-Org", "globex")).assert_status(200);
    let seen = origin.last_request();
    assert!(seen.all("x-org").is_empty(), "{seen:#?}");
}

#[test]
fn a_byte_outside_ascii_does_not_hide_the_client_that_a_trusted_proxy_names() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("trusted_proxies", "[127.0.0.0/8]")
        .set("tenants", "[{ id: acme, plan: free, access: { deny: [203.0.113.0/24] } }]")
        .start();
    let mut client = gateway.connect();
    // What a proxy makes of a client's own field when it appends the client's address to it.
    let mut bytes = format!("GET / HTTP/1.1\r\nHost: {ACME}\r\nX-Forwarded-For: ").into_bytes();
    bytes.extend_from_slice(b"\xe9, 203.0.113.9\r\n\r\n");
    client.send(bytes);
    client.answer().assert_refused(403, "access_denied");
}

#[test]
fn an_upgrade_whose_client_is_gone_gives_its_seat_back() {
    let gate = Gate::shut();
    let waiting = gate.clone();
    let origin = Origin::on_request(move |_, mut peer| {
        waiting.pass();
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        peer.drain();
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    // The early byte keeps the server from reading on, and so from seeing that the client left.
    let head = format!("GET / HTTP/1.1\r\nHost: {ACME}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nx");
    client.send(head);
    eventually("the upgrade is at the origin", || gate.waiting() == 1);
    client.reset();
    gate.throw_open();
    eventually("the origin is let go", || origin.open_connections() == 0);
    eventually("nothing is in flight", || gateway.metric(IN_FLIGHT, &[]) == 0.0);
}

#[test]
fn an_http2_client_that_takes_nothing_does_not_keep_its_seat() {
    let origin = Origin::saying(&"x".repeat(1 << 20));
    let gateway = config()
        .to(&origin)
        .set("routes", "[{ match: { path_prefix: / }, pool: '{tenant.pool}', timeout: 300ms }]")
        .set("limits", "{ write_timeout: 300ms }")
        .start();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let request = http::Request::get(format!("http://{ACME}/")).body(()).unwrap();
        let (response, _stream) = client.open(request, true).await.unwrap();
        // Its body is never read: the window stays shut.
        let response = response.await.unwrap();
        eventually_async("nothing is in flight", || gateway.metric(IN_FLIGHT, &[]) == 0.0).await;
        drop(response);
    });
}

#[test]
fn a_connection_idles_no_longer_than_it_may_after_a_slow_answer() {
    let origin = Origin::serving(|_, peer| {
        // Longer than any of the gateway's timers.
        std::thread::park_timeout(Duration::from_secs(1));
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = config()
        .to(&origin)
        .set("limits", "{ keep_alive_timeout: 200ms, header_read_timeout: 200ms }")
        .start();
    for field in ["", "Upgrade: x\r\n"] {
        let mut client = gateway.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: {ACME}\r\n{field}\r\n"));
        client.answer().assert_status(200);
        assert_ne!(client.drain(), Silence::Deadline, "the connection was kept after {field:?}");
    }
}

#[test]
fn a_good_chunked_request_before_a_bad_one_is_answered_first() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let head = format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut client = gateway.connect();
    client.send(format!("{head}5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n{head}ZZ\r\n"));
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().status, 400);
}

#[test]
fn an_origins_old_version_is_not_passed_on() {
    let origin = Origin::answering_once("HTTP/1.0 200 OK\r\n\r\nto the close");
    let gateway = config().to(&origin).start();
    let answer = gateway.ask(&get(ACME, "/"));
    assert_eq!(answer.version, "HTTP/1.1", "{answer:#?}");
}

#[test]
fn too_many_trailers_are_a_bad_request_and_no_timeout() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let trailers: String = (0..101).map(|nth| format!("a{nth}: b\r\n")).collect();
    let head = format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut client = gateway.connect();
    client.send(format!("{head}1\r\nx\r\n0\r\n{trailers}\r\n"));
    let status = client.answer().status;
    assert!(matches!(status, 400 | 431), "{status}");
}

#[test]
fn a_pipelined_request_outlives_a_slow_answer_before_it() {
    let origin = Origin::serving(|_, peer| {
        std::thread::park_timeout(Duration::from_secs(1));
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = config()
        .to(&origin)
        .set("limits", "{ keep_alive_timeout: 200ms, header_read_timeout: 200ms }")
        .start();
    let mut client = gateway.connect();
    client.send([get(ACME, "/1").bytes(), get(ACME, "/2").bytes()].concat());
    client.answer().assert_status(200);
    client.answer().assert_status(200);
}

#[test]
fn bounds_on_heads_hold_for_http2_too() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let long = client.get(ACME, &format!("/{}", "a".repeat(9_000))).await.unwrap();
        let mut many = http::Request::get(format!("http://{ACME}/"));
        for nth in 0..150 {
            many = many.header(format!("x-{nth}"), "1");
        }
        let many = client.send(many.body(()).unwrap(), &[]).await.unwrap();
        assert_eq!((long.status.as_u16(), many.status.as_u16()), (414, 431));
    });
    origin.assert_untouched();
}
