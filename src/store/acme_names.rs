//! Names that are to have a certificate: what is to be done with them, and when.

use rusqlite::{Connection, OptionalExtension, params};

use super::audit::{self, Entry};
use super::{Actor, Store, StoreFault, WriteError, acme_challenges};
use crate::types::TenantId;

/// How it stands with getting a name's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameWork {
    /// When something is to be done next, in milliseconds since 1970.
    pub next_ms: i64,
    /// Failures without a success between them.
    pub failures: u32,
    /// Why the last one failed, in plain words.
    pub error: Option<Box<str>>,
    /// What kind of failure it was.
    pub error_kind: Option<Box<str>>,
    /// When that was, in milliseconds since 1970.
    pub error_ms: Option<i64>,
    /// Until when somebody is at it, in milliseconds since 1970; in the past where nobody is.
    pub held_until_ms: i64,
}

/// A name with which something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueName {
    /// The name.
    pub name: Box<str>,
    /// Whose it was last.
    pub tenant: TenantId,
}

impl Store {
    /// Names with which something is to be done now, and nobody is at it: of each tenant some, so that nobody's thousands stand before
    /// another's first.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn due_names(&self, now_ms: i64, of_each: u32, max: u32) -> Result<Vec<DueName>, StoreFault> {
        let search = move |connection: &Connection| {
            let sql = "SELECT name, tenant FROM (
                    SELECT name, tenant, row_number() OVER (PARTITION BY tenant ORDER BY next_ms) AS turn
                    FROM acme_names WHERE next_ms <= ?1 AND held_until_ms <= ?1
                ) WHERE turn <= ?2 ORDER BY turn LIMIT ?3";
            named(connection, sql, params![now_ms, of_each, max])
        };
        self.readers.search(search).await
    }

    /// Verified domains of the store's tenants of which nothing is known here, by name, those after `after`: no wildcards.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn names_without_work(&self, after: &str, max: u32) -> Result<Vec<DueName>, StoreFault> {
        let after = after.to_owned();
        let search = move |connection: &Connection| {
            let sql = "SELECT d.name, d.tenant FROM domains AS d INDEXED BY domains_owned
                WHERE d.verified = 1 AND d.name > ?1 AND d.name NOT LIKE '*%'
                AND NOT EXISTS (SELECT 1 FROM acme_names AS a WHERE a.name = d.name AND a.tenant = d.tenant)
                ORDER BY d.name LIMIT ?2";
            named(connection, sql, params![after, max])
        };
        self.readers.search(search).await
    }

    /// Those of these names of which nothing is known for their tenants.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn unknown_names(&self, mut names: Vec<DueName>) -> Result<Vec<DueName>, StoreFault> {
        let search = move |connection: &Connection| {
            let mut known =
                connection.prepare_cached("SELECT 1 FROM acme_names WHERE name = ?1 AND tenant = ?2")?;
            let mut fault = Ok(());
            names.retain(|DueName { name, tenant }| match known.exists(params![name, tenant.as_str()]) {
                Ok(known) => !known,
                Err(error) => {
                    fault = Err(error);
                    false
                }
            });
            fault.map(|()| names)
        };
        self.readers.search(search).await
    }

    /// Has something done with these names, from now on, where nothing is known of them for these tenants.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn enqueue_names(&self, names: Vec<DueName>, now_ms: i64) -> Result<(), WriteError> {
        self.write(move |connection| {
            for DueName { name, tenant } in &names {
                connection
                    .prepare_cached(
                        "INSERT INTO acme_names (name, tenant, next_ms, failures, held_until_ms) VALUES (?1, ?2, ?3, 0, 0)
                         ON CONFLICT (name) DO UPDATE SET tenant = ?2, next_ms = ?3, failures = 0, error = NULL,
                            error_kind = NULL, error_ms = NULL WHERE tenant <> ?2",
                    )?
                    .execute(params![name, tenant.as_str(), now_ms])?;
            }
            Ok(Ok(()))
        })
        .await
    }

    /// An order has failed: why, and when it is tried again.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn name_failed(
        &self,
        of: DueName,
        kind: &'static str,
        words: String,
        next_ms: i64,
        actor: Actor,
    ) -> Result<(), WriteError> {
        self.write(move |connection| {
            let now_ms = audit::now_ms();
            acme_challenges::forget(connection, &of.name)?;
            let changed = connection
                .prepare_cached(
                    "UPDATE acme_names SET failures = failures + 1, error = ?2, error_kind = ?3, error_ms = ?4, next_ms = ?5,
                        holder = NULL, held_until_ms = 0 WHERE name = ?1",
                )?
                .execute(params![of.name, words, kind, now_ms, next_ms])?;
            if changed > 0 {
                let after = serde_json::json!({ "domain": of.name, "error": words, "kind": kind });
                let entry = Entry::new(&actor, "certificate.fail", &of.tenant).after(after.to_string());
                audit::enter(connection, &entry)?;
            }
            Ok(Ok(()))
        })
        .await
    }

    /// Has a name looked at again then, for this reason, if it is one to be told. No order has failed.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn postpone_name(
        &self,
        name: &str,
        next_ms: i64,
        why: Option<(&'static str, String)>,
    ) -> Result<(), WriteError> {
        let name = name.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE acme_names SET next_ms = ?2, holder = NULL, held_until_ms = 0 WHERE name = ?1",
                )?
                .execute(params![name, next_ms])?;
            if let Some((kind, words)) = &why {
                connection
                    .prepare_cached(
                        "UPDATE acme_names SET error = ?2, error_kind = ?3, error_ms = ?4 WHERE name = ?1",
                    )?
                    .execute(params![name, words, kind, audit::now_ms()])?;
            }
            Ok(Ok(()))
        })
        .await
    }

    /// Has a name's certificate renewed then, and looked at it at `next_ms`.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn renew_at(&self, name: &str, renew_ms: i64, next_ms: i64) -> Result<(), WriteError> {
        let name = name.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached("UPDATE certificates SET renew_ms = ?2 WHERE name = ?1")?
                .execute(params![name, renew_ms])?;
            connection
                .prepare_cached("UPDATE acme_names SET next_ms = ?2 WHERE name = ?1")?
                .execute(params![name, next_ms])?;
            Ok(Ok(()))
        })
        .await
    }

    /// Forgets a name that is nobody's any more, with its certificate.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn forget_name(&self, name: &str) -> Result<(), WriteError> {
        let name = name.to_owned();
        self.write(move |connection| {
            connection.prepare_cached("DELETE FROM certificates WHERE name = ?1")?.execute([&name])?;
            forget(connection, &name)?;
            Ok(Ok(()))
        })
        .await
    }
}

