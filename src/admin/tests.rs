use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::harness_tests::{Admin, LONG, TOKEN, bearer, read_answer};
use super::server::Patience;
use super::*;

#[tokio::test]
async fn health_needs_no_token_and_says_why_it_is_bad() {
    let admin = Admin::start(Some(TOKEN)).await;
    assert_eq!(admin.get("/livez").await.status(), 200);
    assert_eq!(admin.get("/readyz").await.status(), 200);
    assert_eq!(admin.ask("HEAD", "/readyz", &[]).await.status(), 200);
    *admin.gateway.ready.lock().expect("a lock") = Err("draining".to_owned());
    let answer = admin.get("/readyz").await;
    assert_eq!((answer.status(), answer.body.as_str()), (503, "draining\n"));
    assert_eq!(admin.get("/livez").await.status(), 200);
}

#[tokio::test]
async fn metrics_are_the_text_format() {
    let admin = Admin::start(None).await;
    admin.metrics.reload_failed();
    let answer = admin.get("/metrics").await;
    assert_eq!(answer.status(), 200);
    assert!(answer.has("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", answer.head);
    assert!(answer.body.contains("tollgate_config_last_reload_successful 0\n"));
    assert!(answer.body.contains("tollgate_build_info{version=\""));
}

#[tokio::test]
async fn the_api_is_for_who_has_the_token() {
    let admin = Admin::start(Some(TOKEN)).await;
    for header in [bearer(TOKEN), format!("authorization: bEARER  {TOKEN} ")] {
        let answer = admin.ask("GET", "/api/v1/status", &[&header]).await;
        assert_eq!(answer.status(), 200, "{header}");
        assert!(answer.has("content-type: application/json") && answer.has("cache-control: no-store"));
        assert_eq!(answer.body, "{\"version\":\"0.1.0\"}");
    }
    for wrong in [bearer("wrong"), bearer("correct-hors"), bearer("correct-horses")] {
        let answer = admin.ask("GET", "/api/v1/status", &[&wrong]).await;
        assert_eq!(answer.problem()["code"], "unauthenticated", "{wrong}");
        assert_eq!(answer.status(), 401);
        assert!(
            answer.has("www-authenticate: bearer realm=\"tollgate\", error=\"invalid_token\""),
            "{wrong}"
        );
    }
    let none = [vec![], vec!["Authorization: Basic dG9sbGdhdGU6"], vec!["Authorization: Bearer "]];
    for headers in none {
        let answer = admin.ask("GET", "/api/v1/status", &headers).await;
        assert_eq!(answer.status(), 401);
        assert!(answer.has("www-authenticate: bearer realm=\"tollgate\""), "{headers:?}");
    }
    let twice = [bearer(TOKEN), bearer("wrong")];
    let answer = admin.ask("GET", "/api/v1/status", &[&twice[0], &twice[1]]).await;
    assert_eq!(answer.status(), 401);
    // What there is behind the token is not told to those without.
    for (method, path) in
        [("GET", "/api/v1/nothing"), ("DELETE", "/api/v1/status"), ("POST", "/api/v1/reload")]
    {
        assert_eq!(admin.ask(method, path, &[]).await.status(), 401, "{method} {path}");
    }
    assert_eq!(admin.gateway.reloads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn without_a_token_the_api_is_off_and_says_how_to_turn_it_on() {
    for token in [None, Some(""), Some(" \n")] {
        let admin = Admin::start(token).await;
        for header in ["Accept: */*", "Authorization: Bearer ", "Authorization: Bearer x"] {
            let answer = admin.ask("POST", "/api/v1/reload", &[header]).await;
            assert_eq!(answer.status(), 403);
            let problem = answer.problem();
            assert!(problem["detail"].as_str().is_some_and(|d| d.contains("admin.token_file")), "{problem}");
        }
        assert_eq!(admin.gateway.reloads.load(Ordering::SeqCst), 0);
        assert_eq!(admin.get("/metrics").await.status(), 200);
    }
}

#[tokio::test]
async fn a_reload_answers_with_what_came_of_it() {
    let admin = Admin::start(Some(TOKEN)).await;
    let answer = admin.ask("POST", "/api/v1/reload", &[&bearer(TOKEN)]).await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "{\"tenants\":3}"));

    let diagnostics = json!({ "detail": "1 error", "diagnostics": [{ "line": 3 }] });
    *admin.gateway.reload.lock().expect("a lock") = Err(diagnostics);
    let answer = admin.ask("POST", "/api/v1/reload", &[&bearer(TOKEN)]).await;
    assert_eq!(answer.status(), 422);
    let problem = answer.problem();
    assert_eq!(problem["code"], "invalid_config");
    assert_eq!(problem["diagnostics"][0]["line"], 3);

    *admin.gateway.reload.lock().expect("a lock") = Err(json!({ "status": 409, "code": "busy" }));
    let answer = admin.ask("POST", "/api/v1/reload", &[&bearer(TOKEN)]).await;
    assert_eq!((answer.status(), &answer.problem()["code"]), (409, &json!("busy")));
}

#[tokio::test]
async fn a_tenants_limits_are_shown_and_a_stranger_is_not_known() {
    let admin = Admin::start(Some(TOKEN)).await;
    let answer = admin.ask("GET", "/api/v1/tenants/acme/limits", &[&bearer(TOKEN)]).await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "{\"tenant\":\"acme\"}"));
    for id in ["nobody", "ACME", "%00", "%ff", "a%2Fb"] {
        let answer = admin.ask("GET", &format!("/api/v1/tenants/{id}/limits"), &[&bearer(TOKEN)]).await;
        assert_eq!((answer.status(), &answer.problem()["code"]), (404, &json!("unknown_tenant")), "{id}");
    }
    assert_eq!(admin.ask("GET", "/api/v1/tenants/acme/limits", &[]).await.status(), 401);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document() {
    let admin = Admin::start(Some(TOKEN)).await;
    for path in ["/", "/nothing", "/api", "/api/v1/nothing"] {
        let answer = admin.ask("GET", path, &[&bearer(TOKEN)]).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.problem()["code"], "not_found", "{path}");
    }
    for (method, path, allow) in [
        ("GET", "/api/v1/reload", "allow: post"),
        ("POST", "/api/v1/status", "allow: get,head"),
        ("DELETE", "/metrics", "allow: get,head"),
    ] {
        let answer = admin.ask(method, path, &[&bearer(TOKEN)]).await;
        assert_eq!(answer.status(), 405, "{method} {path}");
        assert!(answer.has(allow), "{}", answer.head);
        answer.problem();
    }
}

