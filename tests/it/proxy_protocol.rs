//! The PROXY protocol on a listener: always or never, from trusted peers only.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use crate::harness::{ACME, Client, Config, Origin, TestGateway, config, eventually, get};

const LINE: &str = "PROXY TCP4 192.0.2.7 198.51.100.9 50000 443\r\n";

fn announced(origin: &Origin) -> Config {
    config()
        .to(origin)
        .set("listeners", "[{ bind: 127.0.0.1:0, proxy_protocol: true }]")
        .set("trusted_proxies", "[127.0.0.1]")
}

fn refused(gateway: &TestGateway, reason: &str) -> f64 {
    gateway.metric("tollgate_connections_refused_total", &[("reason", reason)])
}

/// The second version's header for a client.
fn v2(command: u8, source: [u8; 4], tlvs: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, 0x11]);
    bytes.extend(u16::try_from(12 + tlvs.len()).unwrap().to_be_bytes());
    bytes.extend(source);
    bytes.extend([198, 51, 100, 9, 0xc3, 0x50, 0x01, 0xbb]);
    bytes.extend(tlvs);
    bytes
}

#[test]
fn the_announced_client_is_the_client() {
    let origin = Origin::echo();
    let gateway = announced(&origin).start();
    for header in [LINE.as_bytes().to_vec(), v2(0x21, [192, 0, 2, 7], b"\x04\0\x02xx")] {
        let mut client = gateway.connect();
        // The header and the request in one segment, and another request behind it.
        client.send([header, get(ACME, "/").header("X-Forwarded-For", "6.6.6.6").bytes()].concat());
        client.answer().assert_status(200);
        let seen = origin.last_request();
        assert_eq!(seen.header("x-forwarded-for"), Some("192.0.2.7"), "what a client says of itself is gone");
        client.ask(&get(ACME, "/again")).assert_status(200);
        assert_eq!(origin.last_request().header("x-forwarded-for"), Some("192.0.2.7"));
    }
    let log = gateway.access_log(4);
    assert!(log.iter().all(|entry| entry["client"] == "192.0.2.7"), "{log:?}");
}

#[test]
fn a_header_may_come_in_pieces() {
    let origin = Origin::echo();
    let gateway = announced(&origin).start();
    for header in [LINE.as_bytes().to_vec(), v2(0x21, [192, 0, 2, 7], &[])] {
        let mut all = header;
        all.extend(get(ACME, "/").bytes());
        for at in (1..all.len()).step_by(5) {
            let mut client = gateway.connect();
            client.send(&all[..at]);
            client.send(&all[at..]);
            client.answer().assert_status(200);
            assert_eq!(origin.last_request().header("x-forwarded-for"), Some("192.0.2.7"), "cut at {at}");
        }
    }
}

#[test]
fn without_the_header_there_is_no_answer() {
    let origin = Origin::echo();
    let gateway = announced(&origin).start();
    let mut client = gateway.connect();
    client.send(get(ACME, "/").bytes());
    client.assert_closed();
    let mut client = gateway.connect();
    client.send("PROXY TCP4 192.0.2.7\r\n");
    client.assert_closed();
    let mut client = gateway.connect();
    // A checksum that is not the header's.
    client.send(v2(0x21, [192, 0, 2, 7], b"\x03\0\x04abcd"));
    client.assert_closed();
    assert_eq!(refused(&gateway, "proxy_protocol_missing"), 1.0);
    assert_eq!(refused(&gateway, "proxy_protocol_malformed"), 2.0);
    origin.assert_untouched();
}

#[test]
fn who_is_not_trusted_is_refused_at_once() {
    let origin = Origin::echo();
    let gateway = announced(&origin).start();
    // Without having said a word.
    let mut stranger = Client::connect_from("127.0.0.9", gateway.address());
    stranger.assert_closed();
    assert_eq!(refused(&gateway, "proxy_protocol_untrusted"), 1.0);
}

#[test]
fn a_listener_without_it_takes_none() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("trusted_proxies", "[127.0.0.1]").start();
    let mut client = gateway.connect();
    client.send([LINE.as_bytes(), &get(ACME, "/").bytes()].concat());
    client.answer().assert_status(400);
    origin.assert_untouched();
}

#[test]
fn a_header_that_does_not_come_is_not_waited_for() {
    let origin = Origin::echo();
    let gateway = announced(&origin).set("limits", "{ proxy_header_timeout: 200ms }").start();
    let mut client = gateway.connect();
    client.send("PROXY TCP4 ");
    client.assert_closed();
    assert_eq!(refused(&gateway, "proxy_protocol_timeout"), 1.0);
}

