//! Orders for certificates: one for a name at a time, in however many processes, and no more than the budgets allow.

use rusqlite::{Connection, OptionalExtension, params};

use super::work::Made;
use super::{Store, StoreFault, WriteError};
use crate::types::TenantId;

const HOUR_MS: i64 = 3_600_000;
/// The windows of the budgets.
const TENANT_MS: i64 = 24 * HOUR_MS;
const REGISTERED_MS: i64 = 7 * 24 * HOUR_MS;
const ACCOUNT_MS: i64 = 3 * HOUR_MS;
/// Orders that are old enough to be forgotten, and are, at a time.
const FORGOTTEN: u32 = 64;

/// How many orders there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcmeBudgets {
    /// For names of a tenant that have no certificate yet, in a day.
    pub tenant: u32,
    /// For names below a registered domain that have none yet, in a week.
    pub registered: u32,
    /// In all, in three hours.
    pub account: u32,
}

/// Of which budget there is nothing left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcmeBudget {
    /// The tenant's.
    Tenant,
    /// The registered domain's.
    Registered,
    /// The account's.
    Account,
}

/// An order that is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The name.
    pub name: Box<str>,
    /// Whose it is.
    pub tenant: TenantId,
    /// The registered domain that it is, or is below.
    pub registered: Box<str>,
    /// Who is at it.
    pub holder: Box<str>,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// Until when it is held.
    pub until_ms: i64,
    /// Whether it takes another's place: then it counts for the account alone.
    pub renewal: bool,
    /// Whether it is not waited until it is due.
    pub at_once: bool,
    /// The budgets.
    pub budgets: AcmeBudgets,
}

/// Whether an order may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It may, after so many failures.
    Granted {
        /// Without a success between them.
        failures: u32,
    },
    /// Another is at it, until then.
    Held {
        /// In milliseconds since 1970.
        until_ms: i64,
    },
    /// It is not due before then.
    NotDue {
        /// In milliseconds since 1970.
        next_ms: i64,
    },
    /// There is no order left, until then.
    OverBudget {
        /// Of which budget.
        budget: AcmeBudget,
        /// In milliseconds since 1970.
        until_ms: i64,
    },
}

impl Store {
    /// Begins an order, if it may, and counts it. Durable before the authority hears of it.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn begin_order(&self, begin: Begin) -> Result<Begun, WriteError> {
        self.write(move |connection| begin_order(connection, &begin)).await
    }

    /// Whether an order that were begun now would be over a budget, and until when. Begins none.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn is_over_budget(&self, begin: Begin) -> Result<Option<(AcmeBudget, i64)>, StoreFault> {
        self.readers.read(move |connection| over_budget(connection, &begin)).await
    }

    /// Takes an order out of the budgets that the authority has not heard of: as it was begun.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn uncount_order(&self, begun: Begin) -> Result<(), WriteError> {
        self.write(move |connection| {
            let (tenant, registered) = counted(&begun).unzip();
            connection
                .prepare_cached(
                    "DELETE FROM acme_orders WHERE rowid = (SELECT max(rowid) FROM acme_orders
                     WHERE at_ms = ?1 AND tenant IS ?2 AND registered IS ?3)",
                )?
                .execute(params![begun.now_ms, tenant, registered])?;
            Ok(Ok(()))
        })
        .await
    }

    /// Goes on holding a name. Whether it is held still.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn hold_name(&self, name: &str, holder: &str, until_ms: i64) -> Result<bool, WriteError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write(move |connection| {
            let sql = "UPDATE acme_names SET held_until_ms = ?3 WHERE name = ?1 AND holder = ?2";
            Ok(Ok(connection.prepare_cached(sql)?.execute(params![name, holder, until_ms])? > 0))
        })
        .await
    }
}

