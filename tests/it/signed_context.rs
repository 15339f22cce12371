//! What the application is told of a tenant, signed: by the key that is published, verified by a library that is not the
//! gateway's, and by nobody else.

use std::time::Duration;

use jwt_compact::alg::{Ed25519, Hs256, Hs256Key};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt, TimeOptions, Token, UntrustedToken};
use serde_json::{Value, json};

use crate::harness::{ACME, ADMIN_TOKEN, Client, Config, GLOBEX, Origin, TestGateway, config, get, request};

/// The public key of an Ed25519 key, as the library has it.
type PublicKey = <Ed25519 as Algorithm>::VerifyingKey;

const TENANTS: &str = "[
  { id: acme, plan: free, labels: { region: eu, tier: gold }, features: [audit, { name: late, from: '2027-01-01T00:00:00Z' }] },
  { id: globex, plan: free },
]";

/// A new Ed25519 key, as PKCS#8 in PEM.
fn new_key() -> String {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem()
}

/// Signs with what `signed` says, in which `{dir}` has the file `one.pem`.
fn signing(origin: &Origin, signed: &str) -> Config {
    config()
        .to(origin)
        .file("one.pem", &new_key())
        .set("plans", "{ free: { features: [sso] } }")
        .set("tenants", TENANTS)
        .set("identity", &format!("{{ signed: {signed} }}"))
}

fn started(config: Config) -> TestGateway {
    let gateway = config.start();
    // The library looks at the real clock.
    gateway.set_wall(&jiff::Timestamp::now().to_string());
    gateway
}

/// What the application is sent for a request to this host.
#[track_caller]
fn sent(gateway: &TestGateway, origin: &Origin, host: &str) -> String {
    gateway.ask(&get(host, "/")).assert_status(200);
    let request = origin.last_request();
    let lines = request.all("x-tollgate-context");
    assert_eq!(lines.len(), 1, "{request:?}");
    lines[0].to_owned()
}

/// The keys as the admin listener publishes them, without a token.
#[track_caller]
fn published(gateway: &TestGateway) -> Vec<Value> {
    let answer = Client::connect(gateway.admin_address()).ask(&get("admin.test", "/.well-known/jwks.json"));
    answer.assert_status(200);
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    answer.json()["keys"].as_array().unwrap().clone()
}

/// The claims of a token that one of these keys has signed, and that is valid now.
#[track_caller]
fn verified(token: &str, keys: &[Value]) -> Value {
    let untrusted = UntrustedToken::new(token).unwrap();
    assert_eq!(untrusted.algorithm(), "EdDSA");
    let id = untrusted.header().key_id.clone().unwrap();
    let key = keys.iter().find(|key| key["kid"] == *id).unwrap_or_else(|| panic!("{id} is not published"));
    let key: JsonWebKey<'_> = serde_json::from_value(key.clone()).unwrap();
    let key = PublicKey::try_from(&key).unwrap();
    let token: Token<Value> = Ed25519.validator(&key).validate(&untrusted).unwrap();
    let claims = token.claims();
    claims.validate_expiration(&TimeOptions::default()).unwrap();
    let (issued, expires) = (claims.issued_at.unwrap().timestamp(), claims.expiration.unwrap().timestamp());
    let mut all = claims.custom.clone();
    all["iat"] = issued.into();
    all["exp"] = expires.into();
    all
}

#[track_caller]
fn told(gateway: &TestGateway, origin: &Origin, host: &str) -> Value {
    let mut claims = verified(&sent(gateway, origin, host), &published(gateway));
    let claims = claims.as_object_mut().unwrap();
    claims.remove("iat");
    claims.remove("exp");
    Value::Object(claims.clone())
}

#[test]
fn the_application_can_check_whose_a_request_is() {
    let origin = Origin::echo();
    let gateway = started(signing(&origin, "{ key_file: one.pem, ttl: 30s, issuer: gw-1, audience: app }"));
    let claims = verified(&sent(&gateway, &origin, ACME), &published(&gateway));
    let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!((29..=30).contains(&(expires - issued)), "{claims}");
    assert_eq!(
        told(&gateway, &origin, ACME),
        json!({
            "iss": "gw-1", "aud": "app", "tenant": "acme", "plan": "free",
            "features": ["audit", "sso"], "labels": { "region": "eu", "tier": "gold" },
        })
    );
    let globex = told(&gateway, &origin, GLOBEX);
    assert_eq!((&globex["tenant"], &globex["labels"]), (&json!("globex"), &json!({})));
    let keys = published(&gateway);
    assert_eq!(keys.len(), 1);
    assert!(keys[0].get("d").is_none(), "{keys:?}");
    // What is changed on the way is noticed.
    let token = sent(&gateway, &origin, ACME);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let other = sent(&gateway, &origin, GLOBEX);
    let forged = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    assert_ne!(head, other.rsplit_once('.').unwrap().0);
    let key: JsonWebKey<'_> = serde_json::from_value(keys[0].clone()).unwrap();
    let key = PublicKey::try_from(&key).unwrap();
    let forged = UntrustedToken::new(&forged).unwrap();
    assert!(Ed25519.validator::<Value>(&key).validate(&forged).is_err());
}

