//! All that the store holds at one moment, for a backup; taken while it serves.

use rusqlite::{Connection, Row, ToSql, params};

use super::audit::{self, AuditEntry};
use super::connection::Opened;
use super::domains::{self, DomainRecord};
use super::fault::fault;
use super::keys::{self, KeyRecord};
use super::tenants::{domains_owned, record};
use super::{Store, StoreFault, TenantRecord, quota_usage};
use crate::types::TenantId;

/// The store at one moment. Whatever is written meanwhile is not in it; the log of writes grows while it is held, and whoever
/// holds it reads the disk: it is for a thread that may wait, and not for long.
#[derive(Debug)]
pub struct StoreSnapshot {
    opened: Opened,
    last_seq: u64,
}

/// Units of a quota in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// Whose.
    pub tenant: TenantId,
    /// The quota's name.
    pub quota: Box<str>,
    /// Its meter and window.
    pub series: Box<str>,
    /// The period's start, in milliseconds since 1970.
    pub period_ms: i64,
    /// Units that were used or reserved in it.
    pub units: u64,
}

impl Store {
    /// The store as it is now. Reads the disk.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn snapshot(&self) -> Result<StoreSnapshot, StoreFault> {
        let taken = Opened::reader(self.path()).and_then(|opened| {
            // The first read decides which moment it is.
            opened.connection.execute_batch("BEGIN")?;
            let last_seq = audit::last_seq(&opened.connection)?;
            Ok(StoreSnapshot { opened, last_seq })
        });
        taken.map_err(|error| told(&error))
    }
}

/// Each of these calls `each` for every record, or for those of one tenant, until that fails.
impl StoreSnapshot {
    /// The number of the last change that is in it.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Tenants by their ids, with labels and verified domains.
    ///
    /// # Errors
    /// That of `each`, or a [`StoreFault`].
    pub fn tenants<E: From<StoreFault>>(
        &self,
        only: Option<&TenantId>,
        mut each: impl FnMut(TenantRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let select =
            "SELECT id, revision, created_ms, updated_ms, plan, state, settings, labels FROM tenants";
        self.visit(select, ("id", "id"), only, record, |mut tenant| {
            let domains = domains_owned(self.connection(), tenant.id.as_str());
            tenant.content.domains = domains.map_err(|error| told(&error))?;
            each(tenant)
        })
    }

    /// Domains by their tenants, claimed ones among them.
    ///
    /// # Errors
    /// That of `each`, or a [`StoreFault`].
    pub fn domains<E: From<StoreFault>>(
        &self,
        only: Option<&TenantId>,
        each: impl FnMut(DomainRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit(domains::SELECT, ("tenant", "tenant, name"), only, domains::record, each)
    }

    /// Keys by their tenants.
    ///
    /// # Errors
    /// That of `each`, or a [`StoreFault`].
    pub fn keys<E: From<StoreFault>>(
        &self,
        only: Option<&TenantId>,
        each: impl FnMut(KeyRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit(keys::SELECT, ("tenant", "tenant, id"), only, keys::record, each)
    }

    /// What is used of quotas, by tenant, quota and period.
    ///
    /// # Errors
    /// That of `each`, or a [`StoreFault`].
    pub fn usage<E: From<StoreFault>>(
        &self,
        only: Option<&TenantId>,
        each: impl FnMut(UsageRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let order = ("tenant", "tenant, quota, series, period");
        self.visit(quota_usage::SELECT, order, only, quota_usage::record, each)
    }

    /// The audit log, the oldest entry first.
    ///
    /// # Errors
    /// That of `each`, or a [`StoreFault`].
    pub fn audit<E: From<StoreFault>>(
        &self,
        only: Option<&TenantId>,
        each: impl FnMut(AuditEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        let select = "SELECT seq, at_ms, actor, action, tenant, note, before, after FROM audit";
        self.visit(select, ("tenant", "seq"), only, |row| audit::entry(row).map(Some), each)
    }

    fn visit<T, E: From<StoreFault>>(
        &self,
        select: &str,
        (tenant, order): (&str, &str),
        only: Option<&TenantId>,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
        mut each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(told(&error));
        let (condition, values): (String, &[&dyn ToSql]) = match only {
            Some(id) => (format!(" WHERE {tenant} = ?1"), params![id.as_str()]),
            None => (String::new(), params![]),
        };
        let sql = format!("{select}{condition} ORDER BY {order}");
        let mut statement = self.connection().prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query(values).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if let Some(record) = read(row).map_err(failed)? {
                each(record)?;
            }
        }
        Ok(())
    }

    fn connection(&self) -> &Connection {
        &self.opened.connection
    }
}

fn told(error: &rusqlite::Error) -> StoreFault {
    tracing::error!(%error, "store: a snapshot of it can't be read");
    fault(error)
}
