//! Applications that have hosts of their own, seen under the tenants' domains.

use crate::harness::{
    ACME, ADMIN_TOKEN, Client, Config, GLOBEX, Message, Origin, Response, config, get, request,
};

/// An application that redirects to itself and sets a cookie for all of its own domain.
fn application() -> Origin {
    Origin::answering(
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://app.internal:8080/login?next=%2F\r\n\
         Set-Cookie: sid=1; Domain=.app.test; Path=/; HttpOnly\r\nSet-Cookie: theme=dark\r\n\
         Link: <http://app.internal:8080/a.css>; rel=preload, <https://cdn.test/b.css>; rel=preload\r\n\
         Access-Control-Allow-Origin: http://app.internal:8080\r\nX-Self: http://app.internal:8080/\r\n\r\n",
    )
}

fn with_host(origin: &Origin) -> Config {
    config().pool("shared", &[origin.address()], "host: 'app.internal:8080'")
}

/// The fields that name the application, in order.
fn names(answer: &Response) -> Vec<(&str, &str)> {
    let of_self = ["location", "set-cookie", "link", "access-control-allow-origin", "x-self"];
    let fields = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    fields.filter(|(name, _)| of_self.iter().any(|own| name.eq_ignore_ascii_case(own))).collect()
}

#[test]
fn each_tenant_sees_the_application_under_its_own_host() {
    let origin = application();
    let gateway = with_host(&origin)
        .set("tenants", "[{ id: acme, plan: free, domains: [www.acme.test] }, { id: globex, plan: free }]")
        .start();
    for (host, seen) in [
        ("www.acme.test", "http://www.acme.test"),
        (ACME, "http://acme.app.test"),
        ("Globex.app.test:8080", "http://globex.app.test:8080"),
    ] {
        let answer = gateway.ask(&get(host, "/"));
        assert_eq!(answer.status, 302);
        let own = |rest: &str| format!("{seen}{rest}");
        let (location, origin_seen) = (own("/login?next=%2F"), own(""));
        let link = format!("<{seen}/a.css>; rel=preload, <https://cdn.test/b.css>; rel=preload");
        assert_eq!(answer.header("location"), Some(location.as_str()));
        assert_eq!(answer.header("link"), Some(link.as_str()));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin_seen.as_str()));
        // Of its host alone: `.app.test` would be every tenant's.
        assert_eq!(answer.all("set-cookie"), ["sid=1; Path=/; HttpOnly", "theme=dark"]);
        assert_eq!(answer.header("x-self"), Some("http://app.internal:8080/"));
    }
}

#[test]
fn the_application_is_asked_under_its_own_host() {
    let origin = Origin::echo();
    let gateway = with_host(&origin).start();
    let ask = |from: &str, referer: &str| {
        gateway.ask(&get(ACME, "/x").header("Origin", from).header("Referer", referer)).assert_status(200);
        let seen = origin.last_request();
        let of = |name: &str| seen.header(name).unwrap().to_owned();
        assert_eq!(of("host"), "app.internal:8080");
        assert_eq!(of("x-forwarded-host"), ACME);
        (of("origin"), of("referer"))
    };
    let own = |from: &str, referer: &str| (from.to_owned(), referer.to_owned());
    assert_eq!(
        ask("http://acme.app.test", "http://acme.app.test/form?a"),
        own("http://app.internal:8080", "http://app.internal:8080/form?a")
    );
    // Another site, another tenant, another port and scheme are not the application.
    for from in
        ["https://evil.test", "http://globex.app.test", "http://acme.app.test:81", "https://acme.app.test"]
    {
        let referer = format!("{from}/x");
        assert_eq!(ask(from, &referer), (from.to_owned(), referer));
    }
}

#[test]
fn the_scheme_is_the_one_that_a_trusted_proxy_says() {
    let origin = application();
    let message = || get(ACME, "/").header("X-Forwarded-Proto", "https");
    let location = |config: Config| {
        let answer = config.start().ask(&message());
        answer.header("location").map(ToOwned::to_owned)
    };
    let trusting = with_host(&origin).set("trusted_proxies", "[127.0.0.1]");
    assert_eq!(location(trusting).as_deref(), Some("https://acme.app.test/login?next=%2F"));
    let wary = with_host(&origin);
    assert_eq!(location(wary).as_deref(), Some("http://acme.app.test/login?next=%2F"));
}

