//! Tenants: read, made, changed, deleted.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::audit::{self, Entry};
use super::lookup::owner;
use super::work::Made;
use super::{Actor, Expect, Store, StoreFault, TenantContent, TenantRecord, WriteError};
use crate::types::TenantId;

/// A tenant as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Its id.
    pub id: TenantId,
    /// All that it is. Its domains become its verified ones: those that are missing are released, claims of it on
    /// other names stay.
    pub content: TenantContent,
    /// What is taken for granted.
    pub expect: Expect,
    /// Whose change it is.
    pub actor: Actor,
    /// What the audit log calls it: `tenant.create`, `tenant.suspend`.
    pub action: &'static str,
    /// Why, in the words of whoever asked for it; for the audit log.
    pub note: Option<Box<str>>,
}

/// What became of a [`Put`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The tenant now.
    pub record: TenantRecord,
    /// Whether it was not there before.
    pub created: bool,
    /// Whether anything was written: an equal tenant is left as it is, at its revision.
    pub changed: bool,
    /// Domains that were its own before, and are not any more.
    pub released: Vec<Box<str>>,
}

impl Store {
    /// Makes or replaces a tenant. Durable when it returns.
    ///
    /// # Errors
    /// [`WriteError`]; then nothing is changed.
    pub async fn put(&self, put: Put) -> Result<Written, WriteError> {
        self.write(move |connection| carry_out(connection, &put)).await
    }

    /// Deletes a tenant, with its domains, its claims and its keys; what it was. Its quotas' usage stays until their windows
    /// have passed, so that a tenant that is made anew is not given them again.
    ///
    /// # Errors
    /// [`WriteError`]; then nothing is changed.
    pub async fn delete(
        &self,
        id: TenantId,
        expect: Expect,
        actor: Actor,
    ) -> Result<TenantRecord, WriteError> {
        self.write(move |connection| delete(connection, &id, expect, &actor)).await
    }

    /// A tenant, with its labels and verified domains.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn tenant(&self, id: TenantId) -> Result<Option<TenantRecord>, StoreFault> {
        self.readers.read(move |connection| tenant(connection, &id)).await
    }
}

pub(super) fn tenant(connection: &Connection, id: &TenantId) -> rusqlite::Result<Option<TenantRecord>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, revision, created_ms, updated_ms, plan, state, settings, labels FROM tenants WHERE id = ?1",
    )?;
    let Some(mut tenant) = statement.query_row([id.as_str()], record).optional()?.flatten() else {
        return Ok(None);
    };
    tenant.content.domains = domains_owned(connection, id.as_str())?;
    Ok(Some(tenant))
}

/// A row of `id, revision, created_ms, updated_ms, plan, state, settings, labels`, without the domains. `None` for one that was
/// written by hand under no tenant's id.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Option<TenantRecord>> {
    let Ok(id) = TenantId::parse(row.get_ref(0)?.as_str()?) else { return Ok(None) };
    let labels = row.get_ref(7)?.as_str_or_null()?.map(labels).unwrap_or_default();
    Ok(Some(TenantRecord {
        id,
        revision: row.get::<_, i64>(1)?.unsigned_abs(),
        created_ms: row.get(2)?,
        updated_ms: row.get(3)?,
        content: TenantContent {
            plan: row.get(4)?,
            state: row.get(5)?,
            settings: row.get(6)?,
            labels,
            domains: Vec::new(),
        },
    }))
}

/// The verified domains of a tenant, sorted.
pub(super) fn domains_owned(connection: &Connection, id: &str) -> rusqlite::Result<Vec<Box<str>>> {
    let mut statement = connection
        .prepare_cached("SELECT name FROM domains WHERE tenant = ?1 AND verified = 1 ORDER BY name")?;
    statement.query_map([id], |row| row.get(0))?.collect()
}

/// Decides everything before it writes anything.
pub(super) fn carry_out(connection: &Connection, put: &Put) -> Made<Written> {
    let before = tenant(connection, &put.id)?;
    if let Err(error) = expected(put.expect, before.as_ref()) {
        return Ok(Err(error));
    }
    let mut content = put.content.clone();
    content.domains.sort_unstable();
    content.domains.dedup();
    if let Some(before) = before.as_ref().filter(|before| before.content == content) {
        let (record, released) = (before.clone(), Vec::new());
        return Ok(Ok(Written { record, created: false, changed: false, released }));
    }
    let had = before.as_ref().map(|before| before.content.domains.as_slice()).unwrap_or_default();
    for domain in content.domains.iter().filter(|domain| had.binary_search(domain).is_err()) {
        if let Some(error) = taken(connection, domain, &put.id)? {
            return Ok(Err(error));
        }
    }
    let released =
        had.iter().filter(|domain| content.domains.binary_search(domain).is_err()).cloned().collect();
    let now_ms = audit::now_ms();
    let created_ms = before.as_ref().map_or(now_ms, |before| before.created_ms);
    let mut record =
        TenantRecord { id: put.id.clone(), revision: 0, created_ms, updated_ms: now_ms, content };
    record.revision = audit::enter(
        connection,
        &Entry {
            at_ms: now_ms,
            actor: &put.actor,
            action: put.action,
            tenant: &put.id,
            note: put.note.as_deref(),
            before: before.as_ref().map(audit::tenant_json),
            after: Some(audit::tenant_json(&record)),
        },
    )?;
    write(connection, before.as_ref(), &record)?;
    Ok(Ok(Written { created: before.is_none(), record, changed: true, released }))
}

