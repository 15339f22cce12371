//! All tenants: by id and by the domains that they have claimed.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Tenant;
use crate::types::TenantId;

/// Finds tenants. Immutable: a reload makes another.
#[derive(Debug, Default)]
pub struct Directory {
    ids: HashMap<TenantId, Arc<Tenant>>,
    domains: HashMap<Box<str>, Arc<Tenant>>,
    wildcards: HashMap<Box<str>, Arc<Tenant>>,
}

impl Directory {
    /// Adds a tenant under its id.
    pub fn insert(&mut self, tenant: Arc<Tenant>) {
        self.ids.insert(tenant.id.clone(), tenant);
    }

    /// Gives a tenant a domain, in lower case.
    pub fn claim(&mut self, domain: &str, tenant: Arc<Tenant>) {
        self.domains.insert(domain.into(), tenant);
    }

    /// Gives a tenant every name below a domain: `shop.acme.test` for `*.shop.acme.test`.
    pub fn claim_below(&mut self, domain: &str, tenant: Arc<Tenant>) {
        self.wildcards.insert(domain.into(), tenant);
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
        if self.wildcards.is_empty() {
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
        self.ids.is_empty()
    }
}
