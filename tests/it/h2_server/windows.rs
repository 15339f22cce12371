//! Clients that open their windows by little.

use std::time::{Duration, Instant};

use super::frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE, block, frame, get,
    pseudo,
};
use crate::harness::{ACME, Gate, Origin, config, eventually};

const CANCEL: u32 = 8;

/// SETTINGS_INITIAL_WINDOW_SIZE of a client.
fn window(octets: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, 4][..], &octets.to_be_bytes()].concat())
}

fn open(stream: u32, octets: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &octets.to_be_bytes())
}

#[test]
fn an_octet_now_and_then_buys_no_time() {
    let origin = Origin::saying("a short answer");
    let limits = "{ min_response_rate: { per_second: 1KiB, grace: 300ms }, write_timeout: 20s }";
    let gateway = config().to(&origin).set("limits", limits).start();
    let mut client = Raw::connect(gateway.address());
    client.send(&[window(0), get(1)].concat());
    let head = client.next(|frame| frame.kind == HEADERS && frame.stream == 1).unwrap();
    assert_eq!(head.payload.first(), Some(&0x88), "200");
    // How such a client goes about it: there is nothing to wait for.
    let mut octets = 0;
    let ended = loop {
        std::thread::sleep(Duration::from_millis(100));
        client.send(&open(1, 1));
        let next = client.next(|frame| matches!(frame.kind, DATA | RST_STREAM)).unwrap();
        if next.kind == RST_STREAM {
            break next;
        }
        octets += next.payload.len();
        assert!(octets < 12, "it is not cut");
    };
    assert_eq!(ended.code(), CANCEL);
    eventually("it is counted, and its place is free", || {
        gateway.metric("tollgate_requests_in_flight", &[]) == 0.0
    });
}

#[test]
fn who_takes_an_answer_at_the_rate_gets_all_of_it_however_long_one_piece_takes() {
    const LENGTH: usize = 20_000;
    let origin = Origin::saying(&"x".repeat(LENGTH));
    let limits = "{ min_response_rate: { per_second: 1KiB, grace: 2s }, write_timeout: 400ms }";
    let gateway = config().to(&origin).set("limits", limits).start();
    let mut client = Raw::connect(gateway.address());
    client.send(&[window(0), get(1)].concat());
    let began = Instant::now();
    let mut octets = 0;
    loop {
        std::thread::sleep(Duration::from_millis(100));
        client.send(&open(1, 2_000));
        let next = client.next(|frame| matches!(frame.kind, DATA | RST_STREAM)).unwrap();
        assert_eq!(next.kind, DATA, "it was cut after {octets} octets");
        octets += next.payload.len();
        if next.flags & END_STREAM != 0 {
            break;
        }
    }
    assert_eq!(octets, LENGTH);
    assert!(began.elapsed() > Duration::from_millis(400), "longer than a client may take nothing");
}

#[test]
fn a_shut_window_keeps_no_seat_of_an_endpoint_that_is_done() {
    let gate = Gate::shut();
    let pass = gate.clone();
    let origin = Origin::serving(move |request, peer| match &*request.target {
        "/" => _ = peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        _ => {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
            pass.pass();
            peer.send("hello");
        }
    });
    let pool = "concurrency: { limit: 1 }, circuit_breaker: { max_requests: 1 }";
    let gateway = config().pool("shared", &[origin.address()], pool).start();
    let free = || gateway.metric("tollgate_pool_seats_in_use", &[("pool", "shared")]) == 0.0;
    for path in ["/", "/late"] {
        let mut client = Raw::connect(gateway.address());
        let fields =
            pseudo("GET").into_iter().map(|(name, value)| (name, if name == ":path" { path } else { value }));
        let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&fields.collect::<Vec<_>>()));
        client.send(&[window(0), request].concat());
        client.next(|frame| frame.kind == HEADERS && frame.stream == 1).unwrap();
        gate.throw_open();
        eventually("the seat is free, though nothing is taken", free);
        gateway.ask(&crate::harness::get(ACME, "/")).assert_status(200);
        assert_eq!(gateway.metric("tollgate_requests_in_flight", &[("tenant", "acme")]), 1.0);
    }
}