/// Writes down what is decided: the tenant, and what has changed of its labels and domains.
pub(super) fn write(
    connection: &Connection,
    before: Option<&TenantRecord>,
    after: &TenantRecord,
) -> rusqlite::Result<()> {
    let none = TenantContent::default();
    let (had, content) = (before.map_or(&none, |before| &before.content), &after.content);
    let id = after.id.as_str();
    let labels = (!content.labels.is_empty()).then(|| audit::json(&content.labels));
    connection
        .prepare_cached(
            "INSERT INTO tenants (id, revision, created_ms, updated_ms, plan, state, labels, settings)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET revision = ?2, updated_ms = ?4, plan = ?5, state = ?6, labels = ?7, settings = ?8",
        )?
        .execute(params![
            id,
            audit::signed(after.revision),
            after.created_ms,
            after.updated_ms,
            content.plan,
            content.state,
            labels,
            content.settings
        ])?;
    unlabel(
        connection,
        id,
        had.labels.iter().filter(|(name, value)| content.labels.get(*name) != Some(value)),
    )?;
    for (name, value) in content.labels.iter().filter(|(name, value)| had.labels.get(*name) != Some(value)) {
        connection
            .prepare_cached("INSERT OR IGNORE INTO tenant_labels (name, value, tenant) VALUES (?1, ?2, ?3)")?
            .execute(params![name, value, id])?;
    }
    for domain in had.domains.iter().filter(|domain| content.domains.binary_search(domain).is_err()) {
        connection
            .prepare_cached("DELETE FROM domains WHERE name = ?1 AND tenant = ?2")?
            .execute(params![domain, id])?;
    }
    for domain in content.domains.iter().filter(|domain| had.domains.binary_search(domain).is_err()) {
        connection
            .prepare_cached(
                "INSERT INTO domains (name, tenant, verified, method, created_ms, verified_ms)
                 VALUES (?1, ?2, 1, 'operator', ?3, ?3)
                 ON CONFLICT (name, tenant) DO UPDATE
                 SET verified = 1, method = 'operator', token = NULL, verified_ms = ?3",
            )?
            .execute(params![domain, id, after.updated_ms])?;
    }
    Ok(())
}

fn delete(connection: &Connection, id: &TenantId, expect: Expect, actor: &Actor) -> Made<TenantRecord> {
    let before = tenant(connection, id)?;
    if let Err(error) = expected(expect, before.as_ref()) {
        return Ok(Err(error));
    }
    let Some(before) = before else { return Ok(Err(WriteError::Absent)) };
    let json = audit::tenant_json(&before);
    audit::enter(connection, &Entry::new(actor, "tenant.delete", id).before(json))?;
    remove(connection, &before)?;
    Ok(Ok(before))
}

/// Removes what there is of a tenant, but for its quotas' usage and the audit log.
pub(super) fn remove(connection: &Connection, tenant: &TenantRecord) -> rusqlite::Result<()> {
    let id = tenant.id.as_str();
    unlabel(connection, id, tenant.content.labels.iter())?;
    for statement in [
        "DELETE FROM domains WHERE tenant = ?1",
        "DELETE FROM api_keys WHERE tenant = ?1",
        "DELETE FROM tenants WHERE id = ?1",
    ] {
        connection.prepare_cached(statement)?.execute([id])?;
    }
    Ok(())
}

/// Why a domain can't be given to a tenant, if it can't.
pub(super) fn taken(
    connection: &Connection,
    domain: &str,
    id: &TenantId,
) -> rusqlite::Result<Option<WriteError>> {
    let owner = owner(connection, domain)?.filter(|owner| owner != id.as_str());
    // What was written by hand under no tenant's id can't be named as one, and is in nobody's way.
    let owner = owner.and_then(|owner| TenantId::parse(&owner).ok());
    Ok(owner.map(|owner| WriteError::DomainTaken { domain: domain.into(), owner }))
}

fn expected(expect: Expect, before: Option<&TenantRecord>) -> Result<(), WriteError> {
    let current = before.map(|before| before.revision);
    match (expect, current) {
        (Expect::Any, _) | (Expect::Absent, None) | (Expect::Present, Some(_)) => Ok(()),
        (Expect::Absent, Some(_)) => Err(WriteError::Exists),
        (Expect::Present, None) => Err(WriteError::Absent),
        (Expect::Revision(revision), Some(current)) if revision == current => Ok(()),
        (Expect::Revision(_), current) => Err(WriteError::NotExpected { current }),
    }
}

fn unlabel<'l>(
    connection: &Connection,
    id: &str,
    labels: impl Iterator<Item = (&'l String, &'l String)>,
) -> rusqlite::Result<()> {
    for (name, value) in labels {
        connection
            .prepare_cached("DELETE FROM tenant_labels WHERE name = ?1 AND value = ?2 AND tenant = ?3")?
            .execute(params![name, value, id])?;
    }
    Ok(())
}

/// Labels as they are stored; what was written by hand and is no object of texts is no labels.
fn labels(json: &str) -> BTreeMap<String, String> {
    serde_json::from_str(json).unwrap_or_default()
}
