//! Clients that this project did not write: curl, nghttp, h2load, and frames of Python's hyperframe.

use std::process::{Command, Output};

use crate::harness::{ACME, Origin, TestGateway, config, eventually};

#[track_caller]
fn run(command: &mut Command) -> String {
    let name = format!("{command:?}");
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{name}: {error}; tests/ops/install-packages has it"));
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{name}: {status}\n{said}");
    said
}

fn gateway(origin: &Origin) -> (TestGateway, String) {
    let gateway = config().to(origin).start();
    let url = format!("http://{}/", gateway.address());
    (gateway, url)
}

#[test]
fn curl_is_served() {
    let origin = Origin::saying("hello");
    let (_gateway, url) = gateway(&origin);
    let host = format!("Host: {ACME}");
    let body = "x".repeat(300_000);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &body).unwrap();
    let data = format!("@{}", file.path().display());
    let common =
        ["-sS", "--fail", "--http2-prior-knowledge", "-H", &host, "-w", "%{http_version} %{http_code}"];
    assert_eq!(run(Command::new("curl").args(common).arg(&url)), "hello2 200");
    let posted = ["--data-binary", &data];
    assert_eq!(run(Command::new("curl").args(common).args(posted).arg(&url)), "hello2 200");
    assert_eq!(origin.last_request().body.len(), body.len());
}

#[test]
fn nghttp_is_served() {
    let origin = Origin::saying("hello");
    let (gateway, url) = gateway(&origin);
    let host = format!(":authority: {ACME}");
    // Twenty streams with all the frames of priority that it knows.
    let said = run(Command::new("nghttp").args(["-v", "-m", "20", "-p", "200", "-H", &host]).arg(&url));
    assert_eq!(said.matches(":status: 200").count(), 20, "{said}");
    assert!(!said.contains("RST_STREAM"), "{said}");
    eventually("nothing is in flight", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
}

#[test]
fn h2load_is_served() {
    let origin = Origin::saying("hello");
    let (gateway, url) = gateway(&origin);
    let host = format!(":authority: {ACME}");
    let said =
        run(Command::new("h2load").args(["-n", "2000", "-c", "4", "-m", "250", "-H", &host]).arg(&url));
    assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    // Windows as small as they may be.
    let tiny = ["-n", "200", "-c", "2", "-m", "10", "-w", "10", "-W", "10", "-H", &host];
    let said = run(Command::new("h2load").args(tiny).arg(&url));
    assert!(said.contains("200 succeeded, 0 failed"), "{said}");
    eventually("nothing is in flight", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
}

#[test]
fn frames_of_python_are_answered_as_they_should_be() {
    let origin = Origin::saying("hello");
    let (gateway, _) = gateway(&origin);
    let address = gateway.address();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/h2_server/frames.py");
    let arguments = [address.ip().to_string(), address.port().to_string(), ACME.to_owned()];
    let said = run(Command::new("/usr/bin/python3").arg(script).args(arguments));
    assert!(said.contains("all as it should be"), "{said}");
}