fn begin_order(connection: &Connection, begin: &Begin) -> Made<Begun> {
    let now_ms = begin.now_ms;
    let known: Option<(String, i64, u32, Option<String>, i64)> = connection
        .prepare_cached(
            "SELECT tenant, next_ms, failures, holder, held_until_ms FROM acme_names WHERE name = ?1",
        )?
        .query_row([&begin.name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let mut failures = 0;
    if let Some((tenant, next_ms, failed, holder, held_until_ms)) = known {
        if held_until_ms > now_ms && holder.as_deref() != Some(&*begin.holder) {
            return Ok(Ok(Begun::Held { until_ms: held_until_ms }));
        }
        // Whoever had the name before has failed, not this tenant.
        if tenant == begin.tenant.as_str() {
            if next_ms > now_ms && !begin.at_once {
                return Ok(Ok(Begun::NotDue { next_ms }));
            }
            failures = failed;
        }
    }
    if let Some((budget, until_ms)) = over_budget(connection, begin)? {
        connection
            .prepare_cached(
                "INSERT INTO acme_names (name, tenant, next_ms, failures, held_until_ms) VALUES (?1, ?2, ?3, 0, 0)
                 ON CONFLICT (name) DO UPDATE SET tenant = ?2, next_ms = ?3, failures = ?4, holder = NULL, held_until_ms = 0",
            )?
            .execute(params![begin.name, begin.tenant.as_str(), until_ms, failures])?;
        return Ok(Ok(Begun::OverBudget { budget, until_ms }));
    }
    connection
        .prepare_cached(
            "INSERT INTO acme_names (name, tenant, next_ms, failures, holder, held_until_ms) VALUES (?1, ?2, ?3, 0, ?4, ?5)
             ON CONFLICT (name) DO UPDATE SET tenant = ?2, failures = ?6, holder = ?4, held_until_ms = ?5",
        )?
        .execute(params![
            begin.name,
            begin.tenant.as_str(),
            now_ms,
            begin.holder,
            begin.until_ms,
            failures
        ])?;
    let (tenant, registered) = counted(begin).unzip();
    connection
        .prepare_cached("INSERT INTO acme_orders (at_ms, tenant, registered) VALUES (?1, ?2, ?3)")?
        .execute(params![now_ms, tenant, registered])?;
    connection
        .prepare_cached(
            "DELETE FROM acme_orders WHERE rowid IN (SELECT rowid FROM acme_orders WHERE at_ms < ?1 LIMIT ?2)",
        )?
        .execute(params![now_ms - REGISTERED_MS, FORGOTTEN])?;
    Ok(Ok(Begun::Granted { failures }))
}

/// For whom an order counts beside the account.
fn counted(begin: &Begin) -> Option<(&str, &str)> {
    (!begin.renewal).then_some((begin.tenant.as_str(), &*begin.registered))
}

/// The first budget that is used up, and until when.
fn over_budget(connection: &Connection, begin: &Begin) -> rusqlite::Result<Option<(AcmeBudget, i64)>> {
    let AcmeBudgets { tenant, registered, account } = begin.budgets;
    let of_account =
        "SELECT at_ms FROM acme_orders WHERE at_ms > ?2 AND ?1 = ?1 ORDER BY at_ms DESC LIMIT 1 OFFSET ?3";
    let of_tenant = "SELECT at_ms FROM acme_orders WHERE tenant = ?1 AND at_ms > ?2 ORDER BY at_ms DESC LIMIT 1 OFFSET ?3";
    let of_domain = "SELECT at_ms FROM acme_orders WHERE registered = ?1 AND at_ms > ?2 ORDER BY at_ms DESC LIMIT 1 OFFSET ?3";
    let mut all = vec![(AcmeBudget::Account, of_account, "", ACCOUNT_MS, account)];
    if !begin.renewal {
        all.push((AcmeBudget::Tenant, of_tenant, begin.tenant.as_str(), TENANT_MS, tenant));
        all.push((AcmeBudget::Registered, of_domain, &begin.registered, REGISTERED_MS, registered));
    }
    for (budget, sql, of, window_ms, max) in all {
        // The order that has to leave the window before there is room for another.
        let last: Option<i64> = connection
            .prepare_cached(sql)?
            .query_row(params![of, begin.now_ms - window_ms, max.saturating_sub(1)], |row| row.get(0))
            .optional()?;
        if let Some(at_ms) = last {
            return Ok(Some((budget, at_ms + window_ms)));
        }
    }
    Ok(None)
}
