//! How a request's tenant is found.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

use super::cert_pattern::CertPattern;
use crate::types::{HostName, TenantId};

/// How a request's tenant is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenancy {
    /// The rules in order; the first that yields a tenant wins. At least one.
    pub identify: Vec<IdentifyRule>,
    /// What becomes of a request that no rule gives to a tenant.
    pub unknown: UnknownTenant,
    /// The cache of the tenants of the store.
    pub cache: TenantCache,
    /// How tenants show that domains are their own.
    pub verification: Verification,
}

/// How tenants show that the domains that they claim are their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Networks that proofs are fetched from beside the public Internet.
    pub allow: Vec<IpNet>,
    /// How long a claim waits for its proof.
    pub claim_ttl: Duration,
    /// Claims of a tenant that wait at a time.
    pub max_claims: u32,
}

impl Default for Verification {
    fn default() -> Self {
        Self { allow: Vec::new(), claim_ttl: Duration::from_secs(7 * 86_400), max_claims: 100 }
    }
}

/// How tenants of the store are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantCache {
    /// Tenants, at most.
    pub capacity: u64,
    /// For how long a tenant is believed to be as it was.
    pub ttl: Duration,
    /// For how long it is believed that there is none.
    pub negative_ttl: Duration,
    /// For how long after `ttl` a tenant is served while it is looked up again.
    pub stale_while_revalidate: Duration,
}

impl Default for TenantCache {
    fn default() -> Self {
        Self {
            capacity: 100_000,
            ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(5),
            stale_while_revalidate: Duration::from_secs(600),
        }
    }
}

impl Tenancy {
    /// The patterns of hosts that name tenants.
    pub fn patterns(&self) -> impl Iterator<Item = &HostPattern> {
        self.identify.iter().filter_map(|rule| match rule {
            IdentifyRule::Host(pattern) => Some(pattern),
            _ => None,
        })
    }
}

/// One way to find a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifyRule {
    /// By a label of the host.
    Host(HostPattern),
    /// By a domain that a tenant has claimed.
    Domain,
    /// By a header field, from trusted proxies only.
    Header(HeaderName),
    /// By an API key in this header field.
    ApiKey(HeaderName),
    /// By a part of the certificate that the client has shown.
    ClientCert(CertPattern),
}

impl IdentifyRule {
    /// The header field that it reads.
    #[must_use]
    pub fn field(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) | Self::ApiKey(name) => Some(name),
            Self::Host(_) | Self::Domain | Self::ClientCert(_) => None,
        }
    }
}

/// What becomes of a request without a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownTenant {
    /// It is refused.
    Reject,
    /// It belongs to this tenant, which exists.
    Tenant(TenantId),
}

/// A host name in which `{tenant}` stands for all or the inner part of one label:
/// `{tenant}.app.example.com`, `{tenant}-app.example.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    before: String,
    after: String,
}

/// Why a text is no host pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostPattern {
    /// `{tenant}` is missing or there twice.
    #[error(
        "a host pattern needs `{{tenant}}` exactly once\nwrite it where the tenant's id stands, like \"{{tenant}}.app.example.com\""
    )]
    Placeholder,
    /// A wildcard, which only domains have.
    #[error("a host pattern has no `*`\nwrite `{{tenant}}` for the label that names the tenant")]
    Wildcard,
    /// A port or an address.
    #[error("a host pattern has no port\nports come from `listeners`, hosts match on each of them")]
    Port,
    /// What remains is no host name.
    #[error(
        "not a host name: {0}\nwrite a host name with `{{tenant}}` in it, like \"{{tenant}}.app.example.com\""
    )]
    Host(crate::types::InvalidHost),
}

impl HostPattern {
    const PLACEHOLDER: &'static str = "{tenant}";

    /// What stands before the tenant's id, in lower case; may be empty.
    #[must_use]
    pub fn before(&self) -> &str {
        &self.before
    }

    /// What stands after the tenant's id, in lower case; may be empty.
    #[must_use]
    pub fn after(&self) -> &str {
        &self.after
    }

    /// The text that `{tenant}` stands for in a normalised host, where the host matches. It is
    /// not empty and has no dot; whether it is a tenant's id is for the caller to find out.
    #[must_use]
    pub fn capture<'h>(&self, host: &'h str) -> Option<&'h str> {
        let label = host.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        (!label.is_empty() && !label.contains('.')).then_some(label)
    }

    /// Whether some host, with some tenant id in it, matches both patterns.
    #[must_use]
    pub fn collides_with(&self, other: &Self) -> bool {
        // One side's literal text must be a prefix (suffix) of the other's; the id between takes
        // up the difference, but an id has no dot, so the difference must have none either.
        let prefixes = difference(&self.before, &other.before, |a, b| a.strip_prefix(b));
        let suffixes = difference(&self.after, &other.after, |a, b| a.strip_suffix(b));
        matches!((prefixes, suffixes), (Some(p), Some(s)) if !p.contains('.') && !s.contains('.'))
    }
}

fn difference<'t>(a: &'t str, b: &'t str, strip: fn(&'t str, &'t str) -> Option<&'t str>) -> Option<&'t str> {
    strip(a, b).or_else(|| strip(b, a))
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, InvalidHostPattern> {
        if text.contains('*') {
            return Err(InvalidHostPattern::Wildcard);
        }
        let (before, after) = text.split_once(Self::PLACEHOLDER).ok_or(InvalidHostPattern::Placeholder)?;
        if after.contains(Self::PLACEHOLDER) {
            return Err(InvalidHostPattern::Placeholder);
        }
        // The rules of host names apply to the pattern with an id in it; "a" is the shortest.
        let sample =
            HostName::parse(format!("{before}a{after}").as_bytes()).map_err(InvalidHostPattern::Host)?;
        if sample.port().is_some() || sample.as_str().starts_with('[') {
            return Err(InvalidHostPattern::Port);
        }
        let after = after.strip_suffix('.').unwrap_or(after);
        Ok(Self { before: before.to_ascii_lowercase(), after: after.to_ascii_lowercase() })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.before, Self::PLACEHOLDER, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_captures_within_one_label() {
        let plain = pattern("{tenant}.App.example.com.");
        assert_eq!(plain.capture("acme.app.example.com"), Some("acme"));
        assert_eq!(plain.capture("a.b.app.example.com"), None);
        assert_eq!(plain.capture(".app.example.com"), None);
        assert_eq!(plain.capture("app.example.com"), None);
        let affixed = pattern("my-{tenant}-app.example.com");
        assert_eq!(affixed.capture("my-acme-app.example.com"), Some("acme"));
        assert_eq!(affixed.capture("my-app.example.com"), None);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "app.example.com",
            "{tenant}.{tenant}.com",
            "*.{tenant}.com",
            "{tenant}.com:80",
            "{tenant} .com",
            "",
            "{tenant}..com",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_collide_when_a_host_can_match_both() {
        let collide = |a: &str, b: &str| pattern(a).collides_with(&pattern(b));
        assert!(collide("{tenant}.example.com", "{tenant}.example.com"));
        assert!(collide("{tenant}.example.com", "{tenant}-app.example.com"));
        assert!(collide("x-{tenant}.example.com", "{tenant}-y.example.com"));
        assert!(!collide("{tenant}.example.com", "{tenant}.app.example.com"));
        assert!(!collide("{tenant}-a.example.com", "{tenant}-b.example.com"));
        assert!(!collide("www.{tenant}.com", "{tenant}.example.com"));
    }
}
