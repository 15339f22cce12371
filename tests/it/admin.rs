//! The admin listener: health, metrics, status.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{ACME, ADMIN_TOKEN, Client, GLOBEX, Origin, config, eventually, get, post};

#[test]
fn health_and_metrics_need_no_token() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = Client::connect(gateway.admin_address());
    for path in ["/livez", "/readyz", "/metrics"] {
        client.ask(&get("admin.test", path)).assert_status(200);
    }
    let metrics = client.ask(&get("admin.test", "/metrics"));
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
}

#[test]
fn the_api_needs_the_token() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let ask = |authorization: &str| {
        let message = get("admin.test", "/api/v1/status");
        let message = match authorization {
            "" => message,
            value => message.header("Authorization", value),
        };
        Client::connect(gateway.admin_address()).ask(&message)
    };
    for authorization in
        ["", "Bearer", "Bearer ", "Bearer wrong", "Basic eDp4", ADMIN_TOKEN, "Bearer a-token-for-test"]
    {
        let refused = ask(authorization);
        refused.assert_refused(401, "unauthenticated");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        assert!(refused.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")));
        assert!(!refused.text().contains(ADMIN_TOKEN));
    }
    let status = ask(&format!("Bearer {ADMIN_TOKEN}"));
    status.assert_status(200);
    assert!(status.json().is_object());
    ask(&format!("bearer {ADMIN_TOKEN}")).assert_status(200);
}

#[test]
fn the_public_listener_has_no_admin() {
    let origin = Origin::saying("application");
    let gateway = config().to(&origin).start();
    for path in ["/livez", "/readyz", "/metrics", "/api/v1/status"] {
        assert_eq!(gateway.ask(&get(ACME, path)).text(), "application");
    }
}

#[test]
fn what_is_not_there_is_404() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    assert_eq!(gateway.admin("/nothing").status, 404);
    assert_eq!(gateway.admin("/api/v1/nothing").status, 404);
}

#[test]
fn requests_refusals_and_bytes_are_counted_by_tenant() {
    let origin = Origin::saying("0123456789");
    let gateway =
        config().to(&origin).set("plans", "{ free: { rate_limit: { rate: 1/s, burst: 3 } } }").start();
    for _ in 0..5 {
        gateway.ask(&post(ACME, "/", b"12345"));
    }
    gateway.ask(&get(GLOBEX, "/"));
    eventually("everything is counted", || gateway.metric("tollgate_requests_total", &[]) == 6.0);
    let acme = ("tenant", "acme");
    for (name, labels, value) in [
        ("tollgate_requests_total", vec![acme, ("code", "2xx")], 3.0),
        ("tollgate_requests_total", vec![acme, ("code", "4xx")], 2.0),
        ("tollgate_requests_total", vec![("tenant", "globex")], 1.0),
        ("tollgate_rejected_total", vec![acme, ("reason", "rate_limited")], 2.0),
        ("tollgate_request_duration_seconds_count", vec![acme], 5.0),
        ("tollgate_upstream_duration_seconds_count", vec![("pool", "shared")], 4.0),
        // Of what was forwarded: a refusal has no upstream to take off.
        ("tollgate_overhead_duration_seconds_count", vec![], 4.0),
        ("tollgate_requests_in_flight", vec![], 0.0),
        ("tollgate_config_last_reload_successful", vec![], 1.0),
        ("tollgate_build_info", vec![], 1.0),
    ] {
        assert_eq!(gateway.metric(name, &labels), value, "{name} {labels:?}\n{}", gateway.metrics());
    }
    assert!(gateway.metric("tollgate_request_bytes_total", &[acme]) >= 15.0);
    assert!(gateway.metric("tollgate_response_bytes_total", &[acme]) >= 30.0);
}

#[test]
fn the_exposition_is_clean() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/"));
    gateway.ask(&get("nobody.test", "/"));
    let text = gateway.metrics();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit_once(' ').map(|(_, value)| value.parse::<f64>());
        assert!(matches!(value, Some(Ok(_))), "{line}");
    }
    let checker = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut checker) = checker else {
        eprintln!("promtool is not installed: only the lines' shape was checked");
        return;
    };
    checker.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = checker.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    // Two counters are named as they were promised.
    let promised = |line: &&str| {
        ["hits", "misses"]
            .iter()
            .any(|name| line.starts_with(&format!("tollgate_tenant_cache_{name} counter")))
    };
    let said: Vec<_> = said.lines().filter(|line| !line.is_empty() && !promised(line)).collect();
    assert!(said.is_empty(), "{said:?}\n{text}");
}

#[test]
fn series_are_bounded_and_the_totals_add_up() {
    let origin = Origin::echo();
    let tenants: Vec<_> = (0..50).map(|nth| format!("{{ id: t{nth}, plan: free }}")).collect();
    let gateway = config()
        .to(&origin)
        .set("tenants", &format!("[{}]", tenants.join(", ")))
        .set("metrics", "{ tenants: 3 }")
        .start();
    let mut client = gateway.connect();
    for nth in 0..50 {
        client.ask(&get(&format!("t{nth}.app.test"), "/")).assert_status(200);
        client.ask(&get(&format!("unknown{nth}.test"), "/")).assert_refused(404, "unknown_tenant");
        client.ask(&get(&format!("unknown{nth}.app.test"), "/")).assert_refused(404, "unknown_tenant");
    }
    eventually("everything is counted", || {
        gateway.metric("tollgate_requests_total", &[("code", "2xx")]) == 50.0
            && gateway.metric("tollgate_rejected_total", &[("reason", "unknown_tenant")]) == 100.0
    });
    let text = gateway.metrics();
    assert!(!text.contains("unknown4"), "a made-up host made a series");
    let mut named: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once("tenant=\"")?.1.split_once('"').map(|(tenant, _)| tenant))
        .filter(|tenant| tenant.starts_with('t'))
        .collect();
    named.sort_unstable();
    named.dedup();
    assert!(named.len() <= 3, "{named:?}");
    assert!(gateway.metric("tollgate_requests_total", &[("tenant", "_other")]) >= 47.0);
}

#[test]
fn made_up_methods_make_no_series() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/"));
    let lines = |text: String| text.lines().count();
    eventually("it is counted", || gateway.metric("tollgate_requests_total", &[]) == 1.0);
    let before = lines(gateway.metrics());
    for nth in 0..20 {
        gateway.ask(&crate::harness::request(&format!("METHOD{nth}"), ACME, &format!("/{nth}")));
    }
    eventually("they are counted", || gateway.metric("tollgate_requests_total", &[]) == 21.0);
    assert_eq!(lines(gateway.metrics()), before);
}
