//! One tenant in the place of what it is now: how they differ, and the one for the other.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::audit::{self, Entry};
use super::domains::{self, DomainRecord};
use super::keys::{self, KeyRecord};
use super::restore::{Before, Difference, Part, Restoration, Restored};
use super::snapshot::UsageRecord;
use super::tenants::{self, Written};
use super::{TenantRecord, quota_usage};

/// A tenant as it is to be, in the place of what it is. What is in its way is another matter.
pub(super) struct Replacement<'r> {
    restored: &'r Restored,
    domains: Vec<&'r DomainRecord>,
    keys: Vec<&'r KeyRecord>,
    usage: Vec<&'r UsageRecord>,
    before: Option<TenantRecord>,
    after: TenantRecord,
    differences: Vec<Difference>,
}

impl<'r> Replacement<'r> {
    pub(super) fn of(connection: &Connection, restored: &'r Restored) -> rusqlite::Result<Self> {
        let id = &restored.record.id;
        // Whatever else is among them, no other tenant is touched.
        let domains: Vec<_> = restored.domains.iter().filter(|domain| domain.tenant == *id).collect();
        let keys: Vec<_> = restored.keys.iter().filter(|key| key.tenant == *id).collect();
        let usage: Vec<_> = restored.usage.iter().filter(|usage| usage.tenant == *id).collect();
        let mut after = restored.record.clone();
        after.content.domains = restored.owned().map(Box::from).collect();
        after.content.domains.sort_unstable();
        after.content.domains.dedup();
        let before = tenants::tenant(connection, id)?;
        let had = domains::of_tenant(connection, id)?;
        let mut differences = differing(&had, &domains, |domain| &domain.name, Part::Domain);
        let had = keys::of_tenant(connection, id)?;
        differences.extend(differing(&had, &keys, |key| &key.id, Part::Key));
        differences.extend(raised(connection, usage.iter().copied())?);
        Ok(Self { restored, domains, keys, usage, before, after, differences })
    }

    /// What is there already, in all its parts.
    fn unchanged(&self) -> Option<&TenantRecord> {
        let before = self.before.as_ref()?;
        (before.content == self.after.content && self.differences.is_empty()).then_some(before)
    }

    /// Takes from the tenant all that it has, where it is to be another.
    pub(super) fn release(&self, connection: &Connection) -> rusqlite::Result<()> {
        match &self.before {
            Some(before) if self.unchanged().is_none() => tenants::remove(connection, before),
            _ => Ok(()),
        }
    }

    /// Gives it what it is to have, once it was released.
    pub(super) fn fill(mut self, connection: &Connection) -> rusqlite::Result<Restoration> {
        if let Some(record) = self.unchanged().cloned() {
            let written = Written { record, created: false, changed: false, released: Vec::new() };
            return Ok(Restoration { written, before: self.before, differences: self.differences });
        }
        let after = &self.after.content.domains;
        let had = self.before.as_ref().map(|before| before.content.domains.as_slice()).unwrap_or_default();
        let released = had.iter().filter(|domain| after.binary_search(domain).is_err()).cloned().collect();
        let mut entry = Entry::new(&self.restored.actor, "tenant.restore", &self.restored.record.id);
        entry.before = self.before.as_ref().map(audit::tenant_json);
        entry.after = Some(audit::tenant_json(&self.after));
        self.after.updated_ms = entry.at_ms;
        self.after.revision = audit::enter(connection, &entry)?;
        tenants::write(connection, None, &self.after)?;
        self.domains.iter().try_for_each(|domain| domains::save(connection, domain))?;
        self.keys.iter().try_for_each(|key| keys::save(connection, key))?;
        self.usage.iter().try_for_each(|usage| quota_usage::raise(connection, usage))?;
        let written = Written { created: self.before.is_none(), record: self.after, changed: true, released };
        Ok(Restoration { written, before: self.before, differences: self.differences })
    }
}

/// Periods that hold less than they are to.
pub(super) fn raised<'u>(
    connection: &Connection,
    usage: impl Iterator<Item = &'u UsageRecord>,
) -> rusqlite::Result<Vec<Difference>> {
    let mut raised = Vec::new();
    for usage in usage {
        let units_before = quota_usage::units(connection, usage)?;
        if units_before < usage.units {
            let before = if units_before == 0 { Before::Absent } else { Before::Other };
            raised.push(Difference { part: Part::Usage { now: usage.clone(), units_before }, before });
        }
    }
    Ok(raised)
}

/// What of a list is not as it is to be, by name.
fn differing<T: PartialEq>(
    there: &[T],
    wanted: &[&T],
    name: fn(&T) -> &Box<str>,
    part: fn(Box<str>) -> Part,
) -> Vec<Difference> {
    let mut all: BTreeMap<&str, (Option<&T>, Option<&T>)> = BTreeMap::new();
    there.iter().for_each(|one| all.entry(name(one)).or_default().0 = Some(one));
    wanted.iter().for_each(|one| all.entry(name(one)).or_default().1 = Some(one));
    let differing = all.into_iter().filter_map(|(name, (there, wanted))| {
        let before = match (there, wanted) {
            (None, _) => Before::Absent,
            (Some(_), None) => Before::Present,
            (Some(there), Some(wanted)) if there == wanted => return None,
            _ => Before::Other,
        };
        Some(Difference { part: part(name.into()), before })
    });
    differing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TenantId;

    fn usage(period_ms: i64, units: u64) -> UsageRecord {
        let tenant = TenantId::parse("acme").unwrap();
        UsageRecord { tenant, quota: "daily".into(), series: "s".into(), period_ms, units }
    }

    #[test]
    fn usage_is_raised_and_never_lowered() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::schema::migrate(&mut connection).unwrap();
        let held = || [1, 2, 3].map(|period| quota_usage::units(&connection, &usage(period, 0)).unwrap());
        quota_usage::raise(&connection, &usage(1, 7)).unwrap();
        quota_usage::raise(&connection, &usage(2, 7)).unwrap();
        let wanted = [usage(1, 5), usage(2, 9), usage(3, 4), usage(4, 0)];
        let raised = raised(&connection, wanted.iter()).unwrap();
        let told: Vec<_> = raised
            .into_iter()
            .map(|difference| match difference.part {
                Part::Usage { now, units_before } => {
                    (now.period_ms, units_before, now.units, difference.before)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [(2, 7, 9, Before::Other), (3, 0, 4, Before::Absent)]);
        assert_eq!(held(), [7, 7, 0], "looking changes nothing");
        wanted.iter().for_each(|usage| quota_usage::raise(&connection, usage).unwrap());
        assert_eq!(held(), [7, 9, 4]);
    }
}
