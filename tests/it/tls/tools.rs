//! What tools say that this project did not write: curl and OpenSSL.

use std::process::{Command, Stdio};

use super::authority::Authority;
use super::tls;
use crate::harness::{ACME, Origin, TestGateway};

/// What a command prints. Its standard input is empty.
#[track_caller]
fn said(program: &str, words: &[&str]) -> String {
    let done = Command::new(program).args(words).stdin(Stdio::null()).output();
    let done = done.unwrap_or_else(|error| panic!("{program}: {error}: see tests/ops/install-packages"));
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}

fn gateway(origin: &Origin) -> (TestGateway, String) {
    let authority = Authority::new("test");
    let gateway = tls(&[&authority.issue(&[ACME])], "", origin).file("ca.pem", &authority.pem()).start();
    let ca = gateway.directory().join("ca.pem").display().to_string();
    (gateway, ca)
}

#[test]
fn curl_believes_us_over_both_protocols() {
    let origin = Origin::saying("well");
    let (gateway, ca) = gateway(&origin);
    let port = gateway.address().port();
    let (url, resolve) = (format!("https://{ACME}:{port}/"), format!("{ACME}:{port}:127.0.0.1"));
    for (protocol, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for tls in ["1.2", "1.3"] {
            let written = "%{http_version} %{http_code} %{ssl_verify_result}";
            let words = [
                "-sS",
                protocol,
                "--tls-max",
                tls,
                "--cacert",
                &ca,
                "--resolve",
                &resolve,
                "-w",
                written,
                &url,
            ];
            assert_eq!(said("curl", &words), format!("well{version} 200 0"), "{protocol} {tls}");
        }
    }
}

#[test]
fn openssl_finds_what_is_there_and_nothing_older() {
    let origin = Origin::saying("well");
    let (gateway, ca) = gateway(&origin);
    let address = gateway.address().to_string();
    let with = |more: &[&str]| {
        let words =
            ["s_client", "-connect", &address, "-servername", ACME, "-CAfile", &ca, "-verify_return_error"];
        said("openssl", &[&words, more].concat())
    };
    let told = with(&["-alpn", "h2,http/1.1"]);
    for part in
        ["Protocol  : TLSv1.3", "ALPN protocol: h2", "Verify return code: 0 (ok)", "Server Temp Key: X25519"]
    {
        let spaced = part.replace("Protocol  : ", "New, ");
        assert!(told.contains(part) || told.contains(&spaced), "{part} is not in\n{told}");
    }
    let told = with(&["-tls1_2", "-alpn", "http/1.1"]);
    assert!(told.contains("ECDHE-ECDSA-AES128-GCM-SHA256"), "{told}");
    assert!(told.contains("Secure Renegotiation IS supported"), "{told}");
    // A hello that has to be answered twice (HelloRetryRequest): the first offers a key of a group that is not spoken here.
    let told = with(&["-groups", "P-521:P-384", "-msg"]);
    assert_eq!(told.matches("ServerHello").count(), 2, "{told}");
    assert!(told.contains("Verify return code: 0 (ok)"), "{told}");
    // No protocol but these, and no cipher without forward secrecy.
    for old in
        [&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..], &["-tls1_2", "-cipher", "AES128-SHA256:AES128-SHA"]]
    {
        assert!(with(old).contains("Cipher is (NONE)"), "{old:?}");
    }
}
