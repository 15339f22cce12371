//! Names that wait for something else than time: for their tenant, for the configuration.

use rusqlite::{Connection, params};

use super::{Store, StoreFault, WriteError};
use crate::types::TenantId;

/// Why names wait whose tenant is suspended.
pub const SUSPENDED: &str = "suspended";
/// Why those wait that a file has a certificate for.
pub const BY_FILE: &str = "file";

/// A name that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldName {
    /// The name.
    pub name: Box<str>,
    /// Whose it was last.
    pub tenant: TenantId,
    /// The state of that tenant, where it is one of the store.
    pub state: Option<Box<str>>,
}

impl Store {
    /// Names that wait for this reason, by name, those after `after`.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn held_names(
        &self,
        kind: &'static str,
        after: &str,
        max: u32,
    ) -> Result<Vec<HeldName>, StoreFault> {
        let after = after.to_owned();
        let search = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT a.name, a.tenant, t.state FROM acme_names AS a INDEXED BY acme_names_by_error
                 LEFT JOIN tenants AS t ON t.id = a.tenant
                 WHERE a.error_kind = ?1 AND a.name > ?2 ORDER BY a.name LIMIT ?3",
            )?;
            let rows = statement.query_map(params![kind, after, max], |row| {
                let Ok(tenant) = TenantId::parse(row.get_ref(1)?.as_str()?) else { return Ok(None) };
                Ok(Some(HeldName { name: row.get(0)?, tenant, state: row.get(2)? }))
            })?;
            rows.filter_map(Result::transpose).collect()
        };
        self.readers.search(search).await
    }

    /// Has these looked at now that wait for this reason, which is there no more.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn release_names(
        &self,
        names: Vec<Box<str>>,
        kind: &'static str,
        now_ms: i64,
    ) -> Result<(), WriteError> {
        self.write(move |connection| {
            for name in &names {
                connection
                    .prepare_cached(
                        "UPDATE acme_names SET next_ms = ?3, error = NULL, error_kind = NULL, error_ms = NULL
                         WHERE name = ?1 AND error_kind = ?2",
                    )?
                    .execute(params![name, kind, now_ms])?;
            }
            Ok(Ok(()))
        })
        .await
    }

    /// Has some looked at now that wait for this reason, which may be there no more; how many. What is told of them stays.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn retry_names(&self, kind: &'static str, now_ms: i64, max: u32) -> Result<usize, WriteError> {
        self.write(move |connection| {
            let sql = "UPDATE acme_names SET next_ms = ?2 WHERE name IN (
                    SELECT name FROM acme_names INDEXED BY acme_names_by_error WHERE error_kind = ?1 AND next_ms > ?2 LIMIT ?3
                )";
            Ok(Ok(connection.prepare_cached(sql)?.execute(params![kind, now_ms, max])?))
        })
        .await
    }
}
