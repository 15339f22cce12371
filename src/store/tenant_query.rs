//! Pages of tenants, and how many there are.

use std::collections::HashSet;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::audit::signed;
use super::tenants::{domains_owned, record};
use super::{Page, Store, StoreFault, TenantRecord};
use crate::types::TenantId;

/// Tenants of one answer, at most.
const TENANTS_MAX: usize = 10_000;
/// How many of those who use a thing are named.
pub(super) const NAMED: usize = 5;

/// Which tenants are asked for: all that match everything that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantQuery {
    /// Behind this one: the last one of the page before.
    pub after: Option<TenantId>,
    /// How many at most; never more than 10,000.
    pub limit: usize,
    /// Of this plan.
    pub plan: Option<Box<str>>,
    /// In this state.
    pub state: Option<Box<str>>,
    /// With each of these labels, by name and value.
    pub labels: Vec<(String, String)>,
    /// That owns this domain, as it is stored.
    pub domain: Option<Box<str>>,
    /// With this text in its id, in a domain of it or in a label's value, in upper or lower case (of ASCII).
    pub text: Option<Box<str>>,
}

/// Who uses a thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// How many do.
    pub count: u64,
    /// The first few of them.
    pub some: Vec<TenantId>,
}

impl Store {
    /// A page of tenants, by their ids; one that ends early for its size says so.
    ///
    /// # Errors
    /// [`StoreFault`]; `Busy` for one that takes more than five seconds.
    pub async fn tenants(&self, query: TenantQuery) -> Result<Page<TenantRecord>, StoreFault> {
        self.readers.search(move |connection| search(connection, &query)).await
    }

    /// How many tenants there are.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn count(&self) -> Result<u64, StoreFault> {
        let count = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM tenants", [], |row| row.get(0)).map(i64::unsigned_abs)
        };
        self.readers.search(count).await
    }

    /// The tenants of a plan.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn plan_users(&self, plan: &str) -> Result<Users, StoreFault> {
        let plan = plan.to_owned();
        self.readers.search(move |connection| users(connection, BY_PLAN, &plan)).await
    }

    /// The tenants with a pool of their own that is this one.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn pool_users(&self, pool: &str) -> Result<Users, StoreFault> {
        let pool = pool.to_owned();
        self.readers.search(move |connection| users(connection, BY_POOL, &pool)).await
    }

    /// The tenants of each of these plans, and those of each of these pools. Waits for the disk: for a reload.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn users_of(
        &self,
        plans: Vec<String>,
        pools: Vec<String>,
    ) -> Result<(Vec<Users>, Vec<Users>), StoreFault> {
        self.readers.search_here(move |connection| {
            let of = |names: &[String], condition| {
                names.iter().map(|name| users(connection, condition, name)).collect::<rusqlite::Result<_>>()
            };
            Ok((of(&plans, BY_PLAN)?, of(&pools, BY_POOL)?))
        })
    }
}

impl Store {
    /// Tenants whose plan is none of these, by plan, and those whose own pool is none of these, by pool. Passes over tenants
    /// in two indices: some hundred milliseconds for a million.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn users_of_others(
        &self,
        plans: HashSet<String>,
        pools: HashSet<String>,
    ) -> Result<(Vec<(String, Users)>, Vec<(String, Users)>), StoreFault> {
        let search = move |connection: &Connection| {
            let of = |known: &HashSet<String>, names: &str, condition| {
                let mut others: Vec<String> = connection
                    .prepare(names)?
                    .query_map([], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?;
                others.retain(|name| !known.contains(name));
                let with_users = |name: String| {
                    let users = users(connection, condition, &name)?;
                    Ok((name, users))
                };
                others.into_iter().map(with_users).collect::<rusqlite::Result<Vec<_>>>()
            };
            Ok((of(&plans, PLANS, BY_PLAN)?, of(&pools, POOLS, BY_POOL)?))
        };
        self.readers.search(search).await
    }
}

/// Each once: a look into the index for the next one after the last.
const PLANS: &str = "WITH RECURSIVE names (name) AS (
         SELECT min(plan) FROM tenants
         UNION ALL
         SELECT (SELECT min(plan) FROM tenants WHERE plan > name) FROM names WHERE name IS NOT NULL)
     SELECT name FROM names WHERE name IS NOT NULL";
const POOLS: &str = "SELECT DISTINCT CASE WHEN json_valid(settings) THEN settings ->> '$.pool' END AS pool
     FROM tenants WHERE settings IS NOT NULL AND pool IS NOT NULL";

