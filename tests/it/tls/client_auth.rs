//! Certificates of clients.

use super::authority::{Authority, Issued};
use super::client::{Dialer, alert};
use super::tls;
use crate::harness::{ACME, GLOBEX, Message, Origin, get};

const URI: &str = "spiffe://example.org/tenant/acme";

#[test]
fn the_application_is_told_of_a_certificate_and_by_nobody_else() {
    let origin = Origin::echo();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let issued = servers.issue(&[ACME]);
    let auth = ", client_auth: { ca: '{dir}/ca.pem', mode: optional }";
    let gateway = tls(&[&issued], auth, &origin).file("ca.pem", &clients.pem()).start();
    let forged = |message: Message| {
        message.header("X-Client-Cert-Verified", "SUCCESS").header("X_Client_Cert-Subject", "CN=root")
    };
    let mut client = Dialer::showing(&clients.client(7, "worker, 7", URI)).connect(gateway.address(), ACME);
    assert_eq!(client.ask(&forged(get(ACME, "/"))).status, 200);
    let request = origin.last_request();
    assert_eq!(request.all("x-client-cert-verified"), ["SUCCESS"]);
    assert_eq!(request.header("x-client-cert-subject"), Some("CN=worker\\, 7"));
    assert_eq!(request.header("x-client-cert-uri"), Some(URI));
    assert_eq!(request.header("x-client-cert-serial"), Some("07"));
    assert_eq!(request.header("x-client-cert-fingerprint").map(str::len), Some(64));
    // Whoever shows none says nothing.
    let mut client = Dialer::new(&[]).connect(gateway.address(), ACME);
    assert_eq!(client.ask(&forged(get(ACME, "/"))).status, 200);
    let request = origin.last_request();
    assert_eq!(request.all("x-client-cert-verified"), ["NONE"]);
    assert_eq!(request.header("x-client-cert-subject"), None);
    assert_eq!(request.header("x_client_cert-subject"), None);
    let trailers = "X-Client-Cert-Verified: SUCCESS\r\n";
    let message = crate::harness::request("POST", ACME, "/").chunks_and_trailers(&[b"x"], trailers);
    assert_eq!(client.ask(&message).status, 200);
    let received = String::from_utf8_lossy(&origin.received().concat()).to_lowercase();
    assert_eq!(received.matches("x-client-cert-verified: success").count(), 1);
}

#[test]
fn who_is_not_believed_is_turned_away() {
    let origin = Origin::echo();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let auth = ", client_auth: { ca: '{dir}/ca.pem', crl: ['{dir}/crl.pem'] }";
    let mut gateway = tls(&[&servers.issue(&[ACME])], auth, &origin)
        .file("ca.pem", &clients.pem())
        .file("crl.pem", &clients.revoked(&[9]))
        .start();
    let dial = |issued: &Issued| Dialer::showing(issued).dial(gateway.address(), ACME);
    let (good, revoked) = (clients.client(8, "good", URI), clients.client(9, "revoked", URI));
    assert_eq!(dial(&good).unwrap().ask(&get(ACME, "/")).status, 200);
    assert_eq!(alert(dial(&revoked)), "CertificateRevoked");
    assert_eq!(alert(dial(&servers.client(8, "foreign", URI))), "UnknownCA");
    assert_eq!(alert(Dialer::new(&[]).dial(gateway.address(), ACME)), "CertificateRequired");
    for reason in ["client_certificate_revoked", "client_certificate_untrusted", "client_certificate_missing"]
    {
        let failures = gateway.metric("tollgate_tls_handshake_failures_total", &[("reason", reason)]);
        assert_eq!(failures, 1.0, "{reason}");
    }
    // A session of before does not lead past a list that has changed.
    let resuming = Dialer::showing(&good);
    resuming.connect(gateway.address(), ACME).ask(&get(ACME, "/"));
    assert!(resuming.connect(gateway.address(), ACME).is_resumed());
    gateway.reload(|config| config.file("crl.pem", &clients.revoked(&[8, 9]))).unwrap();
    assert_eq!(alert(resuming.dial(gateway.address(), ACME)), "CertificateRevoked");
}

