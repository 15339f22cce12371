//! A new configuration under traffic.

use std::time::Duration;

use crate::harness::{ACME, GLOBEX, Gate, Origin, TestGateway, config, eventually, get};

/// How many of ten requests are let in.
fn admitted(gateway: &TestGateway) -> usize {
    let mut client = gateway.connect();
    (0..10).filter(|_| client.ask(&get(ACME, "/")).status == 200).count()
}

#[test]
fn a_changed_plan_takes_effect() {
    let origin = Origin::echo();
    let mut gateway = config().to(&origin).start();
    assert_eq!(admitted(&gateway), 10);
    gateway.reload(|c| c.set("plans", "{ free: { rate_limit: { rate: 1/s, burst: 3 } } }")).unwrap();
    assert_eq!(admitted(&gateway), 3);
    gateway.reload(|c| c.set("plans", "{ free: {} }")).unwrap();
    assert_eq!(admitted(&gateway), 10);
}

#[test]
fn connections_see_the_new_configuration_without_reconnecting() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let mut gateway = config().to(&one).start();
    let mut client = gateway.connect();
    assert_eq!(client.ask(&get(ACME, "/")).text(), "one");
    gateway.reload(|c| c.to(&two)).unwrap();
    assert_eq!(client.ask(&get(ACME, "/")).text(), "two");
}

#[test]
fn a_limiter_does_not_forget() {
    let origin = Origin::echo();
    let plans = "{ free: { rate_limit: { rate: 1/s, burst: 4 } } }";
    let mut gateway = config().to(&origin).set("plans", plans).start();
    assert_eq!(admitted(&gateway), 4);
    gateway.reload(|c| c.set("metrics", "{ tenants: 10 }")).unwrap();
    assert_eq!(admitted(&gateway), 0, "an unrelated change");
    gateway.reload(|c| c.set("plans", "{ free: { rate_limit: { rate: 2/s, burst: 4 } } }")).unwrap();
    assert_eq!(admitted(&gateway), 0, "a change of the rate gives no new burst");
    gateway.advance(Duration::from_secs(1));
    assert_eq!(admitted(&gateway), 2, "the new rate");
}

#[test]
fn an_unchanged_pool_keeps_its_connections() {
    let origin = Origin::echo();
    let mut gateway = config().to(&origin).start();
    for round in 0..5 {
        gateway.ask(&get(ACME, "/")).assert_status(200);
        gateway.reload(|c| c.set("metrics", &format!("{{ tenants: {} }}", 100 + round))).unwrap();
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_removed_pools_connections_are_closed() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let mut gateway = config().to(&one).start();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    assert_eq!(one.open_connections(), 1);
    gateway.reload(|c| c.to(&two)).unwrap();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    eventually("the old endpoint is let go", || one.open_connections() == 0);
}

#[test]
fn an_invalid_file_changes_nothing_and_is_reported() {
    let origin = Origin::echo();
    let mut gateway = config().to(&origin).start();
    assert_eq!(gateway.metric("tollgate_config_last_reload_successful", &[]), 1.0);
    for plans in
        ["{ free: { rate_limit: { rate: many, burst: 3 } } }", "{ free: { colour: red } }", "{ free: {"]
    {
        let refused = gateway.reload(|c| c.set("plans", plans));
        assert!(refused.is_err(), "{plans}");
        assert_eq!(admitted(&gateway), 10);
        assert_eq!(gateway.metric("tollgate_config_last_reload_successful", &[]), 0.0);
        let status = gateway.admin("/api/v1/status").text();
        assert!(status.contains("tollgate.yaml"), "the status names the file: {status}");
    }
    gateway.reload(|c| c.set("plans", "{ free: {} }")).unwrap();
    assert_eq!(gateway.metric("tollgate_config_last_reload_successful", &[]), 1.0);
}

#[test]
fn a_changed_file_is_noticed() {
    let origin = Origin::echo();
    let mut gateway = config().to(&origin).start();
    gateway.edit(|c| c.set("tenants", "[{ id: acme, plan: free, state: suspended }]"));
    eventually("acme is suspended", || gateway.ask(&get(ACME, "/")).status == 403);
    gateway.edit(|c| c.set("tenants", "[{ id: acme, plan: free }]"));
    eventually("acme is back", || gateway.ask(&get(ACME, "/")).status == 200);
}

#[test]
fn files_of_tenants_come_and_go() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("tenants_dir", "'{dir}/tenants'")
        .file("tenants/initech.yaml", "plan: free\ndomains: [initech.test]\n")
        .start();
    gateway.ask(&get("initech.test", "/")).assert_status(200);
    assert_eq!(origin.last_request().header("x-tenant-id"), Some("initech"), "its file name is its id");

    let tenants = gateway.directory().join("tenants");
    std::fs::write(tenants.join("hooli.yaml"), "plan: free\n").unwrap();
    eventually("hooli is there", || gateway.ask(&get("hooli.app.test", "/")).status == 200);
    std::fs::remove_file(tenants.join("initech.yaml")).unwrap();
    eventually("initech is gone", || gateway.ask(&get("initech.test", "/")).status == 404);
    gateway.ask(&get("hooli.app.test", "/")).assert_status(200);
}

#[test]
fn one_bad_tenant_does_not_keep_the_others_out() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("tenants_dir", "'{dir}/tenants'")
        .file("tenants/bad.yaml", "plan: no-such-plan\n")
        .file("tenants/good.yaml", "plan: free\n")
        .start();
    gateway.ask(&get("good.app.test", "/")).assert_status(200);
    gateway.ask(&get("bad.app.test", "/")).assert_refused(404, "unknown_tenant");
    let status = gateway.admin("/api/v1/status").text();
    assert!(status.contains("bad"), "it is quarantined by name: {status}");
}

#[test]
fn a_request_in_flight_finishes_on_the_old_configuration() {
    let gate = Gate::shut();
    let held = gate.clone();
    let old = Origin::serving(move |_, peer| {
        held.pass();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
    });
    let new = Origin::saying("new");
    let mut gateway = config().to(&old).start();
    let mut client = gateway.connect();
    client.send(get(ACME, "/").bytes());
    eventually("it is in flight", || gate.waiting() == 1);
    gateway.reload(|c| c.to(&new).set("tenants", "[{ id: globex, plan: free }]")).unwrap();
    assert_eq!(gateway.ask(&get(GLOBEX, "/")).text(), "new");
    gateway.ask(&get(ACME, "/")).assert_refused(404, "unknown_tenant");
    gate.open();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "old"));
}

#[test]
fn no_request_is_lost_to_reloads() {
    let origin = Origin::saying("ok");
    let mut gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    for round in 0..50 {
        gateway.reload(|c| c.set("metrics", &format!("{{ tenants: {} }}", 100 + round))).unwrap();
        for _ in 0..4 {
            client.ask(&get(ACME, "/")).assert_status(200);
        }
    }
}

#[test]
fn sighup_reloads_the_binary() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let mut process = config().to(&one).spawn();
    assert_eq!(process.connect().ask(&get(ACME, "/")).text(), "one");
    process.edit(|c| c.to(&two));
    process.signal("HUP");
    eventually("the new pool serves", || process.connect().ask(&get(ACME, "/")).text() == "two");
    process.edit(|c| c.set("plans", "{ free: { colour: red } }"));
    process.signal("HUP");
    eventually("the log says why not", || process.log().iter().any(|line| line.contains("colour")));
    assert!(process.is_running());
    assert_eq!(process.connect().ask(&get(ACME, "/")).text(), "two");
}
