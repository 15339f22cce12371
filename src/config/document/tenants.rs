//! Tenants: the customers of the operator.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{
    Branding, Concurrency, CorsSetting, Feature, HeaderRules, NamedRateLimit, OnOutage, Origin, Quota,
    RateLimitOverride, RouteOverride, TimeZone,
};
use crate::types::{HostName, InvalidHost, TenantId};

/// A tenant: its plan, and where it differs from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its plan; without one, nothing limits it but its own settings.
    pub plan: Option<String>,
    /// The domains that it has claimed.
    pub domains: Vec<Domain>,
    /// A pool of its own.
    pub pool: Option<String>,
    /// The time zone that its quotas' days and months are of, and its features' dates, where it is not UTC.
    pub time_zone: Option<TimeZone>,
    /// Free text about it, by name.
    pub labels: BTreeMap<String, String>,
    /// Whether it is served.
    pub state: TenantState,
    /// Its differences from its plan's limits.
    pub limits: TenantLimits,
    /// Features that it has beside its plan's, or in the place of those of the same name; see
    /// [`super::Document::features_of`].
    pub features: Vec<Feature>,
    /// Its differences from the default branding.
    pub branding: Option<Arc<Branding>>,
    /// Changes to requests, after its plan's.
    pub request_headers: HeaderRules,
    /// Changes to responses, after its plan's.
    pub response_headers: HeaderRules,
    /// Cross-origin requests, where its routes don't say.
    pub cors: Option<CorsSetting>,
    /// Its differences from the routes of its plan.
    pub routes: Vec<RouteOverride>,
    /// Which clients it lets in.
    pub access: Access,
    /// Where it was written.
    pub origin: Origin,
}

impl Tenant {
    /// A tenant that differs in nothing from its plan.
    #[must_use]
    pub fn plain(id: TenantId, plan: Option<&str>, origin: Origin) -> Self {
        Self {
            id,
            plan: plan.map(ToOwned::to_owned),
            domains: Vec::new(),
            pool: None,
            time_zone: None,
            labels: BTreeMap::new(),
            state: TenantState::default(),
            limits: TenantLimits::default(),
            features: Vec::new(),
            branding: None,
            request_headers: HeaderRules::default(),
            response_headers: HeaderRules::default(),
            cors: None,
            routes: Vec::new(),
            access: Access::default(),
            origin,
        }
    }

    /// Whether all but its rate limits, quotas and state is as in its plan.
    #[must_use]
    pub fn has_terms_of_plan(&self) -> bool {
        self.pool.is_none()
            && self.features.is_empty()
            && self.branding.is_none()
            && self.request_headers.is_empty()
            && self.response_headers.is_empty()
            && self.routes.is_empty()
            && self.cors.is_none()
            && self.access == Access::default()
            && self.limits.concurrency == Concurrency::default()
            && self.limits.request_body_max.is_none()
    }
}

/// Whether a tenant is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TenantState {
    /// It is.
    #[default]
    Active,
    /// Refused with 403.
    Suspended,
    /// Refused with 503.
    Maintenance,
    /// Refused with 402.
    PastDue,
}

impl TenantState {
    /// The name in configuration and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Maintenance => "maintenance",
            Self::PastDue => "past_due",
        }
    }
}

/// A tenant's differences from its plan's limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantLimits {
    /// Its rate limit; see [`super::Document::rate_limit_of`].
    pub rate_limit: Option<RateLimitOverride>,
    /// Further rate limits; see [`super::Document::rate_limits_of`].
    pub rate_limits: Vec<NamedRateLimit>,
    /// Its part in the seats of pools; see [`super::Document::concurrency_of`].
    pub concurrency: Concurrency,
    /// Its quotas; see [`super::Document::quotas_of`].
    pub quotas: Vec<Quota>,
    /// What becomes of its requests while the store does not answer.
    pub on_outage: Option<OnOutage>,
    /// The largest request body, in bytes.
    pub request_body_max: Option<u64>,
}

/// Which client addresses a tenant lets in. `deny` wins over `allow`; an empty `allow` lets in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Networks that are let in.
    pub allow: Vec<IpNet>,
    /// Networks that are not.
    pub deny: Vec<IpNet>,
}

/// A domain that a tenant has claimed, in lower case: `www.acme.test` or `*.shop.acme.test`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Domain {
    /// This host.
    Exact(String),
    /// Every host below this one (which is written without `*.`), at any depth.
    Wildcard(String),
}

/// Why a text is no domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDomain {
    /// A `*` that is not the whole first label.
    #[error("`*` can only be the whole first label of a domain\nwrite it like \"*.shop.example.com\"")]
    Wildcard,
    /// A wildcard over a whole top-level domain.
    #[error("`*.{0}` would claim a whole top-level domain\nname the domain below it, like \"*.example.{0}\"")]
    TopLevel(String),
    /// A port.
    #[error("a domain has no port\nports come from `listeners`, domains match on each of them")]
    Port,
    /// No host name.
    #[error("not a host name: {0}\nwrite a host name like www.example.com or \"*.shop.example.com\"")]
    Host(InvalidHost),
}

impl FromStr for Domain {
    type Err = InvalidDomain;

    fn from_str(text: &str) -> Result<Self, InvalidDomain> {
        let (wildcard, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.contains('*') {
            return Err(InvalidDomain::Wildcard);
        }
        let host = HostName::parse(rest.as_bytes()).map_err(InvalidDomain::Host)?;
        if host.port().is_some() {
            return Err(InvalidDomain::Port);
        }
        let name = host.as_str().to_owned();
        match wildcard {
            true if !name.contains('.') => Err(InvalidDomain::TopLevel(name)),
            true => Ok(Self::Wildcard(name)),
            false => Ok(Self::Exact(name)),
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(name) => write!(f, "*.{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_exact_or_wildcards() {
        assert_eq!("WWW.Acme.test.".parse(), Ok(Domain::Exact("www.acme.test".into())));
        assert_eq!("*.shop.acme.test".parse(), Ok(Domain::Wildcard("shop.acme.test".into())));
        assert_eq!("*.Shop.test".parse::<Domain>().unwrap().to_string(), "*.shop.test");
        for text in ["*", "a.*.test", "*a.test", "*.com", "acme.test:80", "a b", ""] {
            assert!(text.parse::<Domain>().is_err(), "{text}");
        }
    }
}