#[tokio::test]
async fn large_bodies_and_heads_are_refused() {
    let admin = Admin::start(Some(TOKEN)).await;
    let large = format!(
        "POST /api/v1/reload HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\nContent-Length: 100000\r\n\r\n{}",
        bearer(TOKEN),
        " ".repeat(100_000)
    );
    let mut stream = admin.connect().await;
    // The server may have answered and closed before all of it is written.
    let _ = stream.write_all(large.as_bytes()).await;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 413");
    assert_eq!(admin.gateway.reloads.load(Ordering::SeqCst), 0);

    let mut stream = admin.connect().await;
    let head = format!("GET /livez HTTP/1.1\r\nX-Large: {}", "x".repeat(100_000));
    let _ = stream.write_all(head.as_bytes()).await;
    stream.read_exact(&mut start).await.expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 431");
}

#[tokio::test]
async fn an_end_lets_requests_under_way_finish_and_idle_connections_go() {
    let mut admin = Admin::start_with(Some(TOKEN), Some(Notify::new()), LONG).await;
    let mut idle = admin.connect().await;
    let mut busy = admin.connect().await;
    let mut half = admin.connect().await;
    half.write_all(b"GET /livez HTTP/1.1\r\nX:").await.expect("a part of a request");
    let request = format!("POST /api/v1/reload HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", bearer(TOKEN));
    busy.write_all(request.as_bytes()).await.expect("a request");
    while admin.gateway.reloads.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    drop(admin.stop.take());
    assert_eq!(idle.read(&mut [0; 1]).await.expect("an end"), 0);
    // Nobody has to answer what has not been asked.
    assert_eq!(half.read(&mut [0; 1]).await.unwrap_or_default(), 0);
    assert!(!admin.server.is_finished());
    admin.gateway.gate.as_ref().expect("a gate").notify_one();
    let answer = read_answer(&mut busy).await;
    assert_eq!(answer.status(), 200);
    admin.server.await.expect("no panic").expect("no error");
    assert!(TcpStream::connect(admin.address).await.is_err());
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let head = Duration::from_millis(20);
    let admin = Admin::start_with(None, None, Patience { head, ..LONG }).await;
    let mut slow = admin.connect().await;
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost:").await.expect("a part of a request");
    assert_ne!(read_answer(&mut slow).await.status(), 200);
}

#[tokio::test]
async fn an_old_connection_ends_even_if_its_request_does_not() {
    let short = Duration::from_millis(20);
    let patience = Patience { age: short, grace: short, ..LONG };
    let admin = Admin::start_with(Some(TOKEN), Some(Notify::new()), patience).await;
    let answer = admin.ask("POST", "/api/v1/reload", &[&bearer(TOKEN)]).await;
    assert_eq!(answer.status(), 0);
}

#[test]
fn a_token_is_not_printed() {
    let token = Token::new(" secret\n").expect("a token");
    assert!(!format!("{token:?}").contains("secret"));
}

#[tokio::test]
async fn a_call_that_changes_something_is_carried_out_though_its_client_leaves() {
    let admin = Admin::start_with(Some(TOKEN), Some(Notify::new()), LONG).await;
    let mut stream = admin.connect().await;
    let request =
        format!("POST /api/v1/reload HTTP/1.1\r\nHost: x\r\n{}\r\nContent-Length: 0\r\n\r\n", bearer(TOKEN));
    stream.write_all(request.as_bytes()).await.expect("a request");
    while admin.gateway.reloads.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    // By now the listener knows that the connection is gone.
    for _ in 0..20 {
        assert_eq!(admin.get("/livez").await.status(), 200);
    }
    admin.gateway.gate.as_ref().expect("a gate").notify_one();
    while admin.gateway.reloaded.load(Ordering::SeqCst) == 0 {
        assert_eq!(admin.get("/livez").await.status(), 200);
    }
}
