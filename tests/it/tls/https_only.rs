//! Browsers that are to come by https alone.

use super::authority::Authority;
use super::client::Dialer;
use super::tls;
use crate::harness::{ACME, Origin, config, get, post};

#[test]
fn hsts_is_on_every_answer_but_where_the_application_says_it_itself() {
    let own = "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 0\r\n\r\n";
    let origin = Origin::serving(move |request, peer| {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        peer.send(if request.target == "/own" { own } else { plain });
    });
    let hsts = ", hsts: { max_age: 365d, include_subdomains: true, preload: true }";
    let gateway = tls(&[&Authority::new("test").issue(&[ACME])], hsts, &origin).start();
    let mut client = Dialer::new(&[]).connect(gateway.address(), ACME);
    let ours = Some("max-age=31536000; includesubdomains; preload");
    assert_eq!(client.ask(&get(ACME, "/")).header("strict-transport-security"), ours);
    assert_eq!(client.ask(&get(ACME, "/own")).header("strict-transport-security"), Some("max-age=1"));
    let refused = client.ask(&get("nobody.test", "/"));
    assert_eq!((refused.status, refused.header("strict-transport-security")), (404, ours));
}

#[test]
fn requests_in_the_clear_are_led_to_https_for_hosts_that_are_served() {
    let origin = Origin::echo();
    let listeners = "[{ bind: 127.0.0.1:0, https_redirect: { port: 8443 } }]";
    let gateway = config().to(&origin).set("listeners", listeners).start();
    let answer = gateway.ask(&get("ACME.app.test:8080", "/a%20b/?x=//y"));
    answer.assert_status(308);
    assert_eq!(answer.header("location"), Some("https://acme.app.test:8443/a%20b/?x=//y"));
    let answer = gateway.ask(&post(ACME, "//evil.test/", "body"));
    assert_eq!(answer.header("location"), Some("https://acme.app.test:8443//evil.test/"));
    gateway.ask(&get("nobody.test", "/")).assert_refused(404, "unknown_tenant");
    let forged = get(ACME, "/").header("X-Forwarded-Proto", "https");
    gateway.ask(&forged).assert_status(308);
    assert!(origin.requests().is_empty());
    let log = gateway.access_log(4);
    assert_eq!((&log[0]["status"], &log[0]["tenant"]), (&308.into(), &"acme".into()));
}

#[test]
fn who_came_to_a_trusted_proxy_by_https_is_served() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("listeners", "[{ bind: 127.0.0.1:0, https_redirect: true }]")
        .set("trusted_proxies", "[127.0.0.0/8]")
        .start();
    gateway.ask(&get(ACME, "/").header("X-Forwarded-Proto", "https")).assert_status(200);
    let answer = gateway.ask(&get(ACME, "/x").header("X-Forwarded-Proto", "http"));
    assert_eq!(answer.header("location"), Some("https://acme.app.test/x"));
}

#[test]
fn nobody_is_led_to_a_host_that_is_no_tenants() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("listeners", "[{ bind: 127.0.0.1:0, https_redirect: true }]")
        .set("tenancy", "{ identify: [{ host: '{tenant}.app.test' }], unknown: { tenant: acme } }")
        .start();
    gateway.ask(&get("evil.test", "//x")).assert_refused(404, "unknown_tenant");
    gateway.ask(&get(ACME, "/")).assert_status(308);
}
