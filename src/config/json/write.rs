//! What a tenant of the configuration is, in the JSON that makes the same tenant again.

use std::collections::BTreeMap;

use http::HeaderName;
use serde_json::{Map, Value, json};

use super::routes::routes;

use crate::config::document::{
    Access, Concurrency, Feature, HeaderRules, Meter, NamedRateLimit, OnExceed, OnOutage, Plan, Quota,
    RateKey, RateLimitOverride, Tenant, TenantLimits, TimeZone, Window,
};
use crate::types::{ByteSize, FieldValue, TimeSpan};

/// A tenant's JSON. Reading it ([`super::read_tenant`]) gives an equal tenant, but for the order of header fields.
#[must_use]
pub fn tenant_json(tenant: &Tenant) -> Value {
    let mut members = Map::new();
    let mut put = |key: &str, value: Value| {
        let is_empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if !is_empty {
            members.insert(key.to_owned(), value);
        }
    };
    put("id", tenant.id.as_str().into());
    put("plan", optional(tenant.plan.as_deref()));
    put("state", tenant.state.as_str().into());
    put("domains", texts(&tenant.domains));
    put("pool", optional(tenant.pool.as_deref()));
    put("time_zone", time_zone(tenant.time_zone.as_ref()));
    put("labels", texts_by_name(&tenant.labels));
    put("limits", limits(&tenant.limits));
    put("features", features(&tenant.features));
    put("branding", tenant.branding.as_deref().map_or(Value::Null, super::branding::branding_json));
    put("request_headers", headers(&tenant.request_headers));
    put("response_headers", headers(&tenant.response_headers));
    put("cors", tenant.cors.as_ref().map_or(Value::Null, super::cors::cors));
    put("routes", routes(&tenant.routes));
    put("access", access(&tenant.access));
    Value::Object(members)
}

/// An access list.
pub(super) fn access(written: &Access) -> Value {
    let lists = [("allow", &written.allow), ("deny", &written.deny)];
    object(lists.map(|(key, networks)| (key, some(texts(networks), !networks.is_empty()))))
}

