//! Faults have their pointers, and YAML and JSON mean the same.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::document::{TenantState, UnknownTenant};
use crate::config::load_text;

const DOCUMENT: &str = r"
listeners: [{ bind: 127.0.0.1:0 }]
tenancy: { identify: [{ host: '{tenant}.app.test' }, domain] }
plans:
  free: { rate_limit: { rate: 10/s } }
  pro: { pool: big, quotas: [{ name: monthly, meter: requests, limit: 1000, per: month }], features: [reports] }
pools:
  small: { endpoints: ['http://127.0.0.1:9001'] }
  big: { endpoints: ['http://127.0.0.1:9002'] }
routes:
  - { name: costly, match: { path_prefix: /costly }, cost: 5, requires_feature: reports }
  - { name: limited, match: { path_prefix: /limited }, rate_limit: { rate: 9/s } }
  - { name: all, match: { path_prefix: / } }
";

fn document(more: &str) -> Document {
    let text = format!("{DOCUMENT}{more}");
    let loaded = load_text(&text, "test.yaml", Path::new(""), &|_| None);
    loaded.unwrap_or_else(|report| panic!("{report}")).document
}

fn id(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

fn read(value: &Value) -> Result<TenantRead, Vec<Fault>> {
    read_tenant(&document("default_pool: small\n"), &id("acme"), value)
}

#[track_caller]
fn assert_faults(value: &Value, expected: &[(&str, &str)]) {
    let faults = read(value).unwrap_err();
    let mut found: Vec<(&str, &str)> = faults.iter().map(|f| (f.pointer.as_str(), f.code)).collect();
    let mut expected = expected.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{faults:#?}");
    assert!(faults.iter().all(|fault| !fault.message.is_empty() && !fault.message.contains("YAML")));
}

#[test]
fn every_fault_is_told_at_once_and_where_it_is() {
    assert_faults(
        &json!({
            "plan": "fre",
            "state": "sleeping",
            "domains": ["www.acme.test", "a b", 7],
            "labels": { "tier": 5 },
            "limits": {
                "rate_limit": { "rate": "10 per second", "burst": "many" },
                "quotas": [{ "name": "monthly", "meter": "requests", "limit": 1000 }],
                "reqest_body": {},
            },
            "colour": "red",
        }),
        &[
            ("#/plan", "unknown-plan"),
            ("#/state", "invalid-value"),
            ("#/domains/1", "invalid-value"),
            ("#/domains/2", "invalid-type"),
            ("#/labels/tier", "invalid-type"),
            ("#/limits/rate_limit/rate", "invalid-value"),
            ("#/limits/rate_limit/burst", "invalid-type"),
            ("#/limits/quotas/0", "missing-key"),
            ("#/limits/reqest_body", "unknown-key"),
            ("#/colour", "unknown-key"),
        ],
    );
}

#[test]
fn what_is_wrong_between_the_tenant_and_the_configuration_is_told_too() {
    for (value, pointer, code) in [
        (json!({ "id": "other" }), "#/id", "invalid-value"),
        (json!({ "pool": "bigg" }), "#/pool", "unknown-pool"),
        (json!({ "domains": ["b.app.test"] }), "#/domains/0", "conflicting-domain"),
        (json!({ "domains": ["*.app.test"] }), "#/domains/0", "conflicting-domain"),
        (json!({ "domains": ["a.test", "A.test"] }), "#/domains/1", "duplicate-domain"),
        (json!({ "limits": { "rate_limit": { "burst": 3 } } }), "#/limits/rate_limit", "missing-key"),
        (
            json!({ "plan": "pro", "limits": { "rate_limit": { "rate": "1/s", "burst": 3 } } }),
            "#/limits/rate_limit",
            "cost-above-burst",
        ),
        (
            json!({ "plan": "pro", "limits": { "quotas": [
                { "name": "monthly", "meter": "requests", "limit": 4, "per": "day" }
            ] } }),
            "#/limits/quotas/0/limit",
            "cost-above-limit",
        ),
        (
            json!({ "limits": { "rate_limits": [{ "name": "x", "rate": "9/s", "routes": ["none"] }] } }),
            "#/limits/rate_limits/0/routes/0",
            "unknown-route",
        ),
        (
            json!({ "limits": { "rate_limits": [{ "name": "limited", "rate": "9/s" }] } }),
            "#/limits/rate_limits/0/name",
            "duplicate-limit",
        ),
        (json!({ "branding": { "logo": "/etc/passwd.svg" } }), "#/branding/logo", "invalid-value"),
        (json!({ "branding": { "error_pages": "/etc" } }), "#/branding/error_pages", "invalid-value"),
        (
            json!({ "branding": { "colors": { "primary": "red;}" } } }),
            "#/branding/colors/primary",
            "invalid-value",
        ),
        (
            json!({ "request_headers": { "set": { "a/b~c d": "x" } } }),
            "#/request_headers/set/a~1b~0c%20d",
            "invalid-value",
        ),
        (
            json!({ "request_headers": { "set": { "x-a": "{hos}" } } }),
            "#/request_headers/set/x-a",
            "invalid-value",
        ),
        (json!([]), "#", "invalid-type"),
        (Value::Null, "#", "invalid-type"),
    ] {
        assert_faults(&value, &[(pointer, code)]);
    }
}

#[test]
fn a_tenant_without_a_pool_needs_a_default_one() {
    let faults = read_tenant(&document("default_pool: small\n"), &id("acme"), &json!({}));
    assert!(faults.is_ok());
    let document = document("");
    let faults = read_tenant(&document, &id("acme"), &json!({})).unwrap_err();
    assert_eq!((faults[0].pointer.as_str(), faults[0].code), ("#", "missing-default-pool"));
    assert!(read_tenant(&document, &id("acme"), &json!({ "plan": "pro" })).is_ok());
}

#[test]
fn texts_are_no_numbers_and_numbers_no_texts() {
    let burst = json!({ "plan": "free", "limits": { "rate_limit": { "burst": "3" } } });
    assert_faults(&burst, &[("#/limits/rate_limit/burst", "invalid-type")]);
    assert_faults(&json!({ "plan": 7 }), &[("#/plan", "invalid-type")]);
    assert_faults(&json!({ "state": true }), &[("#/state", "invalid-type")]);
    let labels = json!({ "labels": { "a": "5", "b": "true", "c": "", "d": "${HOME}" } });
    let labels = &read(&labels).unwrap().tenant.labels;
    assert_eq!(labels.values().map(String::as_str).collect::<Vec<_>>(), ["5", "true", "", "${HOME}"]);
}

#[test]
fn what_can_not_be_written_is_passed_over() {
    let value = json!({
        "id": "acme", "source": "store", "revision": 7, "created_at": "x", "updated_at": "y", "origin": null,
        "plan": "free", "state": "past_due",
    });
    let tenant = read(&value).unwrap().tenant;
    assert_eq!((tenant.plan.as_deref(), tenant.state), (Some("free"), TenantState::PastDue));
    let nested = json!({ "limits": { "revision": 7 } });
    assert_faults(&nested, &[("#/limits/revision", "unknown-key")]);
}

#[test]
fn parts_are_in_one_spelling() {
    let value = json!({
        "id": "acme", "revision": 3, "plan": "free", "domains": ["WWW.b.test", "a.test."], "labels": { "k": "v" },
        "features": [], "access": null,
        "limits": { "on_outage": null, "request_body": { "max": "1MiB" } },
    });
    let parts = split_tenant(&read(&value).unwrap().tenant, &value);
    assert_eq!(parts.plan.as_deref(), Some("free"));
    assert_eq!((parts.state, parts.labels["k"].as_str()), ("active", "v"));
    assert_eq!(parts.domains, ["a.test".into(), "www.b.test".into()]);
    assert_eq!(parts.settings.as_deref(), Some(r#"{"limits":{"request_body":{"max":"1MiB"}}}"#));
    let value = json!({ "plan": "free", "limits": {}, "pool": null });
    assert_eq!(split_tenant(&read(&value).unwrap().tenant, &value).settings, None);
}

#[test]
fn a_document_in_force_has_the_names_that_it_was_built_with() {
    let document = document("default_pool: small\n");
    assert_eq!(document.tenancy.unknown, UnknownTenant::Reject);
    let faults = read_tenant(&document, &id("acme"), &json!({ "plan": "fre", "pool": "bi" })).unwrap_err();
    let hints: Vec<_> = faults.iter().filter_map(|fault| fault.hint.as_deref()).collect();
    assert_eq!(hints, ["did you mean `free`?", "did you mean `big`?"]);
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,5}"
}

fn rate() -> impl Strategy<Value = String> {
    (10..1_000_u32, prop_oneof![Just("s"), Just("min"), Just("h"), Just("d"), Just("7s"), Just("1500ms")])
        .prop_map(|(count, per)| format!("{count}/{per}"))
}

fn maybe(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![Just(Value::Null), value].boxed()
}

fn named_rate_limit() -> impl Strategy<Value = Value> {
    let by = maybe(prop_oneof![Just(json!("client_ip")), Just(json!({ "header": "X-Key" }))]);
    let routes =
        maybe(prop::sample::subsequence(vec!["costly", "limited", "all"], 1..=3).prop_map(|r| json!(r)));
    let shadow = maybe(any::<bool>().prop_map(Value::from));
    (rate(), maybe((5..99_u32).prop_map(Value::from)), by, routes, shadow, maybe((100..999_u32).prop_map(Value::from)))
        .prop_map(|(rate, burst, by, routes, shadow, keys)| {
            let keys = if by.is_null() { Value::Null } else { keys };
            json!({ "rate": rate, "burst": burst, "by": by, "routes": routes, "shadow": shadow, "keys": keys })
        })
}

fn quota() -> impl Strategy<Value = Value> {
    let amounts = prop_oneof![
        (100..1_000_000_u64).prop_map(|n| (json!("requests"), json!(n))),
        (1..9_000_u64).prop_map(|n| (json!("response_bytes"), json!(format!("{n}KiB")))),
        (1..9_000_u64).prop_map(|n| (json!("request_bytes"), json!(n))),
        (1..9_000_u64).prop_map(|n| (json!("upstream_seconds"), json!(n))),
        (1..9_000_u64).prop_map(|n| (json!("upstream_seconds"), json!(format!("{n}ms")))),
    ];
    let soft = maybe((1..=100_u32).prop_map(|percent| json!(format!("{percent}%"))));
    let zoned = (prop_oneof![Just("month"), Just("week")], maybe(Just(json!("Europe/Berlin"))))
        .prop_map(|(per, zone)| (json!(per), zone));
    let window = prop_oneof![zoned, Just((json!("90m"), Value::Null))];
    let exceed = prop_oneof![Just(Value::Null), Just(json!("allow")), Just(json!("throttle"))];
    (amounts, soft, window, exceed, rate()).prop_map(|((meter, limit), soft, (per, zone), exceed, rate)| {
        let throttle = if exceed == "throttle" { json!(rate) } else { Value::Null };
        json!({
            "meter": meter, "limit": limit, "per": per, "time_zone": zone, "soft": soft, "on_exceed": exceed,
            "throttle": throttle,
        })
    })
}

/// Gives each of a list a name of its own.
fn named(prefix: &'static str, items: Vec<Value>) -> Value {
    let items = items.into_iter().enumerate().map(|(at, mut item)| {
        item["name"] = json!(format!("{prefix}-{at}"));
        item
    });
    items.collect()
}

fn limits() -> impl Strategy<Value = Value> {
    let concurrency = maybe((1..99_u32, 100..999_u32, 0..99_u32, 1..9_999_u32, 0..99_u32).prop_map(
        |(weight, max, queue, wait, reserved)| {
            json!({ "weight": weight, "max": max, "queue": queue, "max_wait": format!("{wait}ms"), "reserved": reserved })
        },
    ));
    let own = (rate(), maybe((5..99_u32).prop_map(Value::from)), maybe(any::<bool>().prop_map(Value::from)));
    let own = maybe(
        own.prop_map(|(rate, burst, shadow)| json!({ "rate": rate, "burst": burst, "shadow": shadow })),
    );
    let outage = maybe(prop_oneof![Just(json!("local")), Just(json!("deny"))]);
    let body = maybe((0..u64::MAX).prop_map(|max| json!({ "max": max })));
    let rates = prop::collection::vec(named_rate_limit(), 0..3).prop_map(|items| named("rate", items));
    let quotas = prop::collection::vec(quota(), 0..3).prop_map(|items| named("quota", items));
    (own, rates, quotas, concurrency, outage, body).prop_map(
        |(rate_limit, rate_limits, quotas, concurrency, on_outage, request_body)| {
            json!({
                "rate_limit": rate_limit, "rate_limits": rate_limits, "quotas": quotas, "concurrency": concurrency,
                "on_outage": on_outage, "request_body": request_body,
            })
        },
    )
}

fn headers() -> impl Strategy<Value = Value> {
    let set = prop::collection::btree_map("x-[a-m]{1,4}", "[a-zA-Z0-9 äß,;=\"'#:&*!-]{0,12}", 0..3);
    let remove = prop::collection::btree_set("x-[n-z]{1,4}", 0..3);
    (set, remove).prop_map(|(set, remove)| json!({ "set": set, "remove": remove }))
}

/// How a feature is rolled out, or nothing about that.
fn feature() -> impl Strategy<Value = Value> {
    let moments =
        || maybe(prop::sample::select(vec!["2026-11-30", "2026-11-30T09:30"]).prop_map(Value::from));
    let later = maybe(
        prop::sample::select(vec!["2026-12-01", "2026-12-01T00:00:01", "2027-01-01T00:00:00+01:00"])
            .prop_map(Value::from),
    );
    let terms = (any::<bool>(), maybe((0..=100).prop_map(Value::from)), moments(), later);
    let mapping = terms.prop_map(|(enabled, percent, from, until)| {
        json!({ "enabled": enabled, "percent": percent, "from": from, "until": until })
    });
    prop_oneof![Just(Value::Null), mapping]
}

fn tenant() -> impl Strategy<Value = Value> {
    let domains = prop::collection::btree_set(r"(\*\.)?[a-z]{1,5}\.(Shop|b)\.test", 0..4);
    let plan = maybe(prop_oneof![Just(json!("free")), Just(json!("pro"))]);
    let pool = maybe(prop_oneof![Just(json!("small")), Just(json!("big"))]);
    let state = maybe(
        prop::sample::select(vec!["active", "suspended", "maintenance", "past_due"]).prop_map(Value::from),
    );
    let labels = prop::collection::btree_map(word(), "\\PC{0,8}", 0..3);
    let features = prop::collection::btree_map(word(), feature(), 0..3).prop_map(|features| {
        let named = features.into_iter().map(|(name, terms)| match terms {
            Value::Null => Value::from(name),
            mut terms => {
                terms["name"] = name.into();
                terms
            }
        });
        named.collect::<Vec<_>>()
    });
    let networks =
        || prop::collection::vec(prop::sample::select(vec!["10.0.0.0/8", "::1", "192.0.2.7"]), 0..3);
    let access = (networks(), networks()).prop_map(|(allow, deny)| json!({ "allow": allow, "deny": deny }));
    let zone = maybe(Just(json!("America/New_York")));
    let own = (limits(), routes());
    (plan, domains, pool, state, (labels, features, zone), own, (headers(), headers()), access).prop_map(
        |(plan, domains, pool, state, (labels, features, zone), own, (request, response), access)| {
            let (limits, routes) = own;
            json!({
                "plan": plan, "domains": domains, "pool": pool, "state": state, "labels": labels,
                "features": features, "time_zone": zone, "limits": limits, "request_headers": request,
                "response_headers": response, "access": access, "routes": routes,
            })
        },
    )
}

/// Each of these, or not.
fn routes() -> impl Strategy<Value = Value> {
    let all = vec![
        json!({ "name": "all", "pool": "{tenant.pool}", "timeout": "1500ms" }),
        json!({ "name": "costly", "disabled": true }),
        json!({ "name": "limited", "match": { "path": "/x" }, "requires_feature": "reports",
                "rate_limit": { "rate": "7/s", "by": "client_ip", "keys": 100 } }),
        json!({ "match": {
            "hosts": ["a.test", "*.b.test"], "path_template": "/u/{id}", "methods": ["GET"], "client_ip": ["10.0.0.0/8"],
            "headers": { "x-a": "1", "x-b": { "regex": "a.*" } }, "query": { "q": { "present": true } },
            "cookies": { "c": { "present": false } }, "features": ["f"], "labels": { "region": { "regex": "eu.*" } },
        }, "pool": "big", "request_headers": { "set": { "x-a": "b" } }, "response_headers": { "remove": ["x-c"] } }),
        json!({ "match": { "path_regex": "/v([0-9]+)" }, "redirect": { "to": "/v/{path.1}{?query}", "status": 308 } }),
        json!({ "match": { "path": "/s" }, "split": [{ "pool": "big", "weight": 9 }, { "pool": "{tenant.pool}", "weight": 1, "sticky": { "cookie": "Sid" } }] }),
        json!({ "match": { "path": "/m" }, "mirror": { "pool": "big", "percent": 0.1 } }),
        json!({ "match": { "path": "/n" }, "mirror": { "pool": "small" } }),
        json!({ "match": { "path": "/r" }, "respond": { "status": 410, "body": "{}", "headers": { "x-a": "{tenant.id}" } } }),
        json!({ "match": { "path_prefix": "/w" }, "rewrite": { "regex": "/w/(.*)", "to": "/{path.1}" } }),
        json!({ "match": { "path_template": "/w/{id}" }, "rewrite": { "path": "/{path.id}" },
                "request_headers": { "add": { "x-a": "{path.id}" } } }),
        json!({ "match": { "path": "/o" }, "cors": "off" }),
        json!({ "match": { "path": "/c" }, "cors": { "allow_origins": ["https://*.a.test", "null"], "allow_methods": [],
                "allow_headers": ["*"], "expose_headers": ["x-a"], "allow_credentials": true, "max_age": "5m" } }),
        json!({ "match": { "path": "/b" }, "access": { "allow": ["10.0.0.0/8"], "deny": ["10.0.0.1/32"] }, "request_body": { "max": 5000 } }),
        json!({ "match": { "path": "/i" }, "internal_hosts": ["app.internal:8080", "https://a.test"] }),
    ];
    let count = all.len();
    proptest::sample::subsequence(all, 0..=count).prop_map(Value::from)
}

/// Fields have no order among each other, and JSON keeps none.
fn sorted(tenant: &Tenant) -> Tenant {
    let mut tenant = tenant.clone();
    for rules in [&mut tenant.request_headers, &mut tenant.response_headers] {
        rules.set.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    }
    tenant
}

proptest! {
    /// What is shown of a tenant of the configuration, put under another id, is the same tenant; and what is kept of
    /// it is, too.
    #[test]
    fn what_is_shown_makes_the_same_tenant_again(mut written in tenant()) {
        written["id"] = json!("acme");
        // JSON is YAML, so it is read as a configuration's tenant is; there alone a `$` is a variable's.
        let yaml = written.to_string().replace('$', "$$");
        let one = format!("default_pool: small\ntenants: [{yaml}]\n");
        let loaded = Arc::clone(document(&one).tenants.get(0).unwrap());
        let document = document("default_pool: small\n");
        let mut shown = tenant_json(&loaded);
        shown["id"] = json!("other");
        let again = read_tenant(&document, &id("other"), &shown).map_err(|faults| TestCaseError::fail(format!("{faults:?}")))?;
        let expected = Tenant { id: id("other"), ..(*loaded).clone() };
        prop_assert_eq!(sorted(&again.tenant), sorted(&expected));
        // The same document, sent as JSON, is the same tenant as well.
        let sent = read_tenant(&document, &id("acme"), &written).map_err(|faults| TestCaseError::fail(format!("{faults:?}")))?;
        prop_assert_eq!(sorted(&sent.tenant), sorted(&loaded));
        // And so is what the store keeps of it.
        let parts = split_tenant(&sent.tenant, &written);
        let mut kept: Value = parts.settings.as_deref().map_or(json!({}), |text| serde_json::from_str(text).unwrap());
        kept["plan"] = parts.plan.as_deref().into();
        kept["state"] = parts.state.into();
        kept["labels"] = json!(parts.labels);
        kept["domains"] = json!(parts.domains);
        let kept = read_tenant(&document, &id("acme"), &kept).map_err(|faults| TestCaseError::fail(format!("{faults:?}")))?;
        let by_name = |tenant: &Tenant| { let mut tenant = sorted(tenant); tenant.domains.sort_by_key(ToString::to_string); tenant };
        prop_assert_eq!(by_name(&kept.tenant), by_name(&loaded));
    }

    #[test]
    fn no_value_panics(text in r#"(\{|\[|"[a-z]{0,3}"|:|,|[0-9]|null|true|\}|\]){0,24}"#) {
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            let _ = read(&value);
            for key in ["limits", "domains", "labels", "access", "request_headers", "plan", "features"] {
                let _ = read(&json!({ key: value }));
            }
        }
    }
}