#[test]
fn a_host_that_identifies_nobody_is_not_believed() {
    let (origin, echo) = (application(), Origin::echo());
    let gateway = with_host(&origin)
        .set("tenancy", "{ identify: [{ header: X-Tenant-Id }, { host: '{tenant}.app.test' }] }")
        .set("trusted_proxies", "[127.0.0.1]")
        .pool("echo", &[echo.address()], "host: app.internal")
        .set("routes", "[{ match: { path_prefix: / } }, { match: { path_prefix: /echo }, pool: echo }]")
        .start();
    let said = |host: &str, path: &str| get(host, path).header("X-Tenant-Id", "acme");
    let answer = gateway.ask(&said("evil.test", "/"));
    assert_eq!(answer.header("location"), Some("/login?next=%2F"));
    assert_eq!(answer.all("set-cookie"), ["sid=1; Path=/; HttpOnly", "theme=dark"]);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert!(names(&answer).iter().all(|(name, value)| *name == "x-self" || !value.contains("evil")));
    // A header and the host that say the same.
    let answer = gateway.ask(&said(ACME, "/"));
    assert_eq!(answer.header("location"), Some("http://acme.app.test/login?next=%2F"));

    let forged = said("evil.test", "/echo").header("Origin", "http://evil.test");
    gateway.ask(&forged).assert_status(200);
    assert_eq!(echo.last_request().header("origin"), Some("http://evil.test"));
}

#[test]
fn paths_are_those_that_clients_see() {
    let origin = Origin::answering(
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nLocation: /reports/7\r\n\
         Content-Location: http://app.internal/reports\r\nSet-Cookie: a=b; Path=/reports\r\n\r\n",
    );
    let gateway = config()
        .pool("shared", &[origin.address()], "internal_hosts: [app.internal]")
        .set(
            "routes",
            "[{ match: { path_prefix: /api/reports }, rewrite: { prefix: /reports } },
              { match: { path_prefix: /raw }, rewrite: { prefix: /reports }, internal_hosts: [] },
              { match: { path_prefix: /other }, internal_hosts: [other.internal] }]",
        )
        .start();
    let told = |path: &str| {
        let answer = gateway.ask(&get(ACME, path).header("Referer", "http://acme.app.test/api/reports/new"));
        answer.assert_status(201);
        let of = |name: &str| answer.header(name).unwrap().to_owned();
        [of("location"), of("content-location"), of("set-cookie")]
    };
    let mapped = ["/api/reports/7", "http://acme.app.test/api/reports", "a=b; Path=/api/reports"];
    let raw = ["/reports/7", "http://app.internal/reports", "a=b; Path=/reports"];
    assert_eq!(told("/api/reports/new"), mapped);
    let seen = origin.last_request();
    // The host is passed on where only the names are given.
    assert_eq!((seen.target.as_str(), seen.header("host")), ("/reports/new", Some(ACME)));
    assert_eq!(seen.header("referer"), Some("http://app.internal/reports/new"));
    assert_eq!(told("/raw"), raw);
    assert_eq!(told("/other"), raw);
}

#[test]
fn early_hints_show_the_same() {
    let origin = Origin::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: <http://app.internal:8080/a.css>; rel=preload\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    let gateway = with_host(&origin).start();
    let mut client = gateway.connect();
    client.send(get(ACME, "/").bytes());
    let hint = client.response_head().unwrap();
    assert_eq!((hint.status, hint.header("link")), (103, Some("<http://acme.app.test/a.css>; rel=preload")));
    client.answer().assert_status(200);
}

#[test]
fn a_reload_and_a_stored_tenant_have_it_too() {
    let origin = application();
    let mut gateway = config().to(&origin).set("store", "sqlite:{dir}/tenants.db").start();
    let put = |gateway: &crate::harness::TestGateway, body: &str| {
        let message: Message = request("PUT", "admin.test", "/api/v1/tenants/initech")
            .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
            .header("Connection", "close")
            .body(body);
        Client::connect(gateway.admin_address()).ask(&message).status
    };
    assert_eq!(put(&gateway, r#"{ "plan": "free" }"#), 201);
    let location = |gateway: &crate::harness::TestGateway, host: &str| {
        gateway.ask(&get(host, "/")).header("location").unwrap().to_owned()
    };
    assert_eq!(location(&gateway, GLOBEX), "http://app.internal:8080/login?next=%2F");
    let connections = origin.connections();
    gateway.reload(|config| config.pool("shared", &[origin.address()], "host: 'app.internal:8080'")).unwrap();
    assert_eq!(location(&gateway, GLOBEX), "http://globex.app.test/login?next=%2F");
    assert_eq!(location(&gateway, "initech.app.test"), "http://initech.app.test/login?next=%2F");
    assert_eq!(origin.connections(), connections, "the pool's connections stay");
    let own = r#"{ "plan": "free", "routes": [{ "name": "/", "internal_hosts": [] }] }"#;
    assert_eq!(put(&gateway, own), 200);
    assert_eq!(location(&gateway, "initech.app.test"), "http://app.internal:8080/login?next=%2F");
    assert_eq!(location(&gateway, GLOBEX), "http://globex.app.test/login?next=%2F");
}
