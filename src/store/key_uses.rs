//! Which keys have encrypted what is kept: by their ids, without a look at what they have encrypted.

use rusqlite::{Connection, params};

use super::{Store, StoreFault};

/// What one key has encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key's id.
    pub key_id: Box<str>,
    /// Certificates that hold.
    pub valid: u64,
    /// That have ended.
    pub expired: u64,
    /// When the first of them ends, in milliseconds since 1970.
    pub soonest_ms: Option<i64>,
}

/// What keys have encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyUses {
    /// Certificates, by key.
    pub certificates: Vec<KeyUse>,
    /// Accounts with authorities: the URL of a directory, and the key's id.
    pub accounts: Vec<(Box<str>, Box<str>)>,
}

impl Store {
    /// Which keys have encrypted what is kept.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn key_uses(&self, now_ms: i64) -> Result<KeyUses, StoreFault> {
        self.readers.search(move |connection| read(connection, now_ms)).await
    }

    /// The same, for a thread that may wait.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn key_uses_here(&self, now_ms: i64) -> Result<KeyUses, StoreFault> {
        self.readers.search_here(move |connection| read(connection, now_ms))
    }

    /// Names whose last order failed.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn failing_names(&self) -> Result<u64, StoreFault> {
        let search = |connection: &Connection| {
            let sql = "SELECT count(*) FROM acme_names WHERE failures > 0";
            connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))
        };
        Ok(self.readers.search(search).await?.unsigned_abs())
    }
}

pub(super) fn read(connection: &Connection, now_ms: i64) -> rusqlite::Result<KeyUses> {
    let mut statement = connection.prepare_cached(
        "SELECT key_id, count(*) FILTER (WHERE not_after_ms > ?1), count(*) FILTER (WHERE not_after_ms <= ?1), min(not_after_ms)
         FROM certificates INDEXED BY certificates_by_key GROUP BY key_id",
    )?;
    let uses = statement.query_map(params![now_ms], |row| {
        let count = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
        Ok(KeyUse { key_id: row.get(0)?, valid: count(1)?, expired: count(2)?, soonest_ms: row.get(3)? })
    })?;
    let certificates = uses.collect::<rusqlite::Result<_>>()?;
    let mut statement = connection.prepare_cached("SELECT directory, key_id FROM acme_accounts")?;
    let accounts = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(KeyUses { certificates, accounts: accounts.collect::<rusqlite::Result<_>>()? })
}
