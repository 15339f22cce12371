//! Domains, keys, the audit log, the feed, and a snapshot of them all.

use std::time::Duration;

use super::tenant_tests::{Desk, a_put, actor, tenant_id};
use super::*;

const DAY_MS: i64 = 86_400_000;

fn claim(tenant: &str, domain: &str, token: Option<&str>) -> Claim {
    let terms = ClaimTerms { since_ms: 0, max: 10 };
    Claim {
        tenant: tenant_id(tenant),
        domain: domain.into(),
        token: token.map(Into::into),
        terms,
        actor: actor(),
    }
}

fn key(number: u8) -> NewKey {
    NewKey {
        id: format!("key_{number}").into(),
        hash: [number; 32].into(),
        hint: "tg_ab".into(),
        expires_ms: None,
    }
}

impl Desk {
    fn claim(&self, tenant: &str, domain: &str, token: Option<&str>) -> Result<DomainRecord, WriteError> {
        self.wait(self.store.claim_domain(claim(tenant, domain, token)))
    }

    fn verify(&self, tenant: &str, domain: &str) -> Result<DomainRecord, WriteError> {
        self.wait(self.store.verify_domain(tenant_id(tenant), domain, "dns", actor()))
    }

    fn changes(&self, since: u64, limit: usize) -> Vec<Change> {
        match self.wait(self.store.changes_since(since, limit)).unwrap() {
            Feed::Changes(changes) => changes,
            removed => panic!("{removed:?}"),
        }
    }

    fn actions(&self, query: AuditQuery) -> Vec<String> {
        let entries = self.wait(self.store.audit(AuditQuery { limit: 100, ..query })).unwrap();
        entries.page.records.into_iter().map(|entry| entry.action.into()).collect()
    }
}

#[test]
fn a_claim_lapses_and_only_so_many_wait() {
    let desk = Desk::new();
    desk.put(a_put("acme", &[])).unwrap();
    let terms = |since_ms, max| ClaimTerms { since_ms, max };
    let claimed = |domain, token, terms| {
        desk.wait(desk.store.claim_domain(Claim { terms, ..claim("acme", domain, Some(token)) }))
    };
    let first = claimed("a.test", "one", terms(0, 2)).unwrap();
    claimed("b.test", "two", terms(0, 2)).unwrap();
    let full = claimed("c.test", "three", terms(0, 2)).unwrap_err();
    assert_eq!(full, WriteError::TooMany { what: "domains that wait for their proof", max: 2 });
    assert_eq!(claimed("a.test", "four", terms(first.created_ms, 2)).unwrap(), first, "it waits still");
    // What the operator vouches for waits for nothing.
    assert!(desk.claim("acme", "d.test", None).unwrap().verified);
    let later = terms(i64::MAX, 2);
    assert_eq!(
        claimed("a.test", "five", later).unwrap().token.as_deref(),
        Some("five"),
        "it is another claim"
    );
    let left = desk.wait(desk.store.domains_of(tenant_id("acme"))).unwrap();
    let names: Vec<_> = left.iter().map(|domain| &*domain.name).collect();
    assert_eq!(names, ["a.test", "d.test"], "lapsed claims go, domains stay");
    let of = |domain: &str| desk.wait(desk.store.domain_of(tenant_id("acme"), domain)).unwrap();
    assert_eq!((of("a.test").as_ref(), of("b.test")), (left.first(), None));
}

