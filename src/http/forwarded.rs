//! The fields that tell the application where a request came from: `X-Forwarded-For`, `-Proto`,
//! `-Host`, and `Forwarded` (RFC 7239). A trusted proxy's are extended, anyone else's replaced.

use std::cell::Ref;
use std::ops::{Deref, Range};

use bytes::Bytes;
use http::header::{FORWARDED, HeaderMap, HeaderValue};

use super::conn::ConnState;
use super::hop_by_hop::Survey;
use super::names::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};

static HTTP: HeaderValue = HeaderValue::from_static("http");
static HTTPS: HeaderValue = HeaderValue::from_static("https");

/// What an untrusted client's requests for one host are given, whatever they are. Written anew in the same place for another host.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// Whole lines; empty: none was asked for yet.
    lines: Vec<u8>,
    /// Where the host stands in them.
    host: Range<usize>,
}

/// Whole lines of a head.
#[derive(Debug)]
pub enum Lines<'c> {
    /// Those that the connection has. They can't be asked for again meanwhile.
    Known(Ref<'c, [u8]>),
    /// Others.
    Own(Bytes),
}

impl Deref for Lines<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Known(lines) => lines,
            Self::Own(lines) => lines,
        }
    }
}

impl Memo {
    fn is_of(&self, host: &HeaderValue) -> bool {
        !self.lines.is_empty() && self.lines.get(self.host.clone()) == Some(host.as_bytes())
    }

    fn write(&mut self, conn: &ConnState, host: &HeaderValue) {
        let lines = &mut self.lines;
        lines.clear();
        lines.reserve(256);
        for piece in [
            b"x-forwarded-for: ",
            conn.peer_text.as_bytes(),
            b"\r\nx-forwarded-proto: ",
            scheme(conn).as_bytes(),
            b"\r\nx-forwarded-host: ",
        ] {
            lines.extend_from_slice(piece);
        }
        let at = lines.len();
        lines.extend_from_slice(host.as_bytes());
        self.host = at..lines.len();
        lines.extend_from_slice(b"\r\nforwarded: ");
        element(lines, conn, host);
        lines.extend_from_slice(b"\r\n");
        lines.extend_from_slice(&conn.client_lines());
    }
}

/// The forwarding fields of a request that goes upstream, and what its client's certificate says, as lines of its head.
///
/// Whoever is not trusted has none of its own (they were removed), so all its requests for one host have
/// the same lines: they are made once a connection and host, and copied.
pub fn lines<'c>(
    fields: &mut HeaderMap,
    survey: &Survey,
    via_trusted: bool,
    conn: &'c ConnState,
    host: &HeaderValue,
) -> Lines<'c> {
    if via_trusted {
        extend(fields, survey, conn, host);
        return Lines::Own(conn.client_lines());
    }
    let is_known = conn.forwarded_memo.borrow().is_of(host);
    if !is_known {
        conn.forwarded_memo.borrow_mut().write(conn, host);
    }
    Lines::Known(Ref::map(conn.forwarded_memo.borrow(), |memo| &*memo.lines))
}

/// Whether the client itself came by https: it is a trusted proxy's to say, else the connection's.
#[must_use]
pub fn is_https(fields: &HeaderMap, via_trusted: bool, conn: &ConnState) -> bool {
    let said = fields.get(&X_FORWARDED_PROTO).filter(|_| via_trusted);
    match said.map(HeaderValue::as_bytes) {
        Some(b"https") => true,
        Some(b"http") => false,
        _ => conn.secured.is_some(),
    }
}

/// The scheme of the connection itself.
fn scheme(conn: &ConnState) -> &'static HeaderValue {
    if conn.secured.is_some() { &HTTPS } else { &HTTP }
}

