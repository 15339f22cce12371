//! What routes bound of their own: bodies and clients.

use crate::harness::{ACME, ADMIN_TOKEN, Client, GLOBEX, Origin, config, get, post, request};

#[test]
fn a_routes_bound_on_bodies_takes_the_place_of_the_tenants() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("plans", "{ free: { request_body: { max: 100B } } }")
        .set(
            "tenants",
            "[{ id: acme, plan: free, limits: { request_body: { max: 50B } } },
              { id: globex, plan: free, routes: [{ name: login, request_body: { max: 20B } }] }]",
        )
        .set(
            "routes",
            "[{ match: { path_prefix: / } },
              { match: { path: /upload }, request_body: { max: 200B } },
              { name: login, match: { path: /login }, request_body: { max: 10B } }]",
        )
        .start();
    for (host, path, max) in [
        (ACME, "/", 50),
        (ACME, "/upload", 200),
        (ACME, "/login", 10),
        (GLOBEX, "/", 100),
        (GLOBEX, "/upload", 200),
        (GLOBEX, "/login", 20),
    ] {
        let body = |length: usize| "x".repeat(length);
        gateway.ask(&post(host, path, body(max))).assert_status(200);
        gateway.ask(&post(host, path, body(max + 1))).assert_refused(413, "body_too_large");
        let (piece, rest) = (body(max), body(1));
        let chunked = request("POST", host, path).chunks(&[piece.as_bytes(), rest.as_bytes()]);
        gateway.ask(&chunked).assert_refused(413, "body_too_large");
    }
    assert_eq!(origin.requests().len(), 6);
}

#[test]
fn a_client_has_to_be_let_in_by_tenant_and_route() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set(
            "tenants",
            "[{ id: acme, plan: free }, { id: globex, plan: free, access: { deny: [127.0.0.3] } }]",
        )
        .set(
            "routes",
            "[{ match: { path_prefix: / } },
              { match: { path_prefix: /admin }, access: { allow: [127.0.0.2, 127.0.0.3] }, cost: 1,
                cors: { allow_origins: ['https://a.test'] } },
              { match: { path_prefix: /fixed }, access: { deny: [127.0.0.2] }, respond: { body: x } }]",
        )
        .set("plans", "{ free: { rate_limit: { rate: 1/min, burst: 5 } } }")
        .start();
    let ask = |source: &str, host: &str, path: &str| {
        Client::connect_from(source, gateway.address()).ask(&get(host, path))
    };
    for (source, host, path, is_let_in) in [
        ("127.0.0.1", ACME, "/", true),
        ("127.0.0.1", ACME, "/admin/x", false),
        ("127.0.0.2", ACME, "/admin/x", true),
        ("127.0.0.3", ACME, "/admin/x", true),
        ("127.0.0.3", GLOBEX, "/admin/x", false),
        ("127.0.0.2", GLOBEX, "/admin/x", true),
        ("127.0.0.2", ACME, "/fixed", false),
        ("127.0.0.1", ACME, "/fixed", true),
    ] {
        let answer = ask(source, host, path);
        match is_let_in {
            true => answer.assert_status(200),
            false => answer.assert_refused(403, "access_denied"),
        }
    }
    // Nothing is charged for what is refused: four of five were let in.
    assert_eq!(ask("127.0.0.1", ACME, "/admin").status, 403);
    assert_eq!(ask("127.0.0.1", ACME, "/").status, 200);
    assert_eq!(ask("127.0.0.1", ACME, "/").status, 429);
    // Nor is a preflight answered for whom the route is closed.
    let preflight = request("OPTIONS", ACME, "/admin")
        .header("Origin", "https://a.test")
        .header("Access-Control-Request-Method", "PUT");
    assert_eq!(gateway.ask(&preflight).status, 403);
    assert_eq!(Client::connect_from("127.0.0.2", gateway.address()).ask(&preflight).status, 204);
    assert_eq!(
        gateway.metric("tollgate_rejected_total", &[("tenant", "acme"), ("reason", "access_denied")]),
        4.0
    );
}

#[test]
fn a_stored_tenants_routes_have_bounds_too() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("store", "sqlite:{dir}/tenants.db")
        .set("routes", "[{ name: all, match: { path_prefix: / } }]")
        .start();
    let body = r#"{ "plan": "free", "routes": [{ "name": "all", "request_body": { "max": 5 }, "access": { "deny": ["127.0.0.2"] } }] }"#;
    let message = request("PUT", "admin.test", "/api/v1/tenants/initech")
        .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
        .header("Connection", "close")
        .body(body);
    assert_eq!(Client::connect(gateway.admin_address()).ask(&message).status, 201);
    gateway.ask(&post("initech.app.test", "/", "12345")).assert_status(200);
    gateway.ask(&post("initech.app.test", "/", "123456")).assert_refused(413, "body_too_large");
    let denied = Client::connect_from("127.0.0.2", gateway.address()).ask(&get("initech.app.test", "/"));
    denied.assert_refused(403, "access_denied");
    gateway.ask(&post(ACME, "/", "123456")).assert_status(200);
}
