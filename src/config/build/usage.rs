//! How the parts of a document use each other: what can't work, and what is probably not meant.

use std::collections::HashSet;

use super::route_terms::RouteTerms;
use super::routes::TENANT_POOL;
use super::tenants::Captured;
use super::{Builder, Candidate, Claims, Tally, certificate_usage, rate_usage};
use crate::config::decode::Spanned;
use crate::config::document::{Document, Domain, HostPattern, Tenant};
use crate::config::source::Mark;
use crate::config::written::{Config, Route};
use crate::types::TenantId;

/// Checks what stands in the configuration file.
pub(super) fn check(
    builder: &Builder<'_>,
    config: &Config,
    document: &Document,
    tenants: &[Candidate],
    claims: &Claims,
) {
    let usage = Usage { builder, config, document };
    let routes = RouteTerms::written(config, document);
    for candidate in tenants {
        for (domain, mark) in candidate.with_domains() {
            check_wildcard(builder, document, domain, mark);
            certificate_usage::check_domain(builder, document, domain, mark);
        }
        check_limits(builder, document, &routes, candidate);
    }
    usage.domains_and_patterns(tenants, claims);
    builder.overridden_by_plans(config, document);
    rate_usage::check(builder, config, document, &routes);
    builder.quotas_in_use(config, document, &routes);
    usage.default_pool(tenants);
}

/// Checks how a tenant that does not stand in the configuration file fits the document: one of a file of its own, with the document
/// as it was `written`; without that, one that joins a document in force. Whether others have claimed the same is another matter.
pub(super) fn check_tenant(
    builder: &Builder<'_>,
    document: &Document,
    written: Option<&Config>,
    candidate: &Candidate,
) {
    let tenant = &candidate.tenant;
    for (domain, mark) in candidate.with_domains() {
        match written {
            Some(_) => {
                check_wildcard(builder, document, domain, mark);
                certificate_usage::check_domain(builder, document, domain, mark);
            }
            None => check_domain(builder, document, &tenant.id, domain, mark),
        }
    }
    if candidate.has_own_limits() {
        let in_force = || RouteTerms::in_force(document);
        let routes = written.map_or_else(in_force, |config| RouteTerms::written(config, document));
        check_limits(builder, document, &routes, candidate);
    }
    let lacks_pool = match written {
        Some(config) => lacks_pool(config, document, tenant),
        None => {
            let of_plan = document.plan_of(tenant).map(|plan| plan.routes.as_slice()).unwrap_or_default();
            document.pool_of(tenant).is_none() && document.leads_to_tenants_pool(of_plan, &tenant.routes)
        }
    };
    if lacks_pool && !candidate.dangling {
        let message = format!("the tenant `{}` has no pool, and there is no `default_pool`", tenant.id);
        builder
            .findings
            .error("missing-default-pool", candidate.mark, message)
            .hint("give the tenant or its plan a `pool`, or add `default_pool:` to the configuration")
            .maybe_see(written.and_then(route_to_tenants_pool), "a route to the tenant's pool is");
    }
}

/// Checks whether a tenant can have a domain where other tenants come and go: it must not be that of any by a pattern.
pub(super) fn check_domain(
    builder: &Builder<'_>,
    document: &Document,
    owner: &TenantId,
    domain: &Domain,
    mark: Mark,
) {
    check_wildcard(builder, document, domain, mark);
    let Domain::Exact(name) = domain else { return };
    for pattern in document.tenancy.patterns() {
        let other = pattern.capture(name).filter(|label| *label != owner.as_str());
        let Some(label) = other.filter(|label| TenantId::check(label).is_ok()) else { continue };
        let message = format!("the domain `{name}` is that of a tenant `{label}` by the pattern `{pattern}`");
        let finding = builder.findings.error("conflicting-domain", mark, message);
        finding.hint("claim a domain that no pattern covers");
    }
}

/// Checks what all tenants together use: those of the configuration file, and those of others.
pub(super) fn check_all(builder: &Builder<'_>, config: &Config, document: &Document, tallies: [&Tally; 2]) {
    let usage = Usage { builder, config, document };
    usage.unused_pools(tallies);
    usage.reservations(tallies);
    usage.features(tallies);
}

/// Whether a route leads to a pool that a tenant has not.
pub(in crate::config) fn lacks_pool(config: &Config, document: &Document, tenant: &Tenant) -> bool {
    if config.default_pool.is_some() || document.pool_of(tenant).is_some() {
        return false;
    }
    let of_plan = document.plan_of(tenant).map(|plan| plan.routes.as_slice()).unwrap_or_default();
    document.leads_to_tenants_pool(of_plan, &tenant.routes)
}

/// Where the first route to the tenant's own pool is written, if there is one.
fn route_to_tenants_pool(config: &Config) -> Option<Mark> {
    let Some(routes) = &config.routes else { return Some(config.listeners.key) };
    let to_tenant = |route: &&Route| {
        let answers = route.redirect.is_some() || route.respond.is_some();
        !answers && pools_of(route).is_none_or(|mut pools| pools.any(|pool| pool.value == TENANT_POOL))
    };
    let route = routes.0.iter().find(to_tenant)?;
    let pool = pools_of(route).and_then(|mut pools| pools.find(|pool| pool.value == TENANT_POOL));
    pool.map(|pool| pool.mark).or(route.matches.as_ref().map(|matches| matches.key))
}

