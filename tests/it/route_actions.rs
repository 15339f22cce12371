//! What routes do beside leading to a pool: redirects, answers, other paths and fields.

use crate::harness::{ACME, ADMIN_TOKEN, Client, GLOBEX, Origin, config, eventually, get, request};

#[test]
fn a_redirect_names_parts_of_the_request() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set(
            "routes",
            "[{ match: { path_prefix: / } },
              { match: { path: /old }, redirect: { to: /new, status: 301 } },
              { match: { path_prefix: /docs }, redirect: { to: 'https://{tenant.id}.docs.test{path.rest}{?query}' } },
              { match: { path_template: '/u/{id}' }, redirect: { to: '/users/{path.id}', status: 308 },
                response_headers: { set: { Cache-Control: no-store } } },
              { match: { path_prefix: /strip }, redirect: { to: '/{path.rest}' } }]",
        )
        .start();
    let location = |path: &str| {
        let answer = gateway.ask(&get(ACME, path));
        (answer.status, answer.header("location").map(ToOwned::to_owned))
    };
    let to = |status, location: &str| (status, Some(location.to_owned()));
    assert_eq!(location("/old?a=b"), to(301, "/new"));
    assert_eq!(location("/docs/a/b?c=d"), to(302, "https://acme.docs.test/a/b?c=d"));
    assert_eq!(location("/docs"), to(302, "https://acme.docs.test"));
    assert_eq!(location("/u/7"), to(308, "/users/7"));
    assert_eq!(gateway.ask(&get(ACME, "/u/7")).header("cache-control"), Some("no-store"));
    // However it is spelled, the path leads to no other host.
    assert_eq!(location("/strip//evil.test"), to(302, "/evil.test"));
    origin.assert_untouched();
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

#[test]
fn a_route_answers_with_status_fields_and_body() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set(
            "routes",
            "[{ match: { path: /robots.txt }, respond: { body: \"User-agent: *\\n\" } },
              { match: { path: /gone }, respond: { status: 410, body: '{\"gone\":true}',
                headers: { Content-Type: application/json, X-Whose: '{tenant.id}' } } },
              { match: { path: /nothing }, respond: { status: 204 } }]",
        )
        .start();
    let answer = gateway.ask(&get(ACME, "/robots.txt"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "User-agent: *\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(answer.header("x-request-id").is_some());
    let answer = gateway.ask(&get(GLOBEX, "/gone"));
    assert_eq!((answer.status, answer.text().as_str()), (410, "{\"gone\":true}"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-whose"), Some("globex"));
    assert_eq!(gateway.ask(&get(ACME, "/nothing")).status, 204);
    let head = gateway.ask(&request("HEAD", ACME, "/robots.txt"));
    assert_eq!((head.status, head.header("content-length")), (200, Some("14")));
    origin.assert_untouched();
    assert_eq!(gateway.metric("tollgate_requests_total", &[("tenant", "acme")]), 3.0);
}

#[test]
fn what_a_route_answers_is_limited_like_all_else() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("plans", "{ free: { rate_limit: { rate: 1/min, burst: 2 } } }")
        .set(
            "routes",
            "[{ match: { path: /a }, respond: { body: a } },
              { match: { path: /b }, respond: { body: b }, requires_feature: sso }]",
        )
        .start();
    gateway.ask(&get(ACME, "/b")).assert_refused(403, "feature_not_in_plan");
    let statuses: Vec<u16> = (0..3).map(|_| gateway.ask(&get(ACME, "/a")).status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    origin.assert_untouched();
}

#[test]
fn a_path_is_rewritten_on_its_way_upstream() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set(
            "routes",
            "[{ match: { path_prefix: /api }, rewrite: { prefix: /v1 } },
              { match: { path_template: '/u/{id}' }, rewrite: { path: '/{tenant.id}/users/{path.id}' } },
              { match: { path_prefix: / }, rewrite: { regex: '/old/(.*)', to: '/new/{path.1}' } }]",
        )
        .start();
    for (path, target) in [
        ("/api/x?y=z", "/v1/x?y=z"),
        ("/api", "/v1"),
        ("/x/../api/./b", "/v1/b"),
        ("/api//b%2fc", "/v1/b%2Fc"),
        ("/u/7?q", "/acme/users/7?q"),
        ("/old/a/b", "/new/a/b"),
        ("/as/it//is", "/as/it//is"),
    ] {
        gateway.ask(&get(ACME, path)).assert_status(200);
        assert_eq!(origin.last_request().target, target, "{path}");
    }
    gateway.ask(&request("OPTIONS", ACME, "*")).assert_status(200);
    assert_eq!(origin.last_request().target, "*");
}

