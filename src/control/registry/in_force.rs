//! The configuration in force, to be looked into by id and domain.

use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;

use crate::config::{Document, Domain, Tenant};

/// A configuration. What it is looked into by is made when that is first asked for: a reload of a hundred thousand
/// tenants does not wait for what no operator may ask.
pub(super) struct InForce {
    document: Arc<Document>,
    /// Places in the document's tenants, by id.
    by_id: OnceLock<Vec<u32>>,
    by_domain: OnceLock<HashMap<Domain, u32>>,
}

impl InForce {
    pub(super) fn new(document: Arc<Document>) -> Self {
        Self { document, by_id: OnceLock::new(), by_domain: OnceLock::new() }
    }

    pub(super) fn share(&self) -> Arc<Document> {
        Arc::clone(&self.document)
    }

    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    /// The configured tenant of an id.
    pub(super) fn tenant(&self, id: &str) -> Option<&Tenant> {
        let ids = self.ids();
        let place = ids.binary_search_by(|place| self.id_at(*place).cmp(id)).ok()?;
        self.at(*ids.get(place)?)
    }

    /// The configured tenants behind an id, in the order of ids.
    pub(super) fn tenants_after(&self, after: Option<&str>) -> impl Iterator<Item = &Tenant> {
        let ids = self.ids();
        let start = after.map_or(0, |after| ids.partition_point(|place| self.id_at(*place) <= after));
        ids.get(start..).unwrap_or_default().iter().filter_map(|place| self.at(*place))
    }

    /// The configured tenant whose a domain is: it has it, or a wildcard above it. Nobody else can have such a
    /// domain, since the configuration wins.
    pub(super) fn owner(&self, domain: &Domain) -> Option<&Tenant> {
        let (Domain::Exact(name) | Domain::Wildcard(name)) = domain;
        let above = name.match_indices('.').map(|(at, _)| name.get(at + 1..).unwrap_or_default());
        let above = above.map(|name| Domain::Wildcard(name.to_owned()));
        self.owner_of(domain).or_else(|| above.into_iter().find_map(|wildcard| self.owner_of(&wildcard)))
    }

    fn owner_of(&self, domain: &Domain) -> Option<&Tenant> {
        let owners = self.by_domain.get_or_init(|| {
            let tenants = (0_u32..).zip(&self.document.tenants);
            tenants
                .flat_map(|(place, tenant)| tenant.domains.iter().map(move |domain| (domain.clone(), place)))
                .collect()
        });
        self.at(*owners.get(domain)?)
    }

    fn ids(&self) -> &[u32] {
        self.by_id.get_or_init(|| {
            let mut places: Vec<u32> = (0_u32..).take(self.document.tenants.len()).collect();
            places.sort_unstable_by(|a, b| self.id_at(*a).cmp(self.id_at(*b)));
            places
        })
    }

    fn at(&self, place: u32) -> Option<&Tenant> {
        let tenant = self.document.tenants.get(place as usize)?;
        Some(tenant)
    }

    fn id_at(&self, place: u32) -> &str {
        self.at(place).map(|tenant| tenant.id.as_str()).unwrap_or_default()
    }
}
