//! What operators see of TLS.

use std::io::Write as _;
use std::net::TcpStream;

use super::authority::Authority;
use super::client::{Dialer, TlsClient};
use super::tls;
use crate::harness::{ACME, Origin, eventually, get};

#[test]
fn handshakes_and_certificates_are_metered_logged_and_listed() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&[ACME, "acme.test"]);
    let gateway = tls(&[&issued], ", strict_sni: true", &origin).start();
    let dialer = Dialer::new(&[]);
    for _ in 0..2 {
        assert_eq!(dialer.connect(gateway.address(), ACME).ask(&get(ACME, "/")).status, 200);
    }
    let count = |name: &str, labels: &[(&str, &str)]| gateway.metric(&format!("tollgate_tls_{name}"), labels);
    for resumed in ["false", "true"] {
        let labels = [("version", "TLSv1.3"), ("resumed", resumed)];
        assert_eq!(count("handshakes_total", &labels), 1.0, "{resumed}");
    }
    assert_eq!(count("handshake_duration_seconds_count", &[]), 2.0);
    assert!(dialer.dial(gateway.address(), "unknown.test").is_err());
    gateway.connect().send("GET / HTTP/1.1\r\nHost: acme.app.test\r\n\r\n");
    drop(gateway.connect());
    for reason in ["unrecognized_name", "not_tls", "closed"] {
        let labels = [("reason", reason)];
        eventually(reason, || count("handshake_failures_total", &labels) == 1.0);
    }
    let expiry = gateway.metric("tollgate_certificate_expiry_timestamp_seconds", &[("name", ACME)]);
    assert!(expiry > 1.7e9, "{expiry}");
    let log = gateway.access_log(2);
    assert_eq!(log[0]["tls_version"], "TLSv1.3");
    assert_eq!(log[0]["tls_cipher"], "TLS_AES_128_GCM_SHA256");
    assert_eq!(log[0]["sni"], ACME);
    let status = gateway.admin("/api/v1/status").json();
    let listed = &status["certificates"][0];
    assert_eq!(listed["names"], serde_json::json!([ACME, "acme.test"]));
    assert_eq!(listed["fingerprint"].as_str().unwrap().len(), 64);
    assert!(listed["file"].as_str().unwrap().ends_with("0.pem"));
}

#[test]
fn a_handshake_that_does_not_end_is_cut() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&[ACME]);
    let gateway = tls(&[&issued], "", &origin).set("limits", "{ tls_handshake_timeout: 200ms }").start();
    let mut silent = gateway.connect();
    silent.assert_closed();
    // The start of a ClientHello that never goes on.
    let mut slow = TcpStream::connect(gateway.address()).unwrap();
    slow.write_all(&[0x16, 3, 1, 1, 0, 1]).unwrap();
    let labels = [("reason", "timeout")];
    eventually("both are cut", || gateway.metric("tollgate_tls_handshake_failures_total", &labels) == 2.0);
}

#[test]
fn a_storm_of_handshakes_is_bounded_and_over_when_it_ends() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&[ACME]);
    let limits = "{ max_pending_handshakes: 1 }";
    let gateway = tls(&[&issued], "", &origin).set("workers", "1").set("limits", limits).start();
    let hello = Dialer::new(&[]).hello(ACME);
    let refused =
        || gateway.metric("tollgate_connections_refused_total", &[("reason", "max_pending_handshakes")]);
    eventually("two come at once, and one is closed", || {
        let storm: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(gateway.address()).unwrap()).collect();
        storm.iter().for_each(|mut stream| drop(stream.write_all(&hello)));
        refused() > 0.0
    });
    let labels = [("reason", "max_pending_handshakes")];
    assert!(gateway.metric("tollgate_tls_handshake_failures_total", &labels) > 0.0);
    // Who has had an answer and says nothing more takes nobody's place.
    let mut silent = TcpStream::connect(gateway.address()).unwrap();
    silent.write_all(&hello).unwrap();
    let served = |dialed: std::io::Result<TlsClient>| {
        dialed.and_then(|mut client| client.try_ask(&get(ACME, "/"))).is_ok_and(|said| said.status == 200)
    };
    eventually("the next are served", || served(Dialer::new(&[]).dial(gateway.address(), ACME)));
}

#[test]
fn connections_are_spread_over_the_workers_before_their_handshakes() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&[ACME]);
    let gateway = tls(&[&issued], "", &origin).set("workers", "4").start();
    let dialer = Dialer::new(&[]);
    let mut open: Vec<TlsClient> = (0..8).map(|_| dialer.connect(gateway.address(), ACME)).collect();
    for client in &mut open {
        assert_eq!(client.ask(&get(ACME, "/")).status, 200);
    }
    for worker in ["0", "1", "2", "3"] {
        assert_eq!(gateway.metric("tollgate_worker_connections", &[("worker", worker)]), 2.0);
    }
}
