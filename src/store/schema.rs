//! The schema, and how an older one becomes it. SQLite keeps the version in the file (`user_version`).
//!
//! A step is added at the end and never changed once it was released. Steps run in one transaction: a
//! database is at one version or at the next.

use rusqlite::{Connection, TransactionBehavior};

/// Step `n` makes version `n + 1` of version `n`.
pub(super) const STEPS: [&str; 7] = [
    // Units of quotas, used or reserved, by the period that they count in (its start, milliseconds since 1970).
    "CREATE TABLE quota_usage (
        tenant TEXT    NOT NULL,
        quota  TEXT    NOT NULL,
        series TEXT    NOT NULL,
        period INTEGER NOT NULL,
        units  INTEGER NOT NULL CHECK (units >= 0),
        PRIMARY KEY (tenant, quota, series, period)
    ) STRICT, WITHOUT ROWID",
    // Tenants, and who changed them. `settings` and `labels` are JSON objects. A domain may be claimed by several
    // tenants and is owned by one at most. Of a key only its SHA-256 is kept: it has 256 random bits, so no slow
    // hash is needed. Indices of domains have all that a request's lookup reads. The number of an entry of the audit log is the revision of the tenant that it is about.
    "CREATE TABLE tenants (
        id         TEXT    NOT NULL PRIMARY KEY,
        revision   INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL,
        plan       TEXT,
        state      TEXT    NOT NULL,
        labels     TEXT,
        settings   TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tenants_by_plan ON tenants (plan, id);
    CREATE INDEX tenants_by_state ON tenants (state, id) WHERE state <> 'active';
    CREATE INDEX tenants_by_pool ON tenants (CASE WHEN json_valid(settings) THEN settings ->> '$.pool' END, id)
        WHERE settings IS NOT NULL;
    CREATE TABLE tenant_labels (
        name   TEXT NOT NULL,
        value  TEXT NOT NULL,
        tenant TEXT NOT NULL,
        PRIMARY KEY (name, value, tenant)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE domains (
        name        TEXT    NOT NULL,
        tenant      TEXT    NOT NULL,
        verified    INTEGER NOT NULL CHECK (verified IN (0, 1)),
        method      TEXT,
        token       TEXT,
        created_ms  INTEGER NOT NULL,
        verified_ms INTEGER,
        PRIMARY KEY (name, tenant)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX domains_owned ON domains (name, verified) WHERE verified = 1;
    CREATE INDEX domains_by_tenant ON domains (tenant, name, verified);
    CREATE TABLE api_keys (
        id          TEXT    NOT NULL PRIMARY KEY,
        tenant      TEXT    NOT NULL,
        name        TEXT    NOT NULL,
        hash        BLOB    NOT NULL UNIQUE,
        hint        TEXT    NOT NULL,
        created_ms  INTEGER NOT NULL,
        expires_ms  INTEGER,
        replaced_by TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX api_keys_by_tenant ON api_keys (tenant);
    CREATE TABLE audit (
        seq    INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms  INTEGER NOT NULL,
        actor  TEXT    NOT NULL,
        action TEXT    NOT NULL,
        tenant TEXT,
        note   TEXT,
        before TEXT,
        after  TEXT
    ) STRICT;
    CREATE INDEX audit_by_tenant ON audit (tenant, seq);",
    // Numbers that are to be remembered, such as up to which one entries were removed from the audit log.
    "CREATE TABLE marks (name TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    // Tenants that have routes of their own, which name what of the configuration must stay.
    "CREATE INDEX tenants_with_routes ON tenants (id)
        WHERE CASE WHEN json_valid(settings) THEN settings ->> '$.routes' END IS NOT NULL",
    // Certificates from an authority, and how it stands with the names that are to have one: when is something to be done
    // (`next_ms`), and who is doing it until when. Private keys and accounts are encrypted with the key of `key_id`. A renewal counts
    // for no tenant and no registered domain. What a name had goes with it.
    "CREATE TABLE certificates (
        name          TEXT    NOT NULL PRIMARY KEY,
        tenant        TEXT    NOT NULL,
        chain         TEXT    NOT NULL,
        key           BLOB    NOT NULL,
        key_id        TEXT    NOT NULL,
        serial        TEXT    NOT NULL,
        issuer        TEXT    NOT NULL,
        not_before_ms INTEGER NOT NULL,
        not_after_ms  INTEGER NOT NULL,
        issued_ms     INTEGER NOT NULL,
        renew_ms      INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX certificates_by_end ON certificates (not_after_ms);
    CREATE TABLE acme_names (
        name          TEXT    NOT NULL PRIMARY KEY,
        tenant        TEXT    NOT NULL,
        next_ms       INTEGER NOT NULL,
        failures      INTEGER NOT NULL,
        error         TEXT,
        error_kind    TEXT,
        error_ms      INTEGER,
        holder        TEXT,
        held_until_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX acme_names_due ON acme_names (next_ms, held_until_ms, tenant);
    CREATE TABLE acme_accounts (
        directory   TEXT    NOT NULL PRIMARY KEY,
        credentials BLOB    NOT NULL,
        key_id      TEXT    NOT NULL,
        created_ms  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE acme_orders (at_ms INTEGER NOT NULL, tenant TEXT, registered TEXT) STRICT;
    CREATE INDEX acme_orders_by_time ON acme_orders (at_ms);
    CREATE INDEX acme_orders_by_tenant ON acme_orders (tenant, at_ms) WHERE tenant IS NOT NULL;
    CREATE INDEX acme_orders_by_domain ON acme_orders (registered, at_ms) WHERE registered IS NOT NULL;
    CREATE TRIGGER domains_gone AFTER DELETE ON domains WHEN old.verified = 1 BEGIN
        DELETE FROM certificates WHERE name = old.name AND tenant = old.tenant;
        DELETE FROM acme_names WHERE name = old.name AND tenant = old.tenant;
    END",
    // Which keys have encrypted how many certificates, and which names wait for something else than time, without a look at all of them.
    "DROP INDEX certificates_by_end;
    CREATE INDEX certificates_by_key ON certificates (key_id, not_after_ms);
    CREATE INDEX acme_names_by_error ON acme_names (error_kind) WHERE error_kind IS NOT NULL",
    // What authorities are answered that look whether names lead here, whichever process they reach.
    "CREATE TABLE acme_challenges (
        name              TEXT    NOT NULL PRIMARY KEY,
        token             TEXT    NOT NULL,
        key_authorization TEXT    NOT NULL,
        expires_ms        INTEGER NOT NULL
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

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
