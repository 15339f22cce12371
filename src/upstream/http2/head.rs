//! A request's head in HTTP/2, made from the one that HTTP/1.1 would send: nothing can be said in one protocol and
//! not in the other.

use h2::ext::Protocol;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING,
    UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version, response};

use crate::http::names::X_REQUEST_ID;
use crate::http::websocket::accept_of;
use crate::types::of_one_message;

/// Translates a head (RFC 9113 §8.3.1): the `Host` becomes the authority, and what only concerns an HTTP/1.1
/// connection (§8.2.2) is left out. `None` when it is no head, or names no host.
pub(super) fn request(text: &[u8], scheme: Scheme) -> Option<Request<()>> {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut start = lines.next()?.split(|byte| *byte == b' ');
    let method = Method::from_bytes(start.next()?).ok()?;
    let target = PathAndQuery::try_from(start.next()?).ok()?;
    let mut request = Request::new(());
    let mut authority = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
        let name = HeaderName::from_bytes(name).ok()?;
        let value = value.strip_prefix(b":")?.trim_ascii();
        if name == HOST {
            authority = Some(Authority::try_from(value).ok()?);
        } else if ![CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(&name) {
            let value = HeaderValue::from_bytes(value).ok()?;
            let value = if name == X_REQUEST_ID { of_one_message(value) } else { value };
            request.headers_mut().append(name, value);
        }
    }
    let uri = Uri::builder().scheme(scheme).authority(authority?).path_and_query(target).build().ok()?;
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    Some(request)
}

/// Makes a WebSocket's handshake the request for a stream that becomes one (RFC 8441 §5); its key, which HTTP/2 doesn't
/// have. `None` when it has none: it is no handshake.
pub(super) fn connect(request: &mut Request<()>) -> Option<HeaderValue> {
    let key = request.headers_mut().remove(SEC_WEBSOCKET_KEY)?;
    *request.method_mut() = Method::CONNECT;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    Some(key)
}

/// Makes the head that answers it what the client of an upgrade expects.
pub(super) fn switched(head: &mut response::Parts, key: &HeaderValue) {
    head.status = StatusCode::SWITCHING_PROTOCOLS;
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept_of(key.as_bytes())) {
        head.headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
}

/// Whether a response says how long it is at most once, in digits; what is said twice alike is said once then (RFC 9110 §8.6). Its
/// client may speak HTTP/1.1, where two lengths are two responses.
pub(super) fn one_length(fields: &mut HeaderMap) -> bool {
    let mut lengths = fields.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return true };
    let is_number = !first.is_empty() && first.as_bytes().iter().all(u8::is_ascii_digit);
    let (count, alike) =
        lengths.fold((1, true), |(count, alike), other| (count + 1, alike && other == first));
    if count > 1 && is_number && alike {
        let first = first.clone();
        fields.insert(CONTENT_LENGTH, first);
    }
    is_number && alike
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_translated() {
        let text = b"POST /a?b=c HTTP/1.1\r\nhost: app.test:8080\r\nte: trailers\r\ncookie: a=1\r\n\
                     transfer-encoding: chunked\r\nconnection: close\r\nx: \xe9: y\r\ncookie: b\r\nempty: \r\n\r\n";
        let request = request(text, Scheme::HTTPS).unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "https://app.test:8080/a?b=c");
        let fields: Vec<(&str, &[u8])> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 5] =
            [("te", b"trailers"), ("cookie", b"a=1"), ("cookie", b"b"), ("x", b"\xe9: y"), ("empty", b"")];
        assert_eq!(fields, expected);
    }

    #[test]
    fn what_is_no_head_of_a_host_is_none() {
        for text in
            ["", "GET / HTTP/1.1\r\n\r\n", "GET\r\nhost: a\r\n\r\n", "GET / HTTP/1.1\r\nhost: a b\r\n\r\n"]
        {
            assert!(request(text.as_bytes(), Scheme::HTTP).is_none(), "{text:?}");
        }
        let asterisk = request(b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", Scheme::HTTP).unwrap();
        assert_eq!(asterisk.uri().path(), "*");
    }

    #[test]
    fn a_length_is_one_number() {
        let of = |lengths: &[&'static str]| {
            let lengths = lengths.iter().map(|length| (CONTENT_LENGTH, HeaderValue::from_static(length)));
            let mut fields = HeaderMap::from_iter(lengths);
            one_length(&mut fields).then(|| fields.get_all(CONTENT_LENGTH).iter().count())
        };
        assert_eq!((of(&[]), of(&["0"]), of(&["12", "12"])), (Some(0), Some(1), Some(1)));
        for wrong in [&["1", "2"][..], &["1", "1", "2"], &["+1"], &[""], &["1, 1"], &["0x1"]] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }
}
