//! What tenants of different files have against each other.

use crate::config::build::{Candidate, taken};
use crate::config::document::{Domain, HostPattern};
use crate::config::findings::Findings;
use crate::config::source::{Mark, Site};
use crate::types::TenantId;

/// What speaks against a tenant's file because of another tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// Its id is another's.
    Id { first: Site },
    /// A domain of it is another's.
    Domain { domain: Domain, owner: TenantId, first: Site },
    /// A pattern gives a domain of it to another.
    Captured { domain: Domain, by: HostPattern, tenant: TenantId, site: Site },
    /// A pattern gives it a domain that a tenant of the configuration file has claimed.
    Claimed { domain: String, by: HostPattern, owner: TenantId, site: Site },
}

impl Conflict {
    /// Reports it at the file's tenant.
    pub fn report(&self, candidate: &Candidate, findings: &Findings) {
        let id = &candidate.tenant.id;
        match self {
            Self::Id { first } => {
                findings
                    .error("duplicate-tenant", candidate.mark, format!("the tenant `{id}` is there twice"))
                    .hint("merge the two, or give one another id")
                    .see_site(first, "the other one is");
            }
            Self::Domain { domain, owner, first } => {
                for mark in marks_of(candidate, domain) {
                    findings
                        .error("duplicate-domain", mark, taken(domain, owner, id))
                        .hint("a domain belongs to one tenant: remove one of the two")
                        .see_site(first, "the other one is");
                }
            }
            Self::Captured { domain, by, tenant, site } => {
                let message =
                    format!("the domain `{domain}` belongs to the tenant `{tenant}` by the pattern `{by}`");
                for mark in marks_of(candidate, domain) {
                    findings
                        .error("conflicting-domain", mark, message.as_str())
                        .hint("remove the domain, or change the pattern")
                        .see_site(site, "that tenant is");
                }
            }
            // A tenant in a file of its own must not keep the configuration file from loading: so it is to blame.
            Self::Claimed { domain, by, owner, site } => {
                let message = format!(
                    "the pattern `{by}` gives `{domain}` to this tenant, but `{owner}` has claimed it"
                );
                findings
                    .error("conflicting-domain", candidate.mark, message)
                    .hint("give this tenant another id, or remove the domain")
                    .see_site(site, "the domain is");
            }
        }
    }
}

fn marks_of<'c>(candidate: &'c Candidate, domain: &'c Domain) -> impl Iterator<Item = Mark> + 'c {
    let written = candidate.tenant.domains.iter().zip(&candidate.domains);
    written.filter(move |(own, _)| *own == domain).map(|(_, mark)| *mark)
}
