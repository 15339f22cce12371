//! What depends on a tenant's labels: routes, and what is filled in from them.

use crate::harness::{ACME, ADMIN_TOKEN, Client, Config, GLOBEX, Origin, TestGateway, config, get, request};

/// Pools that answer with their own names, and the origins behind them.
fn pools(names: &[&str]) -> (Config, Vec<Origin>) {
    let origins: Vec<_> = names.iter().map(|name| Origin::saying(name)).collect();
    let both = names.iter().zip(&origins);
    let config = both.fold(config(), |config, (name, origin)| config.pool(name, &[origin.address()], ""));
    (config.set("default_pool", names[0]), origins)
}

#[track_caller]
fn goes_to(gateway: &TestGateway, host: &str, path: &str, pool: &str) {
    let answer = gateway.ask(&get(host, path));
    assert_eq!((answer.status, answer.text().as_str()), (200, pool), "{host}{path}");
}

#[track_caller]
fn put(gateway: &TestGateway, document: &str) {
    let message = request("PUT", "admin.test", "/api/v1/tenants/initech")
        .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
        .header("Connection", "close")
        .body(document);
    let answer = Client::connect(gateway.admin_address()).ask(&message);
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
}

#[test]
fn routes_are_of_tenants_with_a_label() {
    let (config, _origins) = pools(&["rest", "eu", "gold", "none"]);
    let gateway = config
        .set(
            "tenants",
            "[{ id: acme, plan: free, labels: { region: eu-central, tier: '' } },
              { id: globex, plan: free, labels: { region: us } }]",
        )
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: rest },
              { match: { path_prefix: /, labels: { region: { regex: 'eu-.*' } } }, pool: eu },
              { match: { path_prefix: /t, labels: { tier: { present: true } } }, pool: gold },
              { match: { path_prefix: /t, labels: { tier: { present: false }, region: us } }, pool: none }]",
        )
        .start();
    goes_to(&gateway, ACME, "/", "eu");
    goes_to(&gateway, GLOBEX, "/", "rest");
    goes_to(&gateway, ACME, "/t", "gold");
    goes_to(&gateway, GLOBEX, "/t", "none");
}

#[test]
fn labels_are_filled_in_wherever_a_request_is() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("plans", "{ free: { request_headers: { set: { X-Region: '{tenant.label.region}' } } } }")
        .set("tenants", "[{ id: acme, plan: free, labels: { region: eu, 'cost center': '7' } }, { id: globex, plan: free }]")
        .set(
            "routes",
            "[{ match: { path_prefix: / }, rewrite: { path: '/{tenant.label.region}{path}' },
                response_headers: { set: { X-Center: 'c{tenant.label.cost center}' } } },
              { match: { path: /go }, redirect: { to: 'https://{tenant.label.region}.test{path}' } },
              { match: { path: /say }, respond: { headers: { X-Where: '{tenant.label.region}' } } }]",
        )
        .start();
    let answer = gateway.ask(&get(ACME, "/a").header("X-Region", "mine"));
    assert_eq!(answer.header("x-center"), Some("c7"));
    let echo = answer.text();
    assert!(echo.contains("/eu/a") && echo.contains("eu") && !echo.contains("mine"), "{echo}");
    assert_eq!(gateway.ask(&get(ACME, "/go")).header("location"), Some("https://eu.test/go"));
    assert_eq!(gateway.ask(&get(ACME, "/say")).header("x-where"), Some("eu"));
    // One that it hasn't is nothing.
    let answer = gateway.ask(&get(GLOBEX, "/a").header("X-Region", "mine"));
    assert_eq!(answer.header("x-center"), Some("c"));
    assert!(!answer.text().contains("mine"), "{answer:?}");
}

#[test]
fn labels_of_a_stored_tenant_are_read_once_a_route_asks_for_them() {
    let (config, _origins) = pools(&["rest", "eu"]);
    let mut gateway = config.set("store", "sqlite:{dir}/tenants.db").start();
    put(&gateway, r#"{ "plan": "free", "labels": { "region": "eu" } }"#);
    goes_to(&gateway, "initech.app.test", "/", "rest");
    let routes = "[{ match: { path_prefix: / }, pool: rest },
                   { match: { path_prefix: /, labels: { region: eu } }, pool: eu }]";
    gateway.reload(|config| config.set("routes", routes)).unwrap();
    goes_to(&gateway, "initech.app.test", "/", "eu");
    goes_to(&gateway, ACME, "/", "rest");
    put(&gateway, r#"{ "plan": "free", "labels": { "region": "us" } }"#);
    goes_to(&gateway, "initech.app.test", "/", "rest");
}

#[test]
fn a_stored_tenants_own_settings_may_ask_for_its_labels() {
    let (config, _origins) = pools(&["rest", "eu"]);
    let gateway = config.set("store", "sqlite:{dir}/tenants.db").start();
    put(
        &gateway,
        r#"{ "plan": "free", "labels": { "region": "eu" },
             "response_headers": { "set": { "X-Region": "{tenant.label.region}" } },
             "routes": [{ "match": { "path": "/own", "labels": { "region": "eu" } }, "pool": "eu" }] }"#,
    );
    goes_to(&gateway, "initech.app.test", "/own", "eu");
    let answer = gateway.ask(&get("initech.app.test", "/"));
    assert_eq!((answer.text().as_str(), answer.header("x-region")), ("rest", Some("eu")));
}
