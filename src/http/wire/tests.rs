//! The scanner against tables from RFC 9112 and against itself, however the bytes are cut.

use super::*;
use proptest::prelude::*;

fn scanner() -> Scanner {
    Scanner::new(HeadLimits { head_bytes_max: 1024, target_bytes_max: 256, fields_max: 8 })
}

fn refusal(bytes: &[u8]) -> Option<Malformed> {
    match scanner().scan(bytes).rest {
        Rest::Refused(why) => Some(why),
        _ => None,
    }
}

/// Feeds the bytes in pieces as the guard does: what did not pass is given again with more.
fn in_pieces(bytes: &[u8], cuts: &[usize]) -> (usize, Rest, u64) {
    let mut scanner = scanner();
    let mut passed = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let mut rest = Rest::Nothing;
    for end in ends {
        if end <= passed {
            continue;
        }
        let scan = scanner.scan(&bytes[passed..end]);
        passed += scan.passed;
        rest = scan.rest;
        if matches!(rest, Rest::Refused(_)) {
            break;
        }
    }
    (passed, rest, scanner.heads())
}

const GOOD: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "get /x?y=z HTTP/1.1\r\nhost:a\r\nX-A: \t b \t\r\nX-Empty:\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=\"b c\"\r\nhello\r\n0a\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
];

#[test]
fn well_formed_messages_pass_whole_alone_and_pipelined() {
    for message in GOOD {
        let scan = scanner().scan(message.as_bytes());
        assert_eq!(scan, Scan { passed: message.len(), rest: Rest::Nothing }, "{message:?}");
    }
    let all = GOOD.concat();
    let mut scanner = scanner();
    assert_eq!(scanner.scan(all.as_bytes()), Scan { passed: all.len(), rest: Rest::Nothing });
    assert_eq!(scanner.heads(), GOOD.len() as u64);
}

