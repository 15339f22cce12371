//! Tenants, from the document and from files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Builder;
use super::headers::Direction;
use super::rates::RateLimitMarks;
use crate::config::document::{Access, Domain, HostPattern, Signed, Tenancy, Tenant, TenantLimits};
use crate::config::findings::Findings;
use crate::config::source::Mark;
use crate::config::written;
use crate::types::TenantId;

/// A tenant that is part of the document unless something is found against it.
pub(in crate::config) struct Candidate {
    pub tenant: Arc<Tenant>,
    /// Where its id is written, or its file starts.
    pub mark: Mark,
    /// Where its domains are written, one for each.
    pub domains: Vec<Mark>,
    /// Where its rate or burst is written, if it is.
    pub rate_limit: Option<Mark>,
    /// Where its own quotas are written.
    pub quotas: Vec<Mark>,
    /// Where its further rate limits are written, one for each.
    pub rate_limits: Vec<RateLimitMarks>,
    /// Where its own routes are written, one for each.
    pub routes: Vec<Mark>,
    /// Whether it names a plan or a pool that there is not, so that its pool can't be told.
    pub dangling: bool,
}

impl Candidate {
    /// Its domains, and where each is written.
    pub fn with_domains(&self) -> impl Iterator<Item = (&Domain, Mark)> {
        self.tenant.domains.iter().zip(self.domains.iter().copied())
    }

    /// Whether it differs from its plan in something that has to fit its plan and the routes.
    pub fn has_own_limits(&self) -> bool {
        let has_limits = self.rate_limit.is_some() || !self.rate_limits.is_empty() || !self.quotas.is_empty();
        has_limits || !self.routes.is_empty()
    }
}

/// What the tenants of the configuration file have claimed: each id and each domain is one tenant's only, and these go
/// before those of tenants' own files.
#[derive(Default)]
pub(in crate::config) struct Claims {
    ids: HashMap<TenantId, Mark>,
    domains: HashMap<Domain, (TenantId, Mark)>,
    /// Domains that a pattern gives to another tenant, by that one's id.
    captured: HashMap<Box<str>, Vec<Captured>>,
    patterns: Vec<HostPattern>,
}

/// A domain that a tenant has claimed, and that a pattern gives to another one.
#[derive(Clone, Debug)]
pub(in crate::config) struct Captured {
    pub domain: String,
    pub owner: TenantId,
    pub pattern: HostPattern,
    pub mark: Mark,
}

impl Claims {
    /// None yet, under these rules.
    pub fn under(tenancy: &Tenancy) -> Self {
        Self { patterns: tenancy.patterns().cloned().collect(), ..Self::default() }
    }

    /// Where the tenant of an id is written.
    pub fn id(&self, id: &TenantId) -> Option<Mark> {
        self.ids.get(id).copied()
    }

    /// Who has claimed a domain first, and where.
    pub fn domain(&self, domain: &Domain) -> Option<&(TenantId, Mark)> {
        self.domains.get(domain)
    }

    /// The domains that others have claimed, and patterns give to this one.
    pub fn captured(&self, id: &str) -> &[Captured] {
        self.captured.get(id).map_or(&[], Vec::as_slice)
    }

    /// Enters the claims of a tenant. What was claimed first stays claimed.
    pub fn enter(&mut self, candidate: &Candidate, findings: &Findings) {
        let id = &candidate.tenant.id;
        match self.ids.get(id) {
            None => _ = self.ids.insert(id.clone(), candidate.mark),
            Some(first) => {
                findings
                    .error("duplicate-tenant", candidate.mark, format!("the tenant `{id}` is there twice"))
                    .hint("merge the two, or give one another id")
                    .see(*first, "the other one is");
            }
        }
        for (domain, mark) in candidate.tenant.domains.iter().zip(&candidate.domains) {
            match self.domains.get(domain) {
                None => _ = self.domains.insert(domain.clone(), (id.clone(), *mark)),
                Some((owner, first)) => {
                    findings
                        .error("duplicate-domain", *mark, taken(domain, owner, id))
                        .hint("a domain belongs to one tenant: remove one of the two")
                        .see(*first, "the other one is");
                }
            }
            let Domain::Exact(name) = domain else { continue };
            for pattern in &self.patterns {
                if let Some(label) = pattern.capture(name).filter(|label| *label != id.as_str()) {
                    let (domain, owner, pattern) = (name.clone(), id.clone(), pattern.clone());
                    let captured = Captured { domain, owner, pattern, mark: *mark };
                    self.captured.entry(label.into()).or_default().push(captured);
                }
            }
        }
    }
}

/// What is said of a domain that `owner` has, where `id` claims it.
pub(in crate::config) fn taken(domain: &Domain, owner: &TenantId, id: &TenantId) -> String {
    match owner == id {
        true => format!("the domain `{domain}` is there twice"),
        false => format!("the domain `{domain}` is there for the tenant `{owner}` too"),
    }
}

impl Builder<'_> {
    /// Builds a tenant. Its claims are another matter.
    pub(in crate::config) fn tenant(&self, written: &written::Tenant) -> Candidate {
        let tenant = self.tenant_document(written.id.value.0.clone(), written);
        let rate_limit = written.limits.rate_limit.as_ref().map(|limit| limit.mark);
        let rate_limits = written.limits.rate_limits.0.iter().map(RateLimitMarks::of).collect();
        let dangling = written.plan.is_some() != tenant.plan.is_some()
            || written.pool.is_some() != tenant.pool.is_some();
        let quotas = written.limits.quotas.0.iter().map(|quota| quota.value.limit.mark).collect();
        let domains = written.domains.0.iter().map(|domain| domain.mark).collect();
        let mark = written.id.mark;
        let routes = written.routes.0.iter().map(|route| route.mark().unwrap_or(mark)).collect();
        let tenant = Arc::new(tenant);
        Candidate { tenant, mark, domains, rate_limit, quotas, rate_limits, routes, dangling }
    }

    fn tenant_document(&self, id: TenantId, written: &written::Tenant) -> Tenant {
        let labels: BTreeMap<String, String> =
            written.labels.iter().map(|(name, value)| (name.value.clone(), value.clone())).collect();
        if self.signs {
            self.labels_to_be_sent(written, &labels);
        }
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
            branding: Some(self.branding(written.branding.as_ref()))
                .filter(|branding| !branding.is_empty())
                .map(Arc::new),
            request_headers: self.header_rules_of_any(&written.request_headers, Direction::Request),
            response_headers: self.header_rules_of_any(&written.response_headers, Direction::Response),
            cors: self.cors(written.cors.as_ref()),
            routes: self.route_overrides(&written.routes, written.id.mark),
            access: access(&written.access),
            origin: self.findings.sources.origin(written.id.mark),
        }
    }

    /// Applications take heads of some KiB, and there is more in them.
    fn labels_to_be_sent(&self, written: &written::Tenant, labels: &BTreeMap<String, String>) {
        let bytes = serde_json::to_string(labels).map_or(0, |json| json.len());
        if let (true, Some(last)) = (bytes > Signed::LABELS_MAX, written.labels.0.last()) {
            let message = format!(
                "the labels have {bytes} bytes as JSON, and each request carries them in `identity.signed`: at most {} fit",
                Signed::LABELS_MAX
            );
            self.findings
                .error("too-large", last.key.mark, message)
                .hint("keep what no request needs elsewhere");
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

/// An access list.
pub(super) fn access(written: &written::Access) -> Access {
    Access {
        allow: written.allow.0.iter().map(|net| net.0.0).collect(),
        deny: written.deny.0.iter().map(|net| net.0.0).collect(),
    }
}
