//! Accounts with authorities, encrypted.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreFault, WriteError, audit};

/// An account with an authority, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAccount {
    /// The URL of the authority's directory.
    pub directory: Box<str>,
    /// What it is gone on with, encrypted.
    pub credentials: Vec<u8>,
    /// The id of the key that it is encrypted with.
    pub key_id: Box<str>,
}

impl Store {
    /// The account with an authority.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn acme_account(&self, directory: &str) -> Result<Option<KeptAccount>, StoreFault> {
        let directory = directory.to_owned();
        let read = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "SELECT directory, credentials, key_id FROM acme_accounts WHERE directory = ?1",
                )?
                .query_row([&directory], |row| {
                    Ok(KeptAccount { directory: row.get(0)?, credentials: row.get(1)?, key_id: row.get(2)? })
                })
                .optional()
        };
        self.readers.read(read).await
    }

    /// Keeps an account in the place of the one that there was.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn keep_acme_account(&self, account: KeptAccount) -> Result<(), WriteError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO acme_accounts (directory, credentials, key_id, created_ms) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![account.directory, account.credentials, account.key_id, audit::now_ms()])?;
            Ok(Ok(()))
        })
        .await
    }

    /// Forgets the account with an authority.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn forget_acme_account(&self, directory: &str) -> Result<(), WriteError> {
        let directory = directory.to_owned();
        self.write(move |connection| {
            let sql = "DELETE FROM acme_accounts WHERE directory = ?1";
            connection.prepare_cached(sql)?.execute([&directory])?;
            Ok(Ok(()))
        })
        .await
    }
}
