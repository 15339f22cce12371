//! What tenants use of what all share, counted: one more or one less costs no look at the others.

use std::collections::HashMap;

use crate::config::document::{Document, Tenant};

/// The sums over some tenants.
#[derive(Debug, Default)]
pub(in crate::config) struct Tally {
    /// How often tenants have named a pool: as their own, and in routes.
    pools: Sums,
    /// How many have a feature beside their plan's.
    features: Sums,
    /// Seats that are reserved in a pool.
    reserved: Sums,
}

#[derive(Debug, Default)]
struct Sums(HashMap<String, u64>);

impl Tally {
    /// Counts a tenant in.
    pub fn add(&mut self, document: &Document, tenant: &Tenant) {
        pools(tenant).for_each(|pool| self.pools.add(pool, 1));
        had(tenant).for_each(|feature| self.features.add(feature, 1));
        if let Some((pool, seats)) = reserved(document, tenant) {
            self.reserved.add(pool, seats);
        }
    }

    /// Counts a tenant out that was counted in under the same document.
    pub fn remove(&mut self, document: &Document, tenant: &Tenant) {
        pools(tenant).for_each(|pool| self.pools.remove(pool, 1));
        had(tenant).for_each(|feature| self.features.remove(feature, 1));
        if let Some((pool, seats)) = reserved(document, tenant) {
            self.reserved.remove(pool, seats);
        }
    }

    /// Pools that are some tenant's own.
    pub fn pools(&self) -> impl Iterator<Item = &str> {
        self.pools.0.keys().map(String::as_str)
    }

    /// Features that some tenant has beside its plan's.
    pub fn features(&self) -> impl Iterator<Item = &str> {
        self.features.0.keys().map(String::as_str)
    }

    /// How many seats of a pool are reserved.
    pub fn reserved(&self, pool: &str) -> u64 {
        self.reserved.0.get(pool).copied().unwrap_or(0)
    }
}

impl Sums {
    fn add(&mut self, name: &str, amount: u64) {
        match self.0.get_mut(name) {
            Some(sum) => *sum += amount,
            None => _ = self.0.insert(name.to_owned(), amount),
        }
    }

    fn remove(&mut self, name: &str, amount: u64) {
        let Some(sum) = self.0.get_mut(name) else { return };
        *sum = sum.saturating_sub(amount);
        if *sum == 0 {
            self.0.remove(name);
        }
    }
}

/// The features that a tenant has beside its plan's, and not those that it does without.
fn had(tenant: &Tenant) -> impl Iterator<Item = &str> {
    tenant.features.iter().filter(|feature| feature.may_be_had()).map(|feature| feature.name.as_str())
}

fn reserved<'d>(document: &'d Document, tenant: &'d Tenant) -> Option<(&'d str, u64)> {
    let seats = document.concurrency_of(tenant).reserved.filter(|seats| *seats > 0)?;
    Some((document.pool_of(tenant)?, u64::from(seats)))
}

fn pools(tenant: &Tenant) -> impl Iterator<Item = &str> {
    let of_routes = tenant.routes.iter().flat_map(|change| change.parts.named_pools());
    tenant.pool.as_deref().into_iter().chain(of_routes)
}
