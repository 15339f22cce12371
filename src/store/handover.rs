//! Tenants that are brought back together, for domains have changed hands among them.
//!
//! One by one none of them could be: each wants a domain that another has, which is to get back one of a third. So who depends
//! on whom goes into one transaction, which releases all that they have and then gives each its own. Those that don't
//! depend on each other are different parties, between which a transaction may be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::Connection;

use super::replacement::Replacement;
use super::restore::{Restoration, Restored, is_anothers};
use super::tenants::taken;
use super::work::Made;
use super::{Store, StoreFault, WriteError};
use crate::types::TenantId;

type Outcomes = Vec<Result<Restoration, WriteError>>;

impl Store {
    /// As [`Store::restore`], for tenants that it could not bring back because others of them have their domains. What of a
    /// domain's owner comes back with none of these is in the way as ever. In a dry run, `released` are domains that other
    /// tenants would have given up by then.
    ///
    /// # Errors
    /// [`StoreFault`] where nothing was begun.
    pub async fn restore_together(
        &self,
        tenants: Vec<Arc<Restored>>,
        released: BTreeSet<Box<str>>,
        dry_run: bool,
    ) -> Result<Outcomes, StoreFault> {
        let released = if dry_run { released } else { BTreeSet::new() };
        let sort = move |connection: &Connection| parties(connection, &tenants, &released);
        let parties = self.readers.search(sort).await?;
        let places: Vec<Vec<usize>> = parties.iter().map(|party| party.places.clone()).collect();
        let outcomes = self.write_all(parties, carry_out, dry_run).await?;
        let mut all: BTreeMap<usize, Result<Restoration, WriteError>> = BTreeMap::new();
        for (places, outcome) in places.into_iter().zip(outcomes) {
            match outcome {
                Ok(outcomes) => all.extend(places.into_iter().zip(outcomes)),
                Err(error) => all.extend(places.into_iter().map(|place| (place, Err(error.clone())))),
            }
        }
        Ok(all.into_values().collect())
    }
}

/// Those who depend on each other.
struct Party {
    members: Vec<Arc<Restored>>,
    /// Where they stood among all.
    places: Vec<usize>,
    /// Domains that are to be taken for free.
    free: Vec<Box<str>>,
}

fn parties(
    connection: &Connection,
    tenants: &[Arc<Restored>],
    released: &BTreeSet<Box<str>>,
) -> rusqlite::Result<Vec<Party>> {
    let ids = places(tenants);
    let mut leaders: Vec<usize> = (0..tenants.len()).collect();
    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, restored) in tenants.iter().enumerate() {
        for domain in restored.owned() {
            let first = *wanted.entry(domain).or_insert(place);
            join(&mut leaders, place, first);
            if let Some(WriteError::DomainTaken { owner, .. }) =
                taken(connection, domain, &restored.record.id)?
                && let Some(other) = ids.get(&owner)
            {
                join(&mut leaders, place, *other);
            }
        }
    }
    let mut parties: BTreeMap<usize, Party> = BTreeMap::new();
    for (place, restored) in tenants.iter().enumerate() {
        let party = parties.entry(leader(&leaders, place)).or_insert_with(|| Party {
            members: Vec::new(),
            places: Vec::new(),
            free: Vec::new(),
        });
        party.free.extend(restored.owned().filter(|domain| released.contains(*domain)).map(Box::from));
        party.places.push(place);
        party.members.push(Arc::clone(restored));
    }
    Ok(parties.into_values().collect())
}

/// Who stands for the party of one; each leads to a smaller number, or to itself.
fn leader(leaders: &[usize], of: usize) -> usize {
    let mut at = of;
    while let Some(next) = leaders.get(at).copied().filter(|next| *next != at) {
        at = next;
    }
    at
}

fn join(leaders: &mut [usize], one: usize, other: usize) {
    let (one_leader, other_leader) = (leader(leaders, one), leader(leaders, other));
    let first = one_leader.min(other_leader);
    // All on the way lead there at once from now on, or long chains would be walked again and again.
    for at in [one, other, one_leader, other_leader] {
        if let Some(leader) = leaders.get_mut(at) {
            *leader = first;
        }
    }
}

fn places(tenants: &[Arc<Restored>]) -> BTreeMap<TenantId, usize> {
    tenants.iter().enumerate().map(|(place, restored)| (restored.record.id.clone(), place)).collect()
}

/// Decides everything before it writes anything.
fn carry_out(connection: &Connection, party: &Party) -> Made<Outcomes> {
    for domain in &party.free {
        let sql = "DELETE FROM domains WHERE name = ?1 AND verified = 1";
        connection.prepare_cached(sql)?.execute([domain])?;
    }
    let errors = refused(connection, &party.members)?;
    let mut replacements = Vec::with_capacity(errors.len());
    for (restored, error) in party.members.iter().zip(errors) {
        replacements.push(match error {
            Some(error) => Err(error),
            None => Ok(Replacement::of(connection, restored)?),
        });
    }
    replacements.iter().flatten().try_for_each(|replacement| replacement.release(connection))?;
    let mut outcomes = Vec::with_capacity(replacements.len());
    for replacement in replacements {
        outcomes.push(match replacement {
            Ok(replacement) => Ok(replacement.fill(connection)?),
            Err(error) => Err(error),
        });
    }
    Ok(Ok(outcomes))
}

