//! The cold lookup of the data path: a tenant by its id or by a host, with what its quotas hold.

use rusqlite::{Connection, OptionalExtension};

use super::question::{Pace, Question};
use super::tenants::{domains_owned, record};
use super::{Store, StoreFault, TenantKey, TenantRecord, quota_usage};
use crate::admission::quota::Holdings;
use crate::types::TenantId;

/// A tenant, as a request needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The tenant, without its labels: no request needs them, and reading them costs.
    pub record: TenantRecord,
    /// What its quotas hold.
    pub holdings: Vec<Holdings>,
}

impl Store {
    /// Looks a tenant up: by its id, or by a host that is a verified domain of it, or else below the longest verified
    /// wildcard. Never waits: the answer comes on another thread, which it must not hold up, or at once where the store
    /// is closed or busy.
    pub fn find(
        &self,
        key: TenantKey,
        answer: impl FnOnce(Result<Option<Found>, StoreFault>) + Send + 'static,
    ) {
        self.readers.ask(Question::new(move |connection| look_up(connection, &key), answer), Pace::Quick);
    }
}

/// A tenant of the configuration, its domain that is meant, where it is that, and the tenant of the store that has it.
pub type Claimed = (TenantId, Option<Box<str>>, TenantId);

impl Store {
    /// Of tenants that are not the store's: which of their ids it has, too, and which of their domains it gives to another.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn claimed_by_others(
        &self,
        tenants: Vec<(TenantId, Vec<Box<str>>)>,
    ) -> Result<Vec<Claimed>, StoreFault> {
        let search = move |connection: &Connection| {
            let mut has = connection.prepare_cached("SELECT 1 FROM tenants WHERE id = ?1")?;
            let mut claimed = Vec::new();
            for (id, domains) in &tenants {
                if has.exists([id.as_str()])? {
                    claimed.push((id.clone(), None, id.clone()));
                }
                for domain in domains {
                    let other = owner(connection, domain)?.and_then(|owner| TenantId::parse(&owner).ok());
                    if let Some(other) = other.filter(|other| other != id) {
                        claimed.push((id.clone(), Some(domain.clone()), other));
                    }
                }
            }
            Ok(claimed)
        };
        self.readers.search(search).await
    }
}

fn look_up(connection: &Connection, key: &TenantKey) -> rusqlite::Result<Option<Found>> {
    let id = match key {
        TenantKey::Id(id) => Some(id.as_str().to_owned()),
        TenantKey::Host(host) => owner_above(connection, host)?,
    };
    let Some(id) = id else { return Ok(None) };
    let mut statement = connection.prepare_cached(
        "SELECT id, revision, created_ms, updated_ms, plan, state, settings, NULL FROM tenants WHERE id = ?1",
    )?;
    let Some(mut record) = statement.query_row([&id], record).optional()?.flatten() else { return Ok(None) };
    record.content.domains = domains_owned(connection, &id)?;
    let holdings = quota_usage::of_tenant(connection, &record.id)?;
    Ok(Some(Found { record, holdings }))
}

/// Who owns exactly this domain, as it is stored.
pub(super) fn owner(connection: &Connection, domain: &str) -> rusqlite::Result<Option<String>> {
    let mut statement =
        connection.prepare_cached("SELECT tenant FROM domains WHERE name = ?1 AND verified = 1")?;
    statement.query_row([domain], |row| row.get(0)).optional()
}

/// Who owns a host: its exact domain, or the wildcard of most labels above it. A host has 127 labels at most.
fn owner_above(connection: &Connection, host: &str) -> rusqlite::Result<Option<String>> {
    if let Some(owner) = owner(connection, host)? {
        return Ok(Some(owner));
    }
    let mut wildcard = String::with_capacity(host.len() + 1);
    let mut below = host;
    while let Some((_, parent)) = below.split_once('.') {
        wildcard.clear();
        wildcard.push_str("*.");
        wildcard.push_str(parent);
        if let Some(owner) = owner(connection, &wildcard)? {
            return Ok(Some(owner));
        }
        below = parent;
    }
    Ok(None)
}
