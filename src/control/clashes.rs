//! Tenants that the configuration and the store both have, or that both have a domain: the configuration wins, and the operator is
//! told.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashSet;
use serde_json::{Value, json};

use crate::config::{Document, Tenant, TenantList};
use crate::store::{Store, StoreFault};
use crate::types::TenantId;

/// How many are kept and shown.
const SHOWN_MAX: usize = 100;
/// Tenants that are asked for in one go.
const ASKED_MAX: usize = 5_000;

/// What is in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The configuration's tenant.
    pub tenant: TenantId,
    /// The domain that the store gives to somebody else; `None` where the store has a tenant of the same id.
    pub domain: Option<Box<str>>,
    /// The store's tenant.
    pub stored: TenantId,
}

/// What was found so far, and in which tenants it was looked for.
#[derive(Debug, Default)]
pub struct Clashes {
    looked_at: Mutex<Option<Arc<Document>>>,
    found: Mutex<Vec<Clash>>,
}

impl Clashes {
    /// Looks for clashes of the tenants that have changed since it looked last, and whether those that were found are still there.
    /// New ones are told in the log.
    ///
    /// # Errors
    /// The store has no answer; then it is as if nobody had looked.
    pub async fn look(&self, document: &Arc<Document>, store: &Store) -> Result<(), StoreFault> {
        let before = locked(&self.looked_at).clone();
        let is_same = before.as_ref().is_some_and(|before| Arc::ptr_eq(before, document));
        if is_same && locked(&self.found).is_empty() {
            return Ok(());
        }
        let none = TenantList::default();
        let tenants_before = before.as_ref().map_or(&none, |before| &before.tenants);
        let (_, changed) = tenants_before.apart(&document.tenants);
        let known = locked(&self.found).clone();
        if changed.is_empty() && known.is_empty() {
            *locked(&self.looked_at) = Some(Arc::clone(document));
            return Ok(());
        }
        let again: HashSet<&TenantId> = known.iter().map(|clash| &clash.tenant).collect();
        let is_new: HashSet<*const Tenant> = changed.iter().map(|tenant| Arc::as_ptr(tenant)).collect();
        let again = document
            .tenants
            .iter()
            .filter(|tenant| again.contains(&tenant.id) && !is_new.contains(&Arc::as_ptr(tenant)));
        let asked: Vec<&Arc<Tenant>> = match again.clone().next() {
            Some(_) => again.chain(changed.iter().copied()).collect(),
            None => changed,
        };
        let mut found = Vec::new();
        for some in asked.chunks(ASKED_MAX) {
            if found.len() < SHOWN_MAX {
                found.extend(ask(some, store).await?);
            }
        }
        found.truncate(SHOWN_MAX);
        for Clash { tenant, domain, stored } in found.iter().filter(|clash| !known.contains(clash)) {
            match domain {
                Some(domain) => {
                    tracing::warn!(%tenant, domain, %stored, "a domain of a configured tenant is another's in the store: the configuration wins")
                }
                None => {
                    tracing::warn!(%tenant, "a configured tenant is in the store, too: the configuration wins")
                }
            }
        }
        *locked(&self.found) = found;
        *locked(&self.looked_at) = Some(Arc::clone(document));
        Ok(())
    }

    /// For `/api/v1/status`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let found = locked(&self.found);
        let one = |clash: &Clash| json!({ "tenant": clash.tenant.as_str(), "domain": clash.domain, "stored_tenant": clash.stored.as_str() });
        found.iter().map(one).collect()
    }
}

async fn ask(tenants: &[&Arc<Tenant>], store: &Store) -> Result<Vec<Clash>, StoreFault> {
    let keys = tenants.iter().map(|tenant| {
        let domains = tenant.domains.iter().map(|domain| domain.to_string().into_boxed_str());
        (tenant.id.clone(), domains.collect())
    });
    let found = store.claimed_by_others(keys.collect()).await?;
    Ok(found.into_iter().map(|(tenant, domain, stored)| Clash { tenant, domain, stored }).collect())
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
