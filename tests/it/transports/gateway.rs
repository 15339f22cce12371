//! A whole gateway whose endpoints are reached over TLS or a Unix socket.

use std::sync::mpsc;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use super::cover::Cover;
use super::tls::{Authority, acceptor};
use crate::harness::{
    ACME, Config, DEADLINE, Ending, Origin, block_on, config, eventually, fingerprint, get, post, tollgate,
    websocket, websocket_echo,
};

const MIB: usize = 1 << 20;

/// TLS on the address that a cover listens on, for this authority's believers.
fn covered(origin: &Origin, authority: &Authority) -> Cover {
    Cover::tls(origin.address(), acceptor(authority, "127.0.0.1", None))
}

/// A pool whose one endpoint is the cover, which is believed for this authority.
fn believing(authority: &Authority, cover: &Cover) -> Config {
    let config = config().file("ca.pem", &authority.pem);
    config.pool_at("shared", std::slice::from_ref(&cover.url), "tls: { ca: ca.pem }")
}

fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// An origin that answers with a mebibyte, and the mebibyte.
fn mebibyte() -> (Origin, Vec<u8>) {
    let body = noise(MIB);
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(&body);
    (Origin::answering(answer), body)
}

/// Asserts that a mebibyte passes both ways, twice, over one connection.
fn assert_bodies_pass(config: Config, cover: &Cover, origin: &Origin, body: &[u8]) {
    let gateway = config.start();
    for _ in 0..2 {
        let response = gateway.ask(&post(ACME, "/", body));
        assert_eq!((response.status, &response.ending), (200, &Ending::Complete));
        assert_eq!(fingerprint(&response.body), fingerprint(body));
        assert_eq!(fingerprint(&origin.last_request().body), fingerprint(body));
    }
    assert_eq!(cover.connections(), 1, "it is kept");
}

#[test]
fn bodies_pass_both_ways_over_tls() {
    let (authority, (origin, body)) = (Authority::new(), mebibyte());
    let cover = covered(&origin, &authority);
    assert_bodies_pass(believing(&authority, &cover), &cover, &origin, &body);
}

#[test]
fn bodies_pass_both_ways_over_a_unix_socket() {
    let (dir, (origin, body)) = (tempfile::tempdir().unwrap(), mebibyte());
    let cover = Cover::unix(origin.address(), &dir.path().join("app.sock"));
    let config = config().pool_at("shared", std::slice::from_ref(&cover.url), "");
    assert_bodies_pass(config, &cover, &origin, &body);
}

#[test]
fn a_unix_socket_that_is_not_there_is_502() {
    let gateway = config().pool_at("shared", &["unix:{dir}/none.sock".to_owned()], "").start();
    let response = gateway.ask(&get(ACME, "/"));
    response.assert_refused(502, "upstream_connect");
    let status = response.header("proxy-status").unwrap();
    assert!(status.contains("destination_unavailable"), "{status}");
}

#[test]
fn a_stranger_is_502_and_sees_no_request() {
    let (authority, other) = (Authority::new(), Authority::new());
    let origin = Origin::echo();
    let cover = covered(&origin, &authority);
    for config in [
        believing(&other, &cover),
        config().pool_at("shared", std::slice::from_ref(&cover.url), ""),
        believing(&authority, &cover).pool_at(
            "shared",
            std::slice::from_ref(&cover.url),
            "tls: { ca: ca.pem, server_name: elsewhere.test }",
        ),
    ] {
        let response = config.start().ask(&get(ACME, "/"));
        response.assert_refused(502, "upstream_connect");
        let status = response.header("proxy-status").unwrap();
        assert!(status.contains("tls_certificate_error"), "{status}");
    }
    origin.assert_untouched();
}

#[test]
fn anyone_is_believed_where_that_is_asked_for_and_it_warns() {
    let origin = Origin::saying("whoever");
    let cover = covered(&origin, &Authority::new());
    let tls = "tls: { insecure: true }";
    let gateway = config().pool_at("shared", std::slice::from_ref(&cover.url), tls).start();
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "whoever");
    let status = gateway.admin("/api/v1/status").text();
    assert!(status.contains("insecure-tls"), "{status}");
}

