//! The settings of a tenant as they are in force, each with who says so. The values are what the document resolves; who says
//! them is told by what of them stands in the tenant's and the plan's own JSON.

use serde_json::{Map, Value, json};

use super::branding::branding_json;
use super::write::{features, limits, object, plan_json, tenant_json};
use crate::config::document::{Branding, Concurrency, Document, RateLimitOverride, Tenant, TenantLimits};
use crate::config::places::Step;
use crate::types::TimeSpan;

/// A setting that is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its name: keys with dots between them, as they stand below the tenant.
    pub name: String,
    /// Its value, as it would be written.
    pub value: Value,
    /// Who says so.
    pub level: Level,
    /// The way to it, below that.
    pub way: Vec<Step>,
}

/// Who says what a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Nobody: it is the default.
    Default,
    /// The configuration, for all.
    Document,
    /// The tenant's plan.
    Plan,
    /// A route, for whoever comes by it.
    Route,
    /// The tenant itself.
    Tenant,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Document => "configuration",
            Self::Plan => "plan",
            Self::Route => "route",
            Self::Tenant => "tenant",
        }
    }
}

/// The settings of a tenant of this document.
#[must_use]
pub fn settings(document: &Document, tenant: &Tenant) -> Vec<Setting> {
    let of_plan = document.plan_of(tenant).map(plan_json).unwrap_or_default();
    let mut list = List { own: tenant_json(tenant), of_plan, all: Vec::new() };
    let own = |is_own| if is_own { Level::Tenant } else { Level::Default };
    let is_active = tenant.state.as_str() == "active";
    list.add("state", tenant.state.as_str().into(), own(!is_active), &["state"]);
    list.add("plan", tenant.plan.as_deref().into(), own(tenant.plan.is_some()), &["plan"]);
    let pool = document.pool_of(tenant);
    let level = match list.level(&["pool"], &["pool"]) {
        Level::Default if pool.is_some() => Level::Document,
        level => level,
    };
    let key = if level == Level::Document { "default_pool" } else { "pool" };
    list.add("pool", pool.into(), level, &[key]);
    let zone = list.own.get("time_zone").cloned();
    list.add("time_zone", zone.clone().unwrap_or("UTC".into()), own(zone.is_some()), &["time_zone"]);
    list.limits(document, tenant);
    list.features(document, tenant);
    list.each("request_headers");
    list.each("response_headers");
    for key in ["allow", "deny"] {
        let networks = list.own.pointer(&format!("/access/{key}")).cloned();
        let level = own(networks.is_some());
        list.add(&format!("access.{key}"), networks.unwrap_or(json!([])), level, &["access", key]);
    }
    for (name, text) in &tenant.labels {
        list.add(&format!("labels.{name}"), text.as_str().into(), Level::Tenant, &["labels", name]);
    }
    list.cors(document);
    list.branding(document, tenant);
    list.identity(document);
    list.all
}

struct List {
    own: Value,
    of_plan: Value,
    all: Vec<Setting>,
}

impl List {
    fn add(&mut self, name: &str, value: Value, level: Level, way: &[&str]) {
        self.all.push(Setting { name: name.to_owned(), value, level, way: Step::keys(way) });
    }

    /// Who says something: the tenant, under the first keys, or the plan, under the second.
    fn level(&self, own: &[&str], of_plan: &[&str]) -> Level {
        let has = |value: &Value, way: &[&str]| {
            way.iter().try_fold(value, |value, key| value.get(key)).is_some_and(|found| !found.is_null())
        };
        match (has(&self.own, own), has(&self.of_plan, of_plan)) {
            (true, _) => Level::Tenant,
            (_, true) => Level::Plan,
            _ => Level::Default,
        }
    }

    /// Below `limits`, where a plan has the same keys at its top.
    fn limit(&mut self, way: &[&str], value: Value) {
        let own: Vec<&str> = [&["limits"], way].concat();
        let level = self.level(&own, way);
        let way = if level == Level::Tenant { &own[..] } else { way };
        self.add(&own.join("."), value, level, way);
    }

