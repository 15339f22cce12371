//! Clients that send what does no work, without end.

use std::time::Instant;

use super::frames::*;
use crate::harness::{ACME, Gate, Origin, TestGateway, config, eventually, get as ask};

/// A client that repeats itself is sent away, counted under this kind, and nobody else notices.
#[track_caller]
fn is_sent_away(kind: &str, mut say: impl FnMut(u32) -> Vec<u8>) {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut other = Raw::connect(gateway.address());
    other.is_served(1);
    let mut client = Raw::connect(gateway.address());
    let since = Instant::now();
    let mut said = 0;
    // Whoever is sent away can say no more.
    while counted(&gateway, kind) == 0.0 {
        for _ in 0..500 {
            client.send(&say(said));
            said += 1;
        }
        assert!(since.elapsed() < FLOOD, "{said} of them were taken");
    }
    assert_eq!(client.farewell(), ENHANCE_YOUR_CALM);
    other.is_served(3);
    gateway.ask(&ask(ACME, "/")).assert_status(200);
    eventually("nothing is in flight", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
    drop(client);
    drop(other);
    eventually("no connection is held", || {
        gateway.metric("tollgate_connections", &[("protocol", "http2")]) == 0.0
    });
}

fn counted(gateway: &TestGateway, kind: &str) -> f64 {
    gateway.metric("tollgate_http2_abuse_total", &[("kind", kind)])
}

#[test]
fn a_flood_of_pings() {
    is_sent_away("ping", |_| frame(PING, 0, 0, b"12345678"));
}

#[test]
fn a_flood_of_settings() {
    is_sent_away("settings", |_| frame(SETTINGS, 0, 0, &[]));
}

#[test]
fn a_flood_of_priorities() {
    is_sent_away("priority", |_| frame(PRIORITY, 0, 1001, &[0, 0, 0, 0, 1]));
}

#[test]
fn a_flood_of_window_updates() {
    is_sent_away("window_update", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
}

#[test]
fn a_flood_of_frames_that_nobody_knows() {
    is_sent_away("unknown_frame", |_| frame(0xfa, 0, 0, b"?"));
}

#[test]
fn a_flood_of_empty_data() {
    is_sent_away("empty_data", |said| match said {
        0 => post(1),
        _ => frame(DATA, 0, 1, &[]),
    });
}

#[test]
fn a_flood_of_data_that_is_all_padding() {
    is_sent_away("empty_data", |said| match said {
        0 => post(1),
        _ => frame(DATA, 8, 1, &[2, 0, 0]),
    });
}

#[test]
fn streams_that_are_reset_as_they_open() {
    // CVE-2023-44487. h2 has a count of its own, for those that come faster than they are looked at.
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    let since = Instant::now();
    let mut stream = 1;
    while counted(&gateway, "reset") + counted(&gateway, "other") == 0.0 {
        for _ in 0..100 {
            client.send(&[post(stream), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat());
            stream += 2;
        }
        assert!(since.elapsed() < FLOOD, "{stream}");
    }
    assert_eq!(client.farewell(), ENHANCE_YOUR_CALM);
    eventually("nothing is in flight", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
    gateway.ask(&ask(ACME, "/")).assert_status(200);
}

#[test]
fn streams_that_the_gateway_has_to_reset() {
    // CVE-2025-8671: an update of a window beyond all bounds is an error of its stream.
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    let since = Instant::now();
    let mut stream = 1;
    while counted(&gateway, "provoked_reset") + counted(&gateway, "other") == 0.0 {
        for _ in 0..20 {
            client.send(&[get(stream), frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff])].concat());
            stream += 2;
        }
        assert!(since.elapsed() < FLOOD, "{stream}");
    }
    assert_eq!(client.farewell(), ENHANCE_YOUR_CALM);
    gate.throw_open();
    eventually("nothing is in flight", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
}

#[test]
fn a_head_that_never_ends() {
    is_sent_away("continuation", |said| match said {
        0 => frame(HEADERS, 0, 1, &block(&pseudo("GET"))),
        _ => frame(CONTINUATION, 0, 1, &field("x", b"y")),
    });
}

#[test]
fn a_head_of_nothing_that_never_ends() {
    is_sent_away("continuation", |said| match said {
        0 => frame(HEADERS, 0, 1, &[]),
        _ => frame(CONTINUATION, 0, 1, &[]),
    });
}

#[test]
fn a_table_entry_that_is_named_without_end() {
    // An HPACK bomb: 4,000 octets that enter the table once, and are named by one octet each from then on.
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    let mut bomb = block(&pseudo("GET"));
    // A literal with indexing: its name "x", and a value of 3,900 octets (127 + 3,773).
    bomb.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xbd, 0x1d]);
    bomb.extend_from_slice(&[b'y'; 3_900]);
    bomb.extend_from_slice(&[0xbe; 8_000]);
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb));
    // Refused or sent away.
    let refused = client.next(|frame| matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY));
    assert!(refused.is_none_or(|frame| frame.kind != HEADERS || frame.payload.first() != Some(&0x88)));
    origin.assert_untouched();
    gateway.ask(&ask(ACME, "/")).assert_status(200);
}

#[test]
fn who_is_served_may_do_all_of_it() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    for nth in 0..1_000 {
        let stream = 2 * nth + 1;
        client.send(&frame(PING, 0, 0, b"12345678"));
        client.send(&frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 1]));
        client.is_served(stream);
        client.send(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 99]));
        client.send(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    for kind in ["ping", "priority", "window_update", "reset"] {
        assert_eq!(counted(&gateway, kind), 0.0, "{kind}");
    }
}

#[test]
fn a_head_that_never_ends_is_not_waited_for() {
    // A HEADERS frame that says that others follow; one that has no end; and CONTINUATION that comes drop by drop.
    let beginnings = [frame(HEADERS, 1, 1, b"\x82"), get(1)[..12].to_vec()];
    for beginning in beginnings {
        let origin = Origin::echo();
        let gateway = config().set("limits", "{ header_read_timeout: 1s }").to(&origin).start();
        let mut client = Raw::connect(gateway.address());
        client.send(&beginning);
        if beginning[4] == 1 {
            client.send(&frame(CONTINUATION, 0, 1, b"\x87"));
        }
        assert_eq!(client.farewell(), ENHANCE_YOUR_CALM);
        drop(client);
        let reason = [("reason", "header_timeout")];
        eventually("it is counted", || gateway.metric("tollgate_connections_cut_total", &reason) >= 1.0);
        gateway.ask(&ask(ACME, "/")).assert_status(200);
    }
}
