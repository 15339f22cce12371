//! A refusal as a gRPC client receives it: a status in the head of a 200 ("trailers-only"), as the wire protocol asks
//! for (grpc/doc/PROTOCOL-HTTP2.md). It could read neither an HTTP status nor a document.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::problem;
use super::rejection::Rejection;
use crate::http::names::{GRPC_MESSAGE, GRPC_RETRY_PUSHBACK, GRPC_STATUS};

/// A call is asked to try again after a wait of at most this. One that would have to wait longer is asked not to.
const PUSHBACK_MAX_S: u64 = 60;

/// How a call ended (grpc/doc/statuscodes.md), as far as the gateway says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum GrpcStatus {
    /// The client went away, or stopped in the middle.
    Cancelled = 1,
    /// Time was up.
    DeadlineExceeded = 4,
    /// The client may not, whatever it does.
    PermissionDenied = 7,
    /// It has used up what it may use.
    ResourceExhausted = 8,
    /// Something else has to be put right first.
    FailedPrecondition = 9,
    /// There is nothing of this name.
    Unimplemented = 12,
    /// The request makes no sense.
    Internal = 13,
    /// Not now: trying again may help.
    Unavailable = 14,
}

/// Whether a request is a gRPC call: its type is `application/grpc`, or that with a suffix or parameters.
/// `application/grpc-web` is another protocol.
#[must_use]
pub(super) fn is_call(fields: &HeaderMap) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let Some(kind) = fields.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return false };
    match kind.split_at_checked(TYPE.len()) {
        Some((kind, rest)) => {
            kind.eq_ignore_ascii_case(TYPE) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
        }
        None => false,
    }
}

/// The response to a refused call: no body, and all that there is to say in its head.
#[must_use]
pub(super) fn respond(rejection: &Rejection) -> Response<Bytes> {
    let row = rejection.row();
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::OK;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    fields.insert(GRPC_STATUS.clone(), HeaderValue::from(row.grpc as u16));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(&rejection.detail())) {
        fields.insert(GRPC_MESSAGE.clone(), message);
    }
    problem::explain(fields, rejection);
    if let Some(seconds) = rejection.retry_after_s() {
        fields.insert(GRPC_RETRY_PUSHBACK.clone(), pushback(seconds));
    }
    response
}

/// Milliseconds; or what no client takes for a number of them, and so doesn't retry (gRFC A6).
fn pushback(seconds: u64) -> HeaderValue {
    if seconds <= PUSHBACK_MAX_S {
        HeaderValue::from(seconds * 1_000)
    } else {
        HeaderValue::from_static("-1")
    }
}

/// Status messages are printable ASCII; the rest, and `%` itself, is written as `%XX` for each octet.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => {
                let digit =
                    |four: u8| char::from_digit(u32::from(four), 16).unwrap_or('0').to_ascii_uppercase();
                encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(kind: &'static str) -> bool {
        is_call(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]))
    }

    #[test]
    fn calls_are_told_by_their_type() {
        assert!(call("application/grpc") && call("application/grpc+proto"));
        assert!(call("Application/gRPC;charset=utf-8"));
        assert!(!call("application/grpc-web") && !call("application/grpc-web+proto"));
        assert!(!call("application/grpcish") && !call("application/json") && !is_call(&HeaderMap::new()));
    }

    #[test]
    fn a_long_wait_is_no_pushback() {
        assert_eq!(pushback(1), "1000");
        assert_eq!(pushback(60), "60000");
        assert_eq!(pushback(61), "-1");
        assert_eq!(pushback(u64::MAX), "-1");
    }

    /// As a client does it.
    fn decoded(text: &str) -> Vec<u8> {
        let mut bytes = text.bytes();
        let mut decoded = Vec::new();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                decoded.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            } else {
                decoded.push(byte);
            }
        }
        decoded
    }

    proptest! {
        #[test]
        fn messages_survive_their_encoding(text in ".*") {
            let encoded = percent_encoded(&text);
            prop_assert!(encoded.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{encoded:?}");
            prop_assert_eq!(decoded(&encoded), text.as_bytes());
        }
    }
}