    fn limits(&mut self, document: &Document, tenant: &Tenant) {
        let plan = document.plan_of(tenant);
        let rate_limit = document.rate_limit_of(tenant).map(|limit| RateLimitOverride {
            rate: Some(limit.rate),
            burst: Some(limit.burst()),
            shadow: Some(limit.shadow),
        });
        let effective = TenantLimits {
            rate_limit,
            rate_limits: document.rate_limits_of(tenant).into_iter().cloned().collect(),
            concurrency: document.concurrency_of(tenant),
            quotas: document.quotas_of(tenant).into_iter().cloned().collect(),
            on_outage: Some(document.on_outage_of(tenant)),
            request_body_max: tenant.limits.request_body_max.or(plan.and_then(|plan| plan.request_body_max)),
        };
        let value = limits(&effective);
        let at = |pointer: &str| value.pointer(pointer).cloned().unwrap_or_default();
        match effective.rate_limit {
            None => self.limit(&["rate_limit"], Value::Null),
            Some(_) => {
                for key in ["rate", "burst", "shadow"] {
                    self.limit(&["rate_limit", key], at(&format!("/rate_limit/{key}")));
                }
            }
        }
        self.named("rate_limits", at("/rate_limits"));
        self.named("quotas", at("/quotas"));
        self.limit(&["on_outage"], at("/on_outage"));
        let Concurrency { weight, max, queue, max_wait, reserved } = effective.concurrency;
        let max_wait = TimeSpan(max_wait.unwrap_or(Concurrency::MAX_WAIT)).to_string();
        self.limit(&["concurrency", "weight"], weight.unwrap_or(1).into());
        self.limit(&["concurrency", "max"], max.into());
        self.limit(&["concurrency", "queue"], queue.unwrap_or(Concurrency::QUEUE).into());
        self.limit(&["concurrency", "max_wait"], max_wait.into());
        self.limit(&["concurrency", "reserved"], reserved.unwrap_or(0).into());
        self.limit(&["request_body", "max"], at("/request_body/max"));
    }

    /// The elements of a list of limits, by their names.
    fn named(&mut self, key: &str, list: Value) {
        for value in list.as_array().into_iter().flatten() {
            let name = name_of(value);
            let (own, of_plan) = (self.own.pointer(&format!("/limits/{key}")), self.of_plan.get(key));
            let (level, way): (_, &[&str]) = match (has_named(own, name), has_named(of_plan, name)) {
                (true, _) => (Level::Tenant, &["limits", key]),
                (_, true) => (Level::Plan, &[key]),
                _ => (Level::Route, &["routes"]),
            };
            let way = [&Step::keys(way)[..], &[Step::Named(name.to_owned())]].concat();
            let name = format!("limits.{key}.{name}");
            self.all.push(Setting { name, value: value.clone(), level, way });
        }
    }

    fn features(&mut self, document: &Document, tenant: &Tenant) {
        for feature in document.features_of(tenant) {
            let level = match has_named(self.own.get("features"), &feature.name) {
                true => Level::Tenant,
                false => Level::Plan,
            };
            let value = features(std::slice::from_ref(feature)).get(0).cloned().unwrap_or_default();
            let way = vec![Step::Key("features".to_owned()), Step::Named(feature.name.clone())];
            let name = format!("features.{}", feature.name);
            self.all.push(Setting { name, value, level, way });
        }
    }

    /// Header rules: the plan's, then the tenant's, which are all applied.
    fn each(&mut self, section: &str) {
        for (level, rules) in [(Level::Plan, &self.of_plan), (Level::Tenant, &self.own)] {
            let Some(Value::Object(rules)) = rules.get(section).cloned() else { continue };
            for (kind, fields) in rules {
                match fields {
                    Value::Object(fields) => fields.into_iter().for_each(|(field, value)| {
                        let name = format!("{section}.{kind}.{field}");
                        let way = Step::keys(&[section, &kind, &field]);
                        self.all.push(Setting { name, value, level, way });
                    }),
                    value => {
                        let name = format!("{section}.{kind}");
                        self.all.push(Setting { name, value, level, way: Step::keys(&[section, &kind]) });
                    }
                }
            }
        }
    }

    /// Which pages of other origins may use the tenant, as a whole from who says so first.
    fn cors(&mut self, document: &Document) {
        let level = match self.level(&["cors"], &["cors"]) {
            Level::Default => Level::Document,
            level => level,
        };
        let value = match level {
            Level::Tenant => self.own.get("cors").cloned(),
            Level::Plan => self.of_plan.get("cors").cloned(),
            _ => document.cors.as_ref().map(super::cors::cors),
        };
        self.add("cors", value.unwrap_or("off".into()), level, &["cors"]);
    }

    fn branding(&mut self, document: &Document, tenant: &Tenant) {
        let nothing = Branding::default();
        let own = tenant.branding.as_deref().unwrap_or(&nothing);
        let of_plan = document.plan_of(tenant).and_then(|plan| plan.branding.as_deref()).unwrap_or(&nothing);
        let effective = branding_json(&own.over(&of_plan.over(&document.branding)));
        let levels = [(Level::Tenant, branding_json(own)), (Level::Plan, branding_json(of_plan))];
        let Value::Object(effective) = effective else { return };
        for (key, value) in effective {
            let nested = matches!(&*key, "colors" | "texts");
            match value {
                Value::Object(members) if nested => members.into_iter().for_each(|(inner, value)| {
                    self.look(&levels, &[&key, &inner], value);
                }),
                value => self.look(&levels, &[&key], value),
            }
        }
    }

