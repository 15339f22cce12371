//! The audit log: who changed what, when, from what to what. The number of an entry is a tenant's revision, and the log
//! as a whole the feed of changes ([`super::feed`]).

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::retention::removed_up_to;
use super::{Actor, Page, Store, StoreFault, TenantRecord};
use crate::types::TenantId;

/// Entries of one answer, at most.
const ENTRIES_MAX: usize = 1_000;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number: larger than those before it, never used again.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who.
    pub actor: Box<str>,
    /// What: `tenant.create`, `domain.verify`, `key.rotate`.
    pub action: Box<str>,
    /// Whose.
    pub tenant: Option<Box<str>>,
    /// Why, in the words of whoever did it.
    pub note: Option<Box<str>>,
    /// What it was before: a JSON object.
    pub before: Option<Box<str>>,
    /// What it is since: a JSON object.
    pub after: Option<Box<str>>,
}

/// What was found, and how far the log goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFound {
    /// A page of it, the newest first.
    pub page: Page<AuditEntry>,
    /// When the oldest entry that there is was made, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    /// Up to which number entries were removed; 0 where none was.
    pub removed_up_to: u64,
}

/// Which entries are asked for: all that match everything that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// About this tenant, also if there is none of that id any more.
    pub tenant: Option<TenantId>,
    /// By this actor.
    pub actor: Option<Box<str>>,
    /// Of this action.
    pub action: Option<Box<str>>,
    /// Not before, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// With a smaller number: the last one of the page before.
    pub before_seq: Option<u64>,
    /// How many at most; never more than 1,000.
    pub limit: usize,
}

impl Store {
    /// Entries of the audit log; a page that ends early for its size says so.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn audit(&self, query: AuditQuery) -> Result<AuditFound, StoreFault> {
        let search = move |connection: &Connection| {
            Ok(AuditFound {
                page: search(connection, &query)?,
                oldest_ms: oldest_ms(connection)?,
                removed_up_to: removed_up_to(connection)?,
            })
        };
        self.readers.search(search).await
    }
}

/// What is entered.
pub(super) struct Entry<'e> {
    pub(super) at_ms: i64,
    pub(super) actor: &'e Actor,
    pub(super) action: &'static str,
    pub(super) tenant: &'e TenantId,
    pub(super) note: Option<&'e str>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl<'e> Entry<'e> {
    pub(super) fn new(actor: &'e Actor, action: &'static str, tenant: &'e TenantId) -> Self {
        Self { at_ms: now_ms(), actor, action, tenant, note: None, before: None, after: None }
    }

    pub(super) fn before(self, json: String) -> Self {
        Self { before: Some(json), ..self }
    }

    pub(super) fn after(self, json: String) -> Self {
        Self { after: Some(json), ..self }
    }
}

/// Writes an entry down; its number.
pub(super) fn enter(connection: &Connection, entry: &Entry<'_>) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO audit (at_ms, actor, action, tenant, note, before, after) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let seq = statement.insert(params![
        entry.at_ms,
        entry.actor.0,
        entry.action,
        entry.tenant.as_str(),
        entry.note,
        entry.before,
        entry.after
    ])?;
    Ok(seq.unsigned_abs())
}

/// The number of the last entry that there ever was; 0 if there was none.
pub(super) fn last_seq(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'audit'")?;
    statement.query_row([], |row| row.get(0)).map(i64::unsigned_abs)
}

/// Sees to it that numbers of entries to come are larger than this one: a revision that was given once is never given to
/// something else.
pub(super) fn reserve(connection: &Connection, seq: u64) -> rusqlite::Result<()> {
    let last = last_seq(connection)?;
    if last >= seq {
        return Ok(());
    }
    let sql = match last {
        0 => "INSERT INTO sqlite_sequence (seq, name) VALUES (?1, 'audit')",
        _ => "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'audit'",
    };
    connection.prepare_cached(sql)?.execute([signed(seq)]).map(drop)
}

/// Whether there is an entry of this number.
pub(super) fn is_there(connection: &Connection, seq: u64) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM audit WHERE seq = ?1")?.exists([signed(seq)])
}

/// Writes an entry down as it was.
pub(super) fn save(connection: &Connection, entry: &AuditEntry) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO audit (seq, at_ms, actor, action, tenant, note, before, after)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let AuditEntry { seq, at_ms, actor, action, tenant, note, before, after } = entry;
    statement.execute(params![signed(*seq), at_ms, actor, action, tenant, note, before, after]).map(drop)
}

/// A tenant, in the words of the API.
pub(super) fn tenant_json(tenant: &TenantRecord) -> String {
    let content = &tenant.content;
    let mut text = format!(
        "{{\"id\":{},\"plan\":{},\"state\":{},\"domains\":{},\"labels\":{}",
        json(tenant.id.as_str()),
        json(&content.plan),
        json(&content.state),
        json(&content.domains),
        json(&content.labels)
    );
    let settings = content.settings.as_deref().unwrap_or_default().trim();
    let members = settings.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    if !members.trim().is_empty() {
        text.push(',');
        text.push_str(members);
    }
    text.push('}');
    text
}

/// The JSON of what can't fail to have any: texts, lists and maps of texts.
pub(super) fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The wall's time, in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// SQLite's integers have a sign; numbers of entries never need it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn search(connection: &Connection, query: &AuditQuery) -> rusqlite::Result<Page<AuditEntry>> {
    let mut sql =
        "SELECT seq, at_ms, actor, action, tenant, note, before, after FROM audit WHERE true".to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut and = |condition: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(tenant) = &query.tenant {
        and("tenant = ?", tenant.as_str().to_owned().into());
    }
    if let Some(actor) = &query.actor {
        and("actor = ?", String::from(&**actor).into());
    }
    if let Some(action) = &query.action {
        and("action = ?", String::from(&**action).into());
    }
    if let Some(since_ms) = query.since_ms {
        and("at_ms >= ?", since_ms.into());
    }
    if let Some(before) = query.before_seq {
        and("seq < ?", signed(before).into());
    }
    sql.push_str(" ORDER BY seq DESC LIMIT ?");
    values.push(signed(query.limit.min(ENTRIES_MAX) as u64).into());
    let mut statement = connection.prepare_cached(&sql)?;
    Page::of(statement.query_map(params_from_iter(values), entry)?, size)
}

fn oldest_ms(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT at_ms FROM audit ORDER BY seq LIMIT 1")?;
    statement.query_row([], |row| row.get(0)).optional()
}

/// How much text an entry is.
fn size(entry: &AuditEntry) -> usize {
    [&entry.before, &entry.after, &entry.note].into_iter().flatten().map(|text| text.len()).sum()
}

/// A row of `seq, at_ms, actor, action, tenant, note, before, after`.
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        seq: row.get::<_, i64>(0)?.unsigned_abs(),
        at_ms: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        tenant: row.get(4)?,
        note: row.get(5)?,
        before: row.get(6)?,
        after: row.get(7)?,
    })
}