#[test]
fn a_shared_secret_signs_too_and_is_not_published() {
    let origin = Origin::echo();
    let secret = "0123456789abcdef0123456789abcdef";
    let config = signing(&origin, "{ key_file: secret.key, algorithm: HS256, header: X-Context }");
    let gateway = started(config.file("secret.key", &format!("{secret}\n")));
    gateway.ask(&get(ACME, "/")).assert_status(200);
    let token = origin.last_request().header("x-context").unwrap().to_owned();
    let untrusted = UntrustedToken::new(&token).unwrap();
    let token: Token<Value> = Hs256.validator(&Hs256Key::new(secret)).validate(&untrusted).unwrap();
    assert_eq!(token.claims().custom["tenant"], "acme");
    assert!(Hs256.validator::<Value>(&Hs256Key::new("another")).validate(&untrusted).is_err());
    assert_eq!(published(&gateway), Vec::<Value>::new());
    let status = gateway.admin("/api/v1/status").text();
    assert!(!status.contains(secret));
}

#[test]
fn a_token_serves_many_requests_and_has_half_of_its_time_left_at_least() {
    let origin = Origin::echo();
    let gateway = started(signing(&origin, "{ key_file: one.pem, ttl: 60s }"));
    let first = sent(&gateway, &origin, ACME);
    gateway.advance(Duration::from_millis(29_999));
    assert_eq!(sent(&gateway, &origin, ACME), first);
    gateway.advance(Duration::from_millis(1));
    let second = sent(&gateway, &origin, ACME);
    assert_ne!(second, first);
    assert_eq!(sent(&gateway, &origin, ACME), second);
    // A clock that is set back would have it in use for longer than it is valid.
    gateway.set_wall("2026-01-01T00:00:00Z");
    assert_ne!(sent(&gateway, &origin, ACME), second);
}

#[test]
fn a_change_of_the_tenant_is_told_with_the_next_request() {
    let origin = Origin::echo();
    let mut gateway = started(signing(&origin, "{ key_file: one.pem, ttl: 24h }"));
    let keys = published(&gateway);
    let first = sent(&gateway, &origin, ACME);
    let moved = TENANTS.replace("region: eu", "region: us");
    gateway.reload(|config| config.set("tenants", &moved)).unwrap();
    assert_eq!(told(&gateway, &origin, ACME)["labels"]["region"], "us");
    gateway.reload(|config| config.set("plans", "{ free: { features: [sso, new-ui] } }")).unwrap();
    assert_eq!(told(&gateway, &origin, ACME)["features"], json!(["audit", "new-ui", "sso"]));
    assert_ne!(sent(&gateway, &origin, ACME), first);
    assert_eq!(published(&gateway), keys);
    // And what comes with the time, at its time.
    gateway.set_wall("2026-12-31T23:59:59Z");
    let before = sent(&gateway, &origin, ACME);
    gateway.advance(Duration::from_secs(1));
    assert_ne!(sent(&gateway, &origin, ACME), before);
}

