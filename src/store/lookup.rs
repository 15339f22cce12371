//! The cold lookup of the data path: a tenant by its id, by a host or by an API key, with what its quotas hold.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension, ToSql};

use super::question::{Pace, Question};
use super::tenants::record;
use super::{Store, StoreFault, TenantKey, TenantRecord, quota_usage};
use crate::admission::quota::Holdings;
use crate::types::{KeyHash, TenantId};

/// Labels of a host that is looked up on the thread that asks: each may be a wildcard's, and has to be looked for.
const LABELS_AT_HAND: usize = 8;

/// A tenant, as a request needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The tenant, without its labels unless they are [asked for](Store::read_labels), or by its own settings: few requests need them, and reading
    /// them costs.
    pub record: TenantRecord,
    /// What its quotas hold.
    pub holdings: Vec<Holdings>,
    /// When the API key that it was found by expires, in milliseconds since 1970, where it does.
    pub key_expires_ms: Option<i64>,
}

impl Store {
    /// Look-ups from now on read labels, too. Whether that is news.
    pub fn read_labels(&self) -> bool {
        !self.labels.swap(true, Ordering::SeqCst)
    }

    /// Looks a tenant up: by its id, by an API key, or by a host that is a verified domain of it, or else below the longest verified
    /// wildcard. Never waits: the answer comes on another thread, which it must not hold up, or at once where the store
    /// is closed or busy.
    pub fn find(
        &self,
        key: TenantKey,
        answer: impl FnOnce(Result<Option<Found>, StoreFault>) + Send + 'static,
    ) {
        let labels = self.labels.load(Ordering::SeqCst);
        let question =
            Question::new(move |connection: &Connection| look_up(connection, &key, labels), answer);
        self.readers.ask(question, Pace::Quick);
    }

    /// The same on this thread, if it can be told at once: if all that has to be read is in memory. Takes some
    /// microseconds, and never waits.
    #[must_use]
    pub fn find_now(&self, key: &TenantKey) -> Option<Option<Found>> {
        if let TenantKey::Host(host) = key
            && host.bytes().filter(|octet| *octet == b'.').count() > LABELS_AT_HAND
        {
            return None;
        }
        let labels = self.labels.load(Ordering::SeqCst);
        self.at_hand.read(&self.readers, |connection| look_up(connection, key, labels))
    }
}

/// A tenant of the configuration, its domain that is meant, where it is that, and the tenant of the store that has it.
pub type Claimed = (TenantId, Option<Box<str>>, TenantId);

impl Store {
    /// Of tenants that are not the store's: which of their ids it has, too, and which of their domains it gives to another.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn claimed_by_others(
        &self,
        tenants: Vec<(TenantId, Vec<Box<str>>)>,
    ) -> Result<Vec<Claimed>, StoreFault> {
        let search = move |connection: &Connection| {
            let mut has = connection.prepare_cached("SELECT 1 FROM tenants WHERE id = ?1")?;
            let mut claimed = Vec::new();
            for (id, domains) in &tenants {
                if has.exists([id.as_str()])? {
                    claimed.push((id.clone(), None, id.clone()));
                }
                for domain in domains {
                    let other = owner(connection, domain)?.and_then(|owner| TenantId::parse(&owner).ok());
                    if let Some(other) = other.filter(|other| other != id) {
                        claimed.push((id.clone(), Some(domain.clone()), other));
                    }
                }
            }
            Ok(claimed)
        };
        self.readers.search(search).await
    }
}

/// A tenant with its domains, a row for each, and whether anything is kept of its quotas. Which index serves which part is not left
/// to the planner: it knows nothing of how many there are.
macro_rules! found {
    ($from:literal, $expires:literal) => {
        concat!(
            "SELECT t.id, t.revision, t.created_ms, t.updated_ms, t.plan, t.state, t.settings,
                CASE WHEN ?2 OR instr(t.settings, 'label') > 0 THEN t.labels END, d.name,
                EXISTS (SELECT 1 FROM quota_usage AS q WHERE q.tenant = t.id), ",
            $expires,
            " FROM ",
            $from,
            " LEFT JOIN domains AS d INDEXED BY domains_by_tenant ON d.tenant = t.id AND d.verified = 1
             ORDER BY d.name"
        )
    };
}
const BY_ID: &str = found!("(SELECT * FROM tenants WHERE id = ?1) AS t", "NULL");
const BY_DOMAIN: &str = found!(
    "(SELECT tenant FROM domains INDEXED BY domains_owned WHERE name = ?1 AND verified = 1) AS o
     CROSS JOIN tenants AS t ON t.id = o.tenant",
    "NULL"
);
/// The index is the one that keeps hashes unique, which has no name of its own.
const BY_KEY: &str = found!(
    "(SELECT tenant, expires_ms FROM api_keys WHERE hash = ?1) AS o
     CROSS JOIN tenants AS t ON t.id = o.tenant",
    "o.expires_ms"
);