const BY_PLAN: &str = "plan = ?1";
/// In the words of the index `tenants_by_pool`, or it isn't used.
const BY_POOL: &str =
    "settings IS NOT NULL AND CASE WHEN json_valid(settings) THEN settings ->> '$.pool' END = ?1";

fn users(connection: &Connection, condition: &str, value: &str) -> rusqlite::Result<Users> {
    let count =
        connection
            .query_row(&format!("SELECT count(*) FROM tenants WHERE {condition}"), [value], |row| row.get(0));
    let sql = format!("SELECT id FROM tenants WHERE {condition} ORDER BY id LIMIT {NAMED}");
    let mut statement = connection.prepare(&sql)?;
    let some: Vec<String> =
        statement.query_map([value], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let some = some.iter().filter_map(|id| TenantId::parse(id).ok()).collect();
    Ok(Users { count: count.map(i64::unsigned_abs)?, some })
}

fn search(connection: &Connection, query: &TenantQuery) -> rusqlite::Result<Page<TenantRecord>> {
    let (sql, values) = statement(query);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), record)?.filter_map(Result::transpose);
    let whole = rows.map(|tenant| {
        let mut tenant = tenant?;
        tenant.content.domains = domains_owned(connection, tenant.id.as_str())?;
        Ok(tenant)
    });
    Page::of(whole, size)
}

/// How much text a tenant is.
fn size(tenant: &TenantRecord) -> usize {
    let content = &tenant.content;
    let labels = content.labels.iter().map(|(name, value)| name.len() + value.len());
    let domains = content.domains.iter().map(|domain| domain.len());
    content.settings.as_deref().map_or(0, str::len) + labels.chain(domains).sum::<usize>()
}

/// A page is found by going through one index in the order of ids: the first label's, else that of the plan, of the state or
/// of the ids. So what a page costs depends on how many must be passed over, not on how many there are behind it.
fn statement(query: &TenantQuery) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let mut sql =
        "SELECT t.id, t.revision, t.created_ms, t.updated_ms, t.plan, t.state, t.settings, t.labels FROM "
            .to_owned();
    let mut labels = query.labels.iter();
    let by = match labels.next() {
        Some((name, value)) => {
            // CROSS JOIN keeps SQLite from turning them round.
            sql.push_str(
                "tenant_labels l CROSS JOIN tenants t ON t.id = l.tenant WHERE l.name = ? AND l.value = ?",
            );
            values.extend([Value::from(name.clone()), Value::from(value.clone())]);
            "l.tenant"
        }
        None => {
            sql.push_str("tenants t WHERE true");
            "t.id"
        }
    };
    let mut and = |condition: &str, some: &[&str]| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend(some.iter().map(|value| Value::from((*value).to_owned())));
    };
    if let Some(after) = &query.after {
        and(&format!("{by} > ?"), &[after.as_str()]);
    }
    // Most tenants are active: only the other states have an index. It is then the shortest way, which the plus says.
    let rare = query.state.as_deref().is_some_and(|state| state != "active");
    if let Some(plan) = &query.plan {
        and(if rare { "+t.plan = ?" } else { "t.plan = ?" }, &[plan]);
    }
    if let Some(state) = &query.state {
        and(if rare { "t.state = ? AND t.state <> 'active'" } else { "t.state = ?" }, &[state]);
    }
    for (name, value) in labels {
        and(
            "EXISTS (SELECT 1 FROM tenant_labels o WHERE o.name = ? AND o.value = ? AND o.tenant = t.id)",
            &[name, value],
        );
    }
    if let Some(domain) = &query.domain {
        and("t.id IN (SELECT tenant FROM domains WHERE name = ? AND verified = 1)", &[domain]);
    }
    if let Some(text) = &query.text {
        let text = text.to_ascii_lowercase();
        and(
            "(instr(t.id, ?) OR EXISTS (SELECT 1 FROM domains d
                WHERE d.tenant = t.id AND d.verified = 1 AND instr(lower(d.name), ?))
              OR t.labels IS NOT NULL AND json_valid(t.labels) AND EXISTS (SELECT 1 FROM json_each(t.labels) j
                WHERE instr(lower(j.value), ?)))",
            &[&text, &text, &text],
        );
    }
    sql.push_str(&format!(" ORDER BY {by} LIMIT ?"));
    values.push(signed(query.limit.min(TENANTS_MAX) as u64).into());
    (sql, values)
}
