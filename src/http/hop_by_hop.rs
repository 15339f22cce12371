//! Fields that belong to one hop (RFC 9110 §7.6.1) or to the gateway itself, and their removal.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};

use super::names::{HTTP2_SETTINGS, KEEP_ALIVE, PROXY, PROXY_CONNECTION};
pub use super::reserved::Reserved;

/// What stands in a field section, found in one pass: most requests have none of it, and then
/// nothing needs to be looked up or removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// `Connection`, or another field that ends at this hop.
    pub hop_by_hop: bool,
    /// `TE`.
    pub te: bool,
    /// `Upgrade`.
    pub upgrade: bool,
    /// `Expect`.
    pub expect: bool,
    /// `Transfer-Encoding`.
    pub transfer_encoding: bool,
    /// `X-Forwarded-For`.
    pub forwarded_for: bool,
    /// `Forwarded`.
    pub forwarded: bool,
    /// Any `X-Forwarded-…`, `Forwarded` or `X-Real-IP`.
    pub forwarding: bool,
    /// Any `X-Client-Cert-…`.
    pub client_cert: bool,
    /// The tenant header, or the signed context's, in any spelling.
    pub identity: bool,
    /// A field that identifies a tenant, in any spelling.
    pub claims: bool,
    /// `X-Request-Id`.
    pub request_id: bool,
    /// A name with an underscore that an application (CGI, WSGI, Rack) would read as one of the gateway's, or as an API key's.
    pub disguised: bool,
    /// `Content-Type`.
    pub content_type: bool,
    /// `grpc-timeout` or `X-Request-Timeout`.
    pub timeouts: bool,
    /// `Cookie` lines (HTTP/2 may send several).
    pub cookies: u32,
}

impl Survey {
    /// Looks once at every field.
    #[must_use]
    pub fn of(fields: &HeaderMap, reserved: &Reserved) -> Self {
        let mut survey = Self::default();
        for name in fields.keys() {
            survey.note(name, reserved);
        }
        if survey.cookies > 0 {
            survey.cookies = fields.get_all(http::header::COOKIE).iter().count() as u32;
        }
        survey
    }

    fn note(&mut self, name: &HeaderName, reserved: &Reserved) {
        let text = name.as_str();
        match text {
            "connection"
            | "keep-alive"
            | "proxy"
            | "proxy-connection"
            | "proxy-authorization"
            | "http2-settings" => {
                self.hop_by_hop = true;
            }
            "te" => self.te = true,
            "upgrade" => self.upgrade = true,
            "expect" => self.expect = true,
            "transfer-encoding" => self.transfer_encoding = true,
            "forwarded" => (self.forwarded, self.forwarding) = (true, true),
            "x-forwarded-for" => (self.forwarded_for, self.forwarding) = (true, true),
            "x-real-ip" => self.forwarding = true,
            "x-request-id" => self.request_id = true,
            "content-type" => self.content_type = true,
            "grpc-timeout" | "x-request-timeout" => self.timeouts = true,
            "cookie" => self.cookies = 1,
            _ if text.starts_with("x-forwarded-") => self.forwarding = true,
            _ if text.starts_with(CLIENT_CERT) => self.client_cert = true,
            _ => {
                self.identity |= reserved.is_own(text);
                self.disguised |= is_disguised(text);
            }
        }
        // Any name at all may be configured to identify.
        self.claims |= reserved.is_claim(text);
        self.disguised |= reserved.is_disguised_key(text);
    }
}

/// How fields begin that tell of a client's certificate: nobody but the gateway has seen one.
const CLIENT_CERT: &str = "x-client-cert-";

