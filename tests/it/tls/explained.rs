//! What is explained of requests over TLS, held against what becomes of them, and what `check` warns of.

use serde_json::{Value, json};

use super::authority::Authority;
use super::client::Dialer;
use super::tls;
use crate::harness::{ACME, Origin, get, tollgate};

const URI: &str = "spiffe://example.org/tenant/acme";

/// The value of a field in a list of those that are told.
fn field<'t>(told: &'t Value, of: &str, name: &str) -> Option<&'t str> {
    let fields = told.pointer(&format!("/{of}/headers"))?.as_array()?;
    fields.iter().find(|field| field["name"] == name)?["value"].as_str()
}

#[test]
fn an_https_url_is_explained_as_it_comes_by_tls() {
    let origin = Origin::echo();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let more = ", hsts: { max_age: 1d }, client_auth: { ca: '{dir}/ca.pem', mode: optional }";
    let gateway = tls(&[&servers.issue(&[ACME])], more, &origin).file("ca.pem", &clients.pem()).start();
    let issued = clients.client(7, "worker", URI);
    let explain = |question: Value| gateway.admin_post("/api/v1/explain", &question.to_string()).json();
    let url = format!("https://{ACME}/x");
    let told = explain(json!({ "url": url, "client_certificate": issued.cert }));
    let answer = Dialer::showing(&issued).connect(gateway.address(), ACME).ask(&get(ACME, "/x"));
    assert_eq!(
        field(&told, "response", "strict-transport-security"),
        answer.header("strict-transport-security")
    );
    assert_eq!(field(&told, "response", "strict-transport-security"), Some("max-age=86400"));
    let request = origin.last_request();
    let names = ["x-forwarded-proto", "x-client-cert-verified", "x-client-cert-subject", "x-client-cert-uri"];
    for name in names {
        assert!(request.header(name).is_some(), "{name}");
        assert_eq!(field(&told, "upstream", name), request.header(name), "{name}");
    }
    assert_eq!((&told["listener"]["tls"], &told["listener"]["note"]), (&json!(true), &Value::Null));
    // Without one, and in the clear.
    let told = explain(json!({ "url": url }));
    assert_eq!(field(&told, "upstream", "x-client-cert-verified"), Some("NONE"));
    let told = explain(json!({ "url": format!("http://{ACME}/") }));
    assert_eq!(field(&told, "upstream", "x-forwarded-proto"), Some("http"));
    assert_eq!(field(&told, "response", "strict-transport-security"), None);
    assert!(told["listener"]["note"].as_str().unwrap().contains("no request would come in the clear"));
}

