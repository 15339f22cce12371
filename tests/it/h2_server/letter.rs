//! Requests that are none (RFC 9113 §8.1.1), and answers as they should be.

use super::frames::*;
use crate::harness::{ACME, Gate, Origin, config, eventually};

const ACME_ID: &str = "acme";

/// A head that no endpoint may see: its stream is reset, or refused with an answer of the gateway's.
#[track_caller]
fn is_no_request(what: &str, block: &[u8]) {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, block));
    let end = client.next(|frame| matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY)).expect("an end");
    match end.kind {
        // 400 is in the static table.
        HEADERS => assert_eq!(end.payload.first(), Some(&0x8c), "{what}: {end:?}"),
        _ => assert_eq!(end.code(), PROTOCOL_ERROR, "{what}: {end:?}"),
    }
    origin.assert_untouched();
    if end.kind != GOAWAY {
        client.is_served(3);
    }
}

fn with(fields: &[(&str, &str)]) -> Vec<u8> {
    block(&[&pseudo("GET"), fields].concat())
}

#[test]
fn fields_of_another_protocol() {
    for (name, value) in [
        ("connection", "keep-alive"),
        ("keep-alive", "1"),
        ("proxy-connection", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
    ] {
        is_no_request(name, &with(&[(name, value)]));
    }
}

#[test]
fn a_path_without_a_slash() {
    for path in ["?a=b", "?", "a", "*"] {
        let fields =
            pseudo("GET").into_iter().map(|(name, value)| (name, if name == ":path" { path } else { value }));
        is_no_request(path, &block(&fields.collect::<Vec<_>>()));
    }
}

#[test]
fn heads_beyond_what_a_connection_may_have_under_way() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    // A field that HPACK remembers, and then an octet each time: 15 times 4 KB a request.
    let remembered = [&[0x40, 6][..], b"x-long", &[0x7f, 0xbd, 0x1d], &[b'v'; 3900]].concat();
    let first = [block(&pseudo("GET")), remembered].concat();
    let next = [block(&pseudo("GET")), vec![0x80 | 62; 15]].concat();
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &first));
    let many: Vec<u8> = (3..123)
        .step_by(2)
        .flat_map(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &next))
        .collect();
    client.send(&many);
    // 2 MiB in all, and 15 times 3,938 octets each: there is room for 35 of the 60, and the first.
    for _ in 0..25 {
        let refused = client.next(|frame| frame.kind == RST_STREAM).expect("one is refused");
        assert_eq!(refused.code(), 7, "REFUSED_STREAM: it may come again");
    }
    gate.throw_open();
    for _ in 0..36 {
        let next = client.next(|frame| matches!(frame.kind, HEADERS | RST_STREAM)).expect("an answer");
        assert_eq!(next.kind, HEADERS);
    }
    client.is_served(125);
}

#[test]
fn names_and_values_that_are_none() {
    for name in ["X-Upper", "a b", "a:b", "", "a\r\nb", "\u{e9}"] {
        is_no_request(name, &with(&[(name, "x")]));
    }
    for value in ["a\rb", "a\nb", "a\0b", "a\r\nx: y"] {
        is_no_request(value, &with(&[("x", value)]));
    }
}

#[test]
fn pseudo_fields_that_are_wrong() {
    let whole = pseudo("GET");
    for missing in 0..4 {
        let mut fields = whole.clone();
        let (name, _) = fields.remove(missing);
        is_no_request(name, &block(&fields));
        let twice = [&whole[..], &whole[missing..=missing]].concat();
        is_no_request(name, &block(&twice));
    }
    is_no_request("unknown", &block(&[&[(":unknown", "x")], &whole[..]].concat()));
    is_no_request("of a response", &block(&[&[(":status", "200")], &whole[..]].concat()));
    is_no_request("late", &block(&[&[("x", "y")], &whole[..]].concat()));
    for path in ["", "x", "*", "http://a/", "/a b", "/\r\n"] {
        let fields = [&whole[..3], &[(":path", path)]].concat();
        is_no_request(path, &block(&fields));
    }
    for authority in ["", "a b", "user@acme.test", "a/b"] {
        let fields = [&whole[..2], &[(":authority", authority), (":path", "/")]].concat();
        is_no_request(authority, &block(&fields));
    }
    let scheme = [&whole[..1], &[(":scheme", "ftp")], &whole[2..]].concat();
    is_no_request("scheme", &block(&scheme));
    is_no_request("Host", &with(&[("host", "other.test")]));
    is_no_request("Host twice", &with(&[("host", ACME), ("host", ACME)]));
}

