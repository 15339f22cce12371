//! How long the audit log is kept: its oldest entries are removed, a few at a time.
//!
//! Numbers of entries are never given again (`AUTOINCREMENT`: SQLite keeps the last one apart from the table). Up to which
//! number entries were removed is written down with their removal, so that a feed that was not that far knows that it has
//! missed some, also where a restore has brought entries back since.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, params};

use super::audit::signed;
use super::{Store, WriteError};

/// Entries of one transaction, at most: some hundred pages of the log of writes, few of which lie together.
const REMOVED_MAX: usize = 250;
/// How long one removes for: others wait for the writer.
const REMOVING_MAX: Duration = Duration::from_millis(2);
/// Where it is written down.
const MARK: &str = "audit_removed";

/// What was removed of the audit log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many entries.
    pub count: u64,
    /// The number of the last one that ever was; 0 before the first.
    pub up_to: u64,
    /// Whether there are more to remove.
    pub is_more: bool,
}

impl Store {
    /// Removes entries of the audit log that were made before `before_ms` (in milliseconds since 1970), the oldest first: so many
    /// that nobody waits long for it, so whoever wants all of them gone asks again. One that isn't older keeps those
    /// behind it, whatever they say: a clock that was wrong for a while costs nothing but room.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn remove_audit(&self, before_ms: i64) -> Result<Removed, WriteError> {
        self.write(move |connection| remove(connection, before_ms).map(Ok)).await
    }
}

/// The number up to which entries were removed; 0 where none was.
pub(super) fn removed_up_to(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT number FROM marks WHERE name = ?1")?;
    let number = statement.query_row([MARK], |row| row.get::<_, i64>(0)).optional()?;
    Ok(number.unwrap_or_default().unsigned_abs())
}

fn remove(connection: &Connection, before_ms: i64) -> rusqlite::Result<Removed> {
    let end = Instant::now() + REMOVING_MAX;
    let mut removed = Removed { up_to: removed_up_to(connection)?, ..Removed::default() };
    let old: Vec<i64> = connection
        .prepare_cached("SELECT seq, at_ms FROM audit ORDER BY seq LIMIT ?1")?
        .query_map([signed(REMOVED_MAX as u64)], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?
        .take_while(|entry| entry.as_ref().map_or(true, |(_, at_ms)| *at_ms < before_ms))
        .map(|entry| entry.map(|(seq, _)| seq))
        .collect::<rusqlite::Result<_>>()?;
    for seq in &old {
        connection.prepare_cached("DELETE FROM audit WHERE seq = ?1")?.execute([seq])?;
        removed.count += 1;
        removed.up_to = removed.up_to.max(seq.unsigned_abs());
        if Instant::now() >= end {
            break;
        }
    }
    removed.is_more = removed.count < old.len() as u64 || old.len() == REMOVED_MAX;
    if removed.count > 0 {
        connection
            .prepare_cached(
                "INSERT INTO marks (name, number) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET number = ?2",
            )?
            .execute(params![MARK, signed(removed.up_to)])?;
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::super::tenant_tests::{DAY_MS, Desk, a_put, actor, tenant_id};
    use super::super::{AuditQuery, Expect, Put, Store};
    use super::*;

    #[test]
    fn the_oldest_entries_go_and_no_number_is_given_again() {
        let mut desk = Desk::new();
        for number in 0..6 {
            desk.put(a_put(&format!("t{number}"), &[])).unwrap();
        }
        desk.age();
        assert_eq!(desk.seqs(), (vec![6, 5, 4, 3, 2, 1], Some(1), 0));
        assert_eq!(desk.remove(1), 0, "one that is as old as that is not older");
        assert_eq!(desk.remove(4), 3);
        assert_eq!(desk.seqs(), (vec![6, 5, 4], Some(4), 3));
        assert_eq!(desk.remove(100), 3);
        assert_eq!(desk.seqs(), (vec![], None, 6));
        desk.reopen();
        assert_eq!(desk.store.last_seq(), 6);
        let made = desk.put(a_put("late", &[])).unwrap();
        assert_eq!(made.record.revision, 7);
        let unchanged = desk.tenant("t3").unwrap();
        assert_eq!(unchanged.revision, 4, "a tenant keeps its revision, and its ETag");
        let expect = Expect::Revision(4);
        assert!(desk.put(Put { expect, ..a_put("t3", &["t3.test"]) }).unwrap().changed);
        assert_eq!(desk.remove(100), 0, "what was made now is not older than 1970");
        assert_eq!(desk.seqs().0, [8, 7]);
    }

    #[test]
    fn one_that_is_not_old_keeps_those_behind_it() {
        let desk = Desk::new();
        for number in 0..4 {
            desk.put(a_put(&format!("t{number}"), &[])).unwrap();
        }
        desk.age();
        let connection = Connection::open(desk.path()).unwrap();
        connection.execute("UPDATE audit SET at_ms = ?1 WHERE seq = 2", [i64::MAX]).unwrap();
        assert_eq!(desk.remove(100), 1);
        assert_eq!(desk.seqs().0, [4, 3, 2]);
    }

    #[test]
    fn many_go_in_steps_that_others_come_between() {
        let desk = Desk::new();
        let puts = (0..REMOVED_MAX * 2 + 5).map(|number| a_put(&format!("t{number}"), &[])).collect();
        desk.wait(desk.store.put_all(puts, false)).unwrap();
        desk.age();
        let first = desk.wait(desk.store.remove_audit(i64::MAX)).unwrap();
        assert!((1..=REMOVED_MAX as u64).contains(&first.count) && first.is_more, "{first:?}");
        assert_eq!(first.up_to, first.count);
        assert_eq!(first.count + desk.remove(i64::MAX / DAY_MS), REMOVED_MAX as u64 * 2 + 5);
    }

    #[test]
    fn a_feed_that_has_missed_some_is_told_also_after_a_restore() {
        let desk = Desk::new();
        for number in 0..6 {
            desk.put(a_put(&format!("t{number}"), &[])).unwrap();
        }
        let query = AuditQuery { limit: 2, before_seq: Some(3), ..AuditQuery::default() };
        let kept = desk.wait(desk.store.audit(query)).unwrap().page.records;
        desk.age();
        let other = Store::open(&desk.path(), desk.metrics.store()).unwrap();
        assert_eq!(desk.wait(desk.store.has_foreign_changes()), Ok(true), "the test's own");
        let mut count = 0;
        loop {
            // On a busy machine it takes several steps.
            let step = desk.wait(other.remove_audit(5 * DAY_MS)).unwrap();
            count += step.count;
            if !step.is_more {
                break;
            }
        }
        assert_eq!(count, 4);
        assert_eq!(desk.wait(desk.store.has_foreign_changes()), Ok(true));
        for (since, found) in
            [(0, Err(4)), (3, Err(4)), (4, Ok(vec![5, 6])), (5, Ok(vec![6])), (6, Ok(vec![]))]
        {
            assert_eq!(desk.changed(since), found, "{since}");
        }
        assert_eq!(kept.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(desk.wait(desk.store.restore_audit(kept, 6, false)), Ok(2));
        assert_eq!(desk.seqs().0, [6, 5, 2, 1]);
        assert_eq!(desk.changed(1), Err(4), "3 and 4 are not known all the same");
        desk.wait(desk.store.delete(tenant_id("t0"), Expect::Any, actor())).unwrap();
        assert_eq!(desk.changed(6), Ok(vec![7]));
    }
}
