//! What of the application a tenant has: by its plan, by itself, in part, and for a while.

use serde_json::json;

use crate::harness::{ACME, ADMIN_TOKEN, Client, Config, GLOBEX, Origin, TestGateway, config, get, request};

const ROUTES: &str = "[
  { match: { path_prefix: / } },
  { match: { path_prefix: /ui }, requires_feature: new-ui },
  { match: { path_prefix: /sso }, requires_feature: sso },
]";

fn with_features(origin: &Origin, of_plan: &str, tenants: &str) -> Config {
    config()
        .to(origin)
        .set("routes", ROUTES)
        .set("plans", &format!("{{ free: {{ features: {of_plan} }} }}"))
        .set("tenants", tenants)
        .set("identity", "{ features_header: X-Tenant-Features }")
}

/// What the application is told of the features of whoever asks for this host.
#[track_caller]
fn told(gateway: &TestGateway, origin: &Origin, host: &str) -> Option<String> {
    gateway.ask(&get(host, "/")).assert_status(200);
    origin.last_request().header("x-tenant-features").map(ToOwned::to_owned)
}

#[test]
fn a_tenant_adds_to_its_plan_and_does_without() {
    let origin = Origin::echo();
    let tenants = "[
      { id: acme, plan: free, features: [new-ui, { name: sso, enabled: false }] },
      { id: globex, plan: free },
      { id: alone },
    ]";
    let gateway = with_features(&origin, "[sso, audit]", tenants).start();
    assert_eq!(told(&gateway, &origin, ACME).as_deref(), Some("audit,new-ui"));
    assert_eq!(told(&gateway, &origin, GLOBEX).as_deref(), Some("audit,sso"));
    assert_eq!(told(&gateway, &origin, "alone.app.test"), None);
    gateway.ask(&get(ACME, "/ui")).assert_status(200);
    gateway.ask(&get(ACME, "/sso")).assert_refused(403, "feature_not_in_plan");
    gateway.ask(&get(GLOBEX, "/ui")).assert_refused(403, "feature_not_in_plan");
    gateway.ask(&get(GLOBEX, "/sso")).assert_status(200);
}

#[test]
fn a_feature_comes_at_its_hour_in_the_tenants_time_zone_and_goes() {
    let origin = Origin::echo();
    let tenants = "[
      { id: acme, plan: free, time_zone: Asia/Tokyo },
      { id: globex, plan: free },
    ]";
    let of_plan = "[{ name: new-ui, from: 2026-12-01, until: 2026-12-24T18:00 }, { name: sso, from: '2026-12-01T00:00:00Z' }]";
    let gateway = with_features(&origin, of_plan, tenants).start();
    let at = |moment: &str| {
        gateway.set_wall(moment);
        [ACME, GLOBEX].map(|host| told(&gateway, &origin, host).unwrap_or_default())
    };
    assert_eq!(at("2026-11-30T14:59:59Z"), ["", ""]);
    assert_eq!(at("2026-11-30T15:00:00Z"), ["new-ui", ""], "midnight in Tokyo");
    gateway.ask(&get(GLOBEX, "/ui")).assert_refused(403, "feature_not_in_plan");
    assert_eq!(at("2026-12-01T00:00:00Z"), ["new-ui,sso", "new-ui,sso"]);
    gateway.ask(&get(GLOBEX, "/ui")).assert_status(200);
    assert_eq!(at("2026-12-24T09:00:00Z"), ["sso", "new-ui,sso"]);
    assert_eq!(at("2026-12-24T18:00:00Z"), ["sso", "sso"]);
    assert_eq!(at("2026-11-30T15:00:00Z"), ["new-ui", ""], "a clock that is set back");
}

