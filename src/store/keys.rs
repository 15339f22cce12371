//! API keys: issued once, rotated with an overlap, revoked. Of a key only its hash is kept.

use std::time::Duration;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::audit::{self, Entry};
use super::work::Made;
use super::{Actor, Store, StoreFault, WriteError};
use crate::types::{KeyHash, TenantId};

/// Keys that a tenant may have.
const KEYS_MAX: usize = 1_000;
/// How long a key that has expired is still shown.
const SHOWN_MS: i64 = 30 * 86_400_000;

/// A key, without what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id, which is no secret.
    pub id: Box<str>,
    /// Whose it is.
    pub tenant: TenantId,
    /// What its owner calls it.
    pub name: Box<str>,
    /// What it is known by.
    pub hash: KeyHash,
    /// So much of it that its owner recognises it.
    pub hint: Box<str>,
    /// When it was issued, in milliseconds since 1970.
    pub created_ms: i64,
    /// From when on it is of no use, in milliseconds since 1970.
    pub expires_ms: Option<i64>,
    /// The id of the key that was issued in its place.
    pub replaced_by: Option<Box<str>>,
}

/// A key that is to be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its id.
    pub id: Box<str>,
    /// What it is known by.
    pub hash: KeyHash,
    /// So much of it that its owner recognises it.
    pub hint: Box<str>,
    /// When it is to expire, in milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

impl KeyRecord {
    /// Whether it is of no use any more, at a time in milliseconds since 1970.
    #[must_use]
    pub fn has_expired(&self, at_ms: i64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| expires_ms <= at_ms)
    }
}

impl ToSql for KeyHash {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.octets().as_slice()))
    }
}

impl Store {
    /// Issues a key to a tenant.
    ///
    /// # Errors
    /// [`WriteError`]: `Absent` where there is no such tenant, `Exists` where there is such a key.
    pub async fn issue_key(
        &self,
        tenant: TenantId,
        name: &str,
        key: NewKey,
        actor: Actor,
    ) -> Result<KeyRecord, WriteError> {
        let name: Box<str> = name.into();
        self.write(move |connection| issue(connection, &tenant, &name, &key, None, &actor)).await
    }

    /// Issues a key in the place of another of the tenant, with its name. The other one can be used for the overlap, but
    /// not longer than it could be before.
    ///
    /// # Errors
    /// [`WriteError`]: `Absent` where the tenant has no such key, `Exists` where there is the new one.
    pub async fn rotate_key(
        &self,
        tenant: TenantId,
        id: &str,
        key: NewKey,
        overlap: Duration,
        actor: Actor,
    ) -> Result<KeyRecord, WriteError> {
        let id: Box<str> = id.into();
        self.write(move |connection| rotate(connection, &tenant, &id, &key, overlap, &actor)).await
    }

    /// Revokes a key of a tenant, at once; what it was.
    ///
    /// # Errors
    /// [`WriteError`]: `Absent` where the tenant has no such key.
    pub async fn revoke_key(
        &self,
        tenant: TenantId,
        id: &str,
        actor: Actor,
    ) -> Result<KeyRecord, WriteError> {
        let id: Box<str> = id.into();
        self.write(move |connection| revoke(connection, &tenant, &id, &actor)).await
    }

    /// The keys of a tenant, the oldest first, those among them that have expired in the last 30 days.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn keys_of(&self, tenant: TenantId) -> Result<Vec<KeyRecord>, StoreFault> {
        self.readers.read(move |connection| of_tenant(connection, &tenant)).await
    }

    /// The key of a hash, unless it has expired.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn key_owner(&self, hash: KeyHash) -> Result<Option<KeyRecord>, StoreFault> {
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE hash = ?1"))?;
            let key = statement.query_row([hash], record).optional()?.flatten();
            Ok(key.filter(|key| !key.has_expired(audit::now_ms())))
        };
        self.readers.read(read).await
    }
}

/// What [`record`] reads.
pub(super) const SELECT: &str =
    "SELECT id, tenant, name, hash, hint, created_ms, expires_ms, replaced_by FROM api_keys";

/// A row of [`SELECT`]; `None` for one that was written by hand for no tenant's id, or with another hash.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Option<KeyRecord>> {
    let (tenant, hash) = (row.get_ref(1)?.as_str()?, row.get_ref(3)?.as_blob()?);
    let (Ok(tenant), Ok(hash)) = (TenantId::parse(tenant), <[u8; 32]>::try_from(hash)) else {
        return Ok(None);
    };
    Ok(Some(KeyRecord {
        id: row.get(0)?,
        tenant,
        name: row.get(2)?,
        hash: hash.into(),
        hint: row.get(4)?,
        created_ms: row.get(5)?,
        expires_ms: row.get(6)?,
        replaced_by: row.get(7)?,
    }))
}

