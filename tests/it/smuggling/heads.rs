//! Heads: line ends, folding, names, versions, sizes.

use super::{Stage, get_with};
use crate::harness::{ACME, get};

#[test]
fn lines_end_with_crlf_and_nothing_else() {
    Stage::new().refuses(
        &[400],
        [
            format!("GET / HTTP/1.1\nHost: {ACME}\r\n\r\n"),
            format!("GET / HTTP/1.1\nHost: {ACME}\n\n"),
            format!("GET / HTTP/1.1\r\nHost: {ACME}\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: {ACME}\r\n\n"),
            format!("GET / HTTP/1.1\r\nHost: {ACME}\n\n"),
            format!("GET / HTTP/1.1\rHost: {ACME}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\r\nHost: {ACME}\r\n\r\n"),
            get_with("X-A: 1\nX-B: 2\r\n"),
            get_with("X-A: 1\rX-B: 2\r\n"),
            get_with("X-A: 1\r\r\n"),
            get_with("X-A: 1\n\r\n"),
            get_with("X-A: a\rb\r\n"),
            get_with("\rX-A: a\r\n"),
        ],
    );
}

#[test]
fn folded_lines_are_refused() {
    Stage::new().refuses(
        &[400],
        [
            get_with("X-A: 1\r\n 2\r\n"),
            get_with("X-A: 1\r\n\t2\r\n"),
            get_with("X-A:\r\n 2\r\n"),
            get_with("Content-Length: 0\r\n 5\r\n"),
            get_with("Transfer-Encoding:\r\n chunked\r\n"),
            format!("GET / HTTP/1.1\r\n Host: {ACME}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n X-A: 1\r\nHost: {ACME}\r\n\r\n"),
        ],
    );
}

#[test]
fn field_names_are_tokens_right_before_a_colon() {
    Stage::new().refuses(
        &[400],
        [
            get_with("X-A : 1\r\n"),
            get_with("X-A\t: 1\r\n"),
            get_with("Content-Length : 5\r\n"),
            get_with("Transfer-Encoding : chunked\r\n"),
            get_with("X A: 1\r\n"),
            get_with(": 1\r\n"),
            get_with("X-A\r\n"),
            get_with("X(A): 1\r\n"),
            get_with("X\0A: 1\r\n"),
            get_with("X\u{e9}: 1\r\n"),
            get_with("\"X\": 1\r\n"),
            get_with("{X}: 1\r\n"),
        ],
    );
}

#[test]
fn a_nul_is_refused_wherever_it_stands() {
    Stage::new().refuses(
        &[400],
        [
            get_with("X-A: a\0b\r\n"),
            get_with("X-A: \0\r\n"),
            format!("GET /\0 HTTP/1.1\r\nHost: {ACME}\r\n\r\n"),
            format!("G\0T / HTTP/1.1\r\nHost: {ACME}\r\n\r\n"),
            format!("GET / HTTP/1.1\0\r\nHost: {ACME}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: {ACME}\0\r\n\r\n"),
        ],
    );
}

#[test]
fn request_lines_have_three_words_and_single_spaces() {
    let host = format!("Host: {ACME}\r\n\r\n");
    Stage::new().refuses(
        &[400],
        [
            format!("GET  / HTTP/1.1\r\n{host}"),
            format!("GET /  HTTP/1.1\r\n{host}"),
            format!("GET\t/\tHTTP/1.1\r\n{host}"),
            format!(" GET / HTTP/1.1\r\n{host}"),
            format!("GET / HTTP/1.1 \r\n{host}"),
            format!("GET /a b HTTP/1.1\r\n{host}"),
            format!("GET / HTTP/1.1 HTTP/1.1\r\n{host}"),
            format!("GET HTTP/1.1\r\n{host}"),
            format!("G(T / HTTP/1.1\r\n{host}"),
            format!("/ HTTP/1.1\r\n{host}"),
            format!("GET / \r\n{host}"),
            format!("hello\r\n{host}"),
        ],
    );
}

