//! How the parts of a document use each other: what can't work, and what is probably not meant.

use std::collections::{HashMap, HashSet};

use super::route_terms::RouteTerms;
use super::routes::TENANT_POOL;
use super::{Builder, Candidate};
use crate::config::document::{Document, Domain, HostPattern, IdentifyRule, RoutePool};
use crate::config::source::Mark;
use crate::config::written::{Config, Route};
use crate::types::TenantId;

pub(super) fn check(builder: &Builder<'_>, config: &Config, document: &Document, tenants: &[Candidate]) {
    let usage = Usage { builder, config, document, tenants };
    usage.domains_and_patterns();
    let routes = RouteTerms::written(config, document);
    super::rate_usage::check(builder, config, document, &routes, tenants);
    builder.quotas_in_use(config, document, &routes, tenants);
    usage.default_pool();
    usage.unused_pools();
    usage.reservations();
    usage.features();
}

/// How one tenant goes together with a document in force. Other tenants come and go meanwhile, so nothing is
/// held against what they are now.
pub(super) fn check_tenant(builder: &Builder<'_>, document: &Document, candidate: &Candidate) {
    for (domain, mark) in candidate.tenant.domains.iter().zip(&candidate.domains) {
        check_domain(builder, document, &candidate.tenant.id, domain, *mark);
    }
    if candidate.rate_limit.is_some() || !candidate.rate_limits.is_empty() || !candidate.quotas.is_empty() {
        let routes = RouteTerms::in_force(document);
        super::rate_usage::check_tenant(builder, document, &routes, candidate);
        builder.quotas_of_tenant(document, &routes, candidate);
    }
    let needs_pool = document.routes.iter().any(|route| route.pool == RoutePool::Tenant);
    if needs_pool && !candidate.dangling && document.pool_of(&candidate.tenant).is_none() {
        builder
            .findings
            .error(
                "missing-default-pool",
                candidate.mark,
                "the tenant has no pool, and there is no `default_pool`",
            )
            .hint("give it a `pool`, or a plan with one");
    }
}

/// Whether a tenant can have a domain under the host patterns of a document.
pub(super) fn check_domain(
    builder: &Builder<'_>,
    document: &Document,
    owner: &TenantId,
    domain: &Domain,
    mark: Mark,
) {
    for pattern in document.tenancy.identify.iter().filter_map(pattern_of) {
        domain_under_pattern(builder, owner, domain, mark, pattern);
    }
}

/// As [`Usage::domain_and_pattern`], where any tenant may come to be.
fn domain_under_pattern(
    builder: &Builder<'_>,
    owner: &TenantId,
    domain: &Domain,
    mark: Mark,
    pattern: &HostPattern,
) {
    let message = match domain {
        Domain::Exact(name) => {
            let other = pattern.capture(name).filter(|label| *label != owner.as_str());
            let Some(label) = other.filter(|label| TenantId::check(label).is_ok()) else { return };
            format!("the domain `{name}` is that of a tenant `{label}` by the pattern `{pattern}`")
        }
        Domain::Wildcard(name) if overlaps(pattern, name) => wildcard_under(domain, pattern),
        Domain::Wildcard(_) => return,
    };
    let finding = builder.findings.error("conflicting-domain", mark, message);
    finding.hint("claim a domain that no pattern covers");
}

fn wildcard_under(domain: &Domain, pattern: &HostPattern) -> String {
    format!("`{domain}` claims hosts that the pattern `{pattern}` gives to other tenants")
}

struct Usage<'u> {
    builder: &'u Builder<'u>,
    config: &'u Config,
    document: &'u Document,
    tenants: &'u [Candidate],
}

