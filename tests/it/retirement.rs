//! Endpoints that a reload removes: what runs there may finish, for `drain` and no longer.

use std::time::{Duration, Instant};

use crate::harness::{ACME, Gate, Origin, config, eventually, get};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: echo\r\n";

/// Begins responses of every kind and says `more` of each when the gate is opened, once.
fn unfinished(gate: &Gate) -> Origin {
    let held = gate.clone();
    Origin::on_request(move |request, mut peer| {
        match request.target.as_str() {
            "/head" => {}
            "/tunnel" => {
                peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
            }
            _ => {
                peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            }
        }
        held.pass();
        match request.target.as_str() {
            "/whole" => {
                peer.send_chunk("more");
                peer.send("0\r\n\r\n");
            }
            "/head" => {}
            _ => {
                peer.send_chunk("more");
            }
        }
        peer.drain();
    })
}

#[test]
fn what_runs_at_a_removed_endpoint_goes_on_for_a_while_and_is_cut_then() {
    let gate = Gate::shut();
    let (removed, stays) = (unfinished(&gate), Origin::saying("stays"));
    let drain = "drain: 1s";
    let mut gateway = config().pool("shared", &[removed.address()], drain).start();
    let mut clients: Vec<_> = ["/body", "/head", "/whole"]
        .map(|target| {
            let mut client = gateway.connect();
            client.send(get(ACME, target).bytes());
            client
        })
        .into();
    let mut tunnel = gateway.connect();
    tunnel.send(format!("GET /tunnel HTTP/1.1\r\nHost: {ACME}\r\n{UPGRADE}\r\n"));
    assert_eq!(tunnel.response_head().unwrap().status, 101);
    assert_eq!(clients[0].response_head().unwrap().status, 200);
    assert_eq!(clients[2].response_head().unwrap().status, 200);
    eventually("all are there", || gate.waiting() == 4);

    let removal = Instant::now();
    gateway.reload(|c| c.pool("shared", &[stays.address()], drain)).unwrap();
    gate.throw_open();
    assert_eq!(clients[0].chunk().unwrap(), b"more");
    assert_eq!(tunnel.take(9).unwrap(), b"4\r\nmore\r\n");
    // What ends in time is whole.
    assert_eq!(clients[2].chunk().unwrap(), b"more");
    assert_eq!(clients[2].chunk().unwrap(), b"");
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "stays");

    assert!(clients[0].chunk().is_err(), "cut");
    assert!(tunnel.fill().is_err(), "closed");
    clients[1].answer().assert_refused(502, "upstream_protocol");
    let took = removal.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(10), "{took:?}");
    eventually("nothing is left there", || removed.open_connections() == 0);
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "stays");
}

#[test]
fn an_endpoint_that_is_removed_and_added_again_is_a_new_one() {
    let origin = Origin::saying("there");
    let other = Origin::saying("other");
    let pool = "drain: 0s";
    let mut gateway = config().pool("shared", &[origin.address()], pool).start();
    for _ in 0..2 {
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "there");
        gateway.reload(|c| c.pool("shared", &[other.address()], pool)).unwrap();
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "other");
        eventually("its connections are closed", || origin.open_connections() == 0);
        gateway.reload(|c| c.pool("shared", &[origin.address()], pool)).unwrap();
    }
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "there");
}

#[test]
fn a_pool_that_is_removed_retires_its_endpoints_and_one_that_stays_does_not() {
    let gate = Gate::shut();
    let (origin, other) = (unfinished(&gate), unfinished(&gate));
    let base = config().pool("shared", &[origin.address()], "drain: 0s, max_idle: 3");
    let mut gateway = base
        .clone()
        .pool("gone", &[other.address()], "drain: 0s")
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: shared }, { match: { path_prefix: /gone }, pool: gone }]",
        )
        .start();
    let [mut stays, mut goes] = ["/body", "/gone"].map(|target| {
        let mut client = gateway.connect();
        client.send(get(ACME, target).bytes());
        assert_eq!(client.response_head().unwrap().status, 200);
        client
    });
    // Changed, but for its endpoint.
    gateway.reload(|_| base.pool("shared", &[origin.address()], "drain: 0s, max_idle: 4")).unwrap();
    assert!(goes.chunk().is_err(), "cut");
    gate.throw_open();
    assert_eq!(stays.chunk().unwrap(), b"more");
}
