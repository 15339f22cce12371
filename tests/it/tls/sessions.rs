//! Sessions that are resumed, and those that must not be.

use super::authority::Authority;
use super::client::{Dialer, alert};
use super::tls;
use crate::harness::{ACME, Origin, get};

#[test]
fn sessions_are_resumed_on_every_worker_and_across_reloads() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let mut gateway = tls(&[&authority.issue(&[ACME])], "", &origin).set("workers", "2").start();
    let mut dialer = Dialer::new(&[]);
    let ask = |dialer: &Dialer, address| {
        let mut client = dialer.connect(address, ACME);
        assert_eq!(client.ask(&get(ACME, "/")).status, 200);
        client.is_resumed()
    };
    let address = gateway.address();
    assert!(!ask(&dialer, address));
    // Connections are spread over the workers by their ports: eight on one of two is one time in 256.
    for _ in 0..8 {
        assert!(ask(&dialer, address));
    }
    gateway.reload(|config| config.set("limits", "{ header_read_timeout: 9s }")).unwrap();
    assert!(ask(&dialer, address));
    // Another certificate: who has been here need not look at it.
    let renewed = authority.issue(&[ACME]);
    gateway.reload(|config| config.file("0.pem", &renewed.cert).file("0.key", &renewed.key)).unwrap();
    assert!(ask(&dialer, address));
    dialer.config.resumption = rustls::client::Resumption::disabled();
    assert_eq!(dialer.connect(address, ACME).shown(), renewed.der);
    // The session is of one name.
    let dialer = Dialer::new(&[]);
    assert!(!ask(&dialer, address));
    assert!(!dialer.connect(address, "globex.app.test").is_resumed());
}

/// CVE-2025-23419: a session of a listener that asks for no certificate leads past one that does.
#[test]
fn a_session_of_before_does_not_lead_past_client_auth() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let auth = ", client_auth: { ca: '{dir}/ca.pem' }";
    let (issued, ca) = (authority.issue(&[ACME]), authority.pem());
    let mut gateway = tls(&[&issued], "", &origin).file("ca.pem", &ca).start();
    let dialer = Dialer::new(&[]);
    for _ in 0..2 {
        dialer.connect(gateway.address(), ACME).ask(&get(ACME, "/"));
    }
    assert!(dialer.connect(gateway.address(), ACME).is_resumed());
    let listeners = format!(
        "[{{ bind: 127.0.0.1:0, tls: {{ certificates: [{{ cert: '{{dir}}/0.pem', key: '{{dir}}/0.key' }}]{auth} }} }}]"
    );
    gateway.reload(|config| config.set("listeners", &listeners)).unwrap();
    assert_eq!(alert(dialer.dial(gateway.address(), ACME)), "CertificateRequired");
}

#[test]
fn the_addresses_of_a_listener_resume_each_other_s_sessions() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&[ACME]);
    let listeners = "[{ bind: [127.0.0.1:0, 127.0.0.2:0], tls: { certificates: [{ cert: '{dir}/0.pem', key: '{dir}/0.key' }] } }]";
    let gateway = tls(&[&issued], "", &origin).set("listeners", listeners).start();
    let [one, other] = gateway.listeners()[..] else { panic!("two addresses") };
    let dialer = Dialer::new(&[]);
    assert_eq!(dialer.connect(one, ACME).ask(&get(ACME, "/")).status, 200);
    assert!(dialer.connect(other, ACME).is_resumed());
}