/// Prepares what a look-up asks, and reads what every one of them reads.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let nobody = TenantId::nobody();
    look_up(connection, &TenantKey::Id(nobody), false)?;
    look_up(connection, &TenantKey::ApiKey(KeyHash::of("")), false)?;
    look_up(connection, &TenantKey::Host("nobody.invalid".into()), false).map(drop)
}

pub(super) fn look_up(
    connection: &Connection,
    key: &TenantKey,
    labels: bool,
) -> rusqlite::Result<Option<Found>> {
    match key {
        TenantKey::Id(id) => found(connection, BY_ID, &id.as_str(), labels),
        TenantKey::ApiKey(hash) => found(connection, BY_KEY, hash, labels),
        TenantKey::Host(host) => {
            if let Some(found) = found(connection, BY_DOMAIN, &host, labels)? {
                return Ok(Some(found));
            }
            match wildcard_above(connection, host)? {
                Some(wildcard) => found(connection, BY_DOMAIN, &wildcard, labels),
                None => Ok(None),
            }
        }
    }
}

fn found(
    connection: &Connection,
    sql: &str,
    key: &dyn ToSql,
    labels: bool,
) -> rusqlite::Result<Option<Found>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([key, &labels as &dyn ToSql])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let Some(mut record) = record(row)? else { return Ok(None) };
    let has_usage: bool = row.get(9)?;
    let key_expires_ms = row.get(10)?;
    let mut domain: Option<Box<str>> = row.get(8)?;
    while let Some(own) = domain.take() {
        record.content.domains.push(own);
        domain = match rows.next()? {
            Some(row) => row.get(8)?,
            None => None,
        };
    }
    drop(rows);
    let holdings = if has_usage { quota_usage::of_tenant(connection, &record.id)? } else { Vec::new() };
    Ok(Some(Found { record, holdings, key_expires_ms }))
}

/// Who owns exactly this domain, as it is stored.
pub(super) fn owner(connection: &Connection, domain: &str) -> rusqlite::Result<Option<String>> {
    let mut statement =
        connection.prepare_cached("SELECT tenant FROM domains WHERE name = ?1 AND verified = 1")?;
    statement.query_row([domain], |row| row.get(0)).optional()
}

/// The wildcard of most labels above a host that somebody owns.
fn wildcard_above(connection: &Connection, host: &str) -> rusqlite::Result<Option<String>> {
    let mut any = connection.prepare_cached(
        "SELECT 1 FROM domains INDEXED BY domains_owned
         WHERE name >= '*.' AND name < '*/' AND verified = 1 LIMIT 1",
    )?;
    if !any.exists([])? {
        return Ok(None);
    }
    let mut wildcard = String::with_capacity(host.len() + 1);
    let mut below = host;
    while let Some((_, parent)) = below.split_once('.') {
        wildcard.clear();
        wildcard.push_str("*.");
        wildcard.push_str(parent);
        if owner(connection, &wildcard)?.is_some() {
            return Ok(Some(wildcard));
        }
        below = parent;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::store::NewKey;
    use crate::store::connection::Opened;
    use crate::store::tenant_tests::{Desk, a_put, actor, tenant_id};

    #[test]
    fn a_look_up_reads_three_indices_and_is_prepared_once() {
        let desk = Desk::new();
        let hash = |number: u8| KeyHash::from([number; 32]);
        for number in 0..50_u8 {
            desk.put(a_put(&format!("t-{number}"), &[&format!("t-{number}.test")])).unwrap();
            let expires_ms = Some(i64::from(number));
            let key = NewKey {
                id: format!("k-{number}").into(),
                hash: hash(number),
                hint: "tg".into(),
                expires_ms,
            };
            desk.wait(desk.store.issue_key(tenant_id(&format!("t-{number}")), "ci", key, actor())).unwrap();
        }
        let opened = Opened::at_hand(&desk.path()).unwrap();
        let connection = &opened.connection;
        for sql in [BY_ID, BY_DOMAIN, BY_KEY] {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan: Vec<String> =
                plan.query_map(("t-1", true), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            let slow = |step: &String| step.contains("SCAN") || step.contains("TEMP");
            assert!(!plan.iter().any(slow), "{plan:?}");
        }
        for number in 0..50_u8 {
            let host = TenantKey::Host(format!("t-{number}.test").into());
            let found = look_up(connection, &host, false).unwrap().unwrap();
            assert_eq!(found.record.id.as_str(), format!("t-{number}"));
            let by_key = look_up(connection, &TenantKey::ApiKey(hash(number)), false).unwrap();
            let by_id = look_up(connection, &TenantKey::Id(found.record.id.clone()), false).unwrap();
            assert_eq!(by_id.as_ref(), Some(&found));
            assert_eq!(by_key, Some(Found { key_expires_ms: Some(i64::from(number)), ..found }));
        }
        assert_eq!(look_up(connection, &TenantKey::ApiKey(hash(50)), false).unwrap(), None);
        for sql in [BY_ID, BY_DOMAIN, BY_KEY] {
            let statement = connection.prepare_cached(sql).unwrap();
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
        }
    }
}
