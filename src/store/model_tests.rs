//! The store against a naive model of it, over random sequences of changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::tenant_tests::{Desk, a_put, actor, tenant_id};
use super::*;

const TENANTS: [&str; 4] = ["acme", "beta", "gamma", "delta"];
const DOMAINS: [&str; 6] = ["a.test", "b.test", "*.a.test", "*.x.a.test", "x.a.test", "*.test"];
const HOSTS: [&str; 8] =
    ["a.test", "b.test", "x.a.test", "y.a.test", "z.x.a.test", "q.z.x.a.test", "c.test", "test"];

#[derive(Debug, Clone)]
enum Step {
    Put(Wish),
    PutAll(Vec<Wish>, bool),
    Delete(usize),
    Claim(usize, usize, bool),
    Verify(usize, usize),
    Release(usize, usize),
    Issue(usize, u8),
    Rotate(usize, u8, u8),
    Revoke(usize, u8),
    Remove(u64),
    Reopen,
}

#[derive(Debug, Clone)]
struct Wish {
    tenant: usize,
    domains: BTreeSet<usize>,
    label: Option<u8>,
    expect: Expect,
}

/// What the model knows of a tenant.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    revision: u64,
    label: Option<u8>,
    owned: BTreeSet<&'static str>,
    claimed: BTreeSet<&'static str>,
    keys: BTreeSet<u8>,
}

#[derive(Debug, Default, Clone)]
struct Model {
    tenants: BTreeMap<&'static str, Known>,
    changes: u64,
    /// Up to which one they were removed from the audit log.
    removed: u64,
}

