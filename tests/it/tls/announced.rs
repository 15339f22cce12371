//! The PROXY protocol in front of TLS: the header comes before the handshake, and in no other place.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::authority::Authority;
use super::client::Dialer;
use super::tls;
use crate::harness::{ACME, DEADLINE, Origin, TestGateway, get};

const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.9 50000 443\r\n";

/// The same in the second version, with an ALPN and an authority that nobody has to believe.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x1a\xc0\0\x02\x07\xc6\x33\x64\x09\xc3\x50\x01\xbb\x01\0\x02h2\x02\0\x06x.test";

fn announced(origin: &Origin) -> TestGateway {
    let issued = Authority::new("test").issue(&[ACME]);
    let listener = "{ certificates: [{ cert: '{dir}/0.pem', key: '{dir}/0.key' }] }";
    tls(&[&issued], "", origin)
        .set("listeners", &format!("[{{ bind: 127.0.0.1:0, proxy_protocol: true, tls: {listener} }}]"))
        .set("trusted_proxies", "[127.0.0.1]")
        .start()
}

#[test]
fn a_header_cut_anywhere_comes_before_the_handshake() {
    let origin = Origin::echo();
    let gateway = announced(&origin);
    let dialer = Dialer::new(&["http/1.1"]);
    for header in [LINE, BINARY] {
        for at in 0..=header.len() {
            // The rest of it in one piece with the client's first words.
            let (first, rest) = header.split_at(at);
            let client = dialer.dial_behind(gateway.address(), ACME, first, rest);
            let mut client = client.unwrap_or_else(|error| panic!("cut at {at}: {error}"));
            let said = client.ask(&get(ACME, "/").header("X-Forwarded-For", "6.6.6.6"));
            assert_eq!(said.status, 200, "cut at {at}");
            let seen = origin.last_request();
            assert_eq!(seen.header("x-forwarded-for"), Some("192.0.2.7"), "cut at {at}");
            assert_eq!(seen.header("x-forwarded-proto"), Some("https"), "cut at {at}");
        }
    }
}

#[test]
fn a_handshake_without_a_header_is_not_answered() {
    let origin = Origin::echo();
    let gateway = announced(&origin);
    Dialer::new(&[]).dial(gateway.address(), ACME).err().expect("no handshake");
    // Not with an alert either: who has not announced its client is told nothing.
    let mut plain = TcpStream::connect_timeout(&gateway.address(), DEADLINE).unwrap();
    plain.set_read_timeout(Some(DEADLINE)).unwrap();
    plain.write_all(b"\x16\x03\x01\0\x05\x01\0\0\x01\0").unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert_eq!(said, b"");
    let labels = [("reason", "proxy_protocol_missing")];
    assert_eq!(gateway.metric("tollgate_connections_refused_total", &labels), 2.0);
    origin.assert_untouched();
}

#[test]
fn a_header_behind_the_handshake_is_a_bad_request() {
    let origin = Origin::echo();
    let gateway = announced(&origin);
    let mut client = Dialer::new(&[]).dial_behind(gateway.address(), ACME, b"", LINE).unwrap();
    client.stream.write_all(b"PROXY TCP4 203.0.113.5 198.51.100.9 50000 443\r\n").unwrap();
    assert_eq!(client.ask(&get(ACME, "/")).status, 400);
    origin.assert_untouched();
}