#[test]
fn fields_are_filled_in_by_the_request() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("plans", "{ free: { request_headers: { set: { X-Plan: 'free-{tenant.id}' } } } }")
        .set(
            "routes",
            "[{ match: { path_template: '/u/{id}' },
                request_headers: { set: { X-User: '{path.id}', X-From: '{client_ip} {method} {host}' },
                                   add: { X-More: '{path}{?query}' } },
                response_headers: { set: { X-Brace: '{{x}} {request_id}' }, add: { X-Two: b } } }]",
        )
        .start();
    let answer = gateway.ask(&get(ACME, "/u/7?a=b").header("X-User", "forged").header("X-More", "one"));
    answer.assert_status(200);
    let seen = origin.last_request();
    assert_eq!(seen.header("x-plan"), Some("free-acme"));
    assert_eq!(seen.header("x-user"), Some("7"));
    assert_eq!(seen.header("x-from"), Some("127.0.0.1 GET acme.app.test"));
    assert_eq!(seen.all("x-more"), ["one", "/u/7?a=b"]);
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert_eq!(answer.header("x-brace"), Some(format!("{{x}} {id}").as_str()));
    assert_eq!(answer.header("x-two"), Some("b"));
}

#[test]
fn a_route_answers_with_a_file_and_follows_its_changes() {
    let origin = Origin::echo();
    let page = "<!doctype html><title>moved</title>";
    let gateway = config()
        .to(&origin)
        .file("assets/robots.txt", "User-agent: *\n")
        .file("assets/moved.html", page)
        .set(
            "routes",
            "[{ match: { path_prefix: / } },
              { match: { path: /robots.txt }, respond: { file: assets/robots.txt, headers: { Cache-Control: max-age=60 } } },
              { match: { path: /moved }, respond: { status: 410, file: assets/moved.html } },
              { match: { path: /raw }, respond: { file: assets/moved.html, headers: { Content-Type: application/x-own } } }]",
        )
        .start();
    let answer = gateway.ask(&get(ACME, "/robots.txt"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "User-agent: *\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("max-age=60"));
    let answer = gateway.ask(&get(ACME, "/moved"));
    assert_eq!((answer.status, answer.text().as_str()), (410, page));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(gateway.ask(&get(ACME, "/raw")).header("content-type"), Some("application/x-own"));
    let head = gateway.ask(&request("HEAD", ACME, "/moved"));
    assert_eq!((head.status, head.header("content-length")), (410, Some("35")));
    // No word to the gateway: it looks itself.
    let robots = gateway.directory().join("assets/robots.txt");
    std::fs::write(robots, "User-agent: none\n").unwrap();
    eventually("the file is read again", || {
        gateway.ask(&get(ACME, "/robots.txt")).text() == "User-agent: none\n"
    });
    origin.assert_untouched();
}

#[test]
fn a_tenant_of_the_api_names_no_file() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("store", "sqlite:{dir}/tenants.db").start();
    let document = r#"{ "plan": "free", "routes": [{ "match": { "path": "/a" }, "respond": { "file": "tollgate.yaml" } }] }"#;
    let message = request("PUT", "admin.test", "/api/v1/tenants/initech")
        .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
        .header("Connection", "close")
        .body(document);
    let refused = Client::connect(gateway.admin_address()).ask(&message);
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.text().contains("can't name a file"), "{refused:?}");
}

#[test]
fn a_redirect_s_host_is_the_one_that_was_written() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set(
            "routes",
            r#"[{ match: { path_prefix: /docs }, redirect: { to: "https://docs.example.com{path.rest}{?query}" } },
               { match: { path_prefix: /label }, redirect: { to: "https://{tenant.label.h}.example.com/x" } }]"#,
        )
        .start();
    let location = |path: &str| {
        let answer = gateway.ask(&get(ACME, path));
        (answer.status, answer.header("location").map(str::to_owned))
    };
    for path in ["/docs;@evil.test/x", "/docs;:80@evil.test:81/x", "/docs/x"] {
        let (status, to) = location(path);
        assert!(
            status == 400 || to.as_deref() == Some("https://docs.example.com/x"),
            "{path}: {status} {to:?}"
        );
    }
    assert_eq!(location("/label").0, 400, "there is no such label");
}