pub(super) fn of_tenant(connection: &Connection, id: &TenantId) -> rusqlite::Result<Vec<KeyRecord>> {
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} WHERE tenant = ?1 ORDER BY created_ms, id"))?;
    let rows = statement.query_map([id.as_str()], record)?;
    rows.filter_map(Result::transpose).collect()
}

/// A key of a tenant.
fn of_both(connection: &Connection, tenant: &TenantId, id: &str) -> rusqlite::Result<Option<KeyRecord>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1 AND tenant = ?2"))?;
    Ok(statement.query_row([id, tenant.as_str()], record).optional()?.flatten())
}

fn issue(
    connection: &Connection,
    tenant: &TenantId,
    name: &str,
    key: &NewKey,
    replaced: Option<&KeyRecord>,
    actor: &Actor,
) -> Made<KeyRecord> {
    let count = |sql: &str, value: &dyn ToSql| {
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_row([value], |row| row.get::<_, i64>(0))
    };
    if count("SELECT count(*) FROM tenants WHERE id = ?1", &tenant.as_str())? == 0 {
        return Ok(Err(WriteError::Absent));
    }
    let same = "SELECT count(*) FROM api_keys WHERE ";
    if count(&format!("{same}id = ?1"), &key.id)? + count(&format!("{same}hash = ?1"), &key.hash)? > 0 {
        return Ok(Err(WriteError::Exists));
    }
    let now_ms = audit::now_ms();
    let mut kept = of_tenant(connection, tenant)?;
    kept.retain(|kept| !kept.has_expired(now_ms - SHOWN_MS));
    if kept.len() >= KEYS_MAX {
        return Ok(Err(WriteError::TooMany { what: "keys", max: KEYS_MAX }));
    }
    connection
        .prepare_cached("DELETE FROM api_keys WHERE tenant = ?1 AND expires_ms <= ?2")?
        .execute(params![tenant.as_str(), now_ms - SHOWN_MS])?;
    let issued = KeyRecord {
        id: key.id.clone(),
        tenant: tenant.clone(),
        name: name.into(),
        hash: key.hash,
        hint: key.hint.clone(),
        created_ms: now_ms,
        expires_ms: key.expires_ms,
        replaced_by: None,
    };
    let action = if replaced.is_some() { "key.rotate" } else { "key.issue" };
    let mut entry = Entry::new(actor, action, tenant).after(json(&issued));
    entry.before = replaced.map(json);
    audit::enter(connection, &entry)?;
    save(connection, &issued)?;
    Ok(Ok(issued))
}

fn rotate(
    connection: &Connection,
    tenant: &TenantId,
    id: &str,
    key: &NewKey,
    overlap: Duration,
    actor: &Actor,
) -> Made<KeyRecord> {
    let Some(old) = of_both(connection, tenant, id)? else { return Ok(Err(WriteError::Absent)) };
    // Called again, it would leave a key behind that nobody knows of.
    let is_replaced = match &old.replaced_by {
        Some(by) => of_both(connection, tenant, by)?.is_some(),
        None => old.has_expired(audit::now_ms()),
    };
    if is_replaced {
        return Ok(Err(WriteError::Exists));
    }
    let issued = match issue(connection, tenant, &old.name, key, Some(&old), actor)? {
        Ok(issued) => issued,
        Err(error) => return Ok(Err(error)),
    };
    let overlap_ms = i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX);
    let ends_ms = issued.created_ms.saturating_add(overlap_ms);
    let expires_ms = old.expires_ms.map_or(ends_ms, |expires_ms| expires_ms.min(ends_ms));
    connection
        .prepare_cached("UPDATE api_keys SET expires_ms = ?2, replaced_by = ?3 WHERE id = ?1")?
        .execute(params![id, expires_ms, issued.id])?;
    Ok(Ok(issued))
}

fn revoke(connection: &Connection, tenant: &TenantId, id: &str, actor: &Actor) -> Made<KeyRecord> {
    let Some(key) = of_both(connection, tenant, id)? else { return Ok(Err(WriteError::Absent)) };
    audit::enter(connection, &Entry::new(actor, "key.revoke", tenant).before(json(&key)))?;
    connection.prepare_cached("DELETE FROM api_keys WHERE id = ?1")?.execute([id])?;
    Ok(Ok(key))
}

/// Writes a key down as it is.
pub(super) fn save(connection: &Connection, key: &KeyRecord) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO api_keys (id, tenant, name, hash, hint, created_ms, expires_ms, replaced_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let KeyRecord { id, tenant, name, hash, hint, created_ms, expires_ms, replaced_by } = key;
    statement
        .execute(params![id, tenant.as_str(), name, hash, hint, created_ms, expires_ms, replaced_by])
        .map(drop)
}

/// A key for the audit log.
fn json(key: &KeyRecord) -> String {
    format!(
        "{{\"key\":{},\"name\":{},\"hint\":{}}}",
        audit::json(&key.id),
        audit::json(&key.name),
        audit::json(&key.hint)
    )
}
