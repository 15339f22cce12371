//! Several rate limits on one request: named ones, routes', keyed ones, and those that only count.

use std::time::Duration;

use crate::harness::{
    ACME, Client, Config, GLOBEX, Gate, Origin, Response, TestGateway, config, eventually, get,
};

fn with_plan(origin: &Origin, plan: &str) -> Config {
    config().to(origin).set("plans", &format!("{{ free: {plan} }}"))
}

/// Routes to `/`, `/reports` and `/login`, each by its name.
fn routed(config: Config, login: &str) -> Config {
    config.set(
        "routes",
        &format!(
            "[{{ name: all, match: {{ path_prefix: / }} }},
              {{ name: reports, match: {{ path_prefix: /reports }} }},
              {{ name: login, match: {{ path_prefix: /login }}{login} }}]"
        ),
    )
}

fn field(answer: &Response, name: &str) -> String {
    answer.header(name).unwrap_or_default().to_owned()
}

#[test]
fn all_limits_that_apply_are_told_and_the_longest_wait_binds() {
    let origin = Origin::echo();
    let plan = "{ rate_limit: { rate: 1/s, burst: 3 }, rate_limits: [
        { name: hourly, rate: 2/h, burst: 2 }, { name: of-reports, rate: 1/s, routes: [reports] }] }";
    let gateway = routed(with_plan(&origin, plan), "").start();
    let answer = gateway.ask(&get(ACME, "/"));
    answer.assert_status(200);
    assert_eq!(field(&answer, "ratelimit-policy"), "\"default\";q=3;w=3, \"hourly\";q=2;w=3600");
    assert_eq!(field(&answer, "ratelimit"), "\"default\";r=2;t=1, \"hourly\";r=1;t=1800");
    let answer = gateway.ask(&get(ACME, "/reports"));
    answer.assert_status(200);
    assert_eq!(
        field(&answer, "ratelimit"),
        "\"default\";r=1;t=2, \"hourly\";r=0;t=3600, \"of-reports\";r=0;t=1"
    );
    let refused = gateway.ask(&get(ACME, "/reports"));
    refused.assert_refused(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("1800"));
    assert_eq!(refused.json()["violated-policies"], serde_json::json!(["hourly", "of-reports"]));
    assert_eq!(
        field(&refused, "ratelimit"),
        "\"default\";r=1;t=2, \"hourly\";r=0;t=1800, \"of-reports\";r=0;t=1",
        "what one limit refuses is charged to none"
    );
    gateway.advance(Duration::from_secs(1800));
    gateway.ask(&get(ACME, "/reports")).assert_status(200);
}

#[test]
fn a_routes_limit_is_each_tenants_own_and_goes_by_the_routes_name() {
    let origin = Origin::echo();
    let login = ", rate_limit: { rate: 2/min, burst: 2 }, cost: 2";
    let gateway = routed(with_plan(&origin, "{ rate_limit: { rate: 1/s, burst: 10 } }"), login).start();
    let answer = gateway.ask(&get(ACME, "/login"));
    answer.assert_status(200);
    assert_eq!(field(&answer, "ratelimit-policy"), "\"default\";q=10;w=10, \"login\";q=2;w=60");
    let refused = gateway.ask(&get(ACME, "/login"));
    refused.assert_refused(429, "rate_limited");
    assert_eq!(refused.json()["violated-policies"], serde_json::json!(["login"]));
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert!(field(&refused, "ratelimit").starts_with("\"default\";r=8;"), "{refused:?}");
    gateway.ask(&get(ACME, "/reports")).assert_status(200);
    gateway.ask(&get(GLOBEX, "/login")).assert_status(200);
}