    fn look(&mut self, levels: &[(Level, Value)], way: &[&str], value: Value) {
        let says = |own: &Value| way.iter().try_fold(own, |value, key| value.get(key)).is_some();
        let level = levels.iter().find(|(_, own)| says(own)).map_or(Level::Document, |(level, _)| *level);
        let way: Vec<&str> = [&["branding"], way].concat();
        self.add(&way.join("."), value, level, &way);
    }

    fn identity(&mut self, document: &Document) {
        let identity = &document.identity;
        let mut add = |key: &str, value: Value| {
            let way = format!("identity.{key}");
            let keys: Vec<&str> = way.split('.').collect();
            self.add(&way, value, Level::Document, &keys);
        };
        add("header", identity.header.as_str().into());
        if let Some(header) = &identity.features_header {
            add("features_header", header.as_str().into());
        }
        if let Some(signed) = &identity.signed {
            add("signed.header", signed.header.as_str().into());
            add("signed.ttl", TimeSpan(signed.ttl).to_string().into());
            add("signed.issuer", signed.issuer.as_str().into());
        }
    }
}

/// The settings of a pool that a request meets, as they are in force.
#[must_use]
pub fn pool_timeouts(pool: &crate::config::Pool) -> Map<String, Value> {
    let timeouts = &pool.timeouts;
    let span = |span| Value::from(TimeSpan(span).to_string());
    let value = object([
        ("connect", Some(span(timeouts.connect))),
        ("response_header", Some(span(timeouts.response_header))),
        ("idle", Some(span(timeouts.idle))),
        ("request", timeouts.request.map(span)),
    ]);
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn name_of(value: &Value) -> &str {
    value.as_str().or_else(|| value.get("name")?.as_str()).unwrap_or_default()
}

fn has_named(list: Option<&Value>, name: &str) -> bool {
    list.and_then(Value::as_array).into_iter().flatten().any(|value| name_of(value) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_str;

    #[test]
    fn each_setting_has_its_value_and_who_says_so() {
        let text = "listeners: [{ bind: '127.0.0.1:0' }]\ntenancy: { identify: [{ host: '{tenant}.test' }] }\n\
            plans: { free: { rate_limit: { rate: 5/s }, concurrency: { max: 9 }, features: [a, b], branding: { language: de }, cors: { allow_origins: ['https://a.test'] }, request_headers: { set: { X-Tier: f } },\
              quotas: [{ name: q, meter: requests, limit: 5, per: day }] } }\n\
            pools: { p: { endpoints: ['http://127.0.0.1:1'] } }\ndefault_pool: p\nroutes: [{ match: { path_prefix: / } }]\n\
            branding: { name: Base, colors: { primary: '#123456' } }\n\
            tenants: [{ id: acme, plan: free, limits: { rate_limit: { burst: 50 } }, labels: { tier: gold },\
              features: [{ name: b, enabled: false }], branding: { name: Acme } }]\n";
        let document = load_str(text, "t.yaml").unwrap_or_else(|report| panic!("{report}")).document;
        let all = settings(&document, document.tenants.get(0).unwrap());
        let of = |name: &str| {
            let found: Vec<_> = all.iter().filter(|setting| setting.name == name).collect();
            assert_eq!(found.len(), 1, "{name}: {all:#?}");
            (found[0].value.clone(), found[0].level)
        };
        assert_eq!(of("state"), ("active".into(), Level::Default));
        assert_eq!(of("pool"), ("p".into(), Level::Document));
        assert_eq!(of("limits.rate_limit.rate"), ("5/s".into(), Level::Plan));
        assert_eq!(of("limits.rate_limit.burst"), (50.into(), Level::Tenant));
        assert_eq!(of("limits.rate_limit.shadow"), (false.into(), Level::Default));
        assert_eq!(of("limits.concurrency.max"), (9.into(), Level::Plan));
        assert_eq!(of("limits.concurrency.queue"), (128.into(), Level::Default));
        assert_eq!(of("limits.quotas.q").1, Level::Plan);
        assert_eq!(of("features.a"), ("a".into(), Level::Plan));
        assert_eq!(of("features.b"), (json!({ "name": "b", "enabled": false }), Level::Tenant));
        assert_eq!(of("request_headers.set.x-tier"), ("f".into(), Level::Plan));
        assert_eq!(of("branding.name"), ("Acme".into(), Level::Tenant));
        assert_eq!(of("branding.colors.primary"), ("#123456".into(), Level::Document));
        assert_eq!(of("branding.language"), ("de".into(), Level::Plan));
        assert_eq!(of("cors").1, Level::Plan);
        assert_eq!(of("labels.tier"), ("gold".into(), Level::Tenant));
        assert_eq!(of("identity.header").0, json!("x-tenant-id"));
    }
}
