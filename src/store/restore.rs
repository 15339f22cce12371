//! Tenants as they were: with their domains, keys and what their quotas hold.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::audit::{self, AuditEntry, Entry};
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

/// What became of a [`Restored`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoration {
    /// The tenant now.
    pub written: Written,
    /// What it was.
    pub before: Option<TenantRecord>,
    /// What has changed of all else that it has.
    pub differences: Vec<Difference>,
}

/// Something that was not there before, is not there any more, or is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub part: Part,
    /// How it was before.
    pub before: Before,
}

/// How something was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Not there.
    Absent,
    /// Otherwise.
    Other,
    /// There, and is not any more.
    Present,
}

/// A part of what a tenant has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The domain of this name.
    Domain(Box<str>),
    /// The key of this id.
    Key(Box<str>),
    /// What a period holds, and what it held.
    Usage {
        /// Now.
        now: UsageRecord,
        /// Units before.
        units_before: u64,
    },
}

impl Store {
    /// Brings tenants back, each as a whole: what is there of one is replaced, other tenants are not touched. Usage is only
    /// raised: what was used since stays used. As for transactions and dry runs, see [`Store::put_all`]. What a running
    /// gateway knows of a tenant's quotas it learns anew with the next block that it orders.
    ///
    /// An outcome is `DomainTaken` where another tenant owns a domain of it by now, and `Exists` where another has a key of it.
    ///
    /// # Errors
    /// [`StoreFault`] where nothing was begun.
    pub async fn restore(
        &self,
        tenants: Vec<Restored>,
        dry_run: bool,
    ) -> Result<Vec<Result<Restoration, WriteError>>, StoreFault> {
        self.write_all(tenants, carry_out, dry_run).await
    }

    /// Raises what periods of quotas hold, of whatever tenants; what that changes. For usage of tenants that the store
    /// doesn't have itself. A dry run changes nothing.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn restore_usage(
        &self,
        usage: Vec<UsageRecord>,
        dry_run: bool,
    ) -> Result<Vec<Difference>, WriteError> {
        self.write(move |connection| {
            let raised = raised(connection, usage.iter())?;
            if !dry_run {
                usage.iter().try_for_each(|usage| quota_usage::raise(connection, usage))?;
            }
            Ok(Ok(raised))
        })
        .await
    }

    /// Brings back entries of the audit log whose numbers are free, and has later entries have numbers above `last_seq`: how
    /// many. A dry run changes nothing.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn restore_audit(
        &self,
        entries: Vec<AuditEntry>,
        last_seq: u64,
        dry_run: bool,
    ) -> Result<u64, WriteError> {
        self.write(move |connection| {
            if !dry_run {
                audit::reserve(connection, last_seq)?;
            }
            let mut count = 0;
            for entry in &entries {
                if !audit::is_there(connection, entry.seq)? {
                    count += 1;
                    if !dry_run {
                        audit::save(connection, entry)?;
                    }
                }
            }
            Ok(Ok(count))
        })
        .await
    }
}

/// Decides everything before it writes anything.
fn carry_out(connection: &Connection, restored: &Restored) -> Made<Restoration> {
    let id = &restored.record.id;
    let mut after = restored.record.clone();
    // Whatever else is among them, no other tenant is touched.
    let own_domains: Vec<_> = restored.domains.iter().filter(|domain| domain.tenant == *id).collect();
    let own_keys: Vec<_> = restored.keys.iter().filter(|key| key.tenant == *id).collect();
    let usage: Vec<_> = restored.usage.iter().filter(|usage| usage.tenant == *id).collect();
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
    let had = domains::of_tenant(connection, id)?;
    let mut differences = differing(&had, &own_domains, |domain| &domain.name, Part::Domain);
    let had = keys::of_tenant(connection, id)?;
    differences.extend(differing(&had, &own_keys, |key| &key.id, Part::Key));
    differences.extend(raised(connection, usage.iter().copied())?);
    if let Some(before) = &before
        && before.content == after.content
        && differences.is_empty()
    {
        let (record, released) = (before.clone(), Vec::new());
        let written = Written { record, created: false, changed: false, released };
        return Ok(Ok(Restoration { written, before: Some(before.clone()), differences }));
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
    usage.iter().try_for_each(|usage| quota_usage::raise(connection, usage))?;
    let written = Written { created: before.is_none(), record: after, changed: true, released };
    Ok(Ok(Restoration { written, before, differences }))
}

/// Whether a key's id or hash is that of another tenant's key.
fn is_anothers(connection: &Connection, key: &KeyRecord) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM api_keys WHERE (id = ?1 OR hash = ?2) AND (tenant <> ?3 OR id <> ?1 OR hash <> ?2)",
    )?;
    let found = statement.query_row(params![key.id, key.hash, key.tenant.as_str()], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

/// Periods that hold less than they are to.
fn raised<'u>(
    connection: &Connection,
    usage: impl Iterator<Item = &'u UsageRecord>,
) -> rusqlite::Result<Vec<Difference>> {
    let mut raised = Vec::new();
    for usage in usage {
        let units_before = quota_usage::units(connection, usage)?;
        if units_before < usage.units {
            let before = if units_before == 0 { Before::Absent } else { Before::Other };
            raised.push(Difference { part: Part::Usage { now: usage.clone(), units_before }, before });
        }
    }
    Ok(raised)
}