#[test]
fn what_a_client_says_of_the_scheme_is_believed_by_nobody() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("listeners", "[{ bind: 127.0.0.1:0 }, { bind: 127.0.0.1:0, https_redirect: true }]")
        .start();
    for scheme in ["http", "https", "HTTPS"] {
        let fields = [(":method", "GET"), (":scheme", scheme), (":authority", ACME), (":path", "/")];
        let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields));
        let answered = |address| {
            let mut client = Raw::connect(address);
            client.send(&request);
            client.next(|frame| frame.kind == HEADERS).expect("an answer").payload
        };
        let addresses = gateway.listeners();
        assert_eq!(answered(addresses[0]).first(), Some(&0x88), "{scheme} is served");
        let seen = origin.last_request();
        assert_eq!(seen.header("x-forwarded-proto"), Some("http"), "{scheme}");
        assert!(!seen.header("forwarded").unwrap().contains("https"), "{scheme}");
        assert_eq!(seen.target, "/", "{scheme}");
        // It came in the clear: it is led to https, whatever it says.
        let seen = origin.requests().len();
        assert_ne!(answered(addresses[1]).first(), Some(&0x88), "{scheme} is redirected");
        assert_eq!(origin.requests().len(), seen, "{scheme}");
    }
}

#[test]
fn a_body_is_as_long_as_its_head_says() {
    for (length, said) in [("5", &b"abcd"[..]), ("3", b"abcd"), ("0", b"a")] {
        let origin = Origin::echo();
        let gateway = config().to(&origin).start();
        let mut client = Raw::connect(gateway.address());
        let head = block(&[&pseudo("POST")[..], &[("content-length", length)]].concat());
        client.send(&frame(HEADERS, END_HEADERS, 1, &head));
        client.send(&frame(DATA, END_STREAM, 1, said));
        assert_eq!(client.reset(1), PROTOCOL_ERROR, "{length} for {}", said.len());
        client.is_served(3);
    }
}

#[test]
fn lengths_that_are_none() {
    for length in ["+1", "1, 1", "", "0x1", "99999999999999999999999"] {
        is_no_request(length, &with(&[("content-length", length)]));
    }
    is_no_request("twice", &with(&[("content-length", "0"), ("content-length", "0")]));
}

#[test]
fn pseudo_fields_in_trailers_make_the_request_none() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    // By name, by the static table, and alone.
    for trailers in [block(&[(":path", "/other"), ("x-sum", "7")]), vec![0x84], block(&[(":status", "200")])]
    {
        let mut client = Raw::connect(gateway.address());
        client.send(&post(1));
        client.send(&frame(DATA, 0, 1, b"abc"));
        client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers));
        assert_eq!(client.reset(1), PROTOCOL_ERROR, "{trailers:?}");
        client.is_served(3);
    }
    assert!(origin.requests().iter().all(|request| request.method != "POST"), "one was taken for whole");
}

