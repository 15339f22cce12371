//! Where a request would go, and as what: the pool, its endpoint, the fields on the way out and back.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::redaction::shown;
use super::sources::Sources;
use super::way::Way;
use crate::admission::fair_share::Outlook;
use crate::config::{Document, Step, pool_timeouts};
use crate::control::limits::bound;
use crate::proxy::Onward;
use crate::routing::Target;
use crate::types::TimeSpan;
use crate::upstream::Pool;

/// How much of a body of the gateway's own is shown.
const BODY_SHOWN: usize = 1_000;

/// The pool that serves it, and the endpoint that it would get.
pub(super) fn pool(
    way: &Way,
    onward: Option<&Onward>,
    document: &Document,
    sources: &Sources,
    settings: &Value,
    is_running: bool,
) -> Value {
    let Some((meant, serving)) = &way.pools else { return Value::Null };
    let is_split = way.route.as_ref().is_some_and(|route| matches!(route.target, Target::Split(_)));
    let by_tenant = way.route.as_ref().is_some_and(|route| matches!(route.target, Target::Tenant));
    let name = &**serving.name();
    let way_to = Step::keys(&["pools", name]);
    let timeouts = document.pools.get(name).map(pool_timeouts).unwrap_or_default();
    let timeouts: Map<String, Value> = timeouts
        .into_iter()
        .map(|(key, value)| {
            let source = sources.document(&[&way_to[..], &Step::keys(&["timeouts", &key])].concat());
            let from = if source.is_null() { "default" } else { "pool" };
            (key, json!({ "value": value, "from": from, "source": source }))
        })
        .collect();
    let mut all = settings.as_array().into_iter().flatten();
    let setting = all.find(|setting| setting.get("name").is_some_and(|name| name == "pool"));
    let setting = setting.filter(|_| by_tenant);
    json!({
        "name": name,
        "source": sources.document(&way_to),
        "by": match (is_split, by_tenant) {
            (true, _) if way.drawn.is_some() => "drawn, among those that the route splits over",
            (true, _) => "one of those that the route splits over",
            (_, true) => "the tenant's pool",
            _ => "the route's pool",
        },
        // Who says which the tenant's pool is.
        "from": setting.and_then(|setting| setting.get("from")),
        "from_source": setting.and_then(|setting| setting.get("source")),
        "stands_in_for": (!Arc::ptr_eq(meant, serving)).then(|| &**meant.name()),
        "drawn_among": way.drawn,
        "endpoint": endpoint(serving, onward),
        "seats": is_running.then(|| seats(serving, onward)),
        "timeouts": timeouts,
        "within": onward.and_then(|onward| onward.within).map(|within| TimeSpan(within).to_string()),
    })
}

/// The pool's seats, and whether there is one for it.
fn seats(pool: &Pool, onward: Option<&Onward>) -> Value {
    let seats = pool.seats();
    let outlook = onward.map(|onward| match onward.seat {
        Outlook::Free => "one is free",
        Outlook::Waits => "it would wait for one",
        Outlook::QueueFull => "as many as may are waiting",
    });
    json!({
        "limit": bound(u64::from(seats.limit()), u64::from(u32::MAX)),
        "in_use": seats.in_use(),
        "waiting": seats.waiting(),
        "outlook": outlook,
    })
}

/// The endpoint, where it is certain; else all that may be chosen.
fn endpoint(pool: &Arc<Pool>, onward: Option<&Onward>) -> Value {
    let key = onward.and_then(|onward| onward.key);
    let mut choice = pool.choose(key);
    let names: Vec<String> = choice.endpoints().iter().map(|endpoint| endpoint.name().to_string()).collect();
    let all = pool.endpoints().len();
    let unusable = all.saturating_sub(names.len());
    match (key, names.as_slice()) {
        // A choice by a hash changes nothing for the next one; a turn would be used up by it.
        (Some(_), [_, ..]) => {
            let endpoint = choice.next(Instant::now());
            json!({ "name": endpoint.map(|endpoint| endpoint.name().to_string()), "by": "consistent_hash", "unusable": unusable })
        }
        (None, [only]) => json!({ "name": only, "by": "it is the only one", "unusable": unusable }),
        _ => json!({ "one_of": names, "unusable": unusable }),
    }
}

/// The head that goes upstream: what of it is the client's, what is not, and what of the client's is gone.
pub(super) fn upstream(asked: &Parts, onward: &Onward, document: &Document) -> Value {
    let text = String::from_utf8_lossy(&onward.head);
    let mut lines = text.split("\r\n");
    let request_line = lines.next().unwrap_or_default();
    let sent: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let signed = document.identity.signed.as_ref().map(|signed| signed.header.as_str());
    let headers = sent.iter().map(|(name, value)| {
        let own = asked.headers.get_all(*name);
        let is_own = own.iter().any(|own| own.as_bytes() == value.as_bytes());
        let change = match (is_own, asked.headers.contains_key(*name)) {
            (true, _) => "kept",
            (false, true) => "changed",
            (false, false) => "added",
        };
        let is_token = signed.is_some_and(|signed| signed.eq_ignore_ascii_case(name));
        json!({ "name": name, "value": shown(name, value.as_bytes(), is_token), "change": change })
    });
    let headers: Vec<Value> = headers.collect();
    let is_sent = |name: &HeaderName| sent.iter().any(|(sent, _)| sent.eq_ignore_ascii_case(name.as_str()));
    let removed: Vec<&str> =
        asked.headers.keys().filter(|name| !is_sent(name)).map(HeaderName::as_str).collect();
    json!({
        "request_line": request_line,
        "headers": headers,
        "removed": removed,
        "switches_to": onward.switch.as_ref().map(|switch| String::from_utf8_lossy(switch.as_bytes())),
    })
}

/// What is done to the endpoint's answer.
pub(super) fn response(onward: &Onward, way: &Way) -> Value {
    let removed: Vec<&str> = onward.response_removed.iter().map(HeaderName::as_str).collect();
    json!({ "headers": fields(onward.response_fields.iter().chain(&way.cors)), "removed": removed })
}

/// An answer of the gateway's own.
pub(super) fn answer(answer: &Response<bytes::Bytes>, way: &Way) -> Value {
    let body = answer.body();
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= BODY_SHOWN);
    let headers = fields(answer.headers().iter().chain(&way.cors));
    json!({ "headers": headers, "removed": [], "body_bytes": body.len(), "body": text })
}

fn fields<'f>(fields: impl Iterator<Item = (&'f HeaderName, &'f HeaderValue)>) -> Value {
    let told = fields.map(|(name, value)| {
        json!({ "name": name.as_str(), "value": shown(name.as_str(), value.as_bytes(), false) })
    });
    told.collect()
}