#[test]
fn versions_are_http_1_0_or_1_1() {
    let host = format!("Host: {ACME}\r\n\r\n");
    Stage::new().refuses(
        &[400, 505],
        [
            format!("GET /\r\n{host}"),
            format!("GET / HTTP/0.9\r\n{host}"),
            format!("GET / HTTP/2.0\r\n{host}"),
            format!("GET / HTTP/3.0\r\n{host}"),
            format!("GET / HTTP/1.10\r\n{host}"),
            format!("GET / HTTP/01.1\r\n{host}"),
            format!("GET / HTTP/1\r\n{host}"),
            format!("GET / HTTP/11\r\n{host}"),
            format!("GET / http/1.1\r\n{host}"),
            format!("GET / HTTPS/1.1\r\n{host}"),
            format!("GET / HTTP/1.x\r\n{host}"),
        ],
    );
}

#[test]
fn a_broken_http_2_preface_ends_the_connection() {
    let stage = Stage::new();
    for bytes in ["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI * HTTP/2.0\r\nHost: acme.app.test\r\n\r\n"] {
        let mut client = stage.gateway.connect();
        client.send(bytes);
        assert_ne!(client.drain(), crate::harness::Silence::Deadline, "{bytes:?}");
    }
    stage.origin.assert_untouched();
}

#[test]
fn a_target_too_long_is_414() {
    let stage = Stage::new();
    let long = "x".repeat(70 * 1024);
    stage.refuses(&[414], [get(ACME, &format!("/{long}")).bytes(), get(ACME, &format!("/?{long}")).bytes()]);
    stage.serves([get(ACME, &format!("/{}", "x".repeat(7 * 1024))).bytes()]);
}

#[test]
fn fields_too_large_or_too_many_are_431() {
    let stage = Stage::new();
    let many: String = (0..2000).map(|nth| format!("X-{nth}: 1\r\n")).collect();
    stage.refuses(
        &[431],
        [
            get_with(&format!("X-Large: {}\r\n", "x".repeat(70 * 1024))),
            get_with(&format!("{}: 1\r\n", "x".repeat(70 * 1024))),
            get_with(&format!("X-A: {}\r\n", "x".repeat(8 * 1024)).repeat(9)),
            get_with(&many),
        ],
    );
    let some: String = (0..90).map(|nth| format!("X-{nth}: 1\r\n")).collect();
    stage.serves([get_with(&some), get_with(&format!("X-A: {}\r\n", "x".repeat(16 * 1024)))]);
}

#[test]
fn the_bound_of_a_head_is_configured() {
    let origin = crate::harness::Origin::echo();
    let gateway = crate::harness::config().to(&origin).set("limits", "{ max_header_bytes: 8KiB }").start();
    let stage = Stage { origin, gateway };
    stage.refuses(&[431], [get_with(&format!("X-A: {}\r\n", "x".repeat(9 * 1024)))]);
    stage.serves([get_with(&format!("X-A: {}\r\n", "x".repeat(4 * 1024)))]);
}

#[test]
fn an_empty_line_before_a_request_is_forgiven() {
    let request = String::from_utf8(get(ACME, "/").bytes()).unwrap();
    let stage = Stage::new();
    stage.serves([format!("\r\n{request}")]);
    // Old clients end a body with a CRLF that they don't count.
    let mut client = stage.gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 1\r\n\r\nx\r\n{request}"));
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let stage = Stage::new();
    let mut client = stage.gateway.connect();
    for byte in get_with("X-A: 1\r\nX-B: 2\r\n").as_bytes().chunks(1) {
        assert!(client.send(byte));
    }
    assert_eq!(client.answer().status, 200);
    assert_eq!(stage.origin.last_request().header("x-b"), Some("2"));
}

#[test]
fn unusual_but_valid_fields_are_served() {
    Stage::new().serves([
        get_with("X-Empty:\r\n"),
        get_with("X-A:no-space\r\n"),
        get_with("X-A: \t padded \t \r\n"),
        get_with("!#$%&'*+-.^_`|~09azAZ: token\r\n"),
        get_with("X-A: a\tb \"quoted\" (comment) ;=,\r\n"),
    ]);
    let stage = Stage::new();
    let mut client = stage.gateway.connect();
    client.send([b"GET / HTTP/1.1\r\nHost: acme.app.test\r\nX-Bytes: \xe9\xff\r\n\r\n".as_slice()].concat());
    assert_eq!(client.answer().status, 200, "obs-text is opaque, not an error");
    assert!(stage.origin.received()[0].windows(2).any(|pair| pair == b"\xe9\xff"));
}