#[test]
fn pseudo_fields_in_trailers_reach_nobody() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    // As an entry of the dynamic table, into which the head of the request has put it.
    let path = [&[0x44, 6][..], b"/other"].concat();
    let head =
        [&block(&[(":method", "POST"), (":scheme", "http"), (":authority", ACME)])[..], &path].concat();
    client.send(&frame(HEADERS, END_HEADERS, 1, &head));
    client.send(&frame(DATA, 0, 1, b"abc"));
    let trailers = [&[0xbe][..], &field("x-sum", b"7")].concat();
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers));
    client.next(|frame| frame.stream == 1).expect("an end");
    let request = origin.last_request();
    assert_eq!(request.target, "/other");
    assert!(request.headers.iter().all(|(name, _)| !name.starts_with(':')));
    let received = String::from_utf8_lossy(&origin.received()[0]).into_owned();
    assert_eq!(received.matches("/other").count(), 1, "{received}");
}

#[test]
fn a_tenant_has_as_many_streams_as_it_may() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = config().to(&origin).set("limits", "{ max_streams_per_tenant: 2 }").start();
    let mut clients: Vec<_> = (0..2).map(|_| Raw::connect(gateway.address())).collect();
    for client in &mut clients {
        client.send(&get(1));
    }
    eventually("both are being served", || gate.waiting() == 2);
    clients[0].send(&get(3));
    let refused = clients[0].next(|frame| frame.kind == HEADERS).unwrap();
    assert_ne!(refused.payload.first(), Some(&0x88));
    let refusals = || {
        gateway.metric("tollgate_rejected_total", &[("tenant", ACME_ID), ("reason", "concurrency_exceeded")])
    };
    eventually("it is counted", || refusals() == 1.0);
    clients[1].send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]));
    eventually("one has gone", || gateway.metric("tollgate_requests_in_flight", &[]) == 1.0);
    gate.throw_open();
    clients[1].is_served(3);
}

#[test]
fn frames_that_break_the_connection() {
    const PADDED: u8 = 8;
    let head = |flags: u8, payload: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM | flags, 1, payload);
    let window = |width: u32| [&[0, 4], &width.to_be_bytes()[..]].concat();
    let cases = [
        ("DATA on no stream", frame(DATA, 0, 0, b"x"), 1),
        ("DATA on an idle stream", frame(DATA, 0, 1, b"x"), 1),
        ("HEADERS on an even stream", get(2), 1),
        ("a PING of seven octets", frame(PING, 0, 0, &[0; 7]), 6),
        ("SETTINGS of five octets", frame(SETTINGS, 0, 0, &[0; 5]), 6),
        ("SETTINGS that acknowledge and say something", frame(SETTINGS, ACK, 0, &[0; 6]), 6),
        ("a RST_STREAM of three octets", frame(RST_STREAM, 0, 1, &[0; 3]), 6),
        ("a WINDOW_UPDATE of five octets", frame(WINDOW_UPDATE, 0, 0, &[1; 5]), 6),
        ("a PRIORITY of four octets", frame(PRIORITY, 0, 1, &[0; 4]), 6),
        ("a GOAWAY of seven octets", frame(GOAWAY, 0, 0, &[0; 7]), 6),
        ("HEADERS with no room for the length of their padding", head(PADDED, b""), 6),
        ("DATA with no room for the length of its padding", frame(DATA, PADDED, 1, b""), 6),
        ("HEADERS with more padding than payload", head(PADDED, &[9, 0x82]), 1),
        ("a window of 2^31 octets at first", frame(SETTINGS, 0, 0, &window(1 << 31)), 3),
        ("the same behind others", frame(SETTINGS, 0, 0, &[window(1), window(u32::MAX)].concat()), 3),
        // The library has one answer to all that it can't make a field of.
        ("a head that can't be decoded", head(0, &[0x80]), 1),
        ("a name in upper case", head(0, &with(&[("X-Upper", "x")])), 1),
        ("a value with a line end", head(0, &with(&[("x", "a\nb")])), 1),
        ("a pseudo-header field that nobody knows", head(0, &block(&[(":unknown", "x")])), 1),
        ("a window that overflows", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), 3),
        ("CONTINUATION of nothing", frame(CONTINUATION, END_HEADERS, 1, &[]), 1),
        ("a frame that is too large", frame(DATA, 0, 1, &[0; 20_000]), 6),
    ];
    for (what, bytes, code) in cases {
        let origin = Origin::echo();
        let gateway = config().to(&origin).start();
        let mut client = Raw::connect(gateway.address());
        client.send(&bytes);
        let said = client.farewell();
        assert_eq!(said, code, "{what}");
        origin.assert_untouched();
    }
}

