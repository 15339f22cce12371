//! Routes of plans and tenants, in the JSON that makes the same again.

use serde_json::{Value, json};

use super::cors::cors;
use super::write::{access, headers, named_rate_limit, object, some, texts, values};
use crate::config::document::{
    HeaderRules, Mirror, NamedRateLimit, PathMatch, Redirect, Respond, Rewrite, RouteMatch, RouteOverride,
    RoutePool, Sticky,
};
use crate::types::{TimeSpan, ValueTest};

pub(super) fn routes(routes: &[RouteOverride]) -> Value {
    routes.iter().map(route).collect()
}

fn route(route: &RouteOverride) -> Value {
    let parts = &route.parts;
    let rules = |rules: &Option<HeaderRules>| rules.as_ref().map(headers);
    object([
        ("name", route.name.as_deref().map(Value::from)),
        ("match", route.matches.as_ref().map(matches)),
        ("disabled", route.disabled.then(|| true.into())),
        ("pool", parts.pool.as_ref().and_then(pool)),
        ("split", parts.pool.as_ref().and_then(split)),
        ("mirror", parts.mirror.as_ref().map(mirror)),
        ("redirect", parts.pool.as_ref().and_then(redirect)),
        ("respond", parts.pool.as_ref().and_then(respond)),
        ("rewrite", parts.rewrite.as_ref().map(rewrite)),
        ("access", parts.access.as_ref().map(access)),
        ("request_body", parts.request_body_max.map(|max| json!({ "max": max }))),
        ("requires_feature", parts.requires_feature.as_deref().map(Value::from)),
        ("request_headers", rules(&parts.request_headers)),
        ("response_headers", rules(&parts.response_headers)),
        ("cost", parts.cost.map(|cost| cost.get().into())),
        ("rate_limit", parts.rate_limit.as_ref().map(rate_limit)),
        ("cors", parts.cors.as_ref().map(cors)),
        ("internal_hosts", parts.internal_hosts.as_deref().map(texts)),
        ("timeout", parts.timeout.map(|timeout| TimeSpan(timeout).to_string().into())),
    ])
}

fn pool(pool: &RoutePool) -> Option<Value> {
    match pool {
        RoutePool::Tenant => Some("{tenant.pool}".into()),
        RoutePool::Named(name) => Some(name.as_str().into()),
        RoutePool::Split(_) | RoutePool::Redirect(_) | RoutePool::Respond(_) => None,
    }
}

fn split(pool: &RoutePool) -> Option<Value> {
    let RoutePool::Split(split) = pool else { return None };
    let mut sticky = split.sticky.as_ref().map(|sticky| match sticky {
        Sticky::Tenant => "tenant".into(),
        Sticky::Cookie(name) => json!({ "cookie": name }),
        Sticky::Header(name) => json!({ "header": name.as_str() }),
    });
    let parts = split.parts.iter().map(|part| {
        let pool = part.pool.as_deref().unwrap_or("{tenant.pool}");
        object([("pool", Some(pool.into())), ("weight", Some(part.weight.into())), ("sticky", sticky.take())])
    });
    Some(parts.collect())
}

fn mirror(mirror: &Mirror) -> Value {
    let hundred = Mirror::ALL / 100;
    let percent = match mirror.millionths % hundred {
        0 => json!(mirror.millionths / hundred),
        _ => json!(f64::from(mirror.millionths) / f64::from(hundred)),
    };
    json!({ "pool": mirror.pool, "percent": percent })
}

fn redirect(pool: &RoutePool) -> Option<Value> {
    let RoutePool::Redirect(Redirect { to, status }) = pool else { return None };
    Some(json!({ "to": to.as_str(), "status": status }))
}

fn respond(pool: &RoutePool) -> Option<Value> {
    let RoutePool::Respond(Respond { status, headers, body, file }) = pool else { return None };
    let fields = some(values(&headers.set), !headers.set.is_empty());
    let body = some(body.as_str().into(), !body.is_empty());
    let file = file.as_ref().map(|file| file.written.as_str().into());
    Some(object([("status", Some((*status).into())), ("headers", fields), ("body", body), ("file", file)]))
}

fn rewrite(rewrite: &Rewrite) -> Value {
    match rewrite {
        Rewrite::Prefix(prefix) => json!({ "prefix": prefix }),
        Rewrite::Path(path) => json!({ "path": path.as_str() }),
        Rewrite::Pattern(pattern, to) => json!({ "regex": pattern.as_str(), "to": to.as_str() }),
    }
}

/// A route's own limit has the route's name, and no routes.
fn rate_limit(limit: &NamedRateLimit) -> Value {
    let mut limit = named_rate_limit(limit);
    if let Value::Object(members) = &mut limit {
        members.remove("name");
        members.remove("routes");
    }
    limit
}

fn matches(written: &RouteMatch) -> Value {
    let (key, path) = match &written.path {
        PathMatch::Exact(_) => ("path", &written.path),
        PathMatch::Template(_) => ("path_template", &written.path),
        PathMatch::Pattern(_) => ("path_regex", &written.path),
        PathMatch::Prefix(_) => ("path_prefix", &written.path),
    };
    let list = |items: Value, is_there| some(items, is_there);
    let named = |pairs: &[(String, ValueTest)]| {
        let values = pairs.iter().map(|(name, test)| (name.clone(), value_test(test)));
        some(values.collect(), !pairs.is_empty())
    };
    let fields = written.headers.iter().map(|(name, test)| (name.as_str().to_owned(), value_test(test)));
    object([
        ("hosts", list(texts(&written.hosts), !written.hosts.is_empty())),
        (key, Some(path.to_string().into())),
        ("methods", list(texts(&written.methods), !written.methods.is_empty())),
        ("headers", list(fields.collect(), !written.headers.is_empty())),
        ("query", named(&written.query)),
        ("cookies", named(&written.cookies)),
        ("client_ip", list(texts(&written.client_ip), !written.client_ip.is_empty())),
        ("features", list(texts(&written.features), !written.features.is_empty())),
        ("labels", named(&written.labels)),
    ])
}

fn value_test(test: &ValueTest) -> Value {
    match test {
        ValueTest::Is(exact) => (&**exact).into(),
        ValueTest::Like(pattern) => json!({ "regex": pattern.as_str() }),
        ValueTest::Present => json!({ "present": true }),
        ValueTest::Absent => json!({ "present": false }),
    }
}