#[test]
fn the_proxys_own_connections_and_unnamed_ones() {
    let origin = Origin::echo();
    let access = "[{ id: acme, plan: free, access: { allow: [127.0.0.1] } }]";
    let gateway = announced(&origin).set("tenants", access).start();
    // A health check: it is the proxy that asks, and it may name its client.
    let mut client = gateway.connect();
    client.send([v2(0x20, [0; 4], &[]), get(ACME, "/").bytes()].concat());
    client.answer().assert_status(200);
    assert_eq!(origin.last_request().header("x-forwarded-for"), Some("127.0.0.1"));
    // Somebody whom the proxy can't name is not the proxy, whatever may be let in from there.
    let mut client = gateway.connect();
    client.send([b"PROXY UNKNOWN\r\n".as_slice(), &get(ACME, "/").bytes()].concat());
    client.answer().assert_status(403);
    // One that it names, and may not come in.
    let mut client = gateway.connect();
    client.send([LINE.as_bytes(), &get(ACME, "/").bytes()].concat());
    client.answer().assert_status(403);
}

#[test]
fn an_announced_proxy_that_is_trusted_names_the_client() {
    let origin = Origin::echo();
    let gateway = announced(&origin).set("trusted_proxies", "[127.0.0.1, 192.0.2.7]").start();
    let mut client = gateway.connect();
    let request = get(ACME, "/").header("X-Forwarded-For", "203.0.113.5");
    client.send([LINE.as_bytes(), &request.bytes()].concat());
    client.answer().assert_status(200);
    assert_eq!(origin.last_request().header("x-forwarded-for"), Some("203.0.113.5, 192.0.2.7"));
    assert_eq!(gateway.access_log(1)[0]["client"], "203.0.113.5");
}

#[test]
fn connections_are_counted_for_the_client_and_not_for_the_proxy() {
    let origin = Origin::echo();
    let gateway = announced(&origin).set("limits", "{ max_connections_per_client: 1 }").start();
    let open = |client: &str| {
        let mut connection = gateway.connect();
        let line = format!("PROXY TCP4 {client} 198.51.100.9 50000 443\r\n");
        connection.send([line.as_bytes(), &get(ACME, "/").bytes()].concat());
        connection
    };
    let mut one = open("192.0.2.1");
    one.answer().assert_status(200);
    let mut other = open("192.0.2.2");
    other.answer().assert_status(200);
    open("192.0.2.1").assert_closed();
    assert_eq!(refused(&gateway, "max_connections_per_client"), 1.0);
    drop(one);
    eventually("its place is free", || open("192.0.2.1").response(false).is_ok());
}

/// What is answered over a Unix socket to one request behind a header, in these pieces.
fn ask_at_socket(gateway: &TestGateway, pieces: &[&[u8]]) -> String {
    let mut stream = UnixStream::connect(gateway.directory().join("t.sock")).unwrap();
    for piece in pieces {
        // It may be closed by then.
        let _ = stream.write_all(piece);
    }
    let request = get(ACME, "/").header("X-Forwarded-For", "203.0.113.5").header("Connection", "close");
    let _ = stream.write_all(&request.bytes());
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

fn announced_at_socket(origin: &Origin, trusted: &str) -> TestGateway {
    config()
        .to(origin)
        .set("listeners", "[{ bind: 127.0.0.1:0 }, { bind: 'unix:{dir}/t.sock', proxy_protocol: true }]")
        .set("trusted_proxies", trusted)
        .start()
}

#[test]
fn clients_are_announced_over_a_unix_socket() {
    let origin = Origin::echo();
    let gateway = announced_at_socket(&origin, "[unix]");
    for header in [LINE.as_bytes().to_vec(), v2(0x21, [192, 0, 2, 7], b"\x04\0\x02xx")] {
        for at in 0..header.len() {
            let (first, rest) = header.split_at(at);
            assert!(ask_at_socket(&gateway, &[first, rest]).starts_with("HTTP/1.1 200 "), "cut at {at}");
            assert_eq!(origin.last_request().header("x-forwarded-for"), Some("192.0.2.7"), "cut at {at}");
        }
    }
    // The proxy itself, which has no address, and names a client.
    assert!(ask_at_socket(&gateway, &[&v2(0x20, [0; 4], &[])]).starts_with("HTTP/1.1 200 "));
    assert_eq!(origin.last_request().header("x-forwarded-for"), Some("203.0.113.5, unknown"));
    // Nobody in particular, whom nobody believes.
    assert!(ask_at_socket(&gateway, &[b"PROXY UNKNOWN\r\n"]).starts_with("HTTP/1.1 200 "));
    assert_eq!(origin.last_request().header("x-forwarded-for"), Some("unknown"));
}

#[test]
fn a_unix_socket_announces_nobody_where_it_is_not_trusted() {
    let origin = Origin::echo();
    let gateway = announced_at_socket(&origin, "[127.0.0.1]");
    assert_eq!(ask_at_socket(&gateway, &[LINE.as_bytes()]), "");
    assert_eq!(refused(&gateway, "proxy_protocol_untrusted"), 1.0);
    let gateway = announced_at_socket(&origin, "[unix]");
    assert_eq!(ask_at_socket(&gateway, &[]), "");
    assert_eq!(refused(&gateway, "proxy_protocol_missing"), 1.0);
    origin.assert_untouched();
}
