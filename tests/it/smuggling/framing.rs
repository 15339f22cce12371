//! Where a body ends: Content-Length and Transfer-Encoding.

use super::{Stage, post_with};
use crate::harness::ACME;

const CHUNKED: &str = "5\r\nhello\r\n0\r\n\r\n";

#[test]
fn a_length_and_a_coding_together_are_refused() {
    Stage::new().refuses(
        &[400],
        [
            post_with("Content-Length: 5\r\nTransfer-Encoding: chunked", CHUNKED),
            post_with("Transfer-Encoding: chunked\r\nContent-Length: 5", CHUNKED),
            post_with("Transfer-Encoding: chunked\r\nContent-Length: 0", CHUNKED),
            post_with("content-length: 15\r\ntransfer-encoding: CHUNKED", CHUNKED),
        ],
    );
    Stage::new().refuses(
        &[400, 501],
        [
            post_with("Content-Length: 5\r\nTransfer-Encoding: identity", "hello"),
            post_with("Content-Length: 5\r\nTransfer-Encoding:", "hello"),
        ],
    );
}

#[test]
fn lengths_that_disagree_are_refused() {
    Stage::new().refuses(
        &[400],
        [
            post_with("Content-Length: 5\r\nContent-Length: 6", "hello!"),
            post_with("Content-Length: 5\r\nContent-Length: 5", "hello"),
            post_with("Content-Length: 5\r\nContent-Length: 05", "hello"),
            post_with("Content-Length: 5, 5", "hello"),
            post_with("Content-Length: 5,5", "hello"),
            post_with("Content-Length: 5, 6", "hello!"),
            post_with("Content-Length: 5,", "hello"),
            post_with("Content-Length: ,5", "hello"),
        ],
    );
}

#[test]
fn lengths_that_are_no_numbers_are_refused() {
    for value in [
        "+5",
        "-1",
        "-0",
        "",
        " ",
        "five",
        "0x5",
        "5 5",
        "5x",
        "x5",
        "5.0",
        "1e1",
        "\"5\"",
        "5;q=1",
        "5_0",
        "\u{0665}",
        "18446744073709551616",
        "18446744073709551621",
        "99999999999999999999999999",
        "9223372036854775808123",
    ] {
        // Each on a stage of its own, to be named when it fails.
        Stage::new().refuses(&[400, 413], [post_with(&format!("Content-Length: {value}"), "hello")]);
    }
}

#[test]
fn codings_other_than_one_chunked_are_refused() {
    Stage::new().refuses(
        &[400, 501],
        [
            post_with("Transfer-Encoding: chunked, chunked", CHUNKED),
            post_with("Transfer-Encoding: identity, chunked", CHUNKED),
            post_with("Transfer-Encoding: identity", CHUNKED),
            post_with("Transfer-Encoding: , chunked", CHUNKED),
            post_with("Transfer-Encoding: chunked,", CHUNKED),
            post_with("Transfer-Encoding: chunked, identity", CHUNKED),
            post_with("Transfer-Encoding: chunked, gzip", CHUNKED),
            post_with("Transfer-Encoding: gzip, chunked", CHUNKED),
            post_with("Transfer-Encoding: gzip", CHUNKED),
            post_with("Transfer-Encoding: xchunked", CHUNKED),
            post_with("Transfer-Encoding: chunkedx", CHUNKED),
            post_with("Transfer-Encoding: x chunked", CHUNKED),
            post_with("Transfer-Encoding: chunked x", CHUNKED),
            post_with("Transfer-Encoding: \"chunked\"", CHUNKED),
            post_with("Transfer-Encoding: 'chunked'", CHUNKED),
            post_with("Transfer-Encoding: chunked;q=1", CHUNKED),
            post_with("Transfer-Encoding: \u{b}chunked", CHUNKED),
            post_with("Transfer-Encoding: chunked\u{c}", CHUNKED),
            post_with("Transfer-Encoding:", CHUNKED),
            post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", CHUNKED),
            post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", CHUNKED),
            post_with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", CHUNKED),
            post_with("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", CHUNKED),
            post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding:", CHUNKED),
        ],
    );
}

#[test]
fn an_unknown_coding_is_not_implemented() {
    Stage::new().refuses(&[501], [post_with("Transfer-Encoding: gzip, chunked", CHUNKED)]);
}

#[test]
fn http_1_0_has_no_codings() {
    Stage::new().refuses(
        &[400],
        [
            format!("POST / HTTP/1.0\r\nHost: {ACME}\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKED}"),
            format!(
                "POST / HTTP/1.0\r\nHost: {ACME}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKED}"
            ),
        ],
    );
}

#[test]
fn framing_written_unusually_is_written_anew() {
    let stage = Stage::new();
    for (lines, body) in [
        ("Transfer-Encoding: Chunked", CHUNKED),
        ("transfer-encoding:chunked", CHUNKED),
        ("Transfer-Encoding: \tchunked  ", CHUNKED),
        ("Transfer-Encoding: chunked", "5;ext=1;\"x\"=\"y\"\r\nhello\r\n0;last\r\n\r\n"),
        ("Transfer-Encoding: chunked", "0005\r\nhello\r\n000\r\n\r\n"),
        ("Transfer-Encoding: chunked", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    ] {
        stage.serves([post_with(lines, body)]);
        let seen = stage.origin.last_request();
        assert_eq!(seen.body, b"hello", "{lines} {body:?}");
        assert_eq!(seen.all("transfer-encoding"), ["chunked"]);
    }
    let received = String::from_utf8_lossy(&stage.origin.received().concat()).into_owned();
    assert!(!received.contains("ext=1") && !received.contains(";last"), "extensions are the hop's own");
    stage.serves([post_with("Content-Length: 005", "hello"), post_with("Content-Length:5", "hello")]);
    assert_eq!(stage.origin.last_request().header("content-length"), Some("5"));
}
