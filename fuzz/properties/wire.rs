//! What holds for any bytes that a connection brings where HTTP/1.1 should be.

use http::Uri;
use tollgate::http::wire::{HeadLimits, Malformed, Rest, Scanner};

/// Small, so that short inputs reach them.
const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 512, target_bytes_max: 64, fields_max: 16 };

/// How a scanner has read a connection.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    passed: usize,
    heads: u64,
    opaque: bool,
    refused: Option<Malformed>,
}

/// A connection's bytes have one reading, however they are cut into packets; and httparse, with which
/// hyper reads what has passed, sees each head end where the scanner does.
pub fn has_one_reading(bytes: &[u8]) {
    let whole = read(bytes, usize::MAX, |_| {});
    for cut in [1, 2, 3, 7, 64] {
        assert_eq!(read(bytes, cut, |_| {}), whole, "in pieces of {cut}: {}", bytes.escape_ascii());
    }
    read(bytes, 1, agrees_with_httparse);
}

/// Gives a scanner the bytes in pieces of `cut` octets. In pieces of one, `each_head` gets every head.
fn read(bytes: &[u8], cut: usize, each_head: fn(&[u8])) -> Reading {
    let mut scanner = Scanner::new(LIMITS);
    let mut reading = Reading { passed: 0, heads: 0, opaque: false, refused: None };
    let mut end = 0;
    while end < bytes.len() && reading.refused.is_none() {
        end = end.saturating_add(cut).min(bytes.len());
        let held = &bytes[reading.passed..end];
        let scan = scanner.scan(held);
        assert!(scan.passed <= held.len());
        match scan.rest {
            Rest::Nothing => assert_eq!(scan.passed, held.len()),
            Rest::PartialHead => assert!(scanner.at_head() && scan.passed < held.len()),
            Rest::Refused(why) => {
                assert!((400..=505).contains(&why.status()) && !why.code().is_empty());
                reading.refused = Some(same_whichever_is_seen_first(why));
            }
        }
        if scanner.heads() > reading.heads {
            each_head(&held[..scan.passed]);
        }
        reading.passed += scan.passed;
        reading.heads = scanner.heads();
    }
    reading.opaque = scanner.is_opaque();
    reading
}

/// Which limit a head that is past two of them is told depends on which was seen to be passed first.
fn same_whichever_is_seen_first(why: Malformed) -> Malformed {
    if why == Malformed::FieldsTooLarge { Malformed::TargetTooLong } else { why }
}

fn agrees_with_httparse(head: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; LIMITS.fields_max];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(head);
    assert_eq!(parsed, Ok(httparse::Status::Complete(head.len())), "{}", head.escape_ascii());
    let target = request.path.unwrap_or_default();
    assert!(target.parse::<Uri>().is_ok(), "hyper would not take {target:?}");
    let named =
        |name: &str| request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
    assert!(named("content-length") + named("transfer-encoding") <= 1, "{}", head.escape_ascii());
    assert!(
        named("host") == 1 || named("host") == 0 && request.version == Some(0),
        "{}",
        head.escape_ascii()
    );
}
