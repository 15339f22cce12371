//! Plans and their limits.

use schemars::JsonSchema;
use serde::Deserialize;

use super::concurrency::Concurrency;
use super::headers::HeaderRules;
use crate::config::decode::{List, Spanned, Unsupported};
use crate::types::{ByteSize, Rate};

/// What tenants of a tier may use; a tenant overrides any part of its plan.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Plan {
    /// How many requests each tenant may make; more are answered 429.
    pub rate_limit: Option<RateLimit>,
    /// Durable, calendar-aligned quotas. Not supported yet.
    pub quotas: Option<Unsupported<List<Quota>>>,
    /// A tenant's part in the seats of pools.
    pub concurrency: Option<Concurrency>,
    /// Bounds on request bodies.
    pub request_body: Option<RequestBody>,
    /// The features that its tenants have; routes ask for them with `requires_feature`.
    #[serde(default)]
    pub features: List<Spanned<String>>,
    /// The pool of its tenants that name none themselves.
    pub pool: Option<Spanned<String>>,
    /// Changes to requests of its tenants.
    #[serde(default)]
    pub request_headers: HeaderRules,
    /// Changes to responses to its tenants' clients.
    #[serde(default)]
    pub response_headers: HeaderRules,
}

/// A rate limit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RateLimit {
    /// The sustained rate, like 100/s.
    pub rate: Spanned<Rate>,
    /// What may come at once. Default: the rate's count.
    #[schemars(range(min = 1))]
    pub burst: Option<Spanned<u32>>,
}

/// Bounds on request bodies.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RequestBody {
    /// The largest; more is answered 413.
    pub max: Option<ByteSize>,
}

/// A durable quota.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Quota {
    /// Its name.
    name: String,
    /// What it counts.
    meter: Meter,
    /// How much there may be in a window.
    limit: ByteSize,
    /// The window.
    per: Window,
    /// The time zone of the window's calendar. Default UTC.
    time_zone: Option<String>,
    /// What happens past the limit.
    on_exceed: Option<OnExceed>,
    /// The rate past the limit.
    throttle: Option<Rate>,
}

/// A counted quantity.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Meter {
    /// Requests.
    Requests,
    /// Bytes of request bodies.
    RequestBytes,
    /// Bytes of response bodies.
    ResponseBytes,
}

/// A window of the calendar.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Window {
    /// From the full hour.
    Hour,
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// From January the first.
    Year,
}

/// What happens past a quota.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum OnExceed {
    /// Requests are refused.
    Reject,
    /// Requests are slowed down to a rate.
    Throttle,
    /// Requests pass, and usage shows it.
    Allow,
}