#[test]
fn an_endpoint_that_asks_is_shown_the_gateways_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let origin = Origin::saying("welcome");
    let cover = Cover::tls(origin.address(), acceptor(&authority, "127.0.0.1", Some(&clients)));
    let (certificate, key) = clients.issue("gateway.test");
    let config = believing(&authority, &cover).file("gw.pem", &certificate).file("gw.key", &key);
    let mut gateway = config.start();
    let response = gateway.ask(&get(ACME, "/"));
    assert_eq!(response.status, 502, "{response:?}");
    let status = response.header("proxy-status").unwrap();
    assert!(status.contains("tls_alert_received"), "{status}");
    origin.assert_untouched();
    let tls = "tls: { ca: ca.pem, client_cert: gw.pem, client_key: gw.key }";
    gateway.reload(|c| c.pool_at("shared", std::slice::from_ref(&cover.url), tls)).unwrap();
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "welcome");
}

#[test]
fn a_reload_keeps_connections_until_other_authorities_are_believed() {
    let (authority, other) = (Authority::new(), Authority::new());
    let origin = Origin::saying("trusted");
    let cover = covered(&origin, &authority);
    let mut gateway = believing(&authority, &cover).start();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    gateway.reload(|c| c.set("metrics", "{ tenants: 10 }")).unwrap();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    assert_eq!(cover.connections(), 1, "nothing that matters to it has changed");

    let both = authority.pem.clone() + &other.pem;
    gateway.reload(|c| c.file("ca.pem", &both)).unwrap();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    assert_eq!(cover.connections(), 2, "the file has another content");

    gateway.reload(|c| c.file("ca.pem", "no PEM at all")).unwrap_err();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    gateway.reload(|c| c.file("ca.pem", &other.pem)).unwrap();
    gateway.ask(&get(ACME, "/")).assert_refused(502, "upstream_connect");
    eventually("the connection that is trusted no longer ends", || origin.open_connections() == 0);
}

#[test]
fn a_kept_connection_that_the_origin_closed_under_tls_is_no_error() {
    let authority = Authority::new();
    let origin = Origin::answering_once("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nonce");
    let cover = covered(&origin, &authority);
    let gateway = believing(&authority, &cover).start();
    for nth in 1..=4 {
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "once");
        assert_eq!(cover.connections(), nth);
    }
}

#[test]
fn a_system_without_authorities_is_told_before_anything_listens() {
    let directory = tempfile::tempdir().unwrap();
    let path = config().pool_at("shared", &["https://127.0.0.1:1".to_owned()], "").write(directory.path());
    let mut command = tollgate(&["run", "--config", path.to_str().unwrap()]);
    let nothing = directory.path().join("none");
    let output = command.env("SSL_CERT_FILE", &nothing).env("SSL_CERT_DIR", &nothing).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["the TLS of the pool `shared`", "certificate authorities can't be read"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
}

#[test]
fn a_websocket_runs_over_tls() {
    let authority = Authority::new();
    block_on(async {
        let (address, _farewells) = websocket_echo().await;
        let cover = Cover::tls(address, acceptor(&authority, "127.0.0.1", None));
        let gateway = believing(&authority, &cover).start();
        let mut socket = websocket(gateway.address(), ACME).await;
        for message in [Message::text("hello"), Message::binary(noise(MIB))] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
    });
}

#[test]
fn an_upload_over_tls_goes_on_after_an_early_answer() {
    let authority = Authority::new();
    let (arrived, body_of_origin) = mpsc::channel();
    let origin = Origin::on_connection(move |_, mut peer| {
        let mut request = peer.request_head().unwrap();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.send_chunk("early");
        peer.request_body(&mut request).unwrap();
        arrived.send(request.body).unwrap();
        peer.send_chunk("late");
        peer.send("0\r\n\r\n");
    });
    let cover = covered(&origin, &authority);
    let gateway = believing(&authority, &cover).start();
    let (body, mut client) = (noise(MIB), gateway.connect());
    let bytes = post(ACME, "/", &body).bytes();
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    client.send(first);
    assert_eq!(client.response_head().unwrap().status, 200);
    assert_eq!(client.chunk().unwrap(), b"early");
    client.send(rest);
    let seen = body_of_origin.recv_timeout(DEADLINE).unwrap();
    assert_eq!(fingerprint(&seen), fingerprint(&body));
    assert_eq!(client.chunk().unwrap(), b"late");
}
