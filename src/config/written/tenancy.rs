//! How a request's tenant is found.

use std::borrow::Cow;
use std::fmt;

use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::text::{Network, Text};
use crate::config::decode::{List, Spanned};
use crate::config::document::{CertPattern, HostPattern};
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
    /// By the certificate that a client has shown to a listener with `client_auth`: by its san_dns, san_uri, san_email or subject_cn,
    /// or by a part of one, like { san_uri: "spiffe://example.org/tenant/{tenant}" }.
    ClientCert(ClientCert),
}

/// Which part of a client's certificate names its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct ClientCert(pub CertPattern);

impl<'de> Deserialize<'de> for ClientCert {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ClientCertVisitor;

        impl<'de> Visitor<'de> for ClientCertVisitor {
            type Value = ClientCert;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one of san_dns, san_uri, san_email and subject_cn, or one of them with a pattern that has {tenant} in it")
            }

            fn visit_str<E: de::Error>(self, part: &str) -> Result<ClientCert, E> {
                CertPattern::new(part, CertPattern::PLACEHOLDER).map(ClientCert).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClientCert, A::Error> {
                let Some((part, pattern)) = map.next_entry::<String, String>()? else {
                    return Err(de::Error::invalid_length(0, &self));
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(de::Error::custom(
                        "a rule looks at one part of the certificate\nwrite a rule for each",
                    ));
                }
                CertPattern::new(&part, &pattern).map(ClientCert).map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(ClientCertVisitor)
    }
}

impl JsonSchema for ClientCert {
    fn schema_name() -> Cow<'static, str> {
        "ClientCert".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let parts = ["san_dns", "san_uri", "san_email", "subject_cn"];
        let pattern = json_schema!({ "type": "string", "pattern": "^[^{}]*\\{tenant\\}[^{}]*$" });
        json_schema!({
            "description": "A part of a client's certificate: the whole of it is the tenant's id, or what stands for {tenant} in a pattern.",
            "anyOf": [
                { "enum": parts },
                {
                    "type": "object",
                    "properties": { "san_dns": pattern, "san_uri": pattern, "san_email": pattern, "subject_cn": pattern },
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1
                }
            ]
        })
    }
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