/// A plan's JSON, as the configuration says it.
#[must_use]
pub fn plan_json(plan: &Plan) -> Value {
    let rate_limit = plan.rate_limit.map(|limit| RateLimitOverride {
        rate: Some(limit.rate),
        burst: limit.burst,
        shadow: limit.shadow.then_some(true),
    });
    let limits = TenantLimits {
        rate_limit,
        rate_limits: plan.rate_limits.clone(),
        concurrency: plan.concurrency,
        quotas: plan.quotas.clone(),
        on_outage: plan.on_outage,
        request_body_max: plan.request_body_max,
    };
    let mut document = self::limits(&limits);
    if let Value::Object(members) = &mut document {
        let own = [
            ("name", Some(plan.name.as_str().into())),
            ("pool", plan.pool.as_deref().map(Value::from)),
            ("features", some(features(&plan.features), !plan.features.is_empty())),
            ("branding", plan.branding.as_deref().map(super::branding::branding_json)),
            ("request_headers", some(headers(&plan.request_headers), !plan.request_headers.is_empty())),
            ("response_headers", some(headers(&plan.response_headers), !plan.response_headers.is_empty())),
            ("cors", plan.cors.as_ref().map(super::cors::cors)),
            ("routes", some(routes(&plan.routes), !plan.routes.is_empty())),
            ("origin", Some(plan.origin.to_string().into())),
        ];
        members.extend(own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    document
}

pub(super) fn limits(limits: &TenantLimits) -> Value {
    let rates: Vec<Value> = limits.rate_limits.iter().map(named_rate_limit).collect();
    let quotas: Vec<Value> = limits.quotas.iter().map(quota).collect();
    let on_outage = limits.on_outage.map(|policy| match policy {
        OnOutage::Local => json!("local"),
        OnOutage::Deny => json!("deny"),
    });
    let body_max = limits.request_body_max.map(|max| json!({ "max": ByteSize(max).to_string() }));
    let concurrency = limits.concurrency != Concurrency::default();
    object([
        ("rate_limit", limits.rate_limit.as_ref().map(rate_limit)),
        ("rate_limits", some(rates.into(), !limits.rate_limits.is_empty())),
        ("concurrency", some(self::concurrency(&limits.concurrency), concurrency)),
        ("quotas", some(quotas.into(), !limits.quotas.is_empty())),
        ("on_outage", on_outage),
        ("request_body", body_max),
    ])
}

fn rate_limit(limit: &RateLimitOverride) -> Value {
    object([
        ("rate", limit.rate.map(|rate| rate.to_string().into())),
        ("burst", limit.burst.map(Value::from)),
        ("shadow", limit.shadow.map(Value::from)),
    ])
}

pub(super) fn named_rate_limit(limit: &NamedRateLimit) -> Value {
    let by = limit.by.as_ref().map(|key| match key {
        RateKey::ClientIp => json!("client_ip"),
        RateKey::Header(name) => json!({ "header": name.as_str() }),
    });
    let keys = limit.by.as_ref().map(|_| Value::from(limit.keys));
    object([
        ("name", Some(limit.name.as_str().into())),
        ("rate", Some(limit.limit.rate.to_string().into())),
        ("burst", limit.limit.burst.map(Value::from)),
        ("shadow", limit.limit.shadow.then(|| true.into())),
        ("by", by),
        ("keys", keys),
        ("routes", limit.routes.as_ref().map(|routes| texts(routes))),
    ])
}

fn concurrency(written: &Concurrency) -> Value {
    object([
        ("weight", written.weight.map(Value::from)),
        ("max", written.max.map(Value::from)),
        ("queue", written.queue.map(Value::from)),
        ("max_wait", written.max_wait.map(|wait| TimeSpan(wait).to_string().into())),
        ("reserved", written.reserved.map(Value::from)),
    ])
}

fn quota(quota: &Quota) -> Value {
    let (on_exceed, throttle) = match quota.on_exceed {
        OnExceed::Reject => ("reject", None),
        OnExceed::Allow => ("allow", None),
        OnExceed::Throttle(rate) => ("throttle", Some(rate.to_string().into())),
    };
    let per = match quota.window {
        Window::Calendar(unit) => unit.as_str().to_owned(),
        Window::Rolling(length) => TimeSpan(length).to_string(),
    };
    let zone = time_zone(quota.time_zone.as_ref());
    object([
        ("name", Some(quota.name.as_str().into())),
        ("meter", Some(meter(quota.meter).into())),
        ("limit", Some(amount(quota.meter, quota.limit))),
        ("per", Some(per.into())),
        ("time_zone", some(zone, quota.time_zone.is_some())),
        ("on_exceed", Some(on_exceed.into())),
        ("throttle", throttle),
        ("soft", quota.soft.map(|soft| soft_threshold(quota, soft))),
    ])
}

fn meter(meter: Meter) -> &'static str {
    match meter {
        Meter::Requests => "requests",
        Meter::RequestBytes => "request_bytes",
        Meter::ResponseBytes => "response_bytes",
        Meter::UpstreamSeconds => "upstream_seconds",
    }
}

/// An amount as it may be written: of time, whole seconds as a number, and others as a duration.
fn amount(meter: Meter, units: u64) -> Value {
    match meter {
        Meter::UpstreamSeconds if !units.is_multiple_of(1_000_000) => format!("{}ms", units / 1_000).into(),
        Meter::UpstreamSeconds => (units / 1_000_000).into(),
        _ => units.into(),
    }
}

/// A part of a limit may be no whole number of milliseconds: then it is told as that part.
fn soft_threshold(quota: &Quota, soft: u64) -> Value {
    if quota.meter == Meter::UpstreamSeconds && !soft.is_multiple_of(1_000) {
        let part = |percent: &u128| (u128::from(quota.limit) * percent / 100).max(1) == u128::from(soft);
        if let Some(percent) = (1..=100).find(part) {
            return format!("{percent}%").into();
        }
    }
    amount(quota.meter, soft)
}

/// One that is always had is its name.
pub(super) fn features(features: &[Feature]) -> Value {
    let one = |feature: &Feature| match feature.is_plain() {
        true => feature.name.as_str().into(),
        false => object([
            ("name", Some(feature.name.as_str().into())),
            ("enabled", (!feature.enabled).then(|| false.into())),
            ("percent", some(feature.percent.into(), feature.percent != Feature::ALL)),
            ("from", feature.from.map(|from| from.to_string().into())),
            ("until", feature.until.map(|until| until.to_string().into())),
        ]),
    };
    features.iter().map(one).collect()
}

pub(super) fn headers(rules: &HeaderRules) -> Value {
    object([
        ("set", some(values(&rules.set), !rules.set.is_empty())),
        ("add", some(values(&rules.add), !rules.add.is_empty())),
        ("remove", some(texts(&rules.remove), !rules.remove.is_empty())),
    ])
}

pub(super) fn values(fields: &[(HeaderName, FieldValue)]) -> Value {
    fields.iter().map(|(name, value)| (name.to_string(), Value::from(text_of(value)))).collect()
}

/// Values were texts when they were read, so they are UTF-8.
fn text_of(value: &FieldValue) -> String {
    match value {
        FieldValue::Fixed(value) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        FieldValue::Filled(wording) => wording.as_str().to_owned(),
    }
}

fn time_zone(zone: Option<&TimeZone>) -> Value {
    zone.and_then(|zone| zone.zone().iana_name()).into()
}

fn texts_by_name(texts: &BTreeMap<String, String>) -> Value {
    texts.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect()
}

pub(super) fn texts<T: ToString>(items: &[T]) -> Value {
    items.iter().map(|item| Value::from(item.to_string())).collect()
}

fn optional(text: Option<&str>) -> Value {
    text.into()
}

pub(super) fn some(value: Value, is_there: bool) -> Option<Value> {
    is_there.then_some(value)
}

pub(super) fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}