#[test]
fn a_name_is_claimed_by_many_and_owned_by_who_proves_it_first() {
    let desk = Desk::new();
    desk.put(a_put("acme", &[])).unwrap();
    desk.put(a_put("umbrella", &[])).unwrap();
    assert_eq!(desk.claim("nobody", "www.test", Some("t")), Err(WriteError::Absent));
    let first = desk.claim("acme", "www.test", Some("one")).unwrap();
    assert!(!first.verified);
    assert_eq!(desk.claim("acme", "www.test", Some("other")).unwrap(), first, "its token stays");
    desk.claim("umbrella", "www.test", Some("two")).unwrap();
    assert_eq!(desk.host("www.test"), None, "a claim alone brings no requests");
    assert_eq!(desk.wait(desk.store.claims_on("www.test")).unwrap().len(), 2);
    assert_eq!(desk.wait(desk.store.domain("www.test")), Ok(None));
    let before = desk.tenant("umbrella").unwrap();
    let owned = desk.verify("umbrella", "www.test").unwrap();
    assert_eq!((owned.verified, owned.method.as_deref(), owned.token.as_deref()), (true, Some("dns"), None));
    assert_eq!(desk.host("www.test").as_deref(), Some("umbrella"));
    let after = desk.tenant("umbrella").unwrap();
    assert!(after.revision > before.revision && *after.content.domains == ["www.test".into()]);
    let taken = WriteError::DomainTaken { domain: "www.test".into(), owner: tenant_id("umbrella") };
    assert_eq!(desk.verify("acme", "www.test"), Err(taken.clone()));
    assert_eq!(desk.claim("acme", "www.test", None), Err(taken));
    assert_eq!(desk.verify("umbrella", "www.test").unwrap(), owned, "once more is the same");
    assert_eq!(desk.tenant("umbrella").unwrap(), after);
    assert_eq!(desk.verify("umbrella", "never.test"), Err(WriteError::Absent));
    // It is free for the other, who claims it still.
    desk.wait(desk.store.release_domain(tenant_id("umbrella"), "www.test", actor())).unwrap();
    assert_eq!(desk.host("www.test"), None);
    desk.verify("acme", "www.test").unwrap();
    assert_eq!(desk.host("www.test").as_deref(), Some("acme"));
    // The operator's word makes a domain a tenant's at once; a put leaves claims on other names alone.
    desk.claim("acme", "shop.test", None).unwrap();
    desk.claim("acme", "later.test", Some("t")).unwrap();
    assert_eq!(*desk.tenant("acme").unwrap().content.domains, ["shop.test".into(), "www.test".into()]);
    desk.put(a_put("acme", &["shop.test"])).unwrap();
    let left = desk.wait(desk.store.domains_of(tenant_id("acme"))).unwrap();
    let left: Vec<_> = left.iter().map(|domain| (&*domain.name, domain.verified)).collect();
    assert_eq!(left, [("later.test", false), ("shop.test", true)]);
}

#[test]
fn a_key_is_rotated_with_an_overlap_and_never_lives_longer_for_it() {
    let desk = Desk::new();
    desk.put(a_put("acme", &[])).unwrap();
    desk.put(a_put("umbrella", &[])).unwrap();
    let issue = |tenant: &str, key| desk.wait(desk.store.issue_key(tenant_id(tenant), "ci", key, actor()));
    let owner = |number: u8| desk.wait(desk.store.key_owner([number; 32].into())).unwrap();
    let rotate = |id: &str, key, overlap| {
        desk.wait(desk.store.rotate_key(tenant_id("acme"), id, key, overlap, actor()))
    };
    assert_eq!(issue("nobody", key(1)), Err(WriteError::Absent));
    let first = issue("acme", key(1)).unwrap();
    assert_eq!(owner(1).as_ref(), Some(&first));
    assert_eq!(issue("umbrella", key(1)), Err(WriteError::Exists));
    let second = rotate("key_1", key(2), Duration::from_secs(86_400)).unwrap();
    assert_eq!(&*second.name, "ci");
    let old = owner(1).unwrap();
    assert_eq!(
        (old.replaced_by.as_deref(), old.expires_ms),
        (Some("key_2"), Some(second.created_ms + DAY_MS))
    );
    let again = rotate("key_1", key(3), Duration::from_secs(10 * 86_400));
    assert_eq!(again, Err(WriteError::Exists), "a call that is repeated leaves no key behind");
    assert_eq!((owner(1).unwrap().expires_ms, owner(3)), (old.expires_ms, None), "it isn't prolonged");
    rotate("key_2", key(4), Duration::ZERO).unwrap();
    assert_eq!(owner(2), None, "without an overlap it ends at once");
    assert!(owner(4).is_some());
    assert_eq!(rotate("key_9", key(5), Duration::ZERO), Err(WriteError::Absent));
    assert_eq!(owner(5), None);
    let revoke = |tenant: &str, id: &str| desk.wait(desk.store.revoke_key(tenant_id(tenant), id, actor()));
    assert_eq!(revoke("umbrella", "key_4"), Err(WriteError::Absent), "another's key");
    revoke("acme", "key_4").unwrap();
    assert_eq!(owner(4), None);
    let keys = desk.wait(desk.store.keys_of(tenant_id("acme"))).unwrap();
    assert_eq!(keys.iter().map(|key| &*key.id).collect::<Vec<_>>(), ["key_1", "key_2"]);
    let of_acme = AuditQuery { tenant: Some(tenant_id("acme")), ..AuditQuery::default() };
    let actions = desk.actions(of_acme);
    assert_eq!(actions, ["key.revoke", "key.rotate", "key.rotate", "key.issue", "tenant.put"]);
    desk.wait(desk.store.delete(tenant_id("acme"), Expect::Any, actor())).unwrap();
    assert_eq!(owner(1), None, "keys go with their tenant");
}

