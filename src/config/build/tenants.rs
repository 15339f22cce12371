//! Tenants, from the document and from files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Builder;
use super::headers::Direction;
use super::rates::RateLimitMarks;
use crate::config::document::{Access, Domain, Tenant, TenantLimits};
use crate::config::source::Mark;
use crate::config::written;
use crate::types::TenantId;

/// A tenant that is part of the document unless something is found against it.
pub(in crate::config) struct Candidate {
    pub tenant: Arc<Tenant>,
    /// Where its id is written, or its file starts.
    pub mark: Mark,
    pub domains: Vec<Mark>,
    /// Where its rate or burst is written, if it is.
    pub rate_limit: Option<Mark>,
    /// Where its own quotas are written.
    pub quotas: Vec<Mark>,
    /// Where its further rate limits are written, one for each.
    pub rate_limits: Vec<RateLimitMarks>,
    /// Whether it names a plan or a pool that there is not, so that its pool can't be told.
    pub dangling: bool,
}

/// What tenants have claimed so far: each id and each domain is one tenant's only.
#[derive(Default)]
pub(in crate::config) struct Claims {
    ids: HashMap<TenantId, Mark>,
    domains: HashMap<Domain, (TenantId, Mark)>,
}

impl Builder<'_> {
    /// Builds a tenant and enters its claims. What was claimed first stays claimed.
    pub(in crate::config) fn tenant(&self, written: &written::Tenant, claims: &mut Claims) -> Candidate {
        let id = written.id.value.0.clone();
        if let Some(first) = claims.ids.insert(id.clone(), written.id.mark) {
            self.findings
                .error("duplicate-tenant", written.id.mark, format!("the tenant `{id}` is there twice"))
                .hint("merge the two, or give one another id")
                .see(first, "the other one is");
            claims.ids.insert(id.clone(), first);
        }
        let mut domains = Vec::with_capacity(written.domains.0.len());
        for domain in &written.domains.0 {
            let claim = (id.clone(), domain.mark);
            match claims.domains.get(&domain.value.0) {
                None => _ = claims.domains.insert(domain.value.0.clone(), claim),
                Some((owner, first)) => {
                    let whose =
                        if *owner == id { "twice".into() } else { format!("for the tenant `{owner}` too") };
                    self.findings
                        .error(
                            "duplicate-domain",
                            domain.mark,
                            format!("the domain `{}` is there {whose}", domain.value.0),
                        )
                        .hint("a domain belongs to one tenant: remove one of the two")
                        .see(*first, "the other one is");
                }
            }
            domains.push(domain.mark);
        }
        let tenant = self.tenant_document(id, written);
        let rate_limit = written.limits.rate_limit.as_ref().map(|limit| limit.mark);
        let rate_limits = written.limits.rate_limits.0.iter().map(RateLimitMarks::of).collect();
        let dangling = written.plan.is_some() != tenant.plan.is_some()
            || written.pool.is_some() != tenant.pool.is_some();
        let quotas = written.limits.quotas.0.iter().map(|quota| quota.value.limit.mark).collect();
        Candidate {
            tenant: Arc::new(tenant),
            mark: written.id.mark,
            domains,
            rate_limit,
            quotas,
            rate_limits,
            dangling,
        }
    }

    fn tenant_document(&self, id: TenantId, written: &written::Tenant) -> Tenant {
        let labels: BTreeMap<String, String> =
            written.labels.iter().map(|(name, value)| (name.value.clone(), value.clone())).collect();
        Tenant {
            id,
            plan: written.plan.as_ref().and_then(|plan| self.known_plan(plan)),
            domains: written.domains.0.iter().map(|domain| domain.value.0.clone()).collect(),
            pool: written.pool.as_ref().and_then(|pool| self.known_pool(pool)),
            time_zone: written.time_zone.as_ref().map(|zone| zone.value.0.clone()),
            labels,
            state: written.state.map(Into::into).unwrap_or_default(),
            limits: self.tenant_limits(written),
            features: self.features(&written.features),
            request_headers: self.header_rules(&written.request_headers, Direction::Request),
            response_headers: self.header_rules(&written.response_headers, Direction::Response),
            access: Access {
                allow: written.access.allow.0.iter().map(|net| net.0.0).collect(),
                deny: written.access.deny.0.iter().map(|net| net.0.0).collect(),
            },
            origin: self.findings.sources.origin(written.id.mark),
        }
    }

    fn tenant_limits(&self, written: &written::Tenant) -> TenantLimits {
        let limits = &written.limits;
        TenantLimits {
            rate_limit: limits.rate_limit.as_ref().map(|limit| self.rate_limit_override(&limit.value)),
            rate_limits: self.rate_limits(&limits.rate_limits),
            concurrency: self.concurrency(limits.concurrency.as_ref()),
            quotas: self.quotas(&limits.quotas),
            on_outage: limits.on_outage.map(Into::into),
            request_body_max: limits.request_body.as_ref().and_then(|body| body.max).map(|max| max.0),
        }
    }
}
