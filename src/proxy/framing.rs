//! How the end of a request's body is told to its endpoint.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Method};
use http_body::Body;

/// How a body's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// By its length.
    Length,
    /// In chunks.
    Chunks,
}

impl Framing {
    pub(super) fn of(body: &impl Body) -> Self {
        match body.size_hint().exact() {
            _ if body.is_end_stream() => Self::None,
            Some(_) => Self::Length,
            None => Self::Chunks,
        }
    }

    /// Has a head say it. The framing is made anew: by length where the body's length is known, else in chunks.
    pub(super) fn tell(self, head: &mut Parts) {
        let fields = &mut head.headers;
        if self == Self::None {
            // RFC 9110 §8.6: a method that usually has a body says so when there is none.
            let usual = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
            if usual {
                fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            } else {
                fields.remove(CONTENT_LENGTH);
            }
        } else if self == Self::Chunks {
            fields.remove(CONTENT_LENGTH);
            fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        } else if let Some(length) =
            fields.get(CONTENT_LENGTH).filter(|length| length.as_bytes().starts_with(b"0"))
            && let Some(length) = length.to_str().ok().and_then(|length| length.parse::<u64>().ok())
        {
            // Some read such a number as an octal one.
            fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn a_length_is_a_number_and_nothing_else() {
        for (told, passed) in [("0004", "4"), ("4", "4"), ("00", "0"), ("10", "10")] {
            let (mut head, ()) =
                Request::post("/").header(CONTENT_LENGTH, told).body(()).unwrap().into_parts();
            Framing::Length.tell(&mut head);
            assert_eq!(head.headers[CONTENT_LENGTH], passed);
        }
    }
}
