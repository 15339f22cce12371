//! How a request's tenant is found.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{Network, Text};
use crate::config::decode::{List, Spanned};
use crate::config::document::HostPattern;
use crate::types::{TenantId, TimeSpan};

/// How a request's tenant is found.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Tenancy {
    /// The rules in order; the first that yields a tenant wins. Default: [domain].
    #[schemars(length(min = 1))]
    pub identify: Option<Spanned<List<Spanned<IdentifyRule>>>>,
    /// What becomes of a request that no rule gives to a tenant: `reject`, or { tenant: ID }.
    /// Default reject.
    pub unknown: Option<Spanned<Unknown>>,
    /// The cache of the tenants that the store has.
    pub cache: Option<Cache>,
    /// How tenants show that the domains that they claim are their own.
    pub verification: Option<Verification>,
}

/// One way to find a tenant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum IdentifyRule {
    /// By a label of the host: "{tenant}.app.example.com".
    Host(Text<HostPattern>),
    /// By a domain that a tenant has claimed.
    Domain,
    /// By a header, which is believed only from trusted proxies.
    Header(Text<HeaderName>),
    /// By a path prefix: /t/{tenant}. Not supported yet.
    Path(String),
    /// By a claim of a verified token. Not supported yet.
    JwtClaim(String),
    /// By an API key in this header, one of those that the store has. A key that is nobody's is refused.
    ApiKey(Text<HeaderName>),
}

/// What becomes of a request without a tenant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Unknown {
    /// It is refused with 404.
    Reject,
    /// It belongs to this tenant.
    Tenant(Text<TenantId>),
}

/// The cache of the tenants that the store has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Cache {
    /// The most tenants in it, about 1 KiB each. A change needs a restart. Default 100000.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub capacity: Option<Spanned<u64>>,
    /// For how long a tenant is believed to be as it was, after the store was last known to say so. What is changed through
    /// this gateway holds at once, what another process has changed within some seconds, whatever this is. Default 60s.
    pub ttl: Option<TimeSpan>,
    /// For how long it is believed that there is no such tenant or host. Default 5s.
    pub negative_ttl: Option<TimeSpan>,
    /// For how long after `ttl` a tenant is served as it was while it is looked up again; while the store has no answer, it is served
    /// however old it is. Default 10m.
    pub stale_while_revalidate: Option<TimeSpan>,
}

/// How tenants show that the domains that they claim are their own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Verification {
    /// Addresses or networks that proofs are fetched from over HTTP, beside public ones: [10.0.0.0/8].
    #[serde(default)]
    pub allow: List<Text<Network>>,
    /// How long a claim waits for its proof before it lapses. Default 7d.
    pub claim_ttl: Option<TimeSpan>,
    /// Claims of a tenant that wait for their proof at a time. Default 100.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_claims: Option<Spanned<u32>>,
}
