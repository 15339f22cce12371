//! A request as HTTP/1.1 has it: text (RFC 9112).

use std::io::Write as _;

use http::header::HeaderMap;
use http::request::Parts;

/// A head (RFC 9112 §3 and §5) in place of what was there: the target in origin form, the fields as they are, and behind them
/// `own`: whole lines, in pieces.
pub(super) fn head(text: &mut Vec<u8>, head: &Parts, own: &[&[u8]]) {
    text.clear();
    text.extend_from_slice(head.method.as_str().as_bytes());
    text.push(b' ');
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    // The absolute form may leave the path out (RFC 9112 §3.2.1); the origin form may not.
    if !target.starts_with('/') && target != "*" {
        text.push(b'/');
    }
    text.extend_from_slice(target.as_bytes());
    text.extend_from_slice(b" HTTP/1.1\r\n");
    fields(text, &head.headers);
    own.iter().for_each(|piece| text.extend_from_slice(piece));
    text.extend_from_slice(b"\r\n");
}

/// The same, as a text of its own.
#[must_use]
pub fn head_text(head: &Parts, own: &[&[u8]]) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    self::head(&mut text, head, own);
    text
}

/// A line a field.
pub(super) fn fields(text: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
}

/// The line before a chunk of so many octets (RFC 9112 §7.1).
pub(super) fn chunk_size(text: &mut Vec<u8>, octets: usize) {
    // Writing to memory does not fail.
    let _ = write!(text, "{octets:x}\r\n");
}
