//! What must hold of a request, whatever its protocol, before anything is decided about it.
//!
//! The bytes of an HTTP/1.1 head have been checked. Here the fields are checked that mean the
//! same in HTTP/2: which host is asked for, and by one name only.

use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Version};

use super::hop_by_hop::Survey;
use super::wire::{HeadLimits, Malformed};
use crate::types::HostName;

/// A request whose host is known and named once.
#[derive(Debug)]
pub struct Checked {
    /// The host, for comparison. `None`: an HTTP/1.0 request that names none.
    pub host: Option<HostName>,
    /// The host as the client wrote it: goes upstream unchanged.
    pub host_value: HeaderValue,
}

/// Why a request is no good: its status, a stable name, one sentence for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRequest {
    /// 400, or what fits better.
    pub status: StatusCode,
    /// A short stable name, for metrics and the access log.
    pub code: &'static str,
    /// One sentence for whoever sent it.
    pub detail: &'static str,
}

const BAD_HOST: BadRequest = BadRequest {
    status: StatusCode::BAD_REQUEST,
    code: "bad_host",
    detail: "A request needs exactly one valid Host.",
};
const HOST_CONFLICT: BadRequest = BadRequest {
    status: StatusCode::BAD_REQUEST,
    code: "host_conflict",
    detail: "The request target and Host name different hosts.",
};
const BAD_TARGET: BadRequest = BadRequest {
    status: StatusCode::BAD_REQUEST,
    code: "bad_target",
    detail: "The request target is not in a form that its method allows.",
};
const BAD_LENGTH: BadRequest = BadRequest {
    status: StatusCode::BAD_REQUEST,
    code: "bad_content_length",
    detail: "Content-Length must be one decimal number, given once.",
};
const BAD_CONNECT: BadRequest = BadRequest {
    status: StatusCode::METHOD_NOT_ALLOWED,
    code: "connect_refused",
    detail: "CONNECT is not offered here.",
};
const BAD_TRACE: BadRequest = BadRequest {
    status: StatusCode::METHOD_NOT_ALLOWED,
    code: "trace_refused",
    detail: "TRACE is not offered here.",
};
const BAD_EXPECT: BadRequest = BadRequest {
    status: StatusCode::EXPECTATION_FAILED,
    code: "unknown_expectation",
    detail: "The only expectation understood here is '100-continue'.",
};

/// Checks a request's target, host, length and expectation. `authority` is that of the target, where it was made a value already.
///
/// # Errors
/// [`BadRequest`] for what two readers could read differently (RFC 9112 §3.2, RFC 9113 §8.3.1).
pub fn request(
    head: &Parts,
    survey: &Survey,
    limits: &HeadLimits,
    authority: Option<&HeaderValue>,
) -> Result<Checked, BadRequest> {
    if head.method == Method::CONNECT {
        return Err(BAD_CONNECT);
    }
    // An application that answers it would tell the client what only applications are told (RFC 9110 §9.3.8).
    if head.method == Method::TRACE {
        return Err(BAD_TRACE);
    }
    if survey.expect {
        let mut lines = head.headers.get_all(EXPECT).iter();
        if !lines.all(|line| line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue")) {
            return Err(BAD_EXPECT);
        }
    }
    let star = head.uri.path() == "*" && head.method == Method::OPTIONS;
    if !head.uri.path().starts_with('/') && !star {
        return Err(BAD_TARGET);
    }
    if head.version == Version::HTTP_2 {
        // Nobody has looked at this one.
        let is_http = |scheme: &str| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if !head.uri.scheme_str().is_none_or(is_http) {
            return Err(BAD_TARGET);
        }
        let target = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
        // RFC 9113 §8.3.1: it begins with a slash.
        if target.starts_with('?') {
            return Err(BAD_TARGET);
        }
        if target.len() > limits.target_bytes_max {
            return Err(malformed(Malformed::TargetTooLong));
        }
        if head.headers.len() > limits.fields_max {
            return Err(malformed(Malformed::FieldsTooLarge));
        }
        let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
        if let Some(length) = lengths.next()
            && (lengths.next().is_some() || !is_number(length))
        {
            return Err(BAD_LENGTH);
        }
    }
    host(head, authority)
}