impl Usage<'_> {
    /// A host must not name one tenant by a pattern and another by a claimed domain.
    fn domains_and_patterns(&self) {
        let patterns: Vec<&HostPattern> =
            self.document.tenancy.identify.iter().filter_map(pattern_of).collect();
        if patterns.is_empty() {
            return;
        }
        let ids: HashMap<&str, Mark> = self.tenants.iter().map(|c| (c.tenant.id.as_str(), c.mark)).collect();
        for candidate in self.tenants {
            for (domain, mark) in candidate.tenant.domains.iter().zip(&candidate.domains) {
                for pattern in &patterns {
                    self.domain_and_pattern(&candidate.tenant.id, domain, *mark, pattern, &ids);
                }
            }
        }
    }

    fn domain_and_pattern(
        &self,
        owner: &TenantId,
        domain: &Domain,
        mark: Mark,
        pattern: &HostPattern,
        ids: &HashMap<&str, Mark>,
    ) {
        let findings = self.builder.findings;
        match domain {
            Domain::Exact(name) => {
                let Some(label) = pattern.capture(name).filter(|label| *label != owner.as_str()) else {
                    return;
                };
                let Some(other) = ids.get(label) else { return };
                // A tenant in a file of its own must not keep the document from loading: where one
                // of the two is, that one is to blame.
                if self.in_document(mark) && !self.in_document(*other) {
                    let message = format!(
                        "the pattern `{pattern}` gives `{name}` to this tenant, but `{owner}` has claimed it"
                    );
                    findings
                        .error("conflicting-domain", *other, message)
                        .hint("give this tenant another id, or remove the domain")
                        .see(mark, "the domain is");
                    return;
                }
                let message =
                    format!("the domain `{name}` belongs to the tenant `{label}` by the pattern `{pattern}`");
                findings
                    .error("conflicting-domain", mark, message)
                    .hint("remove the domain, or change the pattern")
                    .see(*other, "that tenant is");
            }
            Domain::Wildcard(name) => {
                if !overlaps(pattern, name) {
                    return;
                }
                findings
                    .error("conflicting-domain", mark, wildcard_under(domain, pattern))
                    .hint("claim a domain that no pattern covers");
            }
        }
    }

    /// A route to the tenant's pool needs every tenant to have one.
    fn default_pool(&self) {
        if self.config.default_pool.is_some() {
            return;
        }
        let written = self.config.routes.as_ref().map(|routes| routes.0.as_slice()).unwrap_or_default();
        let to_tenant = |route: &&Route| route.pool.as_ref().is_none_or(|pool| pool.value == TENANT_POOL);
        let default_route = self.config.routes.is_none();
        let Some(route) = written
            .iter()
            .find(to_tenant)
            .map(|route| route.pool.as_ref().map_or(route.matches.key, |pool| pool.mark))
            .or_else(|| default_route.then_some(self.config.listeners.key))
        else {
            return;
        };
        let without =
            self.tenants.iter().filter(|c| !c.dangling && self.document.pool_of(&c.tenant).is_none());
        let (own, of_files): (Vec<_>, Vec<_>) = without.partition(|c| self.in_document(c.mark));
        let findings = self.builder.findings;
        let hint = "add `default_pool:`, or give the tenant or its plan a `pool`";
        for candidate in of_files {
            let message =
                format!("the tenant `{}` has no pool, and there is no `default_pool`", candidate.tenant.id);
            let finding = findings.error("missing-default-pool", candidate.mark, message).hint(hint);
            finding.see(route, "a route to the tenant's pool is");
        }
        let Some(candidate) = own.first() else { return };
        let id = &candidate.tenant.id;
        let message = match default_route {
            false => format!("this route leads to the tenant's pool, and the tenant `{id}` has none"),
            true => format!("every request goes to its tenant's pool, and the tenant `{id}` has none"),
        };
        findings
            .error("missing-default-pool", route, message)
            .hint(hint)
            .see(candidate.mark, "the tenant is");
    }

    /// Whether something stands in the configuration file, not in a tenant's own.
    fn in_document(&self, mark: Mark) -> bool {
        mark.file == self.config.listeners.mark.file
    }

    fn unused_pools(&self) {
        let written =
            self.config.routes.iter().flat_map(|routes| &routes.0).filter_map(|route| route.pool.as_ref());
        let used: HashSet<&str> = written
            .map(|pool| pool.value.as_str())
            .chain(
                self.config
                    .plans
                    .iter()
                    .filter_map(|(_, plan)| plan.pool.as_ref())
                    .map(|pool| pool.value.as_str()),
            )
            .chain(self.tenants.iter().filter_map(|c| c.tenant.pool.as_deref()))
            .chain(self.config.default_pool.iter().map(|pool| pool.value.as_str()))
            .chain(
                self.config
                    .pools
                    .iter()
                    .filter_map(|(_, pool)| pool.failover.as_ref())
                    .map(|pool| pool.value.as_str()),
            )
            .collect();
        for entry in self.config.pools.0.iter().filter(|entry| !used.contains(entry.key.value.as_str())) {
            self.builder
                .findings
                .warning(
                    "unused-pool",
                    entry.key.mark,
                    format!("nothing uses the pool `{}`", entry.key.value),
                )
                .hint("name it in a route, a plan, a tenant or `default_pool`, or remove it");
        }
    }

    /// Seats that are promised to more tenants than there are seats can't be had by all of them.
    fn reservations(&self) {
        let mut reserved: HashMap<&str, u64> = HashMap::new();
        for tenant in self.tenants.iter().map(|candidate| &candidate.tenant) {
            let seats = self.document.concurrency_of(tenant).reserved.unwrap_or(0);
            if let Some(pool) = self.document.pool_of(tenant).filter(|_| seats > 0) {
                *reserved.entry(pool).or_default() += u64::from(seats);
            }
        }
        for (name, pool) in self.config.pools.iter() {
            let Some(limit) = pool.concurrency.as_ref().and_then(|seats| seats.value.limit.as_ref()) else {
                continue;
            };
            let reserved = reserved.get(name.value.as_str()).copied().unwrap_or(0);
            if reserved > u64::from(limit.value) {
                let message =
                    format!("{reserved} seats of this pool are reserved for tenants, of {}", limit.value);
                self.builder
                    .findings
                    .warning("over-reserved", limit.mark, message)
                    .hint("raise the limit, or lower `reserved` in plans or tenants");
            }
        }
    }

    fn features(&self) {
        let of_plans =
            self.config.plans.iter().flat_map(|(_, plan)| plan.features.0.iter().map(|f| f.value.as_str()));
        let of_tenants = self.tenants.iter().flat_map(|c| c.tenant.features.iter().map(String::as_str));
        let known: HashSet<&str> = of_plans.chain(of_tenants).collect();
        let routes = self.config.routes.iter().flat_map(|routes| &routes.0);
        for feature in routes.filter_map(|route| route.requires_feature.as_ref()) {
            if !known.contains(feature.value.as_str()) {
                let mut names: Vec<&str> = known.iter().copied().collect();
                names.sort_unstable();
                self.builder
                    .findings
                    .warning(
                        "unknown-feature",
                        feature.mark,
                        format!("no plan and no tenant has the feature `{}`", feature.value),
                    )
                    .maybe_hint(
                        super::suggest::hint(&feature.value, names)
                            .or_else(|| Some("add it to the `features` of a plan".into())),
                    );
            }
        }
    }
}

fn pattern_of(rule: &IdentifyRule) -> Option<&HostPattern> {
    match rule {
        IdentifyRule::Host(pattern) => Some(pattern),
        _ => None,
    }
}

/// Whether some host matches both a pattern and `*.name`.
fn overlaps(pattern: &HostPattern, name: &str) -> bool {
    let below = format!(".{name}");
    if pattern.after().ends_with(&below) {
        return true;
    }
    // The wildcard is longer: its first label would have to be the end of the tenant's id.
    let Some(rest) = below.strip_suffix(pattern.after()) else { return false };
    let id = rest.rsplit('.').next().unwrap_or_default();
    !id.is_empty() && format!("{}{id}{}", pattern.before(), pattern.after()).ends_with(&below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_wildcards_overlap_where_a_host_matches_both() {
        let both = |pattern: &str, name: &str| overlaps(&pattern.parse().unwrap(), name);
        assert!(both("{tenant}.app.example.com", "app.example.com"));
        assert!(both("{tenant}.app.example.com", "example.com"));
        assert!(both("www.{tenant}.com", "example.com"));
        assert!(!both("{tenant}.example.com", "shop.example.com"));
        assert!(!both("{tenant}.example.com", "example.org"));
    }
}