#[test]
fn a_list_that_is_out_of_date_or_missing_is_told_as_that() {
    let origin = Origin::echo();
    let (servers, clients, others) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("others"));
    let auth = ", client_auth: { ca: '{dir}/ca.pem', crl: ['{dir}/crl.pem'] }";
    let gateway = tls(&[&servers.issue(&[ACME])], auth, &origin)
        .file("ca.pem", &format!("{}{}", clients.pem(), others.pem()))
        .file("crl.pem", &clients.revoked_until(2021, &[9]))
        .start();
    let dial = |issued: &Issued| Dialer::showing(issued).dial(gateway.address(), ACME);
    assert_eq!(alert(dial(&clients.client(8, "good", URI))), "UnknownCA");
    assert_eq!(alert(dial(&others.client(8, "good", URI))), "UnknownCA");
    for reason in ["client_crl_expired", "client_crl_missing"] {
        let failures = gateway.metric("tollgate_tls_handshake_failures_total", &[("reason", reason)]);
        assert_eq!(failures, 1.0, "{reason}");
    }
    let until = gateway.metric("tollgate_crl_expiry_timestamp_seconds", &[("issuer", "CN=clients")]);
    assert_eq!(until, 1_609_459_200.0);
    let status = gateway.admin("/api/v1/status").json();
    let listed = &status["revocation_lists"][0];
    assert_eq!(
        (&listed["issuer"], &listed["next_update"]),
        (&"CN=clients".into(), &"2021-01-01T00:00:00Z".into())
    );
    let warnings = status["config"]["warnings"].to_string();
    assert!(warnings.contains("crl.pem` is out of date since 2021-01-01T00:00:00Z"), "{status}");
    assert!(warnings.contains("`crl` has no list of `CN=others`, an authority of"), "{status}");
}

#[test]
fn a_certificate_names_the_tenant() {
    let origin = Origin::echo();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let auth = ", client_auth: { ca: '{dir}/ca.pem', mode: optional }";
    let rules = "{ identify: [{ client_cert: { san_uri: 'spiffe://example.org/tenant/{tenant}' } }, \
                 { client_cert: subject_cn }, { host: '{tenant}.app.test' }] }";
    let gateway = tls(&[&servers.issue(&["api.test", ACME])], auth, &origin)
        .file("ca.pem", &clients.pem())
        .set("tenancy", rules)
        .start();
    let ask = |issued: &Issued, host: &str| {
        let said = Dialer::showing(issued).connect(gateway.address(), host).ask(&get(host, "/"));
        (said.status, said.body)
    };
    assert_eq!(ask(&clients.client(1, "A Worker", URI), "api.test").0, 200);
    assert_eq!(origin.last_request().header("x-tenant-id"), Some("acme"));
    assert_eq!(gateway.access_log(1)[0]["client_cert"], "CN=A Worker");
    assert_eq!(ask(&clients.client(1, "globex", "https://x.test"), "api.test").0, 200);
    assert_eq!(origin.last_request().header("x-tenant-id"), Some("globex"));
    assert_eq!(ask(&clients.client(1, "acme", URI), ACME).0, 200);
    // What would come of it is explained likewise.
    let shown = clients.client(1, "globex", "https://x.test").cert;
    let question = serde_json::json!({ "url": "https://api.test/", "client_certificate": shown });
    let told = gateway.admin_post("/api/v1/explain", &question.to_string()).json();
    assert_eq!(told["tenant"]["id"], "globex", "{told}");
    assert_eq!(told["identify"][1]["why"], "the certificate of `CN=globex` names globex");
    let nobody = ask(&clients.client(1, "A Worker", "spiffe://example.org/tenant/nobody"), ACME);
    assert_eq!(nobody.0, 404);
    for (name, uri) in [("globex", URI), ("A Worker", "spiffe://example.org/tenant/globex")] {
        let (status, body) = ask(&clients.client(1, name, uri), ACME);
        assert_eq!(status, 400, "{name} {uri}");
        assert!(body.contains("tenant_conflict"), "{body}");
    }
    assert_eq!(Dialer::new(&[]).connect(gateway.address(), GLOBEX).ask(&get(GLOBEX, "/")).status, 200);
    assert_eq!(origin.last_request().header("x-tenant-id"), Some("globex"));
}