/// A name as it is to who takes all that is no letter and no digit for `-`: CGI in some servers has `_` for each of them.
fn dashed(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// Whether a name is a reserved one in another spelling.
fn is_disguised(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !name.bytes().all(plain) && is_reserved(&dashed(name))
}

/// Names that the gateway or the message itself says, besides [`Reserved`].
fn is_reserved(dashed: &str) -> bool {
    dashed.starts_with("x-forwarded-")
        || dashed.starts_with(CLIENT_CERT)
        || matches!(
            dashed,
            "forwarded" | "x-real-ip" | "x-request-id" | "host" | "content-length" | "transfer-encoding"
        )
}

/// Removes from a request what must not reach the application: hop-by-hop and
/// Connection-nominated fields, and, unless a trusted proxy sent them, those that only the gateway
/// or a proxy may say. `TE: trailers` stays (RFC 9110 §10.1.4; gRPC needs it).
pub fn strip_request(fields: &mut HeaderMap, survey: &Survey, via_trusted: bool, reserved: &Reserved) {
    if survey.hop_by_hop {
        strip_nominated(fields);
        fields.remove(&KEEP_ALIVE);
        // Never standard, and CGI has it as HTTP_PROXY, which programs take for their own (CVE-2016-5385, "httpoxy").
        fields.remove(&PROXY);
        fields.remove(&PROXY_CONNECTION);
        fields.remove(&HTTP2_SETTINGS);
        fields.remove(http::header::PROXY_AUTHORIZATION);
    }
    if survey.upgrade {
        fields.remove(UPGRADE);
    }
    if survey.transfer_encoding {
        fields.remove(TRANSFER_ENCODING);
    }
    if survey.expect {
        // The connection answers the client itself, once the body is wanted.
        fields.remove(EXPECT);
    }
    if survey.te {
        let trailers = has_token(fields, &TE, b"trailers");
        fields.remove(TE);
        if trailers {
            fields.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
    if survey.identity {
        remove_where(fields, |name| reserved.is_own(name));
    }
    if survey.client_cert {
        remove_where(fields, |name| name.starts_with(CLIENT_CERT));
    }
    if survey.claims && !via_trusted {
        remove_where(fields, |name| reserved.is_claim(name));
    }
    if survey.forwarding && !via_trusted {
        remove_where(fields, |name| {
            name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "x-real-ip")
        });
    }
    if survey.disguised {
        remove_where(fields, |name| is_disguised(name) || reserved.is_disguised_key(name));
    }
    if survey.cookies > 1 {
        join_cookies(fields);
    }
}

/// Removes from trailers what only a head may say: framing, routing, credentials, and what is the gateway's
/// (RFC 9110 §6.5.1). A recipient may merge trailers into the head's fields.
pub fn strip_trailers(fields: &mut HeaderMap, reserved: &Reserved) {
    remove_where(fields, |name| {
        is_reserved(&dashed(name))
            || reserved.is_own(name)
            || reserved.is_claim(name)
            || reserved.is_key(name)
            || name.starts_with("content-") && name != "content-md5" && name != "content-digest"
            || matches!(
                name,
                "authorization"
                    | "cache-control"
                    | "connection"
                    | "cookie"
                    | "expect"
                    | "keep-alive"
                    | "max-forwards"
                    | "proxy-authorization"
                    | "proxy-connection"
                    | "range"
                    | "set-cookie"
                    | "te"
                    | "trailer"
                    | "upgrade"
                    | "via"
            )
    });
    trim(fields);
}

/// Takes blanks away around values. They don't count over HTTP/1.1 (RFC 9110 §5.5); over HTTP/2 they make a message malformed (RFC 9113
/// §8.2.1), for which some end the connection, and with it what others have under way on it.
pub fn trim(fields: &mut HeaderMap) {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    for value in fields.values_mut() {
        let octets = value.as_bytes();
        if octets.first().is_some_and(is_blank) || octets.last().is_some_and(is_blank) {
            // What is left of a value is one.
            *value = HeaderValue::from_bytes(octets.trim_ascii()).unwrap_or(HeaderValue::from_static(""));
        }
    }
}

/// Removes from a response what ends at this hop, and the framing, which is made anew.
pub fn strip_response(fields: &mut HeaderMap) {
    let (mut nominated, mut others) = (false, false);
    for name in fields.keys() {
        match name.as_str() {
            "connection" => nominated = true,
            "keep-alive" | "proxy-connection" | "upgrade" | "transfer-encoding" | "te"
            | "proxy-authenticate" => {
                others = true;
            }
            _ => {}
        }
    }
    if nominated {
        strip_nominated(fields);
    }
    if others {
        for name in [
            &KEEP_ALIVE,
            &PROXY_CONNECTION,
            &UPGRADE,
            &TRANSFER_ENCODING,
            &TE,
            &http::header::PROXY_AUTHENTICATE,
        ] {
            fields.remove(name);
        }
    }
}

/// Whether a comma-separated field has a token, whatever its case.
#[must_use]
pub fn has_token(fields: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    fields.get_all(name).iter().any(|line| lists(line.as_bytes(), token))
}

/// Whether one of a list's elements is that token (RFC 9110 §5.6.1), whatever its case and its parameters.
pub(super) fn lists(list: &[u8], token: &[u8]) -> bool {
    list.eq_ignore_ascii_case(token)
        || list.split(|b| *b == b',').any(|element| {
            let element = element.split(|b| *b == b';').next().unwrap_or_default();
            element.trim_ascii().eq_ignore_ascii_case(token)
        })
}

/// Removes `Connection` and what it names. A client may not nominate away what carries the message itself.
fn strip_nominated(fields: &mut HeaderMap) {
    let mut lines = fields.get_all(CONNECTION).iter();
    let usual = lines.next().is_none_or(|line| {
        line.as_bytes().eq_ignore_ascii_case(b"keep-alive") || line.as_bytes().eq_ignore_ascii_case(b"close")
    });
    if usual && lines.next().is_none() {
        fields.remove(CONNECTION);
        return;
    }
    let lines: Vec<HeaderValue> = fields.get_all(CONNECTION).iter().cloned().collect();
    for line in &lines {
        for token in line.as_bytes().split(|b| *b == b',') {
            let token = token.trim_ascii();
            if token.eq_ignore_ascii_case(b"close") || token.eq_ignore_ascii_case(b"keep-alive") {
                continue;
            }
            if let Ok(name) = HeaderName::from_bytes(token)
                && ![http::header::HOST, CONTENT_LENGTH, TE, TRAILER].contains(&name)
            {
                fields.remove(name);
            }
        }
    }
    fields.remove(CONNECTION);
}

fn remove_where(fields: &mut HeaderMap, mut gone: impl FnMut(&str) -> bool) {
    let names: Vec<HeaderName> = fields.keys().filter(|name| gone(name.as_str())).cloned().collect();
    for name in names {
        fields.remove(name);
    }
}

/// RFC 9113 §8.2.3: cookie crumbs become one field before they pass into HTTP/1.1.
fn join_cookies(fields: &mut HeaderMap) {
    let mut joined = Vec::with_capacity(128);
    for crumb in fields.get_all(http::header::COOKIE) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(crumb.as_bytes());
    }
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        fields.insert(http::header::COOKIE, value);
    }
}

#[cfg(test)]
#[path = "hop_by_hop_tests.rs"]
mod tests;
