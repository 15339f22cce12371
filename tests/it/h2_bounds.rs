//! HTTP/2 connections that ask for too much, or for nothing.

use std::time::Duration;

use crate::harness::{ACME, Client, Gate, H2Client, Origin, Silence, block_on, config, eventually, get};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A gateway with short patience, and a client that has said these bytes to it.
#[track_caller]
fn is_cut_off_after(limits: &str, said: &[&[u8]]) {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("limits", limits).start();
    let mut client = Client::connect(gateway.address());
    for bytes in said {
        client.send(bytes);
    }
    assert_ne!(client.drain(), Silence::Deadline, "the connection was kept");
    origin.assert_untouched();
}

#[test]
fn half_a_preface_is_cut_off() {
    is_cut_off_after("{ header_read_timeout: 200ms }", &[&PREFACE[..20]]);
}

#[test]
fn a_preface_without_settings_is_cut_off() {
    is_cut_off_after("{ header_read_timeout: 200ms, keep_alive_timeout: 200ms }", &[PREFACE]);
}

#[test]
fn an_idle_connection_is_closed() {
    is_cut_off_after("{ keep_alive_timeout: 200ms, header_read_timeout: 200ms }", &[PREFACE, EMPTY_SETTINGS]);
}

#[test]
fn a_header_block_without_end_is_cut_off() {
    // HEADERS on stream 1 without END_HEADERS: one indexed field (:method GET), and no more.
    let headers = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];
    is_cut_off_after(
        "{ header_read_timeout: 200ms, keep_alive_timeout: 200ms }",
        &[PREFACE, EMPTY_SETTINGS, &headers],
    );
}

#[test]
fn fields_too_large_never_reach_the_origin() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let request = http::Request::get(format!("http://{ACME}/")).header("x-large", "x".repeat(70 * 1024));
        let answer = client.send(request.body(()).unwrap(), &[]).await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 431));
    });
    origin.assert_untouched();
}

#[test]
fn streams_reset_as_soon_as_opened_leave_nothing_behind() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    block_on(async {
        // CVE-2023-44487: to be told to go away is as good as to be served.
        let client = H2Client::connect(gateway.address()).await;
        for _ in 0..5_000 {
            let request = http::Request::post(format!("http://{ACME}/")).body(()).unwrap();
            let Ok((response, mut stream)) = client.open(request, false).await else { break };
            stream.send_reset(h2::Reason::CANCEL);
            drop(response);
        }
    });
    eventually("nothing is in flight", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
    eventually("no upstream connection is held", || origin.open_connections() <= 128);
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

#[test]
fn a_request_whose_reset_comes_with_it_is_not_begun() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("limits", "{ keep_alive_timeout: 200ms, header_read_timeout: 200ms }")
        .start();
    let mut client = Client::connect(gateway.address());
    // :method GET, :scheme http, :path /, and :authority as a literal.
    let fields = [&[0x82, 0x86, 0x84, 0x01, ACME.len() as u8], ACME.as_bytes()].concat();
    let mut said = [PREFACE, EMPTY_SETTINGS].concat();
    for stream in (1..41).step_by(2) {
        said.extend([0, 0, fields.len() as u8, 1, 4, 0, 0, 0, stream]);
        said.extend(&fields);
        said.extend([0, 0, 4, 3, 0, 0, 0, 0, stream, 0, 0, 0, 8]);
    }
    client.send(&said);
    assert_ne!(client.drain(), Silence::Deadline, "the connection was kept");
    assert_eq!(origin.connections(), 0, "no connection was opened for any");
}

#[test]
fn a_window_full_of_small_messages_may_wait_for_a_seat() {
    const MESSAGE: [u8; 8] = [0, 0, 0, 0, 3, b'a', b'b', b'c'];
    const MESSAGES: usize = 256 * 1024 / MESSAGE.len();
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = config().pool("shared", &[origin.address()], "concurrency: { limit: 1 }").start();
    let mut first = gateway.asking(&get(ACME, "/first"));
    eventually("it is being served", || gate.waiting() == 1);
    let mut client = gateway.connect();
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    // POST, http, /, and the authority by name (RFC 7541 §6.2.2).
    let host = [&[0x83, 0x86, 0x84, 0x01, u8::try_from(ACME.len()).unwrap()], ACME.as_bytes()].concat();
    let (head, end, ping) = (frame(1, 4, 1, &host), frame(0, 1, 1, &[]), frame(6, 0, 0, b"are here"));
    let data = frame(0, 0, 1, &MESSAGE).repeat(MESSAGES);
    client.send([PREFACE, EMPTY_SETTINGS].concat());
    next_frame(&mut client, 4, 0);
    // The window is as large as the gateway said once that is acknowledged.
    client.send([&frame(4, 1, 0, &[]), &head, &data, &end, &ping].map(Vec::as_slice).concat());
    assert_eq!(next_frame(&mut client, 6, 1), b"are here", "all that was sent before has been read");
    gate.throw_open();
    first.answer().assert_status(200);
    assert_eq!(next_frame(&mut client, 1, 4).first(), Some(&0x88), "the status is 200");
}

/// What the next frame of a type, with at least these flags, says; others are passed over.
#[track_caller]
fn next_frame(client: &mut Client, kind: u8, flags: u8) -> Vec<u8> {
    loop {
        let head = client.take(9).expect("the connection is kept");
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = client.take(length).unwrap();
        if head[3] == kind && head[4] & flags == flags {
            return payload;
        }
    }
}

#[test]
fn the_number_of_streams_is_bounded() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = Client::connect(gateway.address());
    client.patience(Duration::from_secs(5));
    client.send(PREFACE);
    client.send(EMPTY_SETTINGS);
    let head = client.take(9).unwrap();
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    assert_eq!(head[3], 4, "the first frame is SETTINGS");
    let settings = client.take(length).unwrap();
    let of = |id: u8| {
        let found = settings.chunks(6).find(|setting| setting[..2] == [0, id]);
        found.map(|setting| u32::from_be_bytes(setting[2..].try_into().unwrap()))
    };
    assert!(of(3).is_some_and(|streams| streams <= 1000), "SETTINGS_MAX_CONCURRENT_STREAMS: {settings:?}");
    assert!(of(6).is_some_and(|bytes| bytes <= 1 << 20), "SETTINGS_MAX_HEADER_LIST_SIZE: {settings:?}");
}
