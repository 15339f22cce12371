//! Routes over several pools: whose requests go where, and stay there.

use std::collections::BTreeMap;

use crate::harness::{
    ACME, ADMIN_TOKEN, Client, Config, GLOBEX, Message, Origin, TestGateway, config, get, request,
};

/// Pools that answer with their own names, and the origins behind them.
fn pools(names: &[&str]) -> (Config, Vec<Origin>) {
    let origins: Vec<_> = names.iter().map(|name| Origin::saying(name)).collect();
    let both = names.iter().zip(&origins);
    let config = both.fold(config(), |config, (name, origin)| config.pool(name, &[origin.address()], ""));
    (config.set("default_pool", names[0]), origins)
}

fn route(split: &str) -> String {
    format!("[{{ name: all, match: {{ path_prefix: / }}, split: {split} }}]")
}

/// Where each of so many requests went, counted.
#[track_caller]
fn counted(
    gateway: &TestGateway,
    count: usize,
    message: impl Fn(usize) -> Message,
) -> BTreeMap<String, usize> {
    let mut client = gateway.connect();
    let mut counts = BTreeMap::new();
    for at in 0..count {
        let answer = client.ask(&message(at));
        assert_eq!(answer.status, 200, "{answer:?}");
        *counts.entry(answer.text()).or_default() += 1;
    }
    counts
}

#[test]
fn requests_go_to_pools_by_weight() {
    let (config, _origins) = pools(&["shared", "canary", "none"]);
    let split =
        "[{ pool: '{tenant.pool}', weight: 3 }, { pool: canary, weight: 1 }, { pool: none, weight: 0 }]";
    let gateway = config.set("routes", &route(split)).start();
    let counts = counted(&gateway, 400, |_| get(ACME, "/"));
    // 100 are expected; these bounds are more than seven standard deviations away.
    assert!((35..165).contains(&counts["canary"]), "{counts:?}");
    assert_eq!(counts["shared"] + counts["canary"], 400, "{counts:?}");
    let pools: Vec<_> =
        gateway.access_log(400).iter().map(|line| line["pool"].as_str().unwrap().to_owned()).collect();
    assert_eq!(pools.iter().filter(|pool| *pool == "canary").count(), counts["canary"]);
}

#[test]
fn a_tenant_stays_where_it_is_and_moves_only_to_where_there_is_more() {
    let (config, _origins) = pools(&["shared", "canary"]);
    let split = |weight: u32| {
        route(&format!(
            "[{{ pool: shared, weight: 95 }}, {{ pool: canary, weight: {weight}, sticky: tenant }}]"
        ))
    };
    let ids: Vec<_> = (0..60).map(|at| format!("t{at}")).collect();
    let tenants = ids.iter().map(|id| format!("{{ id: {id}, plan: free }}")).collect::<Vec<_>>().join(", ");
    let mut gateway = config.set("tenants", &format!("[{tenants}]")).set("routes", &split(5)).start();
    let places = |gateway: &TestGateway| -> Vec<String> {
        let place = |id: &String| {
            let host = format!("{id}.app.test");
            let counts = counted(gateway, 3, |_| get(&host, "/"));
            assert_eq!(counts.len(), 1, "{id} is at {counts:?}");
            counts.into_keys().next().unwrap()
        };
        ids.iter().map(place).collect()
    };
    let before = places(&gateway);
    gateway.reload(|config| config.set("routes", &split(50))).unwrap();
    let after = places(&gateway);
    assert!(before.iter().zip(&after).all(|(was, is)| was == is || is == "canary"), "{before:?} {after:?}");
    assert!(
        after.iter().filter(|is| *is == "canary").count()
            > before.iter().filter(|is| *is == "canary").count()
    );
}

