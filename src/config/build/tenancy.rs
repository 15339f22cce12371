//! The rules that find a request's tenant.

use super::Builder;
use crate::config::decode::Spanned;
use crate::config::document::{HostPattern, IdentifyRule, Tenancy, TenantCache, UnknownTenant, Verification};
use crate::config::source::Mark;
use crate::config::written::{self, Config, Unknown};

/// Tenants that a cache may have room for, at most.
const CACHE_CAPACITY_MAX: u64 = 100_000_000;

/// Claims that a tenant may have waiting, at most.
const CLAIMS_MAX: u32 = 10_000;

impl Builder<'_> {
    pub(super) fn tenancy(&self, config: &Config) -> Tenancy {
        let written = config.tenancy.as_ref();
        let unknown = match written.and_then(|tenancy| tenancy.unknown.as_ref()) {
            None | Some(Spanned { value: Unknown::Reject, .. }) => UnknownTenant::Reject,
            Some(Spanned { value: Unknown::Tenant(id), .. }) => UnknownTenant::Tenant(id.0.clone()),
        };
        let identify = match written.and_then(|tenancy| tenancy.identify.as_ref()) {
            None => vec![IdentifyRule::Domain],
            Some(rules) => {
                if rules.value.0.is_empty() && self.findings.errors_in(rules.mark.file) == 0 {
                    self.findings
                        .error("invalid-value", rules.key, "no rule is left to find a tenant by")
                        .hint("write at least one, like `- domain`");
                }
                self.rules(&rules.value.0, config)
            }
        };
        let cache = self.tenant_cache(written.and_then(|tenancy| tenancy.cache.as_ref()));
        let verification = self.verification(written.and_then(|tenancy| tenancy.verification.as_ref()));
        Tenancy { identify, unknown, cache, verification }
    }

    fn verification(&self, written: Option<&written::Verification>) -> Verification {
        let default = Verification::default();
        let Some(written) = written else { return default };
        let max_claims = written.max_claims.as_ref();
        if let Some(max) = max_claims.filter(|max| !(1..=CLAIMS_MAX).contains(&max.value)) {
            self.findings
                .error("invalid-value", max.mark, format!("`{}` is not from 1 to {CLAIMS_MAX}", max.value))
                .hint("write how many domains of a tenant may wait for their proof");
        }
        Verification {
            allow: written.allow.0.iter().map(|net| net.0.0).collect(),
            claim_ttl: written.claim_ttl.map_or(default.claim_ttl, |ttl| ttl.0),
            max_claims: max_claims.map_or(default.max_claims, |max| max.value),
        }
    }

    fn tenant_cache(&self, written: Option<&written::Cache>) -> TenantCache {
        let default = TenantCache::default();
        let Some(written) = written else { return default };
        let capacity = written.capacity.as_ref();
        if let Some(capacity) =
            capacity.filter(|capacity| !(1..=CACHE_CAPACITY_MAX).contains(&capacity.value))
        {
            self.findings
                .error(
                    "invalid-value",
                    capacity.mark,
                    format!("`{}` is not from 1 to {CACHE_CAPACITY_MAX}", capacity.value),
                )
                .hint("write how many tenants are to be kept in memory, at about 1 KiB each");
        }
        TenantCache {
            capacity: capacity.map_or(default.capacity, |capacity| capacity.value),
            ttl: written.ttl.map_or(default.ttl, |ttl| ttl.0),
            negative_ttl: written.negative_ttl.map_or(default.negative_ttl, |ttl| ttl.0),
            stale_while_revalidate: written
                .stale_while_revalidate
                .map_or(default.stale_while_revalidate, |stale| stale.0),
        }
    }

    fn rules(&self, written: &[Spanned<written::IdentifyRule>], config: &Config) -> Vec<IdentifyRule> {
        let mut patterns: Vec<(&HostPattern, Mark)> = Vec::new();
        let mut rules: Vec<IdentifyRule> = Vec::new();
        for rule in written {
            let built = match &rule.value {
                written::IdentifyRule::Host(pattern) => {
                    self.collisions(&pattern.0, rule.mark, &patterns);
                    patterns.push((&pattern.0, rule.mark));
                    rules.push(IdentifyRule::Host(pattern.0.clone()));
                    continue;
                }
                written::IdentifyRule::Domain => IdentifyRule::Domain,
                written::IdentifyRule::Header(name) => {
                    if config.trusted_proxies.0.is_empty() {
                        self.findings
                            .warning("no-trusted-proxies", rule.mark, format!("the header `{}` is never believed: there are no `trusted_proxies`", name.0))
                            .hint("add the addresses of your proxies under `trusted_proxies:`, or remove the rule");
                    }
                    IdentifyRule::Header(name.0.clone())
                }
                written::IdentifyRule::Path(_) => {
                    self.findings.not_supported(rule.mark, "finding the tenant by `path`");
                    continue;
                }
                written::IdentifyRule::JwtClaim(_) => {
                    self.findings.not_supported(rule.mark, "finding the tenant by `jwt_claim`");
                    continue;
                }
                written::IdentifyRule::ApiKey(name) => {
                    if config.store.is_none() {
                        self.findings
                            .error(
                                "missing-store",
                                rule.mark,
                                "finding the tenant by `api_key` needs a store, which has the keys",
                            )
                            .hint("add `store: sqlite:state/tollgate.db`, or remove the rule");
                    }
                    IdentifyRule::ApiKey(name.0.clone())
                }
                written::IdentifyRule::ClientCert(pattern) => {
                    let asks = |listener: &written::Listener| {
                        listener.tls.as_ref().is_some_and(|tls| tls.value.client_auth.is_some())
                    };
                    if !config.listeners.value.0.iter().any(asks) {
                        self.findings
                            .warning("no-client-auth", rule.mark, "no listener asks clients for a certificate")
                            .hint("add `client_auth: { ca: clients-ca.pem }` to a listener's `tls`, or remove the rule");
                    }
                    IdentifyRule::ClientCert(pattern.0.clone())
                }
            };
            if rules.contains(&built) {
                self.findings
                    .error("duplicate-rule", rule.mark, "this rule is there twice")
                    .hint("remove one of the two");
            }
            if let Some(name) = built.field()
                && rules.iter().any(|other| *other != built && other.field() == Some(name))
            {
                self.findings
                    .error(
                        "duplicate-rule",
                        rule.mark,
                        format!("another rule reads `{name}` as something else"),
                    )
                    .hint("give each of the two a header of its own");
            }
            rules.push(built);
        }
        rules
    }

    fn collisions(&self, pattern: &HostPattern, mark: Mark, earlier: &[(&HostPattern, Mark)]) {
        if let Some((other, first)) = earlier.iter().find(|(other, _)| pattern.collides_with(other)) {
            let message =
                format!("`{pattern}` and `{other}` can match the same host, and so name two tenants");
            self.findings
                .error("colliding-host-patterns", mark, message)
                .hint("give each pattern a domain of its own, or remove one")
                .see(*first, "the other pattern is");
        }
    }
}