/// Adds this hop to what a trusted proxy says.
fn extend(fields: &mut HeaderMap, survey: &Survey, conn: &ConnState, host: &HeaderValue) {
    let chain = if survey.forwarded_for {
        joined(fields, &X_FORWARDED_FOR, &conn.peer_text)
    } else {
        conn.peer_text.clone()
    };
    fields.insert(X_FORWARDED_FOR.clone(), chain);
    if !matches!(fields.get(&X_FORWARDED_PROTO).map(HeaderValue::as_bytes), Some(b"http" | b"https")) {
        fields.insert(X_FORWARDED_PROTO.clone(), scheme(conn).clone());
    }
    if !fields.contains_key(&X_FORWARDED_HOST) {
        fields.insert(X_FORWARDED_HOST.clone(), host.clone());
    }
    let mut own = Vec::new();
    element(&mut own, conn, host);
    let own = HeaderValue::from_maybe_shared(Bytes::from(own)).unwrap_or_else(|_| conn.peer_text.clone());
    let chain = if survey.forwarded { joined(fields, &FORWARDED, &own) } else { own };
    fields.insert(FORWARDED, chain);
}

/// All lines of a list field, and one more element.
fn joined(fields: &HeaderMap, name: &http::HeaderName, last: &HeaderValue) -> HeaderValue {
    let mut list = Vec::with_capacity(64);
    for line in fields.get_all(name) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(last.as_bytes());
    HeaderValue::from_maybe_shared(Bytes::from(list)).unwrap_or_else(|_| last.clone())
}

/// This hop's element of `Forwarded`: `for=192.0.2.1;host=acme.test;proto=http`, quoted where RFC 7239 §4
/// asks for it. The host has passed [`crate::types::HostName`], so it holds no quote or backslash.
fn element(text: &mut Vec<u8>, conn: &ConnState, host: &HeaderValue) {
    let (peer, proto) = (&conn.peer_text, scheme(conn).as_bytes());
    let host = host.as_bytes();
    let v6 = peer.as_bytes().contains(&b':');
    let quote: &[u8] = if host.iter().any(|b| matches!(b, b':' | b'[')) { b"\"" } else { b"" };
    let (open, close): (&[u8], &[u8]) = if v6 { (b"\"[", b"]\"") } else { (b"", b"") };
    for piece in [b"for=", open, peer.as_bytes(), close, b";host=", quote, host, quote, b";proto=", proto] {
        text.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes upstream under the four names, each of which must be there once.
    fn sent(peer: &str, via_trusted: bool, fields: &[(&str, &str)]) -> Vec<String> {
        let conn =
            ConnState::new(peer.parse::<std::net::SocketAddr>().unwrap(), "127.0.0.1:80".parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let survey = Survey::of(&map, &Default::default());
        crate::http::hop_by_hop::strip_request(&mut map, &survey, via_trusted, &Default::default());
        let host = HeaderValue::from_static("acme.test:8080");
        let own = lines(&mut map, &survey, via_trusted, &conn, &host);
        let own = String::from_utf8(own.to_vec()).unwrap();
        let mut all: Vec<String> = own.lines().map(str::to_owned).collect();
        all.extend(map.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())));
        [&X_FORWARDED_FOR, &X_FORWARDED_PROTO, &X_FORWARDED_HOST, &FORWARDED]
            .map(|name| {
                let start = format!("{name}: ");
                let found: Vec<&str> = all.iter().filter_map(|line| line.strip_prefix(&start)).collect();
                assert_eq!(found.len(), 1, "{name}");
                found[0].to_owned()
            })
            .to_vec()
    }

    #[test]
    fn an_untrusted_peers_fields_are_replaced() {
        let fields =
            [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https"), ("forwarded", "for=1.1.1.1")];
        assert_eq!(
            sent("192.0.2.1:5", false, &fields),
            ["192.0.2.1", "http", "acme.test:8080", "for=192.0.2.1;host=\"acme.test:8080\";proto=http"]
        );
    }

    #[test]
    fn a_trusted_proxys_fields_are_extended() {
        let fields = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.test"),
            ("forwarded", "for=1.1.1.1"),
        ];
        assert_eq!(
            sent("[fd00::1]:5", true, &fields),
            [
                "1.1.1.1, 2.2.2.2, fd00::1",
                "https",
                "shop.test",
                "for=1.1.1.1, for=\"[fd00::1]\";host=\"acme.test:8080\";proto=http"
            ]
        );
    }
}
