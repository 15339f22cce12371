//! gRPC calls that the gateway itself ends: told in gRPC's own words.

use std::process::Command;

use crate::harness::{
    ACME, H2Client, H2Response, Origin, TestGateway, block_on, config, refused_address, request,
};

fn call(host: &str, kind: &str) -> http::Request<()> {
    let uri = format!("http://{host}/demo.Echo/Say");
    http::Request::post(uri).header("content-type", kind).header("te", "trailers").body(()).unwrap()
}

/// Calls with one empty message.
fn answer(gateway: &TestGateway, host: &str, kind: &str) -> H2Response {
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        client.send(call(host, kind), &[0; 5]).await.unwrap()
    })
}

/// Asserts that a call was refused in its head, with nothing behind it.
#[track_caller]
fn assert_status(answer: &H2Response, status: &str, message: &str) {
    let field = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(field("content-type"), Some("application/grpc"));
    assert_eq!((field("grpc-status"), field("grpc-message")), (Some(status), Some(message)));
    assert!(answer.body.is_empty() && answer.trailers.is_empty(), "{answer:?}");
    assert!(!answer.headers.contains_key("content-length"), "no DATA, no length: {answer:?}");
    assert!(field("proxy-status").is_some_and(|status| status.starts_with("tollgate; ")), "{answer:?}");
    assert!(field("x-request-id").is_some(), "{answer:?}");
}

#[test]
fn a_refused_call_ends_with_a_status_of_its_own() {
    let origin = Origin::echo();
    let tenants = "[{ id: acme, plan: free, state: suspended }]";
    let gateway = config().to(&origin).set("tenants", tenants).start();
    assert_status(&answer(&gateway, ACME, "application/grpc"), "7", "This tenant has been suspended.");
    let unknown = answer(&gateway, "nobody.app.test", "application/grpc+proto");
    assert_status(&unknown, "12", "No tenant is served under this host.");
    origin.assert_untouched();
    let log = gateway.access_log(2);
    assert_eq!((&log[0]["status"], &log[0]["code"]), (&403.into(), &"tenant_suspended".into()));
}

#[test]
fn an_endpoint_that_is_away_is_unavailable() {
    let (address, _held) = refused_address();
    let gateway = config().pool("shared", &[address], "").start();
    let away = answer(&gateway, ACME, "application/grpc");
    assert_status(&away, "14", "The application could not be reached.");
    assert_eq!(gateway.access_log(1)[0]["status"], 502, "the log has the status of the table");
}

#[test]
fn a_silent_endpoint_is_a_deadline_exceeded() {
    let silent = Origin::on_request(|_, mut peer| {
        peer.drain();
    });
    let gateway =
        config().pool("shared", &[silent.address()], "timeouts: { response_header: 100ms }").start();
    let late = answer(&gateway, ACME, "application/grpc");
    assert_status(&late, "4", "The application did not respond in time.");
}

#[test]
fn a_used_up_limit_says_when_to_try_again() {
    let origin = Origin::echo();
    let limited = "{ free: { rate_limit: { rate: 1/s, burst: 1 } } }";
    let gateway = config().to(&origin).set("plans", limited).start();
    gateway.ask(&request("GET", ACME, "/")).assert_status(200);
    let refused = answer(&gateway, ACME, "application/grpc");
    assert_status(&refused, "8", "The rate limit is used up. Try again in 1 s.");
    assert_eq!(refused.headers["grpc-retry-pushback-ms"], "1000");
    assert!(refused.headers.contains_key("ratelimit"), "{refused:?}");
}

#[test]
fn what_is_no_call_gets_a_problem() {
    let gateway = config().to(&Origin::echo()).start();
    for kind in ["application/json", "application/grpc-web+proto"] {
        let answer = answer(&gateway, "nobody.app.test", kind);
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "unknown_tenant"));
    }
}

#[test]
fn a_call_over_http_1_is_told_alike() {
    let gateway = config().to(&Origin::echo()).start();
    let mut client = gateway.connect();
    let call =
        request("POST", "nobody.app.test", "/demo.Echo/Say").header("Content-Type", "application/grpc");
    for _ in 0..2 {
        let answer = client.ask(&call.clone().body([0; 5]));
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("12")));
        assert_eq!((answer.header("content-length"), answer.body.len()), (Some("0"), 0));
    }
}

/// gRPC's own client.
#[test]
fn grpcio_understands_it() {
    const CALL: &str = r#"
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.default_authority", sys.argv[2])])
for kind in (channel.unary_unary, channel.unary_stream):
    try:
        answer = kind("/demo.Echo/Say")(b"", timeout=10)
        list(answer) if kind == channel.unary_stream else None
    except grpc.RpcError as error:
        print(error.code().name, error.details(), sep=": ")
"#;
    let (address, _held) = refused_address();
    let gateway = config().pool("shared", &[address], "").start();
    let arguments = ["-c", CALL, &gateway.address().to_string(), ACME];
    let output = Command::new("/usr/bin/python3").args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out, "UNAVAILABLE: The application could not be reached.\n".repeat(2), "{err}");
}
