//! How many clients' connections a tenant's requests come by, in all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::account::Account;

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Connections(AtomicU32);

/// A connection's place among those of a tenant, until this is dropped.
#[derive(Debug)]
pub struct TenantConnection(Arc<Account>);

impl TenantConnection {
    /// One more, where there are fewer than `max`.
    #[must_use]
    pub fn open(account: &Arc<Account>, max: u32) -> Option<Self> {
        let one_more = |open: u32| open.checked_add(1).filter(|open| *open <= max);
        let opened = account.connections().0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        opened.is_ok().then(|| Self(Arc::clone(account)))
    }

    /// Whether it is among those of this tenant.
    #[must_use]
    pub fn is_of(&self, account: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.0, account)
    }
}

impl Drop for TenantConnection {
    fn drop(&mut self) {
        self.0.connections().0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;
    use crate::tenant::Accounts;
    use crate::types::TenantId;

    #[test]
    fn there_are_never_more_than_may_be_and_each_comes_back() {
        let (metrics, accounts) = (Metrics::new(1).unwrap(), Accounts::default());
        let [acme, globex] =
            ["acme", "globex"].map(|id| accounts.open(&TenantId::parse(id).unwrap(), &metrics));
        let open: Vec<_> = (0..3).filter_map(|_| TenantConnection::open(&acme, 2)).collect();
        assert_eq!(open.len(), 2);
        assert!(open.iter().all(|one| one.is_of(&acme) && !one.is_of(&globex)));
        assert!(TenantConnection::open(&globex, 2).is_some(), "others have places of their own");
        drop(open);
        assert_eq!(
            (acme.connections().0.load(Ordering::Relaxed), globex.connections().0.load(Ordering::Relaxed)),
            (0, 0)
        );
    }
}
