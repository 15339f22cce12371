//! Tenants as they were: with their domains, keys and what their quotas hold.

use rusqlite::{Connection, OptionalExtension, params};

use super::audit::{self, Entry};
use super::domains::{self, DomainRecord};
use super::keys::{self, KeyRecord};
use super::snapshot::UsageRecord;
use super::tenants::{self, Written, taken};
use super::work::Made;
use super::{Actor, Store, StoreFault, TenantRecord, WriteError, quota_usage};

/// All that the store keeps of a tenant, but for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The tenant. Its revision is not restored: it gets a new one. Its verified domains are those of `domains`.
    pub record: TenantRecord,
    /// Its domains, claimed ones among them.
    pub domains: Vec<DomainRecord>,
    /// Its keys.
    pub keys: Vec<KeyRecord>,
    /// What its quotas hold.
    pub usage: Vec<UsageRecord>,
    /// Whose change it is.
    pub actor: Actor,
}

impl Store {
    /// Brings tenants back, each as a whole: what is there of one is replaced, other tenants are not touched. As for
    /// transactions and dry runs, see [`Store::put_all`]. What a running gateway has in memory of a tenant's quotas it goes on
    /// with, until it is told otherwise.
    ///
    /// An outcome is `DomainTaken` where another tenant owns a domain of it by now, and `Exists` where another has a key of it.
    ///
    /// # Errors
    /// [`StoreFault`] where nothing was begun.
    pub async fn restore(
        &self,
        tenants: Vec<Restored>,
        dry_run: bool,
    ) -> Result<Vec<Result<Written, WriteError>>, StoreFault> {
        self.write_all(tenants, carry_out, dry_run).await
    }
}

/// Decides everything before it writes anything.
fn carry_out(connection: &Connection, restored: &Restored) -> Made<Written> {
    let id = &restored.record.id;
    let mut after = restored.record.clone();
    // Whatever else is among them, no other tenant is touched.
    let own_domains: Vec<_> =
        restored.domains.iter().filter(|domain| domain.tenant == *id).cloned().collect();
    let own_keys: Vec<_> = restored.keys.iter().filter(|key| key.tenant == *id).cloned().collect();
    let usage: Vec<_> = restored.usage.iter().filter(|usage| usage.tenant == *id).cloned().collect();
    let owned = own_domains.iter().filter(|domain| domain.verified);
    after.content.domains = owned.map(|domain| domain.name.clone()).collect();
    after.content.domains.sort_unstable();
    after.content.domains.dedup();
    for domain in &after.content.domains {
        if let Some(error) = taken(connection, domain, id)? {
            return Ok(Err(error));
        }
    }
    for key in &own_keys {
        if is_anothers(connection, key)? {
            return Ok(Err(WriteError::Exists));
        }
    }
    let before = tenants::tenant(connection, id)?;
    if let Some(before) = &before
        && before.content == after.content
        && same(domains::of_tenant(connection, id)?, &own_domains, |domain| &domain.name)
        && same(keys::of_tenant(connection, id)?, &own_keys, |key| &key.id)
        && quota_usage::records(connection, id)? == usage
    {
        let (record, released) = (before.clone(), Vec::new());
        return Ok(Ok(Written { record, created: false, changed: false, released }));
    }
    let had = before.as_ref().map(|before| before.content.domains.as_slice()).unwrap_or_default();
    let released = had.iter().filter(|domain| after.content.domains.binary_search(domain).is_err());
    let released = released.cloned().collect();
    let mut entry = Entry::new(&restored.actor, "tenant.restore", id);
    entry.before = before.as_ref().map(audit::tenant_json);
    entry.after = Some(audit::tenant_json(&after));
    after.updated_ms = entry.at_ms;
    after.revision = audit::enter(connection, &entry)?;
    if let Some(before) = &before {
        tenants::remove(connection, before)?;
    }
    tenants::write(connection, None, &after)?;
    own_domains.iter().try_for_each(|domain| domains::save(connection, domain))?;
    own_keys.iter().try_for_each(|key| keys::save(connection, key))?;
    quota_usage::replace(connection, id, &usage)?;
    Ok(Ok(Written { created: before.is_none(), record: after, changed: true, released }))
}

/// Whether a key's id or hash is that of another tenant's key.
fn is_anothers(connection: &Connection, key: &KeyRecord) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM api_keys WHERE (id = ?1 OR hash = ?2) AND (tenant <> ?3 OR id <> ?1 OR hash <> ?2)",
    )?;
    let found = statement.query_row(params![key.id, key.hash, key.tenant.as_str()], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

/// Whether two lists hold the same, in whatever order.
fn same<T: PartialEq + Clone>(mut there: Vec<T>, wanted: &[T], by: fn(&T) -> &Box<str>) -> bool {
    let mut wanted = wanted.to_vec();
    there.sort_by(|a, b| by(a).cmp(by(b)));
    wanted.sort_by(|a, b| by(a).cmp(by(b)));
    there == wanted
}
