//! Chunked bodies gone wrong. The head may be at the origin already when a chunk turns out bad;
//! what must never get there is a request that looks whole.

use super::{Stage, post_with, refusal, shorten};
use crate::harness::eventually;

/// Asserts for each of these a 400, a closed connection, and no whole request at the origin;
/// names all that fail.
#[track_caller]
fn refuses_bodies<T: AsRef<str>>(bodies: impl IntoIterator<Item = T>) {
    let stage = Stage::new();
    let mut faults = Vec::new();
    for body in bodies {
        let shown = shorten(body.as_ref());
        let whole_before = stage.origin.requests().len();
        let mut client = stage.gateway.connect();
        client.send(post_with("Transfer-Encoding: chunked", body.as_ref()));
        if let Err(fault) = refusal(&mut client, &[400]) {
            faults.push(format!("{shown:?}: {fault}"));
        }
        eventually("the upstream request is given up", || stage.in_flight() == 0.0);
        if stage.origin.requests().len() > whole_before {
            faults.push(format!("{shown:?} arrived as {:?}", stage.origin.last_request().body));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // And nothing goes wrong for the next client.
    stage.serves([post_with("Content-Length: 2", "ok")]);
}

#[test]
fn sizes_that_are_no_hexadecimal_numbers_are_refused() {
    refuses_bodies(
        ["g", "-5", "+5", "0x5", "", " 5", "5 5", "5h", "\"5\"", "5,5", "x5", "five", "\t5", "\u{0665}"]
            .map(|size| format!("{size}\r\nhello\r\n0\r\n\r\n")),
    );
}

#[test]
fn sizes_that_overflow_are_refused() {
    refuses_bodies(
        ["10000000000000005", "fffffffffffffffff", "00000000000000000000000000000005g"]
            .map(|size| format!("{size}\r\nhello\r\n0\r\n\r\n")),
    );
}

#[test]
fn chunk_lines_end_with_crlf_and_nothing_else() {
    refuses_bodies([
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
    ]);
}

#[test]
fn data_longer_than_its_size_is_refused() {
    refuses_bodies(["5\r\nhelloX\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "4\r\nhello\r\n0\r\n\r\n"]);
}

#[test]
fn extensions_cannot_hide_line_ends() {
    let extensions = [";a\nb", ";\n", ";a=\"\n\"", ";a\rb", ";a\0b", ";\r"];
    refuses_bodies(extensions.map(|extension| format!("5{extension}\r\nhello\r\n0\r\n\r\n")));
    refuses_bodies(extensions.map(|extension| format!("5\r\nhello\r\n0{extension}\r\n\r\n")));
}

#[test]
fn extensions_are_bounded() {
    let one = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(200_000));
    let many = format!("1;{}\r\nx\r\n", "y".repeat(4000)).repeat(100);
    refuses_bodies([one, format!("{many}0\r\n\r\n")]);
}

#[test]
fn trailers_are_bounded() {
    let stage = Stage::new();
    let mut client = stage.gateway.connect();
    let trailer = format!("X-T: {}\r\n", "x".repeat(200_000));
    client.send(post_with("Transfer-Encoding: chunked", &format!("5\r\nhello\r\n0\r\n{trailer}\r\n")));
    let answer = client.answer();
    assert!(matches!(answer.status, 400 | 431), "{answer:?}");
    assert!(stage.origin.requests().is_empty());
}

#[test]
fn malformed_trailers_are_refused() {
    refuses_bodies(
        ["X-A : 1\r\n", "X-A\r\n", ": 1\r\n", "X-A: 1\n", "X-A: a\0\r\n", "X-A: 1\r\n 2\r\n", " X-A: 1\r\n"]
            .map(|trailers| format!("5\r\nhello\r\n0\r\n{trailers}\r\n")),
    );
}

#[test]
fn trailers_cannot_say_what_only_a_head_may() {
    let stage = Stage::new();
    let trailers = "X-Tenant-Id: globex\r\nX_Tenant_Id: globex\r\nHost: globex.app.test\r\nContent-Length: 3\r\n\
                    Transfer-Encoding: chunked\r\nX-Forwarded-For: 1.2.3.4\r\nAuthorization: x\r\nX-Fine: 1\r\n";
    let mut client = stage.gateway.connect();
    client.send(post_with("TE: trailers\r\nTransfer-Encoding: chunked", &format!("0\r\n{trailers}\r\n")));
    // To refuse the whole is as good as to drop them.
    if client.answer().status == 200 {
        let seen = stage.origin.last_request();
        assert!(seen.trailers.iter().all(|(name, _)| name.eq_ignore_ascii_case("x-fine")), "{seen:?}");
        assert_eq!(seen.header("x-tenant-id"), Some("acme"));
    }
}

#[test]
fn a_body_that_ends_too_early_is_not_passed_on_as_whole() {
    for (lines, body) in [
        ("Content-Length: 10", "half"),
        ("Transfer-Encoding: chunked", "5\r\nhel"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n"),
    ] {
        let stage = Stage::new();
        let mut client = stage.gateway.connect();
        client.send(post_with(lines, body));
        client.finish_sending();
        client.drain();
        assert!(stage.origin.requests().is_empty(), "{body:?} arrived as {:?}", stage.origin.requests());
        crate::harness::eventually("the upstream connection ends", || stage.origin.open_connections() == 0);
    }
}
