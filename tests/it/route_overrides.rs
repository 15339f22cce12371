//! What plans and tenants have of routes that differs from the base.

use crate::harness::{ACME, ADMIN_TOKEN, Client, Config, GLOBEX, Origin, TestGateway, config, get, request};

const ROUTES: &str = "[{ name: all, match: { path_prefix: / }, pool: rest },
    { name: api, match: { path_prefix: /api }, pool: api, timeout: 5s,
      response_headers: { set: { X-Route: base } } },
    { name: reports, match: { path: /reports }, pool: api }]";

/// A configuration of pools that answer with their own names, with the base routes.
fn pools() -> (Config, Vec<Origin>) {
    let names = ["rest", "api", "own"];
    let origins: Vec<_> = names.iter().map(|name| Origin::saying(name)).collect();
    let config = names
        .iter()
        .zip(&origins)
        .fold(config(), |config, (name, origin)| config.pool(name, &[origin.address()], ""));
    (config.set("default_pool", "rest").set("routes", ROUTES), origins)
}

#[track_caller]
fn goes_to(gateway: &TestGateway, host: &str, path: &str, pool: &str) {
    let answer = gateway.ask(&get(host, path));
    assert_eq!((answer.status, answer.text().as_str()), (200, pool), "{host}{path}");
}

#[test]
fn a_tenant_adds_replaces_changes_and_disables_routes() {
    let (config, _origins) = pools();
    let gateway = config
        .set(
            "tenants",
            "[{ id: acme, plan: free, routes: [
                 { match: { path_prefix: /own }, pool: own },
                 { name: api, pool: own },
                 { name: reports, disabled: true }] },
              { id: globex, plan: free, routes: [
                 { name: api, match: { path_prefix: /v2 }, pool: own }] }]",
        )
        .start();
    goes_to(&gateway, ACME, "/own/x", "own");
    goes_to(&gateway, ACME, "/", "rest");
    // Only its pool was changed.
    let answer = gateway.ask(&get(ACME, "/api"));
    assert_eq!((answer.text().as_str(), answer.header("x-route")), ("own", Some("base")));
    goes_to(&gateway, ACME, "/reports", "rest");
    // The other tenant's are its own.
    goes_to(&gateway, GLOBEX, "/own/x", "rest");
    goes_to(&gateway, GLOBEX, "/api", "rest");
    goes_to(&gateway, GLOBEX, "/reports", "api");
    let answer = gateway.ask(&get(GLOBEX, "/v2/x"));
    assert_eq!((answer.text().as_str(), answer.header("x-route")), ("own", None));
}

#[test]
fn a_tenants_own_goes_before_its_plans_and_that_before_the_base() {
    let (config, _origins) = pools();
    let gateway = config
        .set(
            "plans",
            "{ free: { routes: [{ name: plans, match: { path_prefix: /api }, pool: rest },
                                { name: all, pool: own }] } }",
        )
        .set(
            "tenants",
            "[{ id: acme, plan: free, routes: [{ match: { path_prefix: /api }, pool: own },
                                               { name: plans, disabled: true },
                                               { name: all, pool: api }] },
              { id: globex, plan: free }]",
        )
        .start();
    goes_to(&gateway, GLOBEX, "/api", "rest");
    goes_to(&gateway, GLOBEX, "/", "own");
    goes_to(&gateway, ACME, "/api", "own");
    goes_to(&gateway, ACME, "/", "api");
}

#[test]
fn limits_of_routes_follow_the_routes_of_the_tenant() {
    let (config, _origins) = pools();
    let gateway = config
        .set(
            "routes",
            "[{ name: all, match: { path_prefix: / } },
              { name: api, match: { path_prefix: /api }, rate_limit: { rate: 1/min, burst: 1 } }]",
        )
        .set("plans", "{ free: {} }")
        .set(
            "tenants",
            "[{ id: acme, plan: free, routes: [
                 { name: api, rate_limit: { rate: 1/min, burst: 2 } },
                 { name: own, match: { path_prefix: /own }, rate_limit: { rate: 1/min, burst: 1 } }] },
              { id: globex, plan: free, routes: [{ name: api, match: { path_prefix: /api } }] }]",
        )
        .start();
    let statuses = |host: &str, path: &str, count: usize| -> Vec<u16> {
        (0..count).map(|_| gateway.ask(&get(host, path)).status).collect()
    };
    assert_eq!(statuses(ACME, "/api", 3), [200, 200, 429]);
    assert_eq!(statuses(ACME, "/own", 2), [200, 429]);
    assert_eq!(statuses(ACME, "/", 3), [200, 200, 200]);
    // A route that is replaced as a whole has no limit left.
    assert_eq!(statuses(GLOBEX, "/api", 3), [200, 200, 200]);
}

#[test]
fn a_reload_changes_a_tenants_routes() {
    let (config, _origins) = pools();
    let tenants = |routes: &str| format!("[{{ id: acme, plan: free, routes: {routes} }}]");
    let mut gateway = config.set("tenants", &tenants("[{ name: api, pool: own }]")).start();
    goes_to(&gateway, ACME, "/api", "own");
    gateway.reload(|config| config.set("tenants", &tenants("[]"))).unwrap();
    goes_to(&gateway, ACME, "/api", "api");
    let refused = gateway.reload(|config| config.set("tenants", &tenants("[{ name: apo, pool: own }]")));
    assert!(refused.unwrap_err().to_string().contains("did you mean `api`?"));
}

#[test]
fn a_stored_tenant_has_routes_of_its_own() {
    let (config, _origins) = pools();
    let gateway = config.set("store", "sqlite:{dir}/tenants.db").start();
    let put = |routes: &str| {
        let message = request("PUT", "admin.test", "/api/v1/tenants/initech")
            .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
            .header("Connection", "close")
            .body(format!("{{ \"plan\": \"free\", \"routes\": {routes} }}"));
        Client::connect(gateway.admin_address()).ask(&message)
    };
    assert_eq!(put(r#"[{ "name": "api", "pool": "own" }]"#).status, 201);
    goes_to(&gateway, "initech.app.test", "/api", "own");
    goes_to(&gateway, ACME, "/api", "api");
    assert_eq!(put(r#"[{ "name": "api", "disabled": true }]"#).status, 200);
    goes_to(&gateway, "initech.app.test", "/api", "rest");
    let refused = put(r#"[{ "name": "apo", "disabled": true }]"#);
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.text().contains("unknown-route"), "{refused:?}");
}
