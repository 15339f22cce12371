//! Hosts and request targets.

use super::Stage;
use crate::harness::ACME;

#[test]
fn http_1_1_needs_exactly_one_valid_host() {
    let host = |lines: &str| format!("GET / HTTP/1.1\r\n{lines}\r\n");
    Stage::new().refuses(
        &[400],
        [
            host(""),
            host("X-A: 1\r\n"),
            host("Host: acme.app.test\r\nHost: globex.app.test\r\n"),
            host("Host: acme.app.test\r\nHost: acme.app.test\r\n"),
            host("Host: acme.app.test\r\nhost:\r\n"),
            host("Host:\r\n"),
            host("Host: acme.app.test globex.app.test\r\n"),
            host("Host: acme.app.test, globex.app.test\r\n"),
            host("Host: acme.app.test/\r\n"),
            host("Host: http://acme.app.test\r\n"),
            host("Host: user@acme.app.test\r\n"),
            host("Host: acme.app.test:\u{0665}\r\n"),
            host("Host: acme.app.test:80:80\r\n"),
            host("Host: acme.app.test:-1\r\n"),
            host("Host: acme.app.test:65536\r\n"),
            host("Host: [::1\r\n"),
            host("Host: acme%2eapp.test\r\n"),
            host("Host: acme.app.test\u{7f}\r\n"),
        ],
    );
}

#[test]
fn http_1_0_without_a_host_names_no_tenant() {
    let stage = Stage::new();
    let mut client = stage.gateway.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert!(matches!(client.answer().status, 400 | 404));
    stage.origin.assert_untouched();
}

#[test]
fn an_absolute_target_must_agree_with_the_host() {
    let line = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {ACME}\r\n\r\n");
    let stage = Stage::new();
    stage.refuses(
        &[400],
        [
            line("http://globex.app.test/"),
            line("http://acme.app.test:81/"),
            line("http://user@acme.app.test/"),
            line("http:///"),
            line("http://"),
            line("ftp://acme.app.test/"),
            line("http://acme.app.test:port/"),
            line("http://acme..app.test/"),
        ],
    );
    stage.serves([line("http://acme.app.test/path?q"), line("HTTP://ACME.app.test/path?q")]);
    let seen = stage.origin.last_request();
    assert_eq!(seen.target, "/path?q", "an origin gets the origin form");
    assert!(seen.header("host").is_some_and(|host| host.eq_ignore_ascii_case(ACME)));
    stage.serves([line("http://acme.app.test")]);
    assert_eq!(stage.origin.last_request().target, "/");
    stage.serves([line("http://acme.app.test?q=1")]);
    assert_eq!(stage.origin.last_request().target, "/?q=1");
}

#[test]
fn targets_of_no_form_are_refused() {
    let line = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {ACME}\r\n\r\n");
    Stage::new().refuses(
        &[400],
        [
            line("acme.app.test:80"),
            line("acme.app.test"),
            line("*"),
            line("path"),
            line("?q"),
            line("../x"),
            line("/a#fragment"),
            line("#"),
            line("/<x>"),
            line("/?q=\"x\""),
            line("/a\u{7f}"),
            line("/a\u{1}"),
            line("*/"),
        ],
    );
}

#[test]
fn an_asterisk_is_for_options() {
    let stage = Stage::new();
    let mut client = stage.gateway.connect();
    client.send(format!("OPTIONS * HTTP/1.1\r\nHost: {ACME}\r\n\r\n"));
    // Whether a prefix of `/` matches it or not: it is valid, and stays what it is.
    match client.answer().status {
        200 => assert_eq!(stage.origin.last_request().target, "*"),
        status => assert_eq!(status, 404),
    }
    let stage = Stage::new();
    stage.refuses(&[400], [format!("OPTIONS *x HTTP/1.1\r\nHost: {ACME}\r\n\r\n")]);
}

#[test]
fn nobody_gets_a_tunnel() {
    Stage::new().refuses(
        &[400, 405, 501],
        [
            format!("CONNECT {ACME}:443 HTTP/1.1\r\nHost: {ACME}:443\r\n\r\n"),
            format!("CONNECT {ACME}:443 HTTP/1.1\r\nHost: {ACME}\r\n\r\n"),
            format!("CONNECT / HTTP/1.1\r\nHost: {ACME}\r\n\r\n"),
        ],
    );
}

#[test]
fn paths_that_begin_with_two_slashes_are_paths() {
    let stage = Stage::new();
    stage.serves([format!("GET //globex.app.test/x HTTP/1.1\r\nHost: {ACME}\r\n\r\n")]);
    let seen = stage.origin.last_request();
    assert_eq!((seen.target.as_str(), seen.header("x-tenant-id")), ("//globex.app.test/x", Some("acme")));
}
