//! A request, made of its head's octets.

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HeaderMap, HeaderValue, TE};
use http::{Method, Request, Uri, Version};

use crate::http::hop_by_hop::lists;
use crate::http::wire::{Head, Malformed};
use crate::types::FieldNames;

/// What a request asks of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// HTTP/1.0, to be answered so.
    pub(super) http_1_0: bool,
    /// Another request may follow.
    pub(super) keep_alive: bool,
    /// The answer's body is not wanted.
    pub(super) head_only: bool,
    /// Trailers may follow an answer's body.
    pub(super) trailers: bool,
    /// The body comes when it is asked for.
    pub(super) expects_continue: bool,
}

impl Asked {
    /// By a request of which nothing could be read.
    pub(super) const NOTHING: Self = Self {
        http_1_0: false,
        keep_alive: false,
        head_only: false,
        trailers: false,
        expects_continue: false,
    };
}

/// Makes a request of a head that was read whole; `text` is what was read, `fields` an empty map.
///
/// # Errors
/// What no map of fields, or no URI, can hold.
pub(super) fn request(
    text: &Bytes,
    head: &Head,
    names: &FieldNames,
    mut fields: HeaderMap,
) -> Result<(Request<()>, Asked), Malformed> {
    let mut asked = Asked { http_1_0: head.is_http_1_0(), keep_alive: !head.is_http_1_0(), ..Asked::NOTHING };
    let mut closes = false;
    for field in head.fields() {
        let name = names.name(field.name.of(text)).map_err(|_| Malformed::FieldsTooLarge)?;
        let value = value(text.slice(field.value.range()));
        if name == CONNECTION {
            // RFC 9112 §9.3: `close` counts whatever else is said.
            closes |= lists(value.as_bytes(), b"close");
            asked.keep_alive |= lists(value.as_bytes(), b"keep-alive");
        } else if name == TE {
            asked.trailers |= lists(value.as_bytes(), b"trailers");
        } else if name == EXPECT {
            asked.expects_continue |= value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        }
        fields.try_append(name, value).map_err(|_| Malformed::FieldsTooLarge)?;
    }
    asked.keep_alive &= !closes;
    // RFC 9110 §10.1.1: it means nothing in HTTP/1.0.
    asked.expects_continue &= !asked.http_1_0;
    let method = Method::from_bytes(head.method().of(text)).map_err(|_| Malformed::RequestLine)?;
    asked.head_only = method == Method::HEAD;
    let target = text.slice(head.target().range());
    let uri = Uri::from_maybe_shared(target).map_err(|_| Malformed::Target)?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = if asked.http_1_0 { Version::HTTP_10 } else { Version::HTTP_11 };
    *request.headers_mut() = fields;
    Ok((request, asked))
}

fn value(octets: Bytes) -> HeaderValue {
    // SAFETY: `Head::read` has refused every octet that no value may have: controls but for the tab, and DEL.
    #[allow(unsafe_code)]
    unsafe {
        HeaderValue::from_maybe_shared_unchecked(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::wire::HeadLimits;
    use http::HeaderName;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<(Request<()>, Asked), Malformed> {
        let mut head = Head::default();
        let len = head.read(text.as_bytes(), &HeadLimits::default())?.expect("a whole head");
        request(
            &Bytes::copy_from_slice(&text.as_bytes()[..len]),
            &head,
            &FieldNames::default(),
            HeaderMap::new(),
        )
    }

    #[test]
    fn a_head_says_what_it_says() {
        let (request, asked) =
            read("\r\nPOST /a?b=c HTTP/1.1\r\nHost:  a \r\nX-A: 1\r\nx-a:\t2\t\r\nX-Empty:\r\n\r\n").unwrap();
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, "/a?b=c"));
        let fields = request.headers();
        assert_eq!(fields["host"], "a");
        assert_eq!(fields.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((fields["x-empty"].len(), fields.len()), (0, 4));
        assert_eq!(asked, Asked { keep_alive: true, ..Asked::NOTHING });
    }

    #[test]
    fn whether_another_may_follow() {
        for (version, connection, follows) in [
            ("1.1", None, true),
            ("1.1", Some("close"), false),
            ("1.1", Some("x, CLOSE"), false),
            ("1.1", Some("keep-alive, close"), false),
            ("1.1", Some("closed"), true),
            ("1.0", None, false),
            ("1.0", Some("Keep-Alive"), true),
            ("1.0", Some("keep-alive\r\nConnection: close"), false),
        ] {
            let field = connection.map_or(String::new(), |value| format!("Connection: {value}\r\n"));
            let (_, asked) = read(&format!("GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n")).unwrap();
            assert_eq!(asked.keep_alive, follows, "{version} {connection:?}");
        }
        let (_, asked) =
            read("HEAD / HTTP/1.1\r\nHost: a\r\nTE: gzip;q=1, Trailers;q=1\r\nExpect: 100-Continue\r\n\r\n")
                .unwrap();
        assert!(asked.head_only && asked.trailers && asked.expects_continue);
        let (_, asked) = read("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").unwrap();
        assert!(!asked.expects_continue);
    }

    proptest! {
        /// What is read here is what httparse, the parser of hyper and others, reads.
        #[test]
        fn it_is_read_as_others_read_it(
            method in "[A-Z!-&&&[^\"(),/:;<=>?@\\[\\\\\\]{}]]{1,5}",
            target in "/[a-z0-9?&=%/.~-]{0,20}",
            fields in proptest::collection::vec(("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", "[ -~\t\u{80}-\u{ff}]{0,20}"), 0..12),
        ) {
            let mut text = format!("{method} {target} HTTP/1.1\r\nhost: a\r\n");
            for (name, value) in &fields {
                text.push_str(&format!("{name}:{value}\r\n"));
            }
            text.push_str("\r\n");
            let mut slots = [httparse::EMPTY_HEADER; 16];
            let mut theirs = httparse::Request::new(&mut slots);
            if let Ok((ours, _)) = read(&text) {
                prop_assert!(theirs.parse(text.as_bytes()).unwrap().is_complete());
                prop_assert_eq!(ours.method().as_str(), theirs.method.unwrap());
                prop_assert_eq!(ours.uri().to_string(), theirs.path.unwrap());
                let mut seen = HeaderMap::new();
                for field in theirs.headers.iter() {
                    seen.append(HeaderName::from_bytes(field.name.as_bytes()).unwrap(), HeaderValue::from_bytes(field.value).unwrap());
                }
                prop_assert_eq!(ours.headers(), &seen);
            }
        }
    }
}
