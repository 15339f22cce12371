//! Heads and contents against tables from RFC 9112 and against themselves, however the bytes are cut.

use super::*;
use bytes::{Buf, BytesMut};
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 1024, target_bytes_max: 256, fields_max: 8 };

/// How a connection's bytes are read: messages one after the other.
#[derive(Default)]
struct Connection {
    head: Head,
    content: Option<Decoder>,
    read: BytesMut,
    /// Octets that were taken.
    passed: usize,
    heads: u64,
    refused: Option<Malformed>,
    asks_to_upgrade: bool,
}

impl Connection {
    fn read(&mut self, bytes: &[u8]) {
        self.read.extend_from_slice(bytes);
        while self.refused.is_none() && !self.read.is_empty() {
            let before = self.read.len();
            match self.step() {
                Ok(true) => {}
                Ok(false) => return self.passed += before - self.read.len(),
                Err(why) => self.refused = Some(why),
            }
            self.passed += before - self.read.len();
        }
    }

    /// Whether there may be more to take.
    fn step(&mut self) -> Result<bool, Malformed> {
        if let Some(content) = &mut self.content {
            let piece = content.next(&mut self.read)?;
            if content.is_ended() {
                self.content = None;
            }
            return Ok(piece != Decoded::More);
        }
        let Some(len) = self.head.read(&self.read, &LIMITS)? else { return Ok(false) };
        self.read.advance(len);
        self.heads += 1;
        self.asks_to_upgrade = self.head.asks_to_upgrade();
        self.content = match self.head.framing() {
            Framing::Nothing => None,
            Framing::Length(octets) => Some(Decoder::Length(octets)),
            Framing::Chunked => Some(Decoder::chunked(1024)),
        };
        self.head.clear();
        Ok(true)
    }
}

fn read(bytes: &[u8]) -> Connection {
    let mut connection = Connection::default();
    connection.read(bytes);
    connection
}

fn refusal(bytes: &[u8]) -> Option<Malformed> {
    read(bytes).refused
}

/// Whether all of it was taken, and nothing is under way.
fn is_whole(bytes: &[u8]) -> bool {
    let seen = read(bytes);
    seen.refused.is_none() && seen.content.is_none() && seen.passed == bytes.len()
}

/// What a head or a chunk that is refused had of its octets taken depends on how they came: its heads and its verdict do not.
fn in_pieces(bytes: &[u8], cuts: &[usize]) -> (u64, Option<Malformed>, bool) {
    let mut connection = Connection::default();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let mut from = 0;
    for end in ends {
        connection.read(&bytes[from..end]);
        from = end;
    }
    (connection.heads, connection.refused, connection.content.is_some())
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
        assert!(is_whole(message.as_bytes()), "{message:?}");
    }
    let all = GOOD.concat();
    assert!(is_whole(all.as_bytes()));
    assert_eq!(read(all.as_bytes()).heads, GOOD.len() as u64);
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
        assert_eq!(refusal(message.as_bytes()), Some(Malformed::Chunk), "{message:?}");
        assert_eq!(refusal(format!("{head}{good}").as_bytes()), None, "{message:?}");
    }
    let endless = format!("{head}5;{}", "a".repeat(2000));
    assert_eq!(refusal(endless.as_bytes()), Some(Malformed::Chunk));
}

#[test]
fn a_good_request_before_a_bad_one_passes() {
    let good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let seen = read(format!("{good}GET /\n\n").as_bytes());
    assert_eq!((seen.heads, seen.passed, seen.refused), (1, good.len(), Some(Malformed::LineEnd)));
}

#[test]
fn an_upgrade_is_asked_for_without_a_body_only() {
    let asks = |more: &str| {
        read(format!("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n{more}\r\n").as_bytes())
            .asks_to_upgrade
    };
    assert!(asks("") && asks("Content-Length: 0\r\n"));
    assert!(!asks("Content-Length: 1\r\n") && !asks("Transfer-Encoding: chunked\r\n"));
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

    /// A target that passes here is never refused where the request is made of it.
    #[test]
    fn a_target_that_passes_is_a_uri(target in "/[ -~\\x7f-\\u{ff}]{0,24}") {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        if is_whole(head.as_bytes()) {
            prop_assert!(http::Uri::try_from(target.as_str()).is_ok(), "{}", target);
        }
    }

    /// What passes as one head is one head to httparse too, with the same number of bytes.
    #[test]
    fn what_passes_has_the_reading_that_others_give_it(
        lines in proptest::collection::vec("[ -~\\t\\r\\n\\x00]{0,20}", 0..4),
    ) {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", lines.join("\r\n"));
        let mut ours = Head::default();
        if let Ok(Some(len)) = ours.read(head.as_bytes(), &LIMITS) {
            let mut fields = [httparse::EMPTY_HEADER; 64];
            let mut request = httparse::Request::new(&mut fields);
            prop_assert_eq!(request.parse(head.as_bytes()).unwrap(), httparse::Status::Complete(len));
        }
    }
}

#[test]
fn what_will_never_be_a_request_is_not_waited_for() {
    for bytes in [&b"\0\xff\0\xff"[..], b"\x16\x03\x01", b" GET", b"\"", b"\r\n\0"] {
        assert_eq!(refusal(bytes), Some(Malformed::RequestLine), "{bytes:?}");
    }
    for bytes in [&b"G"[..], b"\r", b"\r\n", b"\r\nGET / HT"] {
        let seen = read(bytes);
        assert_eq!((seen.refused, seen.heads), (None, 0), "{bytes:?}");
    }
}