#[test]
fn a_client_comes_back_by_its_cookie() {
    let (config, _origins) = pools(&["a", "b"]);
    let split = "[{ pool: a, weight: 1, sticky: { cookie: tg_ab } }, { pool: b, weight: 1 }]";
    let gateway = config.set("trusted_proxies", "[127.0.0.1]").set("routes", &route(split)).start();
    let mut places = BTreeMap::new();
    for _ in 0..40 {
        let first = gateway.ask(&get(ACME, "/").header("Cookie", "other=1"));
        let line = first.header("set-cookie").unwrap().to_owned();
        let (cookie, rest) = line.split_once(';').unwrap();
        assert_eq!(rest, " Path=/; HttpOnly; SameSite=Lax");
        let value = cookie.strip_prefix("tg_ab=").unwrap();
        assert!(value.len() == 16 && value.bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
        let again = counted(&gateway, 3, |_| get(ACME, "/").header("Cookie", &format!("other=1; {cookie}")));
        assert_eq!(again.keys().collect::<Vec<_>>(), [&first.text()]);
        let kept = gateway.ask(&get(GLOBEX, "/").header("Cookie", cookie));
        assert_eq!((kept.header("set-cookie"), kept.text()), (None, first.text()));
        *places.entry(first.text()).or_insert(0) += 1;
    }
    assert_eq!(places.len(), 2, "{places:?}");
    let secure = gateway.ask(&get(ACME, "/").header("X-Forwarded-Proto", "https"));
    assert!(secure.header("set-cookie").unwrap().ends_with("; Secure"), "{secure:?}");
}

#[test]
fn what_has_the_same_field_stays_together() {
    let (config, _origins) = pools(&["a", "b"]);
    let split = "[{ pool: a, weight: 1, sticky: { header: X-User } }, { pool: b, weight: 1, sticky: { header: x-user } }]";
    let gateway = config.set("routes", &route(split)).start();
    let mut places = BTreeMap::new();
    for user in 0..40 {
        let counts = counted(&gateway, 2, |_| get(ACME, "/").header("X-User", &format!("user-{user}")));
        assert_eq!(counts.len(), 1, "{counts:?}");
        *places.entry(counts.into_keys().next().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(places.len(), 2, "{places:?}");
    // Without it, the tenant does.
    assert_eq!(counted(&gateway, 10, |_| get(ACME, "/")).len(), 1);
}

#[test]
fn a_plan_or_a_tenant_splits_a_route_of_its_own() {
    let (config, _origins) = pools(&["rest", "canary"]);
    let gateway = config
        .set("routes", "[{ name: all, match: { path_prefix: / }, pool: rest }]")
        .set("store", "sqlite:{dir}/tenants.db")
        .set(
            "tenants",
            "[{ id: acme, plan: free, routes: [{ name: all, split: [{ pool: rest, weight: 0 }, { pool: canary, weight: 1 }] }] },
              { id: globex, plan: free }]",
        )
        .start();
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "canary");
    assert_eq!(gateway.ask(&get(GLOBEX, "/")).text(), "rest");
    let put = |routes: &str| {
        let message = request("PUT", "admin.test", "/api/v1/tenants/initech")
            .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
            .header("Connection", "close")
            .body(format!("{{ \"plan\": \"free\", \"routes\": {routes} }}"));
        Client::connect(gateway.admin_address()).ask(&message)
    };
    let split =
        |pool: &str| format!(r#"[{{ "name": "all", "split": [{{ "pool": "{pool}", "weight": 1 }}] }}]"#);
    assert_eq!(put(&split("canary")).status, 201);
    assert_eq!(gateway.ask(&get("initech.app.test", "/")).text(), "canary");
    let refused = put(&split("canari"));
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("did you mean `canary`?"), "{refused:?}");
}

#[test]
fn a_pool_of_a_split_fails_over_and_keeps_to_its_own_seats() {
    let (config, _origins) = pools(&["shared", "spare"]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = config
        .pool(
            "canary",
            &[nobody],
            "failover: spare, health_check: { path: /, interval: 100ms, timeout: 100ms, unhealthy: 1 }",
        )
        .set("routes", &route("[{ pool: shared, weight: 0 }, { pool: canary, weight: 1 }]"))
        .start();
    crate::harness::eventually("the spare pool serves", || gateway.ask(&get(ACME, "/")).text() == "spare");
    assert!(gateway.metric("tollgate_pool_seats_in_use", &[("pool", "spare")]) < 1.0);
}