#[test]
fn a_part_of_a_plans_tenants_has_a_feature_and_more_of_them_keep_it() {
    let origin = Origin::echo();
    let ids: Vec<String> = (0..40).map(|number| format!("t-{number}")).collect();
    let tenants: Vec<String> = ids.iter().map(|id| format!("{{ id: {id}, plan: free }}")).collect();
    let tenants = format!("[{}]", tenants.join(", "));
    let rolled_out = |percent: u8| format!("[sso, {{ name: new-ui, percent: {percent} }}]");
    let mut gateway = with_features(&origin, &rolled_out(25), &tenants).start();
    let have = |gateway: &TestGateway| -> Vec<bool> {
        let mut client = gateway.connect();
        let has = |id: &String| client.ask(&get(&format!("{id}.app.test"), "/ui")).status == 200;
        ids.iter().map(has).collect()
    };
    let some = have(&gateway);
    assert!((2..=20).contains(&some.iter().filter(|has| **has).count()), "{some:?}");
    assert_eq!(have(&gateway), some);
    gateway
        .reload(|config| config.set("plans", &format!("{{ free: {{ features: {} }} }}", rolled_out(60))))
        .unwrap();
    let more = have(&gateway);
    assert!(some.iter().zip(&more).all(|(some, more)| !some || *more), "{some:?} {more:?}");
    assert_ne!(some, more);
    gateway.reload(|config| config.set("plans", "{ free: { features: [new-ui] } }")).unwrap();
    assert!(have(&gateway).iter().all(|has| *has));
}

/// What is sent under the header's name is the gateway's, in all spellings and also from proxies that are believed.
#[test]
fn nobody_gives_a_tenant_features() {
    let origin = Origin::echo();
    let gateway = with_features(&origin, "[sso]", "[{ id: acme, plan: free }, { id: bare }]")
        .set("trusted_proxies", "[127.0.0.9/32]")
        .start();
    for (host, own) in [(ACME, vec!["sso"]), ("bare.app.test", vec![])] {
        for from in ["127.0.0.9", "127.0.0.8"] {
            let message = get(host, "/")
                .header("X-Tenant-Features", "admin")
                .header("x-tenant-features", "root")
                .header("X_Tenant_Features", "admin")
                .header("x-Tenant_features", "admin");
            Client::connect_from(from, gateway.address()).ask(&message).assert_status(200);
            let request = origin.last_request();
            let alike = |name: &str| name.to_ascii_lowercase().replace('_', "-") == "x-tenant-features";
            let values: Vec<&str> = request
                .headers
                .iter()
                .filter(|(name, _)| alike(name))
                .map(|(_, value)| value.as_str())
                .collect();
            assert_eq!(values, own, "{host} from {from}");
        }
    }
}

#[test]
fn a_tenant_of_the_store_has_what_the_api_says_from_the_next_request_on() {
    let origin = Origin::echo();
    let gateway = with_features(&origin, "[sso]", "[]").set("store", "sqlite:{dir}/tenants.db").start();
    let put = |features: serde_json::Value| {
        let tenant = json!({ "plan": "free", "time_zone": "Asia/Tokyo", "features": features });
        let message = request("PUT", "admin.test", "/api/v1/tenants/acme")
            .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
            .header("Content-Type", "application/json")
            .body(tenant.to_string());
        let answer = Client::connect(gateway.admin_address()).ask(&message);
        assert!(answer.status < 300, "{answer:?}");
    };
    put(json!([]));
    assert_eq!(told(&gateway, &origin, ACME).as_deref(), Some("sso"));
    let features =
        json!(["audit", { "name": "new-ui", "from": "2026-12-01" }, { "name": "sso", "enabled": false }]);
    put(features.clone());
    assert_eq!(told(&gateway, &origin, ACME).as_deref(), Some("audit"));
    gateway.set_wall("2026-11-30T15:00:00Z");
    assert_eq!(told(&gateway, &origin, ACME).as_deref(), Some("audit,new-ui"));
    assert_eq!(gateway.admin("/api/v1/tenants/acme").json()["features"], features);
}