/// What of a list is not as it is to be, by name.
fn differing<T: PartialEq>(
    there: &[T],
    wanted: &[&T],
    name: fn(&T) -> &Box<str>,
    part: fn(Box<str>) -> Part,
) -> Vec<Difference> {
    let mut all: BTreeMap<&str, (Option<&T>, Option<&T>)> = BTreeMap::new();
    there.iter().for_each(|one| all.entry(name(one)).or_default().0 = Some(one));
    wanted.iter().for_each(|one| all.entry(name(one)).or_default().1 = Some(one));
    let differing = all.into_iter().filter_map(|(name, (there, wanted))| {
        let before = match (there, wanted) {
            (None, _) => Before::Absent,
            (Some(_), None) => Before::Present,
            (Some(there), Some(wanted)) if there == wanted => return None,
            _ => Before::Other,
        };
        Some(Difference { part: part(name.into()), before })
    });
    differing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TenantId;

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::schema::migrate(&mut connection).unwrap();
        connection
    }

    fn usage(period_ms: i64, units: u64) -> UsageRecord {
        let tenant = TenantId::parse("acme").unwrap();
        UsageRecord { tenant, quota: "daily".into(), series: "s".into(), period_ms, units }
    }

    #[test]
    fn usage_is_raised_and_never_lowered() {
        let connection = database();
        let held = || [1, 2, 3].map(|period| quota_usage::units(&connection, &usage(period, 0)).unwrap());
        quota_usage::raise(&connection, &usage(1, 7)).unwrap();
        quota_usage::raise(&connection, &usage(2, 7)).unwrap();
        let wanted = [usage(1, 5), usage(2, 9), usage(3, 4), usage(4, 0)];
        let raised = raised(&connection, wanted.iter()).unwrap();
        let told: Vec<_> = raised
            .into_iter()
            .map(|difference| match difference.part {
                Part::Usage { now, units_before } => {
                    (now.period_ms, units_before, now.units, difference.before)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [(2, 7, 9, Before::Other), (3, 0, 4, Before::Absent)]);
        assert_eq!(held(), [7, 7, 0], "looking changes nothing");
        wanted.iter().for_each(|usage| quota_usage::raise(&connection, usage).unwrap());
        assert_eq!(held(), [7, 9, 4]);
    }

    #[test]
    fn numbers_of_the_log_that_were_reserved_are_given_to_nothing_new() {
        let connection = database();
        let entry = |seq| AuditEntry {
            seq,
            at_ms: 1,
            actor: "token".into(),
            action: "tenant.create".into(),
            tenant: None,
            note: None,
            before: None,
            after: None,
        };
        let actor = Actor("token".into());
        let id = TenantId::parse("acme").unwrap();
        let enter = || audit::enter(&connection, &Entry::new(&actor, "tenant.restore", &id)).unwrap();
        audit::reserve(&connection, 10).unwrap();
        audit::reserve(&connection, 4).unwrap();
        assert_eq!(audit::last_seq(&connection).unwrap(), 10);
        audit::save(&connection, &entry(3)).unwrap();
        assert_eq!(enter(), 11);
        assert_eq!([3, 4, 11].map(|seq| audit::is_there(&connection, seq).unwrap()), [true, false, true]);
        audit::reserve(&connection, 20).unwrap();
        assert_eq!(enter(), 21);
    }
}
