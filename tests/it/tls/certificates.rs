//! Which certificate is shown, who is turned away, and what is spoken.

use std::io::Write as _;

use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};

use super::authority::Authority;
use super::client::{Dialer, alert};
use super::tls;
use crate::harness::{ACME, Origin, get};

const RSA: &[SignatureScheme] = &[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];

#[test]
fn a_certificate_is_picked_by_name_and_by_what_the_client_can_verify() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let rsa = authority.issue_as(&PKCS_RSA_SHA256, &["*.app.test"], |_| {});
    let wild = authority.issue(&["*.app.test"]);
    let exact = authority.issue_as(&PKCS_ECDSA_P384_SHA384, &[ACME], |_| {});
    let odd = authority.issue_as(&PKCS_ED25519, &["odd.test"], |_| {});
    let gateway = tls(&[&rsa, &wild, &exact, &odd], "", &origin).start();
    let all = Dialer::new(&[]);
    let shown = |dialer: &Dialer, name: &str| dialer.connect(gateway.address(), name).shown();
    assert_eq!(shown(&all, ACME), exact.der);
    assert_eq!(shown(&all, "globex.app.test"), wild.der);
    assert_eq!(shown(&all, "ODD.test"), odd.der);
    // None is for these: the default, of the kind that is best for the client.
    assert_eq!(shown(&all, "a.b.app.test"), wild.der);
    assert_eq!(shown(&all, "127.0.0.1"), wild.der);
    for versions in [&[&TLS12], &[&TLS13]] {
        let old = Dialer::of(RSA.to_vec(), versions, &[]);
        assert_eq!(shown(&old, "globex.app.test"), rsa.der);
        assert_eq!(shown(&old, "unknown.test"), rsa.der);
    }
    let mut client = all.connect(gateway.address(), ACME);
    assert_eq!(client.ask(&get(ACME, "/")).status, 200);
    assert_eq!(origin.requests()[0].header("x-forwarded-proto"), Some("https"));
}

#[test]
fn the_default_certificate_can_be_named() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let (first, second) = (authority.issue(&["first.test"]), authority.issue(&["other.test", "second.test"]));
    let gateway = tls(&[&first, &second], ", default_certificate: Second.test", &origin).start();
    assert_eq!(Dialer::new(&[]).connect(gateway.address(), "unknown.test").shown(), second.der);
}

#[test]
fn strict_sni_turns_away_whoever_asks_for_no_name_that_there_is() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&[ACME]);
    let gateway = tls(&[&issued], ", strict_sni: true", &origin).start();
    let dialer = Dialer::new(&[]);
    assert_eq!(dialer.connect(gateway.address(), ACME).ask(&get(ACME, "/")).status, 200);
    for name in ["unknown.test", "127.0.0.1"] {
        assert_eq!(alert(dialer.dial(gateway.address(), name)), "UnrecognisedName", "{name}");
    }
}

#[test]
fn the_lowest_version_and_the_protocols_can_be_set() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&[ACME]);
    let gateway = tls(&[&issued], ", min_version: '1.3', alpn: [http/1.1]", &origin).start();
    let schemes = || vec![SignatureScheme::ECDSA_NISTP256_SHA256];
    let old = Dialer::of(schemes(), &[&TLS12], &[]);
    assert_eq!(alert(old.dial(gateway.address(), ACME)), "ProtocolVersion");
    let h2 = Dialer::of(schemes(), &[&TLS13], &["h2"]);
    assert_eq!(alert(h2.dial(gateway.address(), ACME)), "NoApplicationProtocol");
    let both = Dialer::new(&["h2", "http/1.1"]).connect(gateway.address(), ACME);
    assert_eq!(both.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[test]
fn what_was_settled_on_is_what_is_spoken() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&[ACME]);
    let gateway = tls(&[&issued], "", &origin).start();
    let h2 = Dialer::new(&["h2"]);
    assert!(h2.connect(gateway.address(), ACME).try_ask(&get(ACME, "/")).is_err());
    for alpn in [&["http/1.1"][..], &[]] {
        let mut client = Dialer::new(alpn).connect(gateway.address(), ACME);
        client.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        assert!(client.is_closed_in_order());
    }
    assert!(origin.requests().is_empty());
    let unknown = Dialer::new(&["spdy/1"]).dial(gateway.address(), ACME);
    assert_eq!(alert(unknown), "NoApplicationProtocol");
}

#[test]
fn an_orderly_end_is_told() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&[ACME]);
    let gateway = tls(&[&issued], "", &origin).start();
    let mut client = Dialer::new(&[]).connect(gateway.address(), ACME);
    assert_eq!(client.ask(&get(ACME, "/").header("Connection", "close")).status, 200);
    assert!(client.is_closed_in_order());
    // So is one that comes to no request, or to none more.
    let limits = "{ header_read_timeout: 200ms, keep_alive_timeout: 200ms }";
    let gateway = tls(&[&issued], "", &origin).set("limits", limits).start();
    for alpn in ["http/1.1", "h2"] {
        assert!(Dialer::new(&[alpn]).connect(gateway.address(), ACME).is_closed_in_order(), "{alpn}");
    }
    let mut client = Dialer::new(&[]).connect(gateway.address(), ACME);
    assert_eq!(client.ask(&get(ACME, "/")).status, 200);
    assert!(client.is_closed_in_order());
}

#[test]
fn who_prefers_chacha20_gets_it() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&[ACME]);
    let gateway = tls(&[&issued], "", &origin).start();
    let settled = |versions: &[&'static rustls::SupportedProtocolVersion], prefers: &str| {
        let mut dialer = Dialer::new(&[]);
        let mut provider = aws_lc_rs::default_provider();
        // Stable: the others stay as they are.
        provider.cipher_suites.sort_by_key(|suite| !suite.suite().as_str().unwrap().contains(prefers));
        dialer.set_provider(provider, versions);
        let client = dialer.connect(gateway.address(), ACME);
        client.stream.conn.negotiated_cipher_suite().unwrap().suite().as_str().unwrap().to_owned()
    };
    for versions in [&[&TLS12][..], &[&TLS13]] {
        assert!(settled(versions, "CHACHA20").contains("CHACHA20"));
        assert!(settled(versions, "AES_256").contains("AES_128"), "else the cheapest for us");
    }
}