/// The pools that a route says it leads to, if it says so.
fn pools_of(route: &Route) -> Option<impl Iterator<Item = &Spanned<String>>> {
    let split = route.split.as_ref().map(|split| split.value.0.iter().map(|share| &share.pool));
    let is_written = route.pool.is_some() || split.is_some();
    is_written.then(|| route.pool.iter().chain(split.into_iter().flatten()))
}

/// A tenant's own limits have to fit its plan and the routes.
fn check_limits(
    builder: &Builder<'_>,
    document: &Document,
    routes: &[RouteTerms<'_>],
    candidate: &Candidate,
) {
    let tenant = &candidate.tenant;
    let of_plan = document.plan_of(tenant).map(|plan| plan.routes.as_slice()).unwrap_or_default();
    if !candidate.has_own_limits() || (of_plan.is_empty() && tenant.routes.is_empty()) {
        rate_usage::check_tenant(builder, document, routes, candidate);
        builder.quotas_of_tenant(document, routes, candidate);
        return;
    }
    let mark = |at: usize| candidate.routes.get(at).copied().unwrap_or(candidate.mark);
    builder.overridden_routes(&document.routes_under(of_plan, &[]), &tenant.routes, mark);
    let placed = document.routes_of(tenant);
    let merged = RouteTerms::merged(&placed, routes);
    rate_usage::check_tenant(builder, document, &merged, candidate);
    builder.quotas_of_tenant(document, &merged, candidate);
}

/// A wildcard must not claim hosts that a pattern gives to others.
fn check_wildcard(builder: &Builder<'_>, document: &Document, domain: &Domain, mark: Mark) {
    let Domain::Wildcard(name) = domain else { return };
    for pattern in document.tenancy.patterns().filter(|pattern| overlaps(pattern, name)) {
        let message = format!("`{domain}` claims hosts that the pattern `{pattern}` gives to other tenants");
        let finding = builder.findings.error("conflicting-domain", mark, message);
        finding.hint("claim a domain that no pattern covers");
    }
}

struct Usage<'u> {
    builder: &'u Builder<'u>,
    config: &'u Config,
    document: &'u Document,
}

impl Usage<'_> {
    /// A host must not name one tenant by a pattern and another by a claimed domain.
    fn domains_and_patterns(&self, tenants: &[Candidate], claims: &Claims) {
        let first_of_id = |candidate: &&Candidate| claims.id(&candidate.tenant.id) == Some(candidate.mark);
        for candidate in tenants.iter().filter(first_of_id) {
            let id = &candidate.tenant.id;
            for captured in claims.captured(id.as_str()) {
                let Captured { domain, pattern, .. } = captured;
                let finding = self.builder.findings.error(
                    "conflicting-domain",
                    captured.mark,
                    format!("the domain `{domain}` belongs to the tenant `{id}` by the pattern `{pattern}`"),
                );
                finding
                    .hint("remove the domain, or change the pattern")
                    .see(candidate.mark, "that tenant is");
            }
        }
    }

    /// A route to the tenant's pool needs every tenant to have one. One of those that have none says enough.
    fn default_pool(&self, tenants: &[Candidate]) {
        let lacks = |c: &&Candidate| !c.dangling && lacks_pool(self.config, self.document, &c.tenant);
        let Some(candidate) = tenants.iter().find(lacks) else { return };
        // Where only a plan's or tenant's own route leads there, the tenant is told of.
        let route = route_to_tenants_pool(self.config).unwrap_or(candidate.mark);
        let id = &candidate.tenant.id;
        let message = match self.config.routes.is_none() {
            false => format!("this route leads to the tenant's pool, and the tenant `{id}` has none"),
            true => format!("every request goes to its tenant's pool, and the tenant `{id}` has none"),
        };
        self.builder
            .findings
            .error("missing-default-pool", route, message)
            .hint("add `default_pool:`, or give the tenant or its plan a `pool`")
            .see(candidate.mark, "the tenant is");
    }

    fn unused_pools(&self, tallies: [&Tally; 2]) {
        let base = self.config.routes.iter().flat_map(|routes| &routes.0);
        let of_plans = self.config.plans.iter().flat_map(|(_, plan)| &plan.routes.0);
        let written = base.chain(of_plans).flat_map(|route| {
            let mirror = route.mirror.as_ref().map(|mirror| &mirror.value.pool);
            pools_of(route).into_iter().flatten().chain(mirror)
        });
        let used: HashSet<&str> = written
            .map(|pool| pool.value.as_str())
            .chain(
                self.config
                    .plans
                    .iter()
                    .filter_map(|(_, plan)| plan.pool.as_ref())
                    .map(|pool| pool.value.as_str()),
            )
            .chain(tallies.into_iter().flat_map(Tally::pools))
            .chain(self.config.default_pool.iter().map(|pool| pool.value.as_str()))
            .chain(
                self.config
                    .pools
                    .iter()
                    .filter_map(|(_, pool)| pool.failover.as_ref())
                    .map(|pool| pool.value.as_str()),
            )
            .collect();
        if self.config.store.is_some() {
            // Its tenants may have any pool.
            return;
        }
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
    fn reservations(&self, tallies: [&Tally; 2]) {
        for (name, pool) in self.config.pools.iter() {
            let Some(limit) = pool.concurrency.as_ref().and_then(|seats| seats.value.limit.as_ref()) else {
                continue;
            };
            let reserved: u64 = tallies.iter().map(|tally| tally.reserved(&name.value)).sum();
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

    fn features(&self, tallies: [&Tally; 2]) {
        let of_plans =
            self.document.plans.values().flat_map(|plan| plan.features.iter().map(|f| f.name.as_str()));
        let of_tenants = tallies.into_iter().flat_map(Tally::features);
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
