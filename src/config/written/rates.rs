//! Rate limits.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::Text;
use crate::config::decode::{List, Spanned};
use crate::types::Rate;

/// A rate limit on all requests of a tenant together.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RateLimit {
    /// The sustained rate, like 100/s.
    pub rate: Spanned<Rate>,
    /// What may come at once. Default: the rate's count.
    #[schemars(range(min = 1))]
    pub burst: Option<Spanned<u32>>,
    /// Whether it refuses nothing and only counts what it would have refused. Default false.
    pub shadow: Option<bool>,
}

/// A tenant's difference from its plan's rate limit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TenantRateLimit {
    /// The sustained rate, like 100/s.
    pub rate: Option<Spanned<Rate>>,
    /// What may come at once.
    #[schemars(range(min = 1))]
    pub burst: Option<Spanned<u32>>,
    /// Whether it refuses nothing and only counts what it would have refused.
    pub shadow: Option<bool>,
}

/// A further rate limit, for some requests or for each key on its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct NamedRateLimit {
    /// Its name, in RateLimit headers and metrics. A tenant's limit replaces its plan's of the same name.
    pub name: Spanned<String>,
    /// The sustained rate, like 100/s.
    pub rate: Spanned<Rate>,
    /// What may come at once. Default: the rate's count.
    #[schemars(range(min = 1))]
    pub burst: Option<Spanned<u32>>,
    /// What has a rate of its own: `client_ip`, or { header: NAME }. Default: all requests of the tenant together.
    pub by: Option<Spanned<RateKey>>,
    /// The names of the routes that it applies to. Default: all.
    pub routes: Option<Spanned<List<Spanned<String>>>>,
    /// Whether it refuses nothing and only counts what it would have refused. Default false.
    pub shadow: Option<bool>,
    /// With `by`: for how many keys that are in use memory is kept, from 100 to 1000000; more of them share. Default 10000.
    #[schemars(range(min = 100, max = 1_000_000))]
    pub keys: Option<Spanned<u32>>,
}

/// A rate limit on each tenant's requests to a route.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RouteRateLimit {
    /// The sustained rate, like 100/s.
    pub rate: Spanned<Rate>,
    /// What may come at once. Default: the rate's count.
    #[schemars(range(min = 1))]
    pub burst: Option<Spanned<u32>>,
    /// What has a rate of its own inside the tenant: `client_ip`, or { header: NAME }. Default: all requests together.
    pub by: Option<Spanned<RateKey>>,
    /// Whether it refuses nothing and only counts what it would have refused. Default false.
    pub shadow: Option<bool>,
    /// With `by`: for how many keys that are in use memory is kept, from 100 to 1000000; more of them share. Default 10000.
    #[schemars(range(min = 100, max = 1_000_000))]
    pub keys: Option<Spanned<u32>>,
}

/// What has a rate of its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RateKey {
    /// Each address of a client; of IPv6 each /64.
    ClientIp,
    /// Each value of a header.
    Header(Text<HeaderName>),
    /// Each value of a claim of a verified token. Not supported yet.
    JwtClaim(String),
}