#[test]
fn a_key_takes_another_ones_place_without_a_request_that_cant_be_checked() {
    let origin = Origin::echo();
    let two = new_key();
    let mut gateway = started(signing(&origin, "{ key_file: one.pem }").file("two.pem", &two));
    let old = sent(&gateway, &origin, ACME);
    let set = |gateway: &mut TestGateway, keys: &str| {
        gateway
            .reload(|config| config.set("identity", &format!("{{ signed: {{ keys: {keys} }} }}")))
            .unwrap();
    };
    // The new one is published before it signs.
    set(&mut gateway, "[{ key_file: one.pem }, { key_file: two.pem }]");
    let both = published(&gateway);
    assert_eq!(both.len(), 2);
    let id = |token: &str| UntrustedToken::new(token).unwrap().header().key_id.clone().unwrap();
    assert_eq!(id(&sent(&gateway, &origin, ACME)), id(&old));
    // It signs, and the old one's tokens can be checked.
    set(&mut gateway, "[{ key_file: two.pem }, { key_file: one.pem }]");
    let new = sent(&gateway, &origin, ACME);
    assert_ne!(id(&new), id(&old));
    assert_eq!(verified(&new, &both)["tenant"], "acme");
    assert_eq!(verified(&old, &published(&gateway))["tenant"], "acme");
    set(&mut gateway, "[{ key_file: two.pem }]");
    assert_eq!(published(&gateway).len(), 1);
    // A file with another key in it is another key.
    gateway.reload(|config| config.file("two.pem", &new_key())).unwrap();
    let newest = sent(&gateway, &origin, ACME);
    assert_ne!(id(&newest), id(&new));
    assert_eq!(verified(&newest, &published(&gateway))["tenant"], "acme");
    // One that is none changes nothing.
    assert!(gateway.reload(|config| config.file("two.pem", "nonsense")).is_err());
    assert_eq!(id(&sent(&gateway, &origin, ACME)), id(&newest));
}

/// Whoever could have a token of their own passed on would be whoever they like.
#[test]
fn nobody_else_tells_the_application_whose_a_request_is() {
    let origin = Origin::echo();
    let config = signing(&origin, "{ key_file: one.pem, header: X-Signed-Tenant }");
    let gateway = started(config.set("trusted_proxies", "[127.0.0.9/32]"));
    for from in ["127.0.0.9", "127.0.0.8"] {
        let mut message = get(ACME, "/");
        for name in [
            "X-Signed-Tenant",
            "x-signed-tenant",
            "X_Signed_Tenant",
            "X-SIGNED_TENANT",
            "X_Tollgate_Context",
            "X-Tollgate-Context",
        ] {
            message = message.header(name, "e30.e30.e30");
        }
        Client::connect_from(from, gateway.address()).ask(&message).assert_status(200);
        let request = origin.last_request();
        let alike = |name: &str| {
            let name = name.to_ascii_lowercase().replace('_', "-");
            name == "x-signed-tenant" || name == "x-tollgate-context"
        };
        let lines: Vec<_> = request.headers.iter().filter(|(name, _)| alike(name)).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(verified(&lines[0].1, &published(&gateway))["tenant"], "acme");
    }
}

#[test]
fn labels_of_the_store_are_told_from_when_they_are_asked_for() {
    let origin = Origin::echo();
    let without = signing(&origin, "{ key_file: one.pem }").set("identity", "{}").set("tenants", "[]");
    let mut gateway = started(without.set("store", "sqlite:{dir}/tenants.db"));
    let put = |gateway: &TestGateway, id: &str, tenant: Value| {
        let message = request("PUT", "admin.test", &format!("/api/v1/tenants/{id}"))
            .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
            .header("Content-Type", "application/json")
            .body(tenant.to_string());
        Client::connect(gateway.admin_address()).ask(&message)
    };
    for (id, tenant) in [
        ("acme", json!({ "plan": "free", "labels": { "region": "eu", "owner": "\"Ada\"\n" } })),
        ("globex", json!({ "plan": "free", "features": ["audit"], "labels": { "region": "us" } })),
    ] {
        put(&gateway, id, tenant).assert_status(201);
    }
    // Cached without.
    gateway.ask(&get(ACME, "/")).assert_status(200);
    assert_eq!(origin.last_request().header("x-tollgate-context"), None);
    assert_eq!(gateway.admin("/.well-known/jwks.json").status, 404);
    gateway.reload(|config| config.set("identity", "{ signed: { key_file: one.pem } }")).unwrap();
    let acme = told(&gateway, &origin, ACME);
    assert_eq!(acme["labels"], json!({ "region": "eu", "owner": "\"Ada\"\n" }));
    let globex = told(&gateway, &origin, GLOBEX);
    assert_eq!(
        (&globex["labels"], &globex["features"]),
        (&json!({ "region": "us" }), &json!(["audit", "sso"]))
    );
    put(&gateway, "acme", json!({ "plan": "free", "labels": { "region": "ap" } })).assert_status(200);
    assert_eq!(told(&gateway, &origin, ACME)["labels"], json!({ "region": "ap" }));
    put(&gateway, "acme", json!({ "labels": { "region": "x".repeat(5_000) } })).assert_status(422);
    assert_eq!(told(&gateway, &origin, ACME)["plan"], "free");
}
