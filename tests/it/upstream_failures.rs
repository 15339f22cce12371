//! Origins that fail: each failure has its status, none is a hang, none looks like success.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{ACME, Ending, Gate, Origin, Response, config, eventually, get, post, refused_address};

/// Timeouts short enough to be waited for.
const IMPATIENT: &str = "timeouts: { connect: 200ms, response_header: 200ms, idle: 200ms }";

/// The answer to a GET when the origin's one answer is these bytes, then a close.
fn answer_to_bytes(bytes: &str) -> Response {
    let origin = Origin::answering_once(bytes);
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/"))
}

#[test]
fn a_refused_connection_is_502() {
    let (address, _held) = refused_address();
    let gateway = config().pool("shared", &[address], "").start();
    for message in [get(ACME, "/"), post(ACME, "/", b"body")] {
        gateway.ask(&message).assert_refused(502, "upstream_connect");
    }
}

#[test]
fn a_refused_endpoint_is_passed_over_for_another() {
    let (dead, _held) = refused_address();
    let origin = Origin::saying("alive");
    let gateway = config().pool("shared", &[dead, origin.address()], "load_balancing: round_robin").start();
    for _ in 0..6 {
        // Nothing was sent to the endpoint that refused, so that a POST may go to the next too.
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "alive");
        assert_eq!(gateway.ask(&post(ACME, "/", b"body")).text(), "alive");
    }
    assert_eq!(origin.requests().len(), 12);
}

#[test]
fn a_connection_that_ends_before_the_head_is_502() {
    let reset = Origin::on_request(|_, peer| peer.reset());
    let gateway = config().to(&reset).start();
    gateway.ask(&post(ACME, "/", b"x")).assert_refused(502, "upstream_protocol");
    assert_eq!(reset.connections(), 1, "a POST that may have been delivered is never sent again");
    answer_to_bytes("").assert_refused(502, "upstream_protocol");
}

#[test]
fn a_head_cut_short_is_502() {
    for bytes in ["HTTP", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Cut: "] {
        answer_to_bytes(bytes).assert_refused(502, "upstream_protocol");
    }
}

#[test]
fn garbage_is_502() {
    for bytes in [
        "\0\0\0\0\r\n\r\n",
        "hello\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let answer = answer_to_bytes(bytes);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (502, "upstream_protocol"),
            "{bytes:?}: {answer:?}"
        );
    }
}

#[test]
#[cfg_attr(feature = "hyper-upstream", ignore = "hyper reads it in one of its ways")]
fn ambiguous_framing_is_502() {
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 5x",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: , chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked\r\nX-Folded: a\r\n b",
        "Transfer-Encoding : chunked",
    ] {
        let answer = answer_to_bytes(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n2\r\nok\r\n0\r\n\r\n"));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (502, "upstream_protocol"),
            "{fields:?}: {answer:?}"
        );
    }
}

#[test]
fn a_head_without_end_is_502_and_not_kept_in_memory() {
    let origin = Origin::on_request(|_, mut peer| {
        peer.send("HTTP/1.1 200 OK\r\n");
        while peer.send(format!("X-Filler: {}\r\n", "x".repeat(1000))) {}
    });
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/")).assert_refused(502, "upstream_protocol");
    eventually("the origin is cut off", || origin.open_connections() == 0);
}

#[test]
fn more_than_a_hundred_fields_are_no_error() {
    let fields: String = (0..150).map(|i| format!("X-Field-{i}: {i}\r\n")).collect();
    let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok"));
    let gateway = config().to(&origin).start();
    let answer = gateway.ask(&get(ACME, "/"));
    answer.assert_status(200);
    assert_eq!(answer.header("x-field-149"), Some("149"));
}

#[test]
fn an_origin_that_never_answers_is_504() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::on_request(move |_, _kept| {
        held.pass();
    });
    let gateway = config().pool("shared", &[origin.address()], IMPATIENT).start();
    gateway.ask(&get(ACME, "/")).assert_refused(504, "upstream_timeout");
    gateway.ask(&post(ACME, "/", b"x")).assert_refused(504, "upstream_timeout");
    gate.throw_open();
}

#[test]
fn an_origin_that_stalls_in_its_head_is_504() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::on_request(move |_, mut peer| {
        peer.send("HTTP/1.1 200 OK\r\nContent-");
        held.pass();
    });
    let gateway = config().pool("shared", &[origin.address()], IMPATIENT).start();
    gateway.ask(&get(ACME, "/")).assert_refused(504, "upstream_timeout");
    gate.throw_open();
}

#[test]
fn an_origin_that_stalls_in_its_body_is_cut_off() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::on_request(move |_, mut peer| {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        held.pass();
    });
    let gateway = config().pool("shared", &[origin.address()], IMPATIENT).start();
    assert_eq!(gateway.ask(&get(ACME, "/")).ending, Ending::Broken);
    gate.throw_open();
}

#[test]
fn a_route_can_be_more_patient_or_less_than_its_pool() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::on_request(move |_, _kept| {
        held.pass();
    });
    let gateway = config()
        .to(&origin)
        .set("routes", "[{ match: { path_prefix: / }, pool: shared, timeout: 200ms }]")
        .start();
    gateway.ask(&get(ACME, "/")).assert_refused(504, "upstream_timeout");
    gate.throw_open();
}

#[test]
fn a_body_cut_short_never_looks_complete() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nha",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
    ] {
        let answer = answer_to_bytes(bytes);
        assert!(answer.status == 502 || answer.ending == Ending::Broken, "{bytes:?}: {answer:?}");
    }
}

#[test]
fn a_body_cut_short_never_looks_complete_where_only_the_end_would_tell() {
    let origin =
        Origin::answering_once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nab");
    let gateway = config().to(&origin).start();
    let mut client = TcpStream::connect(gateway.address()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client.write_all(format!("GET / HTTP/1.0\r\nHost: {ACME}\r\n\r\n").as_bytes()).unwrap();
    let ended = client.read_to_end(&mut Vec::new());
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_body_cut_by_a_reset_never_looks_complete() {
    let origin = Origin::on_request(|request, mut peer| {
        // Without framing, only the kind of the ending tells a cut body from a whole one.
        let framing = if request.target == "/unframed" { "" } else { "Transfer-Encoding: chunked\r\n" };
        peer.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n"));
        if framing.is_empty() {
            peer.send("half");
        } else {
            peer.send_chunk("half");
        }
        peer.patience(std::time::Duration::from_millis(100));
        // Until the gateway has what was sent: a reset may overtake it.
        let _ = peer.fill();
        peer.reset();
    });
    let gateway = config().to(&origin).start();
    for target in ["/chunked", "/unframed"] {
        let answer = gateway.ask(&get(ACME, target));
        assert!(answer.status == 502 || answer.ending == Ending::Broken, "{target}: {answer:?}");
    }
}

#[test]
fn a_switch_of_protocols_that_nobody_asked_for_is_502() {
    let origin = Origin::answering(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/")).assert_refused(502, "upstream_protocol");
}