#[test]
fn every_ambiguity_is_refused_by_its_name() {
    use Malformed as M;
    let get = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (head, why) in [
        ("GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned(), M::LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n".to_owned(), M::LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n".to_owned(), M::LineEnd),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::LineEnd),
        (format!("{get}X: a\rb\r\n\r\n"), M::LineEnd),
        (format!("{get} folded\r\n\r\n"), M::ObsFold),
        (format!("{get}\tfolded\r\n\r\n"), M::ObsFold),
        (format!("{get}X : a\r\n\r\n"), M::FieldName),
        (format!("{get}X\r\n\r\n"), M::FieldName),
        (format!("{get}: a\r\n\r\n"), M::FieldName),
        (format!("{get}X\u{e9}: a\r\n\r\n"), M::FieldName),
        (format!("{get}X: a\0b\r\n\r\n"), M::FieldValue),
        (format!("{get}X: a\u{7f}b\r\n\r\n"), M::FieldValue),
        (format!("{get}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), M::TransferEncoding),
        (format!("{get}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), M::TransferEncoding),
        (
            format!("{get}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
            M::TransferEncoding,
        ),
        (format!("{get}Transfer-Encoding: chunked, chunked\r\n\r\n"), M::TransferEncoding),
        (format!("{get}Transfer-Encoding: , chunked\r\n\r\n"), M::TransferEncoding),
        (format!("{get}Transfer-Encoding:\r\n\r\n"), M::TransferEncoding),
        (format!("{get}Transfer-Encoding: identity, chunked\r\n\r\n"), M::TransferCoding),
        (format!("{get}Transfer-Encoding: gzip, chunked\r\n\r\n"), M::TransferCoding),
        (format!("{get}Transfer-Encoding: xchunked\r\n\r\n"), M::TransferCoding),
        (format!("{get}Transfer-Encoding: \"chunked\"\r\n\r\n"), M::TransferCoding),
        ("GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), M::TransferEncoding),
        (format!("{get}Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), M::ContentLength),
        (format!("{get}Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), M::ContentLength),
        (format!("{get}Content-Length: 5, 5\r\n\r\n"), M::ContentLength),
        (format!("{get}Content-Length: +5\r\n\r\n"), M::ContentLength),
        (format!("{get}Content-Length: -1\r\n\r\n"), M::ContentLength),
        (format!("{get}Content-Length: 0x5\r\n\r\n"), M::ContentLength),
        (format!("{get}Content-Length:\r\n\r\n"), M::ContentLength),
        (format!("{get}Content-Length: 18446744073709551615\r\n\r\n"), M::ContentLength),
        (format!("{get}Content-Length: 9223372036854775808\r\n\r\n"), M::ContentLength),
        (format!("{get}Content-Length: 99999999999999999999\r\n\r\n"), M::ContentLength),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), M::Host),
        (format!("{get}Host: a\r\n\r\n"), M::Host),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n".to_owned(), M::Version),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), M::Version),
        ("GET /\r\n\r\n".to_owned(), M::RequestLine),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::RequestLine),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n".to_owned(), M::RequestLine),
        ("GET / http/1.1\r\nHost: a\r\n\r\n".to_owned(), M::RequestLine),
        ("GET / HTTP/11\r\nHost: a\r\n\r\n".to_owned(), M::RequestLine),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::RequestLine),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::RequestLine),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::Connect),
        ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::Target),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::Target),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::Target),
        ("GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::Target),
        ("GET /?a=\"b\" HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::Target),
        ("GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::Target),
        ("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::Target),
        ("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::Target),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), M::Target),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(256)), M::TargetTooLong),
        (format!("GET /{}", "a".repeat(600)), M::TargetTooLong),
        (format!("{get}X: {}\r\n\r\n", "a".repeat(1024)), M::FieldsTooLarge),
        (format!("{get}X: {}", "a".repeat(1024)), M::FieldsTooLarge),
        (format!("{get}{}\r\n", "X: a\r\n".repeat(8)), M::FieldsTooLarge),
    ] {
        assert_eq!(refusal(head.as_bytes()), Some(why), "{head:?}");
    }
}

#[test]
fn bad_chunks_are_refused_at_the_byte_that_is_wrong() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (good, bad) in [
        ("", "\r\n"),
        ("", "g\r\n"),
        ("5", "\nhello"),
        ("5;a", "\n"),
        ("5\r", "hello"),
        ("5\r\nhello", "0\r\n"),
        ("5\r\nhello\r", "\r"),
        ("5\r\nhello\r\n", "\r\n"),
        ("5 ", "x"),
        ("fffffffffffffff", "f\r\n"),
        ("800000000000000", "0\r\n"),
        ("0\r\n", "\n"),
        ("0\r\nX", " : a\r\n"),
        ("0\r\nX: a", "\n"),
        ("0\r\n", " folded\r\n"),
        ("0\r\nX: a\r", "b"),
    ] {
        let message = format!("{head}{good}{bad}");
        let scan = scanner().scan(message.as_bytes());
        assert_eq!(scan.rest, Rest::Refused(Malformed::Chunk), "{message:?}");
        assert_eq!(scan.passed, head.len() + good.len(), "{message:?}");
    }
    let endless = format!("{head}5;{}", "a".repeat(2000));
    assert_eq!(refusal(endless.as_bytes()), Some(Malformed::Chunk));
}

#[test]
fn a_good_request_before_a_bad_one_passes() {
    let good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let scan = scanner().scan(format!("{good}GET /\n\n").as_bytes());
    assert_eq!(scan, Scan { passed: good.len(), rest: Rest::Refused(Malformed::LineEnd) });
}

#[test]
fn bytes_behind_an_upgrade_have_no_reading_until_it_is_declined() {
    let mut scanner = scanner();
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(scanner.scan(head.as_bytes()).passed, head.len());
    assert!(scanner.is_opaque());
    assert_eq!(scanner.scan(b"\0\x01\n\n").rest, Rest::Nothing);
    scanner.resume();
    assert_eq!(scanner.scan(b"\n").rest, Rest::Refused(Malformed::LineEnd));
}

proptest! {
    #[test]
    fn the_verdict_does_not_depend_on_how_bytes_are_cut(
        picks in proptest::collection::vec(0..GOOD.len(), 0..4),
        noise in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' '), any::<u8>()], 0..40),
        at in any::<prop::sample::Index>(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let mut bytes: Vec<u8> = picks.iter().flat_map(|pick| GOOD[*pick].bytes()).collect();
        let at = at.index(bytes.len() + 1);
        bytes.splice(at..at, noise);
        prop_assert_eq!(in_pieces(&bytes, &cuts), in_pieces(&bytes, &[]));
    }

    /// A target that passes here is never refused by hyper, which would answer without a word.
    #[test]
    fn a_target_that_passes_is_a_uri(target in "/[ -~\\x7f-\\u{ff}]{0,24}") {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        if scanner().scan(head.as_bytes()).rest == Rest::Nothing {
            prop_assert!(http::Uri::try_from(target.as_str()).is_ok(), "{}", target);
        }
    }

    /// What passes as one head is one head to httparse too, with the same number of bytes.
    #[test]
    fn what_passes_has_the_reading_that_hyper_gives_it(
        lines in proptest::collection::vec("[ -~\\t\\r\\n\\x00]{0,20}", 0..4),
    ) {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", lines.join("\r\n"));
        let mut scanner = scanner();
        let scan = scanner.scan(head.as_bytes());
        if scanner.heads() >= 1 && scanner.at_head() {
            let mut fields = [httparse::EMPTY_HEADER; 64];
            let mut request = httparse::Request::new(&mut fields);
            let parsed = request.parse(head.as_bytes());
            let httparse::Status::Complete(len) = parsed.unwrap() else { panic!("hyper wants more") };
            prop_assert!(len <= scan.passed);
        }
    }
}

#[test]
fn what_will_never_be_a_request_is_not_waited_for() {
    for bytes in [&b"\0\xff\0\xff"[..], b"\x16\x03\x01", b" GET", b"\"", b"\r\n\0"] {
        assert_eq!(refusal(bytes), Some(Malformed::RequestLine), "{bytes:?}");
    }
    for bytes in [&b"G"[..], b"\r", b"\r\n", b"\r\nGET / HT"] {
        assert_eq!(scanner().scan(bytes).rest, Rest::PartialHead, "{bytes:?}");
    }
}
