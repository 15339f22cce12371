//! What holds for any bytes that a connection brings where a head of HTTP/1.1 should be.

use http::Uri;
use tollgate::http::wire::{Framing, Head, HeadLimits, Malformed};

/// Small, so that short inputs reach them.
const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 512, target_bytes_max: 64, fields_max: 16 };

/// How a head was read.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    octets: Option<usize>,
    framing: Framing,
    upgrade: bool,
    refused: Option<Malformed>,
}

/// A head has one reading, however its bytes are cut into packets; and httparse, with which others read requests, sees it end where
/// we do.
pub fn has_one_reading(bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let whole = read(rest, usize::MAX);
        for cut in [1, 2, 3, 7, 64] {
            assert_eq!(read(rest, cut), whole, "in pieces of {cut}: {}", rest.escape_ascii());
        }
        let Some(octets) = whole.octets else { return };
        agrees_with_httparse(&rest[..octets], whole.framing);
        // Behind it stands the next, if it has no body.
        rest = &rest[octets..];
        if whole.framing != Framing::Nothing {
            return;
        }
    }
}

/// Reads a head of which each time `cut` octets more are there.
fn read(bytes: &[u8], cut: usize) -> Reading {
    let mut head = Head::default();
    let (mut octets, mut refused, mut end) = (None, None, 0);
    while end < bytes.len() && octets.is_none() && refused.is_none() {
        end = end.saturating_add(cut).min(bytes.len());
        match head.read(&bytes[..end], &LIMITS) {
            Ok(read) => octets = read,
            Err(why) => {
                assert!((400..=505).contains(&why.status()) && !why.code().is_empty());
                refused = Some(same_whichever_is_seen_first(why));
            }
        }
    }
    let known = octets.is_some();
    let framing = if known { head.framing() } else { Framing::Nothing };
    Reading { octets, framing, upgrade: known && head.asks_to_upgrade(), refused }
}

/// Which limit a head that is past two of them is told depends on which was seen to be passed first.
fn same_whichever_is_seen_first(why: Malformed) -> Malformed {
    if why == Malformed::FieldsTooLarge { Malformed::TargetTooLong } else { why }
}

fn agrees_with_httparse(head: &[u8], framing: Framing) {
    let mut fields = [httparse::EMPTY_HEADER; LIMITS.fields_max];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(head);
    assert_eq!(parsed, Ok(httparse::Status::Complete(head.len())), "{}", head.escape_ascii());
    let target = request.path.unwrap_or_default();
    assert!(target.parse::<Uri>().is_ok(), "no request could be made of {target:?}");
    let named =
        |name: &str| request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
    assert!(named("content-length") + named("transfer-encoding") <= 1, "{}", head.escape_ascii());
    assert_eq!(named("transfer-encoding") == 1, framing == Framing::Chunked, "{}", head.escape_ascii());
    assert!(
        named("host") == 1 || named("host") == 0 && request.version == Some(0),
        "{}",
        head.escape_ascii()
    );
}
