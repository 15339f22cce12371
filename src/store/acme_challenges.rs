//! What authorities are answered that look whether a name leads here: kept for every process over the store, for whichever of them an authority
//! reaches. No secret: whoever asks is told.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreFault, WriteError};

/// What a name's authority is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedChallenge {
    /// The name. Of each one order is under way at a time.
    pub name: Box<str>,
    /// What the authority asks for.
    pub token: Box<str>,
    /// What it is answered (RFC 8555 §8.1).
    pub key_authorization: Box<str>,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: i64,
}

impl Store {
    /// Tells every process over this store what an authority is answered. Until the name's order has ended, or it expires.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn share_challenge(&self, challenge: SharedChallenge, now_ms: i64) -> Result<(), WriteError> {
        self.write(move |connection| {
            // What processes have left that were killed.
            connection
                .prepare_cached("DELETE FROM acme_challenges WHERE expires_ms <= ?1")?
                .execute([now_ms])?;
            let SharedChallenge { name, token, key_authorization, expires_ms } = &challenge;
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO acme_challenges (name, token, key_authorization, expires_ms) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![name, token, key_authorization, expires_ms])?;
            Ok(Ok(()))
        })
        .await
    }

    /// What a name's authority is answered, on this thread, if that can be told at once.
    #[must_use]
    pub fn shared_challenge_now(&self, name: &str, now_ms: i64) -> Option<Option<SharedChallenge>> {
        self.at_hand.read(&self.readers, |connection| read(connection, name, now_ms))
    }

    /// The same, waited for.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn shared_challenge(
        &self,
        name: &str,
        now_ms: i64,
    ) -> Result<Option<SharedChallenge>, StoreFault> {
        let name = name.to_owned();
        self.readers.read(move |connection| read(connection, &name, now_ms)).await
    }
}

fn read(connection: &Connection, name: &str, now_ms: i64) -> rusqlite::Result<Option<SharedChallenge>> {
    connection
        .prepare_cached(
            "SELECT name, token, key_authorization, expires_ms FROM acme_challenges WHERE name = ?1 AND expires_ms > ?2",
        )?
        .query_row(params![name, now_ms], |row| {
            Ok(SharedChallenge {
                name: row.get(0)?,
                token: row.get(1)?,
                key_authorization: row.get(2)?,
                expires_ms: row.get(3)?,
            })
        })
        .optional()
}

/// The order of a name has ended.
pub(super) fn forget(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM acme_challenges WHERE name = ?1")?.execute([name]).map(drop)
}