#[test]
fn each_client_address_has_a_rate_of_its_own() {
    let origin = Origin::echo();
    let plan = "{ rate_limits: [{ name: per-ip, rate: 1/s, by: client_ip }] }";
    let gateway = with_plan(&origin, plan).set("trusted_proxies", "[127.0.0.9/32]").start();
    let ask = |from: &str| Client::connect_from(from, gateway.address()).ask(&get(ACME, "/"));
    ask("127.0.0.1").assert_status(200);
    ask("127.0.0.1").assert_refused(429, "rate_limited");
    ask("127.0.0.2").assert_status(200);
    let mut proxy = Client::connect_from("127.0.0.9", gateway.address());
    let behind = |client| get(ACME, "/").header("X-Forwarded-For", client);
    proxy.ask(&behind("203.0.113.5")).assert_status(200);
    proxy.ask(&behind("203.0.113.5")).assert_refused(429, "rate_limited");
    proxy.ask(&behind("203.0.113.6")).assert_status(200);
    // Who is not behind the proxy can't make up an address.
    let mut client = Client::connect_from("127.0.0.3", gateway.address());
    client.ask(&behind("203.0.113.7")).assert_status(200);
    client.ask(&behind("203.0.113.8")).assert_refused(429, "rate_limited");
    proxy.ask(&behind("127.0.0.3")).assert_refused(429, "rate_limited");
}

#[test]
fn each_value_of_a_header_has_a_rate_of_its_own_inside_the_tenant() {
    let origin = Origin::echo();
    let plan = "{ rate_limits: [{ name: per-key, rate: 1/s, by: { header: X-Api-Key } }] }";
    let gateway = with_plan(&origin, plan).start();
    let ask = |host, key| gateway.ask(&get(host, "/").header("X-Api-Key", key));
    ask(ACME, "k-secret-1").assert_status(200);
    let refused = ask(ACME, "k-secret-1");
    refused.assert_refused(429, "rate_limited");
    ask(ACME, "k-secret-2").assert_status(200);
    ask(GLOBEX, "k-secret-1").assert_status(200);
    gateway.ask(&get(ACME, "/")).assert_status(200);
    gateway.ask(&get(ACME, "/")).assert_refused(429, "rate_limited");
    let log = gateway.access_log(6);
    let shown = format!("{log:?}{}{}", gateway.metrics(), refused.text());
    assert!(!shown.contains("k-secret"), "a key's value is shown: {shown}");
}

#[test]
fn a_flood_of_keys_lets_no_key_in_again() {
    let origin = Origin::echo();
    let plan = "{ rate_limits: [{ name: per-key, rate: 1/h, by: { header: X-Api-Key }, keys: 100 }] }";
    let gateway = with_plan(&origin, plan).start();
    let mut client = gateway.connect();
    let mut ask = |key: &str| client.ask(&get(ACME, "/").header("X-Api-Key", key)).status;
    assert_eq!(ask("first"), 200);
    let admitted: Vec<String> =
        (0..400).map(|n| format!("stranger-{n}")).filter(|key| ask(key) == 200).collect();
    assert!(admitted.len() >= 100, "only {} had room", admitted.len());
    assert_eq!(ask("first"), 429);
    for key in &admitted {
        assert_eq!(ask(key), 429, "{key} came back with a full bucket");
    }
}

#[test]
fn keys_survive_a_reload() {
    let origin = Origin::echo();
    let plan = |more: &str| {
        format!("{{ rate_limits: [{{ name: per-key, rate: 1/h, by: {{ header: X-Api-Key }} }}]{more} }}")
    };
    let mut gateway = with_plan(&origin, &plan("")).start();
    let ask = |gateway: &TestGateway| gateway.ask(&get(ACME, "/").header("X-Api-Key", "one"));
    ask(&gateway).assert_status(200);
    let free = format!("{{ free: {} }}", plan(", features: [reports]"));
    gateway.reload(|config| config.set("plans", &free)).unwrap();
    ask(&gateway).assert_refused(429, "rate_limited");
}

#[test]
fn a_tenants_limit_takes_the_place_of_its_plans() {
    let origin = Origin::echo();
    let plan = "{ rate_limits: [{ name: a, rate: 1/s }, { name: b, rate: 5/s }] }";
    let tenants = "[{ id: acme, plan: free, limits: { rate_limits: [{ name: a, rate: 2/s }, { name: c, rate: 7/s }] } },
                    { id: globex, plan: free }]";
    let gateway = with_plan(&origin, plan).set("tenants", tenants).start();
    let policy = |host| field(&gateway.ask(&get(host, "/")), "ratelimit-policy");
    assert_eq!(policy(ACME), "\"a\";q=2;w=1, \"b\";q=5;w=1, \"c\";q=7;w=1");
    assert_eq!(policy(GLOBEX), "\"a\";q=1;w=1, \"b\";q=5;w=1");
}