fn malformed(why: Malformed) -> BadRequest {
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
    BadRequest { status, code: why.code(), detail: why.detail() }
}

fn host(head: &Parts, made: Option<&HeaderValue>) -> Result<Checked, BadRequest> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let field = hosts.next();
    if hosts.next().is_some() {
        return Err(BAD_HOST);
    }
    let parse = |bytes: &[u8]| HostName::parse(bytes).map_err(|_| BAD_HOST);
    match (head.uri.authority(), field) {
        (None, Some(field)) => {
            let name = parse(field.as_bytes())?;
            Ok(Checked { host: Some(name), host_value: field.clone() })
        }
        (Some(authority), field) => {
            let name = parse(authority.as_str().as_bytes())?;
            if let Some(field) = field {
                let other = parse(field.as_bytes())?;
                let default = if head.uri.scheme_str() == Some("https") { 443 } else { 80 };
                if name != other || name.port().unwrap_or(default) != other.port().unwrap_or(default) {
                    return Err(HOST_CONFLICT);
                }
            }
            let host_value = match made.filter(|made| *made == authority.as_str()) {
                Some(made) => made.clone(),
                None => HeaderValue::from_str(authority.as_str()).map_err(|_| BAD_HOST)?,
            };
            Ok(Checked { host: Some(name), host_value })
        }
        (None, None) if head.version == Version::HTTP_10 => {
            Ok(Checked { host: None, host_value: HeaderValue::from_static("") })
        }
        (None, None) => Err(BAD_HOST),
    }
}

fn is_number(value: &HeaderValue) -> bool {
    let digits = value.as_bytes();
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
    digits.first().is_some_and(u8::is_ascii_digit) && number.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn check(version: Version, uri: &str, fields: &[(&str, &str)]) -> Result<Option<String>, &'static str> {
        let mut request = Request::builder().method("GET").uri(uri).version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let survey = Survey::of(&parts.headers, &Default::default());
        super::request(&parts, &survey, &HeadLimits::default(), None)
            .map(|c| c.host.map(|h| h.to_string()))
            .map_err(|bad| bad.code)
    }

    #[test]
    fn the_host_is_named_once_or_alike() {
        let v1 = Version::HTTP_11;
        let v2 = Version::HTTP_2;
        assert_eq!(check(v1, "/", &[("host", "A.test:80")]), Ok(Some("a.test".into())));
        assert_eq!(check(v1, "http://a.test/x", &[("host", "a.test:80")]), Ok(Some("a.test".into())));
        assert_eq!(check(v1, "http://a.test/x", &[("host", "b.test")]), Err("host_conflict"));
        assert_eq!(check(v1, "http://a.test:81/x", &[("host", "a.test")]), Err("host_conflict"));
        assert_eq!(check(v1, "http://u@a.test/x", &[("host", "a.test")]), Err("bad_host"));
        assert_eq!(check(v1, "/", &[("host", "a b")]), Err("bad_host"));
        assert_eq!(check(v1, "/", &[("host", "a"), ("host", "a")]), Err("bad_host"));
        assert_eq!(check(v2, "http://a.test/", &[]), Ok(Some("a.test".into())));
        assert_eq!(check(v2, "http://a.test/", &[("host", "b.test")]), Err("host_conflict"));
        assert_eq!(check(v2, "https://a.test/", &[]), Ok(Some("a.test".into())));
        assert_eq!(check(v2, "ftp://a.test/", &[]), Err("bad_target"));
        assert_eq!(check(Version::HTTP_10, "/", &[]), Ok(None));
    }

    #[test]
    fn http2_lengths_and_expectations_are_checked() {
        let v2 = Version::HTTP_2;
        let twice = [("content-length", "5"), ("content-length", "5")];
        assert_eq!(check(v2, "http://a/", &twice), Err("bad_content_length"));
        assert_eq!(check(v2, "http://a/", &[("content-length", "+5")]), Err("bad_content_length"));
        assert_eq!(check(v2, "http://a/", &[("expect", "miracles")]), Err("unknown_expectation"));
        assert!(check(v2, "http://a/", &[("expect", "100-Continue")]).is_ok());
    }
}