#[test]
fn files_and_tests_know_redirects_and_certificates() {
    let origin = Origin::echo();
    let directory = tempfile::tempdir().unwrap();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let served = servers.issue(&[ACME]);
    let listeners = "[{ bind: 127.0.0.1:80, https_redirect: { port: 8443 } }, { bind: 127.0.0.1:81 }, \
        { bind: 127.0.0.1:443, tls: { certificates: [{ cert: 0.pem, key: 0.key }], client_auth: { ca: ca.pem } } }, \
        { bind: 127.0.0.1:444, tls: { certificates: [{ cert: 0.pem, key: 0.key }] } }, { bind: 127.0.0.1:82, proxy_protocol: true }]";
    let config = crate::harness::config()
        .to(&origin)
        .set("listeners", listeners)
        .set("tenancy", "{ identify: [{ client_cert: { san_uri: 'spiffe://example.org/tenant/{tenant}' } }, { host: '{tenant}.app.test' }] }")
        .file("0.pem", &served.cert)
        .file("0.key", &served.key)
        .file("ca.pem", &clients.pem())
        .write(directory.path());
    std::fs::create_dir(directory.path().join("tests")).unwrap();
    for (name, uri) in [("acme", URI), ("nobody", "spiffe://example.org/tenant/nobody")] {
        let file = directory.path().join(format!("tests/{name}.pem"));
        std::fs::write(file, clients.client(1, "worker", uri).cert).unwrap();
    }
    let tests = directory.path().join("tests/tests.yaml");
    let check = |text: &str| {
        std::fs::write(&tests, text).unwrap();
        let output = tollgate(&["check", "--tests", tests.to_str().unwrap()]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let config_name = config.file_name().unwrap().to_str().unwrap();
    let (code, said) = check(&format!(
        "config: ../{config_name}\ntests:\n\
         - request: http://acme.app.test/a?b\n  expect: {{ status: 308, location: 'https://acme.app.test:8443/a?b' }}\n\
         - request: http://nobody.test/\n  expect: {{ code: unknown_tenant }}\n\
         - request: http://acme.app.test:81/\n  expect: {{ action: forward, headers: {{ x-forwarded-proto: http }} }}\n\
         - request: {{ url: https://api.test/, client_cert: acme.pem }}\n  expect: {{ tenant: acme, headers: {{ x-forwarded-proto: https, x-client-cert-verified: SUCCESS, x-client-cert-subject: CN=worker }} }}\n\
         - request: {{ url: https://api.test/, client_cert: nobody.pem }}\n  expect: {{ code: unknown_tenant }}\n"
    ));
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = check(&format!(
        "config: ../{config_name}\ntests:\n- request: {{ url: https://api.test/, client_cert: no.pem }}\n  expect: {{ tenant: acme }}\n\
         - request: {{ url: https://api.test/, client_cert: tests.yaml }}\n  expect: {{ tenant: acme }}\n"
    ));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("`no.pem` can't be read"), "{said}");
    assert!(said.contains("`tests.yaml` has no certificate in PEM"), "{said}");
    let explain = |words: &[&str]| {
        let command = ["explain", "--config", config.to_str().unwrap()];
        let output = tollgate(&[&command, words].concat()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let nobody = directory.path().join("tests/nobody.pem");
    let said = explain(&["https://api.test/", "--client-cert", nobody.to_str().unwrap()]);
    assert!(said.contains("listener 127.0.0.1:443, over TLS"), "{said}");
    assert!(
        said.contains("the certificate of `CN=worker` names `nobody`, and there is no such tenant"),
        "{said}"
    );
    let said = explain(&["https://acme.app.test/"]);
    assert!(said.contains("none is shown: the handshake would fail"), "{said}");
    let said = explain(&["http://acme.app.test/"]);
    assert!(said.contains("it leads to https"), "{said}");
    assert!(said.contains("verdict: answered here with 308"), "{said}");
    // The port that is named counts, whatever else would fit better.
    let said = explain(&["https://api.test:444/", "--client-cert", nobody.to_str().unwrap()]);
    assert!(
        said.contains("listener 127.0.0.1:444, over TLS") && said.contains("it asks no client for"),
        "{said}"
    );
    assert!(!said.contains("CN=worker"), "{said}");
    for (url, listener, note) in [
        ("https://api.test:81/", "127.0.0.1:443", "port 81 speaks no TLS"),
        ("http://api.test:444/", "127.0.0.1:80", "port 444 speaks TLS, and would not answer in the clear"),
        ("http://api.test:4711/", "127.0.0.1:80", "no listener has port 4711"),
        ("http://api.test:82/", "127.0.0.1:82", "from trusted proxies only, with a PROXY header"),
    ] {
        let said = explain(&[url]);
        assert!(said.contains(&format!("listener {listener}")) && said.contains(note), "{url}: {said}");
    }
}

/// What an operator would otherwise hear of from clients.
#[test]
fn check_warns_of_certificates_that_help_nobody() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let directory = tempfile::tempdir().unwrap();
    let served = servers.issue(&["elsewhere.test", "*.acme.test"]);
    let worker = clients.client(7, "worker", URI);
    let check = |listeners: &str| {
        let config = crate::harness::config()
            .to(&Origin::echo())
            .set("listeners", listeners)
            .set("tenants", "[{ id: acme, plan: free, domains: [www.acme.test, acme.example] }]")
            .file("0.pem", &served.cert)
            .file("0.key", &served.key)
            .file("worker.pem", &worker.cert)
            .write(directory.path());
        let output = tollgate(&["check", config.to_str().unwrap()]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let tls = "{ bind: 127.0.0.1:443, tls: { certificates: [{ cert: 0.pem, key: 0.key }]";
    let said = check(&format!("[{{ bind: 127.0.0.1:80, https_redirect: true }}, {tls} }} }}]"));
    assert!(said.contains("domain-without-certificate") && said.contains("`acme.example`"), "{said}");
    assert!(!said.contains("`www.acme.test`"), "{said}");
    // Whoever speaks TLS may stand in front of what is served in the clear.
    let said = check(&format!("[{{ bind: 127.0.0.1:80 }}, {tls}, client_auth: {{ ca: worker.pem }} }} }}]"));
    assert!(!said.contains("domain-without-certificate"), "{said}");
    assert!(said.contains("`CN=worker`, which is no authority"), "{said}");
}