#[test]
fn a_limit_in_the_shadow_refuses_nothing_and_counts() {
    let origin = Origin::echo();
    let plan = "{ rate_limit: { rate: 1/s, burst: 4, shadow: true },
                  rate_limits: [{ name: strict, rate: 1/s, shadow: true }] }";
    let mut gateway = with_plan(&origin, plan).start();
    for _ in 0..6 {
        let answer = gateway.ask(&get(ACME, "/"));
        answer.assert_status(200);
        assert_eq!(answer.all("ratelimit").len() + answer.all("ratelimit-policy").len(), 0);
    }
    let counted = |gateway: &TestGateway, limit| {
        gateway.metric("tollgate_shadow_rejected_total", &[("tenant", "acme"), ("limit", limit)])
    };
    assert_eq!((counted(&gateway, "default"), counted(&gateway, "strict")), (2.0, 5.0));
    // Armed, it goes on where it is.
    let armed = "{ free: { rate_limit: { rate: 1/s, burst: 4 } } }";
    gateway.reload(|config| config.set("plans", armed)).unwrap();
    gateway.ask(&get(ACME, "/")).assert_refused(429, "rate_limited");
}

#[test]
fn a_client_that_goes_away_after_it_was_let_in_stays_charged() {
    let gate = Gate::shut();
    let waiting = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        waiting.pass();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = with_plan(&origin, "{ rate_limit: { rate: 1/h, burst: 2 } }").start();
    let mut leaving = gateway.connect();
    leaving.send(get(ACME, "/").bytes());
    eventually("it is being served", || gate.waiting() == 1);
    drop(leaving);
    gate.throw_open();
    assert!(field(&gateway.ask(&get(ACME, "/")), "ratelimit").starts_with("\"default\";r=0;"));
}

#[test]
fn too_many_in_flight_are_not_charged() {
    let gate = Gate::shut();
    let waiting = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        waiting.pass();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let plan = "{ rate_limit: { rate: 1/h, burst: 3 }, concurrency: { max: 1 } }";
    let gateway = with_plan(&origin, plan).start();
    let mut first = gateway.connect();
    first.send(get(ACME, "/").bytes());
    eventually("it is being served", || gate.waiting() == 1);
    for _ in 0..3 {
        let refused = gateway.ask(&get(ACME, "/"));
        refused.assert_refused(429, "concurrency_exceeded");
        assert!(field(&refused, "ratelimit").starts_with("\"default\";r=2;"), "{refused:?}");
    }
    gate.throw_open();
    first.answer().assert_status(200);
}

#[test]
fn the_api_says_how_each_limit_stands() {
    let origin = Origin::echo();
    let plan = "{ rate_limit: { rate: 1/s, burst: 3 }, rate_limits: [
        { name: per-client, rate: 6/min, burst: 2, by: client_ip, routes: [reports], keys: 100, shadow: true }] }";
    let gateway = routed(with_plan(&origin, plan), "").start();
    for _ in 0..2 {
        gateway.ask(&get(ACME, "/reports")).assert_status(200);
    }
    let limits = gateway.admin("/api/v1/tenants/acme/limits").json();
    let expected = serde_json::json!([
        { "name": "default", "units": 1, "period_seconds": 1.0, "burst": 3, "by": null, "routes": null,
          "shadow": false, "remaining": 1, "reset_seconds": 2, "keys": null },
        { "name": "per-client", "units": 6, "period_seconds": 60.0, "burst": 2, "by": "client_ip",
          "routes": ["reports"], "shadow": true, "remaining": null, "reset_seconds": null,
          "keys": { "in_use": 1, "max": 100 } },
    ]);
    assert_eq!(limits["rate_limits"], expected);
}