fn named(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> rusqlite::Result<Vec<DueName>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, |row| {
        let Ok(tenant) = TenantId::parse(row.get_ref(1)?.as_str()?) else { return Ok(None) };
        Ok(Some(DueName { name: row.get(0)?, tenant }))
    })?;
    rows.filter_map(Result::transpose).collect()
}

pub(super) fn work(connection: &Connection, name: &str) -> rusqlite::Result<Option<NameWork>> {
    let mut statement = connection.prepare_cached(
        "SELECT next_ms, failures, error, error_kind, error_ms, held_until_ms FROM acme_names WHERE name = ?1",
    )?;
    let work = statement.query_row([name], |row| {
        Ok(NameWork {
            next_ms: row.get(0)?,
            failures: row.get(1)?,
            error: row.get(2)?,
            error_kind: row.get(3)?,
            error_ms: row.get(4)?,
            held_until_ms: row.get(5)?,
        })
    });
    work.optional()
}

/// A name has its certificate, and is looked at again then.
pub(super) fn succeeded(
    connection: &Connection,
    name: &str,
    tenant: &TenantId,
    next_ms: i64,
) -> rusqlite::Result<()> {
    acme_challenges::forget(connection, name)?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO acme_names (name, tenant, next_ms, failures, held_until_ms) VALUES (?1, ?2, ?3, 0, 0)",
        )?
        .execute(params![name, tenant.as_str(), next_ms])
        .map(drop)
}

pub(super) fn forget(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM acme_names WHERE name = ?1")?.execute([name]).map(drop)
}
