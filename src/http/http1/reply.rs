//! An answer's head, as HTTP/1.1 has it, and how the body behind it is framed (RFC 9112 §4, §6.3, §9.3).

use std::io::Write as _;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, TRAILER, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode, response};

use super::outlet::Outlet;
use super::request::Asked;
use crate::http::date::date;
use crate::http::passing::PASSED_MIN;
use crate::types::push_number;

/// How an answer's body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none, or it may not be sent.
    Nothing,
    /// So many octets are still to be sent.
    Length(u64),
    /// In chunks; trailers may follow them.
    Chunked { trailers: bool },
    /// Up to the connection's end.
    Close,
}

/// What was decided of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) framing: Framing,
    /// Another request may follow.
    pub(super) keep_alive: bool,
}

/// Writes a head. `octets` of body follow, where that is known; `keep_alive` says whether the connection could go on.
pub(super) fn head(
    text: &mut Vec<u8>,
    head: &response::Parts,
    octets: Option<u64>,
    asked: Asked,
    keep_alive: bool,
) -> Terms {
    status_line(text, head.status, asked.http_1_0);
    let status = head.status;
    let bodiless =
        status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    let mut keep_alive = keep_alive && asked.keep_alive && !switches;
    let (mut length, mut dated) = (octets, false);
    // Of what has no body by itself no length is told (RFC 9110 §8.6).
    let mut may_tell = asked.head_only && status != StatusCode::NO_CONTENT && !status.is_informational();
    for (name, value) in &head.headers {
        match name {
            // Made anew, below.
            _ if *name == TRANSFER_ENCODING => continue,
            // To HEAD it tells of the body that a GET would have.
            _ if *name == CONTENT_LENGTH && !std::mem::take(&mut may_tell) => {
                length = length.or_else(|| number(value));
                continue;
            }
            _ if *name == CONNECTION && !switches => {
                keep_alive &= !value.as_bytes().eq_ignore_ascii_case(b"close");
                continue;
            }
            _ if *name == TRAILER && (asked.http_1_0 || length.is_some()) => continue,
            _ if *name == DATE => dated = true,
            _ => {}
        }
        line(text, name.as_str(), value.as_bytes());
    }
    let framing = match length {
        _ if bodiless => Framing::Nothing,
        Some(octets) => {
            // Of what a GET would have nothing is known where nothing was said.
            if !asked.head_only {
                text.extend_from_slice(b"content-length: ");
                push_number(text, octets);
                text.extend_from_slice(b"\r\n");
            }
            if octets > 0 { Framing::Length(octets) } else { Framing::Nothing }
        }
        None if asked.http_1_0 => Framing::Close,
        None => {
            text.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Framing::Chunked { trailers: asked.trailers }
        }
    };
    let framing = if asked.head_only { Framing::Nothing } else { framing };
    keep_alive &= framing != Framing::Close;
    if !dated {
        line(text, "date", date().as_bytes());
    }
    match (keep_alive, asked.http_1_0) {
        _ if switches => {}
        // What each version has for the usual is not said (RFC 9112 §9.3).
        (true, true) => text.extend_from_slice(b"connection: keep-alive\r\n"),
        (false, false) => text.extend_from_slice(b"connection: close\r\n"),
        _ => {}
    }
    text.extend_from_slice(b"\r\n");
    Terms { framing, keep_alive }
}

