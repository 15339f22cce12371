//! What a load has found otherwise than before, so that no more than that is made anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::Tenant;
use crate::types::TenantId;

/// How a document differs from the one that was accepted last ([`super::Loader::accept`]).
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Whether anything but tenants' files may differ: the configuration file, or a file that it names. Always so in a first load,
    /// and where a load was asked for without a sign of a change.
    pub main: bool,
    /// Tenants that were not there.
    pub added: Vec<Arc<Tenant>>,
    /// Tenants that were there, and are not as they were.
    pub changed: Vec<Arc<Tenant>>,
    /// Tenants that are there no more.
    pub removed: Vec<TenantId>,
}

/// What has become of one tenant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change<'c> {
    pub before: Option<&'c Arc<Tenant>>,
    pub now: Option<&'c Arc<Tenant>>,
}

impl Difference {
    /// Adds up changes. A tenant whose file was renamed has two: it has gone, and it has come.
    pub(super) fn of<'c>(main: bool, changes: impl Iterator<Item = Change<'c>>) -> Self {
        let mut by_id: BTreeMap<&TenantId, Change<'c>> = BTreeMap::new();
        for change in changes {
            if let Some(tenant) = change.before {
                by_id.entry(&tenant.id).or_default().before = Some(tenant);
            }
            if let Some(tenant) = change.now {
                by_id.entry(&tenant.id).or_default().now = Some(tenant);
            }
        }
        let mut difference = Self { main, ..Self::default() };
        for (id, change) in by_id {
            match (change.before, change.now) {
                (Some(before), Some(now)) if Arc::ptr_eq(before, now) => {}
                (Some(_), Some(now)) => difference.changed.push(Arc::clone(now)),
                (None, Some(now)) => difference.added.push(Arc::clone(now)),
                (Some(_), None) => difference.removed.push(id.clone()),
                (None, None) => {}
            }
        }
        difference
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.main && self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}