#[test]
fn every_change_is_in_the_audit_log_with_before_and_after() {
    let desk = Desk::new();
    desk.put(a_put("acme", &["a.test"])).unwrap();
    let mut put = a_put("acme", &["b.test"]);
    put.content.labels.insert("owner".to_owned(), "\"Ada\"\n".to_owned());
    put.content.settings = Some(r#" {"pool": "dedicated", "limits": {}} "#.into());
    (put.actor, put.action) = (Actor("token (alice)".into()), "tenant.suspend");
    put.note = Some("unpaid".into());
    desk.put(put).unwrap();
    let entries = desk.wait(desk.store.audit(AuditQuery { limit: 10, ..AuditQuery::default() })).unwrap();
    let [second, first] = &entries.page.records[..] else { panic!("{entries:?}") };
    assert_eq!((first.seq, first.before.as_deref()), (1, None));
    assert_eq!(second.before, first.after);
    assert_eq!((&*second.actor, second.note.as_deref()), ("token (alice)", Some("unpaid")));
    let after: serde_json::Value = serde_json::from_str(second.after.as_deref().unwrap()).unwrap();
    assert_eq!(
        after,
        serde_json::json!({
            "id": "acme", "plan": "free", "state": "active", "domains": ["b.test"],
            "labels": {"owner": "\"Ada\"\n"}, "pool": "dedicated", "limits": {},
        })
    );
    for (query, actions) in [
        (AuditQuery { actor: Some("token".into()), ..AuditQuery::default() }, &["tenant.put"][..]),
        (AuditQuery { action: Some("tenant.suspend".into()), ..AuditQuery::default() }, &["tenant.suspend"]),
        (AuditQuery { before_seq: Some(2), ..AuditQuery::default() }, &["tenant.put"]),
        (AuditQuery { since_ms: Some(second.at_ms + DAY_MS), ..AuditQuery::default() }, &[]),
        (AuditQuery { tenant: Some(tenant_id("other")), ..AuditQuery::default() }, &[]),
    ] {
        assert_eq!(desk.actions(query.clone()), actions, "{query:?}");
    }
    let changes = desk.changes(0, 10);
    let hosts: Vec<_> = changes.iter().map(|change| (change.seq, change.hosts.join(" "))).collect();
    assert_eq!(hosts, [(1, "a.test".to_owned()), (2, "a.test b.test".to_owned())]);
    assert_eq!(desk.changes(desk.store.last_seq(), 10), []);
    assert_eq!(desk.changes(0, 1).len(), 1);
}

#[test]
fn what_another_process_has_changed_is_noticed() {
    let desk = Desk::new();
    let foreign = || desk.wait(desk.store.has_foreign_changes()).unwrap();
    desk.put(a_put("acme", &[])).unwrap();
    assert!(!foreign(), "its own changes are none of another's");
    let other = Store::open(&desk.path(), desk.metrics.store()).unwrap();
    let seen = desk.store.last_seq();
    desk.wait(other.put(a_put("beta", &["beta.test"]))).unwrap();
    assert!(foreign() && !foreign());
    let changes = desk.changes(seen, 10);
    let [change] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((change.tenant.as_str(), &*change.hosts), ("beta", &["beta.test".into()][..]));
    assert_eq!(desk.host("beta.test").as_deref(), Some("beta"));
}

#[test]
fn a_snapshot_is_of_one_moment() {
    let desk = Desk::new();
    desk.put(a_put("acme", &["acme.test"])).unwrap();
    desk.put(a_put("beta", &[])).unwrap();
    desk.claim("beta", "beta.test", Some("t")).unwrap();
    desk.wait(desk.store.issue_key(tenant_id("beta"), "ci", key(1), actor())).unwrap();
    let snapshot = desk.store.snapshot().unwrap();
    assert_eq!(snapshot.last_seq(), desk.store.last_seq());
    desk.put(a_put("later", &["later.test"])).unwrap();
    desk.wait(desk.store.delete(tenant_id("acme"), Expect::Any, actor())).unwrap();
    let read = |only: Option<&TenantId>| {
        let (mut tenants, mut domains, mut keys, mut entries) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let done = Ok::<(), StoreFault>(());
        let of_tenant = |tenant: TenantRecord| {
            tenants.push(tenant.id.to_string());
            done
        };
        snapshot.tenants(only, of_tenant).unwrap();
        let of_domain = |domain: DomainRecord| {
            domains.push(domain.name.to_string());
            done
        };
        snapshot.domains(only, of_domain).unwrap();
        let of_key = |key: KeyRecord| {
            keys.push(key.id.to_string());
            done
        };
        snapshot.keys(only, of_key).unwrap();
        let of_entry = |_: AuditEntry| {
            entries += 1;
            done
        };
        snapshot.audit(only, of_entry).unwrap();
        snapshot.usage(only, |usage| -> Result<(), StoreFault> { panic!("{usage:?}") }).unwrap();
        (tenants.join(" "), domains.join(" "), keys.join(" "), entries)
    };
    let beta = tenant_id("beta");
    assert_eq!(read(None), ("acme beta".to_owned(), "acme.test beta.test".to_owned(), "key_1".to_owned(), 4));
    assert_eq!(read(Some(&beta)), ("beta".to_owned(), "beta.test".to_owned(), "key_1".to_owned(), 3));
    let stopped = snapshot.tenants(None, |_| Err(StoreFault::Busy));
    assert_eq!(stopped, Err(StoreFault::Busy));
}

#[test]
fn a_tenant_is_brought_back_as_a_whole_and_no_other_is_touched() {
    let desk = Desk::new();
    desk.put(a_put("acme", &["acme.test"])).unwrap();
    desk.put(a_put("beta", &["beta.test"])).unwrap();
    desk.claim("acme", "claimed.test", Some("t")).unwrap();
    let issue = |tenant: &str, key| desk.wait(desk.store.issue_key(tenant_id(tenant), "ci", key, actor()));
    issue("acme", key(1)).unwrap();
    issue("beta", key(2)).unwrap();
    let acme = tenant_id("acme");
    let usage = UsageRecord {
        tenant: acme.clone(),
        quota: "daily".into(),
        series: "s".into(),
        period_ms: 86_400_000,
        units: 7,
    };
    let kept = Restored {
        record: desk.tenant("acme").unwrap(),
        domains: desk.wait(desk.store.domains_of(acme.clone())).unwrap(),
        keys: desk.wait(desk.store.keys_of(acme.clone())).unwrap(),
        usage: vec![usage],
        actor: actor(),
    };
    let restore = |restored: &Restored, dry_run| {
        let mut outcomes = desk.wait(desk.store.restore(vec![Arc::new(restored.clone())], dry_run)).unwrap();
        outcomes.pop().unwrap().map(|restoration| restoration.written)
    };
    let beta = desk.tenant("beta");
    desk.put(a_put("acme", &["other.test"])).unwrap();
    desk.wait(desk.store.revoke_key(acme.clone(), "key_1", actor())).unwrap();
    issue("acme", key(3)).unwrap();
    let now = desk.tenant("acme");
    assert!(restore(&kept, true).unwrap().changed);
    assert_eq!(desk.tenant("acme"), now, "a dry run");
    for _ in 0..2 {
        let written = restore(&kept, false).unwrap();
        assert_eq!((written.changed, &*written.released), (true, &["other.test".into()][..]));
        let back = desk.tenant("acme").unwrap();
        assert_eq!((&back.content, back.created_ms), (&kept.record.content, kept.record.created_ms));
        assert_eq!(desk.wait(desk.store.domains_of(acme.clone())).unwrap(), kept.domains);
        assert_eq!(desk.wait(desk.store.keys_of(acme.clone())).unwrap(), kept.keys);
        let held = desk.store.holdings_of(vec![acme.clone()]).unwrap();
        assert_eq!(held[0].periods, [(86_400_000, 7)]);
        assert_eq!(desk.tenant("beta"), beta);
        assert!(!restore(&kept, false).unwrap().changed, "once more writes nothing");
        // Also where it was deleted.
        desk.wait(desk.store.delete(acme.clone(), Expect::Any, actor())).unwrap();
        desk.put(a_put("acme", &["other.test"])).unwrap();
    }
    desk.put(a_put("acme", &[])).unwrap();
    desk.put(a_put("beta", &["acme.test"])).unwrap();
    let taken = WriteError::DomainTaken { domain: "acme.test".into(), owner: tenant_id("beta") };
    assert_eq!(restore(&kept, false), Err(taken));
    let with_betas_key = Restored { domains: Vec::new(), ..kept };
    issue("beta", key(1)).unwrap();
    assert_eq!(restore(&with_betas_key, false), Err(WriteError::Exists));
    assert_eq!(*desk.tenant("acme").unwrap().content.domains, [], "nothing of them was written");
}
