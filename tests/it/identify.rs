//! Whose request it is.

use crate::harness::{ACME, Client, Message, Origin, TestGateway, config, get};

/// A gateway where acme has domains and tenants can also be named by a trusted proxy.
fn gateway(origin: &Origin) -> TestGateway {
    config()
        .to(origin)
        .set("trusted_proxies", "[127.0.0.9/32]")
        .set("tenancy", "{ identify: [{ host: '{tenant}.app.test' }, domain, { header: X-Tenant-Id }] }")
        .set(
            "tenants",
            "[{ id: acme, plan: free, domains: [www.acme.test, '*.shop.acme.test'] }, { id: globex, plan: free }]",
        )
        .start()
}

#[track_caller]
fn tenant_of(gateway: &TestGateway, origin: &Origin, message: &Message) -> String {
    gateway.ask(message).assert_status(200);
    origin.last_request().header("x-tenant-id").unwrap_or_default().to_owned()
}

#[test]
fn a_host_pattern_captures_one_label() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    assert_eq!(tenant_of(&gateway, &origin, &get("acme.app.test", "/")), "acme");
    assert_eq!(tenant_of(&gateway, &origin, &get("globex.app.test", "/")), "globex");
    gateway.ask(&get("x.acme.app.test", "/")).assert_refused(404, "unknown_tenant");
    gateway.ask(&get("app.test", "/")).assert_refused(404, "unknown_tenant");
    gateway.ask(&get("acme.app.test.evil.test", "/")).assert_refused(404, "unknown_tenant");
}

#[test]
fn a_claimed_domain_names_its_tenant() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    assert_eq!(tenant_of(&gateway, &origin, &get("www.acme.test", "/")), "acme");
    assert_eq!(tenant_of(&gateway, &origin, &get("one.shop.acme.test", "/")), "acme");
    gateway.ask(&get("shop.acme.test", "/")).assert_refused(404, "unknown_tenant");
    gateway.ask(&get("acme.test", "/")).assert_refused(404, "unknown_tenant");
    gateway.ask(&get("wwwxacme.test", "/")).assert_refused(404, "unknown_tenant");
}

#[test]
fn hosts_compare_without_case_port_or_trailing_dot() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    for host in
        ["ACME.App.Test", "acme.app.test:8080", "acme.app.test.", "Acme.app.test.:80", "WWW.acme.test:1"]
    {
        assert_eq!(tenant_of(&gateway, &origin, &get(host, "/")), "acme", "{host}");
    }
}

#[test]
fn an_unknown_host_is_refused_and_the_origin_never_asked() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    for host in ["nobody.app.test", "example.test", "127.0.0.1", "[::1]:80", "localhost"] {
        gateway.ask(&get(host, "/")).assert_refused(404, "unknown_tenant");
    }
    origin.assert_untouched();
}

#[test]
fn unknown_hosts_can_have_a_tenant_of_their_own() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("tenancy", "{ identify: [{ host: '{tenant}.app.test' }], unknown: { tenant: globex } }")
        .start();
    assert_eq!(tenant_of(&gateway, &origin, &get("anything.test", "/")), "globex");
    assert_eq!(tenant_of(&gateway, &origin, &get("acme.app.test", "/")), "acme");
}

#[test]
fn a_trusted_proxy_may_name_the_tenant() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    let message = get("internal.test", "/").header("X-Tenant-Id", "globex");
    Client::connect_from("127.0.0.9", gateway.address()).ask(&message).assert_status(200);
    assert_eq!(origin.last_request().header("x-tenant-id"), Some("globex"));
}

#[test]
fn nobody_else_may() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    let message = get("internal.test", "/").header("X-Tenant-Id", "globex");
    gateway.ask(&message).assert_refused(404, "unknown_tenant");
    let message = get("acme.app.test", "/").header("X-Tenant-Id", "globex");
    assert_eq!(tenant_of(&gateway, &origin, &message), "acme", "an untrusted name is as if not there");
}

#[test]
fn two_rules_that_name_two_tenants_are_a_conflict() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    let mut trusted = Client::connect_from("127.0.0.9", gateway.address());
    trusted
        .ask(&get("acme.app.test", "/").header("X-Tenant-Id", "globex"))
        .assert_refused(400, "tenant_conflict");
    origin.assert_untouched();
    let mut trusted = Client::connect_from("127.0.0.9", gateway.address());
    trusted.ask(&get("acme.app.test", "/").header("X-Tenant-Id", "acme")).assert_status(200);
    assert_eq!(origin.last_request().header("x-tenant-id"), Some("acme"));
}

#[test]
fn two_headers_that_name_two_tenants_are_a_conflict() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    let message = get("internal.test", "/").header("X-Tenant-Id", "acme").header("X-Tenant-Id", "globex");
    let answer = Client::connect_from("127.0.0.9", gateway.address()).ask(&message);
    assert_eq!(answer.status, 400, "{answer:?}");
    origin.assert_untouched();
}

#[test]
fn a_name_that_is_no_tenants_is_unknown() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    for name in ["nobody", "", "ACME CORP", "../acme", "a,b"] {
        let message = get("internal.test", "/").header("X-Tenant-Id", name);
        let answer = Client::connect_from("127.0.0.9", gateway.address()).ask(&message);
        assert!(matches!(answer.status, 400 | 404), "{name:?}: {answer:?}");
    }
    origin.assert_untouched();
}

#[test]
fn an_invalid_host_is_a_bad_request() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    for host in [
        "acme app.test",
        "acme.app.test/path",
        "user@acme.app.test",
        "acme.app.test:port",
        "acme.app.test:99999",
        "acme..app.test",
        "[::1",
        "acme.app.test, globex.app.test",
        "acme.app.test#",
        "acme.app.test?x",
        "acme\\.app.test",
    ] {
        let mut client = gateway.connect();
        let answer = client.ask(&get(host, "/"));
        assert_eq!(answer.status, 400, "{host:?}: {answer:?}");
    }
    origin.assert_untouched();
}

#[test]
fn tenants_on_one_connection_are_told_apart() {
    let origin = Origin::echo();
    let gateway = gateway(&origin);
    let mut client = gateway.connect();
    for (host, tenant) in
        [("acme.app.test", "acme"), ("globex.app.test", "globex"), ("a.shop.acme.test", "acme")]
    {
        client.ask(&get(host, "/")).assert_status(200);
        assert_eq!(origin.last_request().header("x-tenant-id"), Some(tenant));
    }
}

#[test]
fn what_a_header_has_decided_varies_by_it() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("trusted_proxies", "[127.0.0.0/8]")
        .set("tenancy", "{ identify: [{ host: '{tenant}.app.test' }, domain, { header: X-Tenant-Id }] }")
        .start();
    let vary = |host: &str, tenant: Option<&str>| {
        let message =
            tenant.iter().fold(get(host, "/"), |message, tenant| message.header("X-Tenant-Id", tenant));
        gateway.ask(&message).header("vary").map(str::to_owned)
    };
    assert_eq!(vary("any.example.com", Some("acme")).as_deref(), Some("x-tenant-id"));
    assert_eq!(vary(ACME, None), None);
}