/// The kinds of outcome, which are compared.
fn kind<T>(outcome: &Result<T, WriteError>) -> String {
    match outcome {
        Ok(_) => "done".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

impl Model {
    fn owner(&self, domain: &str) -> Option<&'static str> {
        self.tenants.iter().find(|(_, known)| known.owned.contains(domain)).map(|(id, _)| *id)
    }

    fn host(&self, host: &str) -> Option<&'static str> {
        let mut names = vec![host.to_owned()];
        let labels: Vec<&str> = host.split('.').collect();
        names.extend((1..labels.len()).map(|from| format!("*.{}", labels[from..].join("."))));
        names.iter().find_map(|name| self.owner(name))
    }

    fn taken(&self, domain: &str, tenant: &str) -> Result<(), WriteError> {
        match self.owner(domain).filter(|owner| *owner != tenant) {
            Some(owner) => Err(WriteError::DomainTaken { domain: domain.into(), owner: tenant_id(owner) }),
            None => Ok(()),
        }
    }

    fn put(&mut self, wish: &Wish) -> Result<(), WriteError> {
        let id = TENANTS[wish.tenant];
        let before = self.tenants.get(id).cloned();
        let current = before.as_ref().map(|known| known.revision);
        match wish.expect {
            Expect::Absent if current.is_some() => return Err(WriteError::Exists),
            Expect::Present if current.is_none() => return Err(WriteError::Absent),
            Expect::Revision(revision) if current != Some(revision) => {
                return Err(WriteError::NotExpected { current });
            }
            _ => {}
        }
        let owned: BTreeSet<&str> = wish.domains.iter().map(|at| DOMAINS[*at]).collect();
        let mut after = before.clone().unwrap_or_default();
        if before.is_some() && (&after.owned, after.label) == (&owned, wish.label) {
            return Ok(());
        }
        for domain in owned.difference(&after.owned) {
            self.taken(domain, id)?;
        }
        self.changes += 1;
        after.claimed = after.claimed.difference(&owned).copied().collect();
        (after.owned, after.label, after.revision) = (owned, wish.label, self.changes);
        self.tenants.insert(id, after);
        Ok(())
    }

    /// A change of a tenant that is there.
    fn change(
        &mut self,
        tenant: usize,
        change: impl FnOnce(&mut Self, &mut Known) -> Result<Effect, WriteError>,
    ) -> Result<(), WriteError> {
        let id = TENANTS[tenant];
        let mut known = self.tenants.get(id).cloned().ok_or(WriteError::Absent)?;
        let effect = change(self, &mut known)?;
        if effect != Effect::None {
            self.changes += 1;
        }
        if effect == Effect::Revised {
            known.revision = self.changes;
        }
        self.tenants.insert(id, known);
        Ok(())
    }

    fn has_key(&self, key: u8) -> bool {
        self.tenants.values().any(|known| known.keys.contains(&key))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Effect {
    None,
    Entered,
    Revised,
}

fn put_of(wish: &Wish) -> Put {
    let domains: Vec<&str> = wish.domains.iter().map(|at| DOMAINS[*at]).collect();
    let mut put = Put { expect: wish.expect, ..a_put(TENANTS[wish.tenant], &domains) };
    put.content.labels.extend(wish.label.map(|label| ("label".to_owned(), label.to_string())));
    put
}

fn new_key(number: u8) -> NewKey {
    NewKey {
        id: format!("key_{number}").into(),
        hash: [number; 32].into(),
        hint: "tg".into(),
        expires_ms: None,
    }
}

/// Takes a step in both worlds: what came of it in each.
fn take(step: &Step, desk: &mut Desk, model: &mut Model) -> (Vec<String>, Vec<String>) {
    let one = |store: String, model: String| (vec![store], vec![model]);
    match step {
        Step::Put(wish) => one(kind(&desk.put(put_of(wish))), kind(&model.put(wish))),
        Step::PutAll(wishes, dry_run) => {
            let done = desk.wait(desk.store.put_all(wishes.iter().map(put_of).collect(), *dry_run)).unwrap();
            let mut dry = model.clone();
            let model = if *dry_run { &mut dry } else { model };
            (done.iter().map(kind).collect(), wishes.iter().map(|wish| kind(&model.put(wish))).collect())
        }
        Step::Delete(tenant) => {
            let id = TENANTS[*tenant];
            let done = desk.wait(desk.store.delete(tenant_id(id), Expect::Any, actor()));
            let known = model.tenants.remove(id).ok_or(WriteError::Absent);
            model.changes += u64::from(known.is_ok());
            one(kind(&done), kind(&known))
        }
        Step::Claim(tenant, domain, vouched) => {
            let (id, name) = (TENANTS[*tenant], DOMAINS[*domain]);
            let token = (!vouched).then(|| "token".into());
            let terms = ClaimTerms { since_ms: 0, max: DOMAINS.len() };
            let claim = Claim { tenant: tenant_id(id), domain: name.into(), token, terms, actor: actor() };
            let done = desk.wait(desk.store.claim_domain(claim));
            let known = model.change(*tenant, |model, known| {
                model.taken(name, id)?;
                if known.owned.contains(name) || (!vouched && known.claimed.contains(name)) {
                    return Ok(Effect::None);
                }
                if *vouched {
                    known.claimed.remove(name);
                    known.owned.insert(name);
                    return Ok(Effect::Revised);
                }
                known.claimed.insert(name);
                Ok(Effect::Entered)
            });
            one(kind(&done), kind(&known))
        }
        Step::Verify(tenant, domain) => {
            let (id, name) = (TENANTS[*tenant], DOMAINS[*domain]);
            let done = desk.wait(desk.store.verify_domain(tenant_id(id), name, "dns", actor()));
            let known = model.change(*tenant, |model, known| {
                if known.owned.contains(name) {
                    return Ok(Effect::None);
                }
                if !known.claimed.contains(name) {
                    return Err(WriteError::Absent);
                }
                model.taken(name, id)?;
                known.claimed.remove(name);
                known.owned.insert(name);
                Ok(Effect::Revised)
            });
            one(kind(&done), kind(&known))
        }
        Step::Release(tenant, domain) => {
            let (id, name) = (TENANTS[*tenant], DOMAINS[*domain]);
            let done = desk.wait(desk.store.release_domain(tenant_id(id), name, actor()));
            let known = model.change(*tenant, |_, known| match known.owned.remove(name) {
                true => Ok(Effect::Revised),
                false if known.claimed.remove(name) => Ok(Effect::Entered),
                false => Err(WriteError::Absent),
            });
            one(kind(&done), kind(&known))
        }
        Step::Issue(tenant, key) => {
            let id = tenant_id(TENANTS[*tenant]);
            let done = desk.wait(desk.store.issue_key(id, "ci", new_key(*key), actor()));
            let known = model.change(*tenant, |model, known| {
                if model.has_key(*key) {
                    return Err(WriteError::Exists);
                }
                known.keys.insert(*key);
                Ok(Effect::Entered)
            });
            one(kind(&done), kind(&known))
        }
        Step::Rotate(tenant, old, new) => {
            let (id, old_id) = (tenant_id(TENANTS[*tenant]), format!("key_{old}"));
            let overlap = Duration::from_secs(3_600);
            let done = desk.wait(desk.store.rotate_key(id, &old_id, new_key(*new), overlap, actor()));
            let known = model.change(*tenant, |model, known| {
                if !known.keys.contains(old) {
                    return Err(WriteError::Absent);
                }
                if model.has_key(*new) {
                    return Err(WriteError::Exists);
                }
                known.keys.insert(*new);
                Ok(Effect::Entered)
            });
            one(kind(&done), kind(&known))
        }
        Step::Revoke(tenant, key) => {
            let (id, key_id) = (tenant_id(TENANTS[*tenant]), format!("key_{key}"));
            let done = desk.wait(desk.store.revoke_key(id, &key_id, actor()));
            let known = model.change(*tenant, |_, known| match known.keys.remove(key) {
                true => Ok(Effect::Entered),
                false => Err(WriteError::Absent),
            });
            one(kind(&done), kind(&known))
        }
        Step::Remove(day) => {
            desk.age();
            let removed = desk.remove(*day as i64);
            let before = model.removed;
            model.removed = before.max(model.changes.min(day.saturating_sub(1)));
            one(removed.to_string(), (model.removed - before).to_string())
        }
        Step::Reopen => {
            desk.reopen();
            (Vec::new(), Vec::new())
        }
    }
}

/// That both say the same of everything.
fn agree(desk: &Desk, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(desk.store.last_seq(), model.changes);
    let (entries, _, removed) = desk.seqs();
    let logged: Vec<u64> = (model.removed + 1..=model.changes).rev().collect();
    prop_assert_eq!((entries, removed), (logged, model.removed));
    for since in [0, model.removed.saturating_sub(1), model.removed, model.changes] {
        let changed = match since < model.removed {
            true => Err(model.removed),
            false => Ok((since + 1..=model.changes).collect()),
        };
        prop_assert_eq!(desk.changed(since), changed, "since {}", since);
    }
    for host in HOSTS {
        let owner = desk.host(host);
        prop_assert_eq!(owner.as_deref(), model.host(host), "{}", host);
    }
    for id in TENANTS {
        let found = desk.find_both(TenantKey::Id(tenant_id(id)));
        let known = model.tenants.get(id);
        prop_assert_eq!(found.is_some(), known.is_some());
        prop_assert_eq!(found.as_ref().map(|found| found.record.revision), known.map(|known| known.revision));
        let owned = |known: &Known| known.owned.iter().map(|&name| name.into()).collect::<Vec<Box<str>>>();
        prop_assert_eq!(found.map(|found| found.record.content.domains), known.map(owned));
        let label = desk.tenant(id).and_then(|tenant| tenant.content.labels.get("label").cloned());
        prop_assert_eq!(label, known.and_then(|known| known.label).map(|label| label.to_string()));
        let domains = desk.wait(desk.store.domains_of(tenant_id(id))).unwrap();
        let claimed: BTreeSet<&str> =
            domains.iter().filter(|domain| !domain.verified).map(|domain| &*domain.name).collect();
        prop_assert_eq!(claimed, known.map(|known| known.claimed.clone()).unwrap_or_default());
    }
    for key in 0..4_u8 {
        let owner = desk.wait(desk.store.key_owner([key; 32].into())).unwrap();
        let known = model.tenants.iter().find(|(_, known)| known.keys.contains(&key)).map(|(id, _)| *id);
        prop_assert_eq!(owner.as_ref().map(|owner| owner.tenant.as_str()), known);
        let found = desk.find(TenantKey::ApiKey([key; 32].into())).unwrap();
        let now_ms = super::audit::now_ms();
        let found = found.filter(|found| found.key_expires_ms.is_none_or(|expires_ms| expires_ms > now_ms));
        prop_assert_eq!(found.as_ref().map(|found| found.record.id.as_str()), known);
    }
    Ok(())
}

fn wishes() -> impl Strategy<Value = Wish> {
    let expect = prop_oneof![
        6 => Just(Expect::Any), 1 => Just(Expect::Absent), 1 => Just(Expect::Present),
        2 => (1_u64..20).prop_map(Expect::Revision),
    ];
    let domains = proptest::collection::btree_set(0..DOMAINS.len(), 0..4);
    (0..TENANTS.len(), domains, proptest::option::of(0..3_u8), expect)
        .prop_map(|(tenant, domains, label, expect)| Wish { tenant, domains, label, expect })
}

fn steps() -> impl Strategy<Value = Step> {
    let (tenant, domain, key) = (|| 0..TENANTS.len(), || 0..DOMAINS.len(), || 0..4_u8);
    prop_oneof![
        8 => wishes().prop_map(Step::Put),
        3 => (proptest::collection::vec(wishes(), 0..6), any::<bool>())
            .prop_map(|(wishes, dry_run)| Step::PutAll(wishes, dry_run)),
        2 => tenant().prop_map(Step::Delete),
        4 => (tenant(), domain(), any::<bool>()).prop_map(|(t, d, vouched)| Step::Claim(t, d, vouched)),
        4 => (tenant(), domain()).prop_map(|(t, d)| Step::Verify(t, d)),
        2 => (tenant(), domain()).prop_map(|(t, d)| Step::Release(t, d)),
        2 => (tenant(), key()).prop_map(|(t, k)| Step::Issue(t, k)),
        2 => (tenant(), key(), key()).prop_map(|(t, old, new)| Step::Rotate(t, old, new)),
        1 => (tenant(), key()).prop_map(|(t, k)| Step::Revoke(t, k)),
        1 => (0..30_u64).prop_map(Step::Remove),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_store_does_what_a_naive_one_would(steps in proptest::collection::vec(steps(), 1..40)) {
        let (mut desk, mut model) = (Desk::new(), Model::default());
        for step in &steps {
            let (store, naive) = take(step, &mut desk, &mut model);
            prop_assert_eq!(store, naive, "{:?}", step);
            agree(&desk, &model)?;
        }
    }
}
