//! Failures without a success between them.

use super::{Outcome, TENANTS_MAX};

/// A run of failures. Those to connect and those of requests are counted apart: an endpoint that takes a connection has
/// ended the run of those that it did not take, and a tenant's request that fails there is not the next of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Streak {
    /// Failures to connect, without a connection between them.
    pub(super) connects: u32,
    /// Failures of requests that were sent.
    pub(super) failures: u32,
    tenants: Tenants,
}

/// A few different tenants, by their hashes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tenants([u64; TENANTS_MAX]);

impl Streak {
    pub(super) fn add(&mut self, tenant: u64, outcome: Outcome) {
        if outcome == Outcome::Connect {
            self.connects = self.connects.saturating_add(1);
        } else {
            self.connects = 0;
            self.failures = self.failures.saturating_add(1);
            self.tenants.add(tenant);
        }
    }

    /// How many tenants failed, up to [`TENANTS_MAX`].
    pub(super) fn tenants(&self) -> usize {
        self.tenants.len()
    }
}

impl Tenants {
    pub(super) fn add(&mut self, tenant: u64) {
        if let Some(place) = self.0.iter_mut().find(|there| **there == tenant || **there == 0) {
            *place = tenant;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().filter(|tenant| **tenant != 0).count()
    }
}

impl From<[u64; TENANTS_MAX]> for Tenants {
    fn from(seen: [u64; TENANTS_MAX]) -> Self {
        Self(seen)
    }
}
