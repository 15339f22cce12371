//! The schema, and how an older one becomes it. SQLite keeps the version in the file (`user_version`).
//!
//! A step is added at the end and never changed once it was released. Steps run in one transaction: a
//! database is at one version or at the next.

use rusqlite::{Connection, TransactionBehavior};

/// Step `n` makes version `n + 1` of version `n`.
const STEPS: [&str; 1] = [
    // Units of quotas, used or reserved, by the period that they count in (its start, milliseconds since 1970).
    "CREATE TABLE quota_usage (
        tenant TEXT    NOT NULL,
        quota  TEXT    NOT NULL,
        series TEXT    NOT NULL,
        period INTEGER NOT NULL,
        units  INTEGER NOT NULL CHECK (units >= 0),
        PRIMARY KEY (tenant, quota, series, period)
    ) STRICT, WITHOUT ROWID",
];

/// The version that all steps make.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// Brings a database up to date; the version that it had, or [`VERSION`]. One that is newer is left alone.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    if version(connection)? >= VERSION {
        return version(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let found = version(&transaction)?;
    let done = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    if found < VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    version(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