#[test]
fn a_stream_above_its_window_is_reset() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    client.send(&get(1));
    eventually("it is being served", || gate.waiting() == 1);
    client.send(&frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]));
    assert_eq!(client.reset(1), 3, "FLOW_CONTROL_ERROR");
    gate.throw_open();
    eventually("nothing is in flight", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
}

#[test]
fn a_known_length_ends_with_its_last_data() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    client.send(&get(1));
    let last = client.next(|frame| frame.kind == DATA).unwrap();
    assert_eq!((last.payload.as_slice(), last.flags), (&b"ok"[..], END_STREAM));
    let head = block(&pseudo("HEAD"));
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &head));
    let head = client.next(|frame| frame.stream == 3).unwrap();
    assert_eq!((head.kind, head.flags), (HEADERS, END_STREAM | END_HEADERS), "HEAD has no DATA");
}

#[test]
fn the_last_octets_wait_for_the_window() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef");
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    // SETTINGS_INITIAL_WINDOW_SIZE is 1.
    client.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]));
    client.send(&get(1));
    for (nth, octet) in b"abcdef".iter().enumerate() {
        let data = client.next(|frame| frame.kind == DATA).unwrap();
        assert_eq!((data.payload, data.flags == END_STREAM), (vec![*octet], nth == 5));
        client.send(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]));
    }
}

#[test]
fn an_early_answer_is_no_error_of_the_client() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    // Nobody has this host.
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "nobody.test"), (":path", "/")];
    client.send(&frame(HEADERS, END_HEADERS, 1, &block(&fields)));
    assert_eq!(client.reset(1), 0, "NO_ERROR (RFC 9113 §8.1)");
    client.is_served(3);
}

#[test]
fn a_body_that_is_broken_off_is_never_whole() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    for code in [0, 8] {
        let mut client = Raw::connect(gateway.address());
        client.send(&post(1));
        client.send(&frame(DATA, 0, 1, b"half"));
        client.send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, code]));
        client.is_served(3);
    }
    assert!(origin.requests().iter().all(|request| request.method != "POST"), "it was taken for whole");
}

#[test]
fn who_waits_to_be_asked_is_asked() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    let head = block(&[&pseudo("POST")[..], &[("expect", "100-continue")]].concat());
    client.send(&frame(HEADERS, END_HEADERS, 1, &head));
    let interim = client.next(|frame| frame.kind == HEADERS).unwrap();
    assert_eq!(interim.flags & END_STREAM, 0);
    client.send(&frame(DATA, END_STREAM, 1, b"abc"));
    let answer = client.next(|frame| frame.kind == HEADERS).unwrap();
    assert_eq!(answer.payload.first(), Some(&0x88));
}

#[test]
fn draining_takes_two_steps() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = config().to(&origin).start();
    let mut client = Raw::connect(gateway.address());
    client.send(&get(1));
    eventually("it is being served", || gate.waiting() == 1);
    gateway.drain();
    let first = client.next(|frame| frame.kind == GOAWAY).unwrap();
    assert_eq!((&first.payload[..4], first.code()), (&[0x7f, 0xff, 0xff, 0xff][..], 0));
    // Whoever was on the way is still served.
    client.send(&get(3));
    let ping = client.next(|frame| frame.kind == PING);
    let ping = ping.expect("the gateway asks whether it was heard");
    client.send(&frame(PING, ACK, 0, &ping.payload));
    let second = client.next(|frame| frame.kind == GOAWAY).unwrap();
    assert_eq!((&second.payload[..4], second.code()), (&[0, 0, 0, 3][..], 0));
    gate.throw_open();
    let answered = client.next(|frame| frame.kind == HEADERS && frame.stream == 1);
    assert!(answered.is_some());
}
