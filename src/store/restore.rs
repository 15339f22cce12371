//! Tenants as they were: with their domains, keys and what their quotas hold.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::audit::{self, AuditEntry};
use super::domains::DomainRecord;
use super::keys::KeyRecord;
use super::replacement::{Replacement, raised};
use super::snapshot::UsageRecord;
use super::tenants::{Written, taken};
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
    /// An outcome is `DomainTaken` where another tenant owns a domain of it by now ([`Store::restore_together`] is for the case
    /// that this one comes back, too), and `Exists` where another has a key of it.
    ///
    /// # Errors
    /// [`StoreFault`] where nothing was begun.
    pub async fn restore(
        &self,
        tenants: Vec<Arc<Restored>>,
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
fn carry_out(connection: &Connection, restored: &Arc<Restored>) -> Made<Restoration> {
    let id = &restored.record.id;
    for domain in restored.owned() {
        if let Some(error) = taken(connection, domain, id)? {
            return Ok(Err(error));
        }
    }
    for key in restored.keys.iter().filter(|key| key.tenant == *id) {
        if is_anothers(connection, key)? {
            return Ok(Err(WriteError::Exists));
        }
    }
    let replacement = Replacement::of(connection, restored)?;
    replacement.release(connection)?;
    replacement.fill(connection).map(Ok)
}

impl Restored {
    /// The domains that the tenant is to own.
    pub(super) fn owned(&self) -> impl Iterator<Item = &str> {
        let own = self.domains.iter().filter(|domain| domain.tenant == self.record.id);
        own.filter(|domain| domain.verified).map(|domain| &*domain.name)
    }
}

/// Whether a key's id or hash is that of another tenant's key.
pub(super) fn is_anothers(connection: &Connection, key: &KeyRecord) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM api_keys WHERE (id = ?1 OR hash = ?2) AND (tenant <> ?3 OR id <> ?1 OR hash <> ?2)",
    )?;
    let found = statement.query_row(params![key.id, key.hash, key.tenant.as_str()], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::audit::Entry;
    use super::*;
    use crate::types::TenantId;

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::schema::migrate(&mut connection).unwrap();
        connection
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