/// Why each can't be brought back. Who can't keeps its domains, so neither can those who want one of them.
fn refused(connection: &Connection, members: &[Arc<Restored>]) -> rusqlite::Result<Vec<Option<WriteError>>> {
    let ids = places(members);
    let mut errors: Vec<Option<WriteError>> = vec![None; members.len()];
    let mut waiting: BTreeMap<usize, Vec<(usize, WriteError)>> = BTreeMap::new();
    let mut domains: BTreeMap<&str, &TenantId> = BTreeMap::new();
    let mut keys: BTreeSet<&[u8]> = BTreeSet::new();
    for (place, (restored, error)) in members.iter().zip(&mut errors).enumerate() {
        let id = &restored.record.id;
        for domain in restored.owned() {
            // No backup of ours gives a domain to two.
            let first = *domains.entry(domain).or_insert(id);
            if first != id {
                *error = Some(WriteError::DomainTaken { domain: domain.into(), owner: first.clone() });
            }
            match taken(connection, domain, id)? {
                Some(WriteError::DomainTaken { domain, owner }) if ids.contains_key(&owner) => {
                    let other = ids.get(&owner).copied().unwrap_or_default();
                    waiting
                        .entry(other)
                        .or_default()
                        .push((place, WriteError::DomainTaken { domain, owner }));
                }
                in_the_way => *error = in_the_way.or(error.take()),
            }
        }
        for key in restored.keys.iter().filter(|key| key.tenant == *id) {
            let is_first = keys.insert(key.id.as_bytes()) & keys.insert(key.hash.octets());
            if !is_first || is_anothers(connection, key)? {
                *error = Some(WriteError::Exists);
            }
        }
    }
    let is_out = |errors: &[Option<WriteError>], place: usize| errors.get(place).is_some_and(Option::is_some);
    let mut out: Vec<usize> = (0..members.len()).filter(|place| is_out(&errors, *place)).collect();
    while let Some(place) = out.pop() {
        for (waits, why) in waiting.remove(&place).unwrap_or_default() {
            if let Some(error @ None) = errors.get_mut(waits) {
                *error = Some(why);
                out.push(waits);
            }
        }
    }
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use super::super::tenant_tests::{Desk, a_put, actor, tenant_id};
    use super::super::{AuditQuery, Expect, KeyRecord};
    use super::*;

    impl Desk {
        fn kept(&self, id: &str) -> Arc<Restored> {
            let id = tenant_id(id);
            Arc::new(Restored {
                record: self.tenant(id.as_str()).unwrap(),
                domains: self.wait(self.store.domains_of(id.clone())).unwrap(),
                keys: self.wait(self.store.keys_of(id.clone())).unwrap(),
                usage: Vec::new(),
                actor: actor(),
            })
        }

        /// Makes these the tenants that there are, with these domains.
        fn furnish(&self, tenants: &[(&str, &[&str])]) {
            for (id, _) in tenants {
                let _ = self.wait(self.store.delete(tenant_id(id), Expect::Any, actor()));
            }
            for (id, domains) in tenants {
                self.put(a_put(id, domains)).unwrap();
            }
        }

        fn together(&self, kept: &[&Arc<Restored>], released: &[&str], dry_run: bool) -> Vec<String> {
            let released = released.iter().map(|&domain| Box::from(domain)).collect();
            let kept = kept.iter().map(|kept| Arc::clone(kept)).collect();
            let outcomes = self.wait(self.store.restore_together(kept, released, dry_run)).unwrap();
            let told = outcomes.into_iter().map(|outcome| match outcome {
                Ok(Restoration { written, before, differences }) => {
                    assert!(written.changed != (differences.is_empty() && before.is_some()));
                    format!("{} -{}", written.record.id, written.released.join(" "))
                }
                Err(WriteError::DomainTaken { domain, owner }) => format!("{domain} of {owner}"),
                Err(error) => panic!("{error:?}"),
            });
            told.collect()
        }

        fn owners(&self, domains: &[&str]) -> String {
            domains.iter().map(|domain| self.host(domain).unwrap_or("-".into())).collect::<Vec<_>>().join(" ")
        }
    }

    const ALL: [&str; 4] = ["a.test", "b.test", "c.test", "d.test"];

    #[test]
    fn domains_that_were_swapped_go_back_in_one_transaction() {
        let desk = Desk::new();
        desk.furnish(&[("a", &["a.test"]), ("b", &["b.test"]), ("c", &["c.test"]), ("d", &["d.test"])]);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|id| desk.kept(id));
        // Two that have swapped, and two that have handed on: one's domain to the next, whose own is free.
        desk.furnish(&[("a", &[]), ("b", &["a.test"]), ("a", &["b.test"]), ("c", &["d.test"]), ("d", &[])]);
        assert_eq!(desk.owners(&ALL), "b a - c");
        let last = desk.store.last_seq();
        let one_by_one = desk.wait(desk.store.restore(vec![Arc::clone(&a), Arc::clone(&b)], false)).unwrap();
        assert!(one_by_one.iter().all(|outcome| matches!(outcome, Err(WriteError::DomainTaken { .. }))));
        for dry_run in [true, false] {
            let told = desk.together(&[&a, &b, &d, &c], &[], dry_run);
            assert_eq!(told, ["a -b.test", "b -a.test", "d -", "c -d.test"]);
            assert_eq!(desk.owners(&ALL), if dry_run { "b a - c" } else { "a b c d" });
        }
        assert_eq!(desk.store.last_seq(), last + 4);
        for (id, kept) in [("a", &a), ("b", &b), ("c", &c), ("d", &d)] {
            let now = desk.kept(id);
            assert_eq!((&now.record.content, &now.domains), (&kept.record.content, &kept.domains));
            assert!(now.record.revision > last);
        }
        let query = AuditQuery { tenant: Some(tenant_id("a")), limit: 1, ..AuditQuery::default() };
        let entry = desk.wait(desk.store.audit(query)).unwrap().page.records.remove(0);
        let domains = |json: Option<Box<str>>| {
            serde_json::from_str::<serde_json::Value>(&json.unwrap()).unwrap()["domains"].to_string()
        };
        assert_eq!(
            (domains(entry.before), domains(entry.after)),
            ("[\"b.test\"]".into(), "[\"a.test\"]".into())
        );
        let again = desk.together(&[&a, &b, &c, &d], &[], false);
        assert_eq!(again, ["a -", "b -", "c -", "d -"]);
        assert_eq!(desk.store.last_seq(), last + 4, "nothing was to be done");
    }

    #[test]
    fn who_waits_for_one_that_stays_stays_too_and_keeps_what_it_has() {
        let desk = Desk::new();
        desk.furnish(&[("a", &["a.test"]), ("b", &["b.test"]), ("c", &["c.test", "d.test"])]);
        let [a, b, c] = ["a", "b", "c"].map(|id| desk.kept(id));
        // Round and round, and one domain has gone to who isn't there at all.
        desk.furnish(&[("c", &[]), ("a", &[]), ("b", &["a.test"]), ("a", &["c.test"]), ("c", &["b.test"])]);
        desk.put(a_put("stranger", &["d.test"])).unwrap();
        let last = desk.store.last_seq();
        let told = desk.together(&[&a, &b, &c], &[], false);
        assert_eq!(told, ["a.test of b", "b.test of c", "d.test of stranger"]);
        assert_eq!(desk.owners(&ALL), "b c a stranger");
        assert_eq!(desk.store.last_seq(), last);
        // What others are to release counts in a dry run only.
        assert_eq!(desk.together(&[&a, &b, &c], &["d.test"], true), ["a -c.test", "b -a.test", "c -b.test"]);
        assert_eq!(desk.together(&[&a, &b, &c], &["d.test"], false), told);
        assert_eq!(desk.owners(&ALL), "b c a stranger");
        desk.put(a_put("stranger", &[])).unwrap();
        assert_eq!(desk.together(&[&a, &b, &c], &[], false), ["a -c.test", "b -a.test", "c -b.test"]);
        assert_eq!(desk.owners(&ALL), "a b c c");
    }

    #[test]
    fn what_no_backup_says_changes_nothing() {
        let desk = Desk::new();
        desk.furnish(&[("a", &["a.test"]), ("b", &["b.test"])]);
        let [a, b] = ["a", "b"].map(|id| desk.kept(id));
        desk.furnish(&[("a", &[]), ("b", &[])]);
        let mut greedy = Restored::clone(&b);
        greedy.domains.extend(a.domains.iter().cloned().map(|mut domain| {
            domain.tenant = tenant_id("b");
            domain
        }));
        assert_eq!(desk.together(&[&a, &Arc::new(greedy)], &[], false), ["a -", "a.test of a"]);
        let key = |id: &str, tenant: &str, hash| KeyRecord {
            id: id.into(),
            tenant: tenant_id(tenant),
            name: "".into(),
            hash: [hash; 32].into(),
            hint: "".into(),
            created_ms: 1,
            expires_ms: None,
            replaced_by: None,
        };
        let with_key =
            |kept: &Arc<Restored>, key| Arc::new(Restored { keys: vec![key], ..Restored::clone(kept) });
        desk.furnish(&[("a", &["b.test"]), ("b", &["a.test"])]);
        let kept = vec![with_key(&a, key("k", "a", 1)), with_key(&b, key("l", "b", 1))];
        let outcomes = desk.wait(desk.store.restore_together(kept, BTreeSet::new(), false)).unwrap();
        let [Err(WriteError::DomainTaken { .. }), Err(WriteError::Exists)] = &outcomes[..] else {
            panic!("{outcomes:?}")
        };
    }
}
