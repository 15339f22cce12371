//! The tenants of the configuration: by id and by the domains that they have claimed.

use std::sync::Arc;

use super::Tenant;
use super::shards::Shards;
use crate::types::TenantId;

/// Finds tenants that the configuration has. Immutable for who asks: a reload changes a copy, in time that grows with what
/// has changed.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    ids: Shards<TenantId, Tenant>,
    domains: Shards<Box<str>, Tenant>,
    wildcards: Shards<Box<str>, Tenant>,
}

impl Configured {
    /// Adds a tenant under its id, or puts it into the place of the one that had it.
    pub fn insert(&mut self, tenant: Arc<Tenant>) {
        self.ids.insert(tenant.id().clone(), tenant);
    }

    /// Gives a tenant a domain, in lower case.
    pub fn claim(&mut self, domain: &str, tenant: Arc<Tenant>) {
        self.domains.insert(domain.into(), tenant);
    }

    /// Gives a tenant every name below a domain: `shop.acme.test` for `*.shop.acme.test`.
    pub fn claim_below(&mut self, domain: &str, tenant: Arc<Tenant>) {
        self.wildcards.insert(domain.into(), tenant);
    }

    /// Takes a tenant out that is of this id.
    pub fn remove(&mut self, id: &TenantId) {
        self.ids.remove_if(id, |_| true);
    }

    /// Takes a domain from the tenant of this id, if it is its own.
    pub fn release(&mut self, domain: &str, id: &TenantId) {
        self.domains.remove_if(domain, |tenant| tenant.id() == id);
    }

    /// As [`release`](Self::release), for what [`claim_below`](Self::claim_below) gave.
    pub fn release_below(&mut self, domain: &str, id: &TenantId) {
        self.wildcards.remove_if(domain, |tenant| tenant.id() == id);
    }

    /// The tenant of an id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Arc<Tenant>> {
        self.ids.get(id)
    }

    /// The tenant of a host: its exact domain, else the longest wildcard above it. As in nginx and
    /// Gateway API a wildcard stands for one label or more.
    #[must_use]
    pub fn by_domain(&self, host: &str) -> Option<&Arc<Tenant>> {
        if let Some(tenant) = self.domains.get(host) {
            return Some(tenant);
        }
        if self.wildcards.len() == 0 {
            return None;
        }
        let mut below = host;
        while let Some((_, parent)) = below.split_once('.') {
            if let Some(tenant) = self.wildcards.get(parent) {
                return Some(tenant);
            }
            below = parent;
        }
        None
    }

    /// All tenants.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.ids.values()
    }

    /// How many tenants there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.len() == 0
    }
}