fn status_line(text: &mut Vec<u8>, status: StatusCode, http_1_0: bool) {
    if status == StatusCode::OK && !http_1_0 {
        return text.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    text.extend_from_slice(if http_1_0 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    text.extend_from_slice(status.as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    text.extend_from_slice(b"\r\n");
}

fn line(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.reserve(name.len() + value.len() + 4);
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}

impl Framing {
    /// Whether nothing more of the body may be said.
    pub(super) fn is_over(self) -> bool {
        self == Self::Nothing
    }

    /// The octets to come, where that is known and they are not over.
    pub(super) fn left(self) -> u64 {
        match self {
            Self::Length(left) => left,
            Self::Nothing | Self::Chunked { .. } | Self::Close => 0,
        }
    }

    /// Whether so many octets may be passed as they are, and it is worth it.
    pub(super) fn takes(self, octets: u64) -> bool {
        octets >= PASSED_MIN && matches!(self, Self::Length(left) if left >= octets)
    }

    /// So many octets have been passed.
    pub(super) fn pass(&mut self, octets: u64) {
        if let Self::Length(left) = self {
            *left = left.saturating_sub(octets);
            if *left == 0 {
                *self = Self::Nothing;
            }
        }
    }

    /// Says a piece of the body. There must be room. Of more than was announced nothing is said.
    pub(super) fn say(&mut self, mut piece: Bytes, out: &mut Outlet) {
        match self {
            Self::Nothing => {}
            Self::Close => out.push(piece, b""),
            Self::Length(left) => {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
                if *left == 0 {
                    *self = Self::Nothing;
                }
                out.push(piece, b"");
            }
            Self::Chunked { .. } if piece.is_empty() => {}
            Self::Chunked { .. } => {
                // Writing to memory does not fail.
                let _ = write!(out.text, "{:x}\r\n", piece.len());
                out.push(piece, b"\r\n");
            }
        }
    }

    /// Says that the body has ended, whether its client could see that.
    #[must_use]
    pub(super) fn end(&mut self, trailers: Option<&HeaderMap>, out: &mut Outlet) -> bool {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing | Self::Close => true,
            Self::Length(_) => false,
            Self::Chunked { trailers: wanted } => {
                out.text.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.filter(|_| wanted).into_iter().flatten() {
                    line(&mut out.text, name.as_str(), value.as_bytes());
                }
                out.text.extend_from_slice(b"\r\n");
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn written(status: u16, fields: &[(&str, &str)], octets: Option<u64>, asked: Asked) -> (String, Terms) {
        let mut response = Response::builder().status(status).header("date", "d");
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let mut text = Vec::new();
        let terms = head(&mut text, &response.body(()).unwrap().into_parts().0, octets, asked, true);
        (String::from_utf8(text).unwrap().replacen("date: d\r\n", "", 1), terms)
    }

    #[test]
    fn an_answer_says_how_it_is_framed() {
        let get = Asked { keep_alive: true, ..Asked::NOTHING };
        let head_only = Asked { head_only: true, ..get };
        let old = Asked { http_1_0: true, ..get };
        let length = [("content-length", "5")];
        let chunked = Framing::Chunked { trailers: false };
        for (status, fields, octets, asked, lines, framing, keep_alive) in [
            (200, &length[..], Some(5), get, "content-length: 5", Framing::Length(5), true),
            (200, &length, None, get, "content-length: 5", Framing::Length(5), true),
            (200, &[], Some(0), get, "content-length: 0", Framing::Nothing, true),
            (200, &[], None, get, "transfer-encoding: chunked", chunked, true),
            (200, &length, Some(0), head_only, "content-length: 5", Framing::Nothing, true),
            (204, &length, Some(0), get, "", Framing::Nothing, true),
            (204, &length, Some(0), head_only, "", Framing::Nothing, true),
            (304, &length, Some(0), get, "", Framing::Nothing, true),
            (200, &[], None, old, "", Framing::Close, false),
            (
                200,
                &length,
                Some(5),
                old,
                "content-length: 5\r\nconnection: keep-alive",
                Framing::Length(5),
                true,
            ),
            (
                200,
                &[("connection", "close")],
                Some(0),
                get,
                "content-length: 0\r\nconnection: close",
                Framing::Nothing,
                false,
            ),
        ] {
            let (text, terms) = written(status, fields, octets, asked);
            let said = text.split_once("\r\n").unwrap().1.trim_end();
            assert_eq!(
                (said, terms.framing, terms.keep_alive),
                (lines, framing, keep_alive),
                "{status} {fields:?} {asked:?}"
            );
        }
    }

    #[test]
    fn a_body_is_no_longer_than_it_was_said_to_be_and_told_when_it_is_shorter() {
        let mut out = Outlet::default();
        let mut framing = Framing::Length(3);
        framing.say(Bytes::from_static(b"ab"), &mut out);
        assert!(!framing.is_over());
        framing.say(Bytes::from_static(b"cd"), &mut out);
        assert!(framing.is_over() && framing.end(None, &mut out));
        assert_eq!(out.text, b"abc");
        assert!(!Framing::Length(1).end(None, &mut out));
    }
}
