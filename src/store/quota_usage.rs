//! The units of quotas.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::UsageRecord;
use crate::admission::quota::{Grant, Holdings, Order, Series};
use crate::types::TenantId;

/// Carries an order out within a transaction.
pub(super) fn carry_out(transaction: &Transaction<'_>, order: &Order) -> rusqlite::Result<Grant> {
    let Some(series) = order.series() else { return Ok(Grant { granted: 0, used: 0, oldest_ms: None }) };
    let usage = Usage { transaction, series };
    for change in &order.changes {
        usage.change(change.start_ms, change.units)?;
    }
    if order.spent > 0 {
        usage.change(order.start_ms, signed(order.spent))?;
    }
    let mut held = usage.held()?;
    let granted = order.want.min(order.limit.saturating_sub(counted(&held, order).0));
    if granted > 0 {
        usage.change(order.start_ms, signed(granted))?;
        held = usage.held()?;
    }
    usage.forget(&held, order.keep)?;
    let (used, oldest_ms) = counted(&held, order);
    Ok(Grant { granted, used, oldest_ms })
}

/// What is held of a tenant's series.
pub(super) fn of_tenant(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<Vec<Holdings>> {
    let mut statement = connection.prepare_cached(
        "SELECT quota, series, period, units FROM quota_usage WHERE tenant = ?1 ORDER BY 1, 2, 3",
    )?;
    let mut rows = statement.query([tenant.as_str()])?;
    let mut all: Vec<Holdings> = Vec::new();
    while let Some(row) = rows.next()? {
        let (quota, series) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        let period = (row.get(2)?, row.get::<_, i64>(3)?.unsigned_abs());
        match all.last_mut() {
            Some(last) if *last.series.quota == *quota && *last.series.series == *series => {
                last.periods.push(period);
            }
            _ => {
                let series = Series { tenant: tenant.clone(), quota: quota.into(), series: series.into() };
                all.push(Holdings { series, periods: vec![period] });
            }
        }
    }
    Ok(all)
}

/// What is held of the series of many.
pub(super) fn of_tenants(connection: &Connection, tenants: &[TenantId]) -> rusqlite::Result<Vec<Holdings>> {
    let mut all = Vec::new();
    for tenant in tenants {
        all.append(&mut of_tenant(connection, tenant)?);
    }
    Ok(all)
}

/// What a period holds; nothing where it is not known.
pub(super) fn units(connection: &Connection, usage: &UsageRecord) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(
        "SELECT units FROM quota_usage WHERE tenant = ?1 AND quota = ?2 AND series = ?3 AND period = ?4",
    )?;
    let UsageRecord { tenant, quota, series, period_ms, .. } = usage;
    let units = statement
        .query_row(params![tenant.as_str(), quota, series, period_ms], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(units.unwrap_or_default().unsigned_abs())
}

/// Has a period hold so much at least: what is used by now is never taken for unused.
pub(super) fn raise(connection: &Connection, usage: &UsageRecord) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO quota_usage (tenant, quota, series, period, units) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET units = max(units, ?5)",
    )?;
    let UsageRecord { tenant, quota, series, period_ms, units } = usage;
    statement.execute(params![tenant.as_str(), quota, series, period_ms, signed(*units)]).map(drop)
}

/// What [`record`] reads.
pub(super) const SELECT: &str = "SELECT tenant, quota, series, period, units FROM quota_usage";

/// A row of [`SELECT`]; `None` for one that was written by hand for no tenant's id.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Option<UsageRecord>> {
    let Ok(tenant) = TenantId::parse(row.get_ref(0)?.as_str()?) else { return Ok(None) };
    Ok(Some(UsageRecord {
        tenant,
        quota: row.get(1)?,
        series: row.get(2)?,
        period_ms: row.get(3)?,
        units: row.get::<_, i64>(4)?.unsigned_abs(),
    }))
}

/// The units in an order's window, and the oldest period that holds any.
fn counted(held: &[(i64, u64)], order: &Order) -> (u64, Option<i64>) {
    let counts = |start_ms: i64| {
        start_ms >= order.counts_from_ms && (order.counts_later || start_ms <= order.start_ms)
    };
    let counted = held.iter().filter(|(start_ms, units)| counts(*start_ms) && *units > 0);
    let oldest_ms = counted.clone().map(|(start_ms, _)| *start_ms).next();
    (counted.map(|(_, units)| units).sum(), oldest_ms)
}

struct Usage<'a> {
    transaction: &'a Transaction<'a>,
    series: &'a Series,
}

impl Usage<'_> {
    /// Adds to a period, or takes from it; it never holds less than nothing.
    fn change(&self, start_ms: i64, units: i64) -> rusqlite::Result<()> {
        let Series { tenant, quota, series } = self.series;
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO quota_usage (tenant, quota, series, period, units) VALUES (?1, ?2, ?3, ?4, max(?5, 0))
             ON CONFLICT DO UPDATE SET units = max(units + ?5, 0)",
        )?;
        statement.execute(params![tenant.as_str(), quota, series, start_ms, units]).map(drop)
    }

    /// All periods that are kept, the oldest first: a few, or the slots of a rolling window.
    fn held(&self) -> rusqlite::Result<Vec<(i64, u64)>> {
        let Series { tenant, quota, series } = self.series;
        let mut statement = self.transaction.prepare_cached(
            "SELECT period, units FROM quota_usage
             WHERE tenant = ?1 AND quota = ?2 AND series = ?3 ORDER BY period",
        )?;
        let rows = statement.query_map(params![tenant.as_str(), quota, series], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })?;
        rows.collect()
    }

    /// Forgets all but the newest periods. Counted, not timed: a clock that jumped ahead and back has cost nothing.
    fn forget(&self, held: &[(i64, u64)], keep: u32) -> rusqlite::Result<()> {
        let Some(at) = held.len().checked_sub(keep as usize).filter(|beyond| *beyond > 0) else {
            return Ok(());
        };
        let Some((oldest_kept, _)) = held.get(at) else { return Ok(()) };
        let Series { tenant, quota, series } = self.series;
        let mut statement = self.transaction.prepare_cached(
            "DELETE FROM quota_usage WHERE tenant = ?1 AND quota = ?2 AND series = ?3 AND period < ?4",
        )?;
        statement.execute(params![tenant.as_str(), quota, series, oldest_kept]).map(drop)
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}
