//! What of a tenant outlives its configuration, so that a reload forgets nothing.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use crate::admission::RateState;
use crate::telemetry::{Metrics, TenantMeter};
use crate::types::TenantId;

/// A tenant's running state: what it has used, what it is doing.
#[derive(Debug)]
pub struct Account {
    /// What it has used of its rate.
    pub rate: Arc<RateState>,
    /// What it is metered by; also counts its requests in flight.
    pub meter: Arc<TenantMeter>,
}

/// The accounts of all tenants that are configured, or have been and still owe.
#[derive(Debug, Default)]
pub struct Accounts(Mutex<HashMap<TenantId, Arc<Account>>>);

impl Accounts {
    /// A tenant's account, the same one for as long as it is kept.
    pub fn open(&self, id: &TenantId, metrics: &Metrics) -> Arc<Account> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(id.clone()).or_insert_with(|| {
            Arc::new(Account { rate: Arc::new(RateState::default()), meter: metrics.tenant(id) })
        });
        Arc::clone(account)
    }

    /// Closes the accounts that `keep` names no longer, unless they hold something: a tenant that is
    /// removed and added again finds its limits as it left them.
    pub fn retain(&self, now_ns: u64, keep: impl Fn(&TenantId) -> bool) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.retain(|id, account| {
            keep(id) || Arc::strong_count(account) > 1 || !account.rate.is_rested(now_ns)
        });
    }

    /// Whether an account is kept for this tenant.
    #[must_use]
    pub fn contains(&self, id: &TenantId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }
}
