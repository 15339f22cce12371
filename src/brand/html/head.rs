//! A response's head: whether its body is rewritten, and what the head says of the body then.

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{Coding, Injection, policy, validator};

/// Sums of a body that will not be what they are of (RFC 9530 and before), and what is signed over them (RFC 9421).
const SUMS: [&str; 7] = [
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
    "unencoded-digest",
    "signature",
    "signature-input",
];

/// Charsets in which an octet of ASCII may be something else, so that tags can't be told; beside those that are known by many names.
const OPAQUE: [&str; 5] = ["utf-16", "utf-32", "utf-7", "iso-2022-", "hz-gb"];

/// Whether an octet of ASCII, a brace even, may be a part of another character, or of a longer escape.
fn is_opaque(charset: &str) -> bool {
    use encoding_rs::{BIG5, GB18030, GBK, ISO_2022_JP, REPLACEMENT, SHIFT_JIS, UTF_16BE, UTF_16LE};
    let opaque = [BIG5, GB18030, GBK, ISO_2022_JP, REPLACEMENT, SHIFT_JIS, UTF_16BE, UTF_16LE];
    OPAQUE.iter().any(|prefix| charset.starts_with(prefix))
        || encoding_rs::Encoding::for_label(charset.as_bytes()).is_some_and(|known| opaque.contains(&known))
}

/// What a client takes of what can be rewritten, as the origin is to be told it. Nothing where the client has said nothing, which lets
/// the origin choose: then it is to send what can be.
#[must_use]
pub fn accepted_codings(fields: &HeaderMap) -> HeaderValue {
    let mut accepted: Vec<&str> = Vec::new();
    let values = fields.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for coding in values.flat_map(|value| value.split(',')).map(str::trim) {
        let name = coding.split(';').next().unwrap_or_default().trim();
        if ["gzip", "x-gzip", "br", "identity"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            accepted.push(coding);
        }
    }
    let accepted = accepted.join(", ");
    match accepted.is_empty() {
        true => HeaderValue::from_static("identity"),
        false => HeaderValue::from_str(&accepted).unwrap_or(HeaderValue::from_static("identity")),
    }
}

/// Whether a response's body is rewritten: then how it is coded, and the nonce that its policy asks for. Its head says so from then on;
/// that of a `HEAD` too, as if there were one. `host` is the client's, and `knew` whether it has asked for a page in this look.
pub fn prepare(
    injection: &Injection,
    (method, host): (&Method, &str),
    knew: bool,
    status: StatusCode,
    fields: &mut HeaderMap,
) -> Option<(Coding, Option<String>)> {
    if status == StatusCode::NOT_MODIFIED && knew {
        validator::tag(fields, &injection.edition);
        return None;
    }
    let has_page = status.is_success() && !matches!(status.as_u16(), 204..=206)
        || status.is_client_error()
        || status.is_server_error();
    if *method == Method::CONNECT || !has_page || fields.contains_key(CONTENT_RANGE) {
        return None;
    }
    if !is_html(fields) || may_not_be_changed(fields) {
        return None;
    }
    let coding = coding(fields)?;
    fields.remove(CONTENT_LENGTH);
    fields.remove(ACCEPT_RANGES);
    SUMS.iter().for_each(|name| _ = fields.remove(HeaderName::from_static(name)));
    validator::tag(fields, &injection.edition);
    // The style sheets' source: the host, and a path.
    let nonce = policy::allow(fields, &format!("{host}{}", injection.serve_at));
    (*method != Method::HEAD).then_some((coding, nonce))
}

fn is_html(fields: &HeaderMap) -> bool {
    let mut types = fields.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let Ok(text) = only.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let is_html = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("text/html"));
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    is_html && !charset.is_some_and(|charset| is_opaque(&charset))
}

/// RFC 9111 §5.2.2.6.
fn may_not_be_changed(fields: &HeaderMap) -> bool {
    let values = fields.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case("no-transform"))
}

fn coding(fields: &HeaderMap) -> Option<Coding> {
    let mut codings = fields.get_all(CONTENT_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
        (None, _) => return Some(Coding::Identity),
        (Some(only), None) => only.to_str().ok()?.trim(),
        _ => return None,
    };
    match () {
        () if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => {
            Some(Coding::Gzip)
        }
        () if coding.eq_ignore_ascii_case("br") => Some(Coding::Brotli),
        () if coding.eq_ignore_ascii_case("identity") => Some(Coding::Identity),
        () => None,
    }
}
