//! Certificates, the names that are to have one, and orders.

use super::tenant_tests::{Desk, a_put, actor, tenant_id};
use super::*;

const HOUR_MS: i64 = 3_600_000;
const PLENTY: AcmeBudgets = AcmeBudgets { tenant: 100, registered: 100, account: 100 };

fn begin(name: &str, now_ms: i64) -> Begin {
    Begin {
        name: name.into(),
        tenant: tenant_id("acme"),
        registered: "a.test".into(),
        holder: "one".into(),
        now_ms,
        until_ms: now_ms + 30_000,
        renewal: false,
        at_once: false,
        budgets: PLENTY,
    }
}

fn certificate(name: &str) -> KeptCertificate {
    KeptCertificate {
        name: name.into(),
        tenant: tenant_id("acme"),
        chain: "chain".into(),
        key: vec![1, 2, 3],
        key_id: "k".into(),
        serial: "01".into(),
        issuer: "CA".into(),
        not_before_ms: 0,
        not_after_ms: 90 * 24 * HOUR_MS,
        issued_ms: 5,
        renew_ms: 60 * 24 * HOUR_MS,
    }
}

impl Desk {
    fn begin(&self, begin: Begin) -> Begun {
        self.wait(self.store.begin_order(begin)).unwrap()
    }

    fn name(&self, name: &str) -> NameFound {
        self.wait(self.store.name(name, false)).unwrap()
    }

    fn keep(&self, name: &str) -> bool {
        self.wait(self.store.keep_certificate(certificate(name), HOUR_MS, false, actor())).unwrap()
    }

    fn due(&self, now_ms: i64) -> Vec<String> {
        let due = self.wait(self.store.due_names(now_ms, 2, 10)).unwrap();
        due.into_iter().map(|due| due.name.into()).collect()
    }
}

#[test]
fn one_at_a_time_orders_for_a_name() {
    let desk = Desk::new();
    let granted = Begun::Granted { failures: 0 };
    assert_eq!(desk.begin(begin("a.test", 1_000)), granted);
    let other = |now_ms| Begin { holder: "two".into(), ..begin("a.test", now_ms) };
    assert_eq!(desk.begin(other(1_001)), Begun::Held { until_ms: 31_000 });
    assert!(desk.wait(desk.store.hold_name("a.test", "one", 40_000)).unwrap());
    assert_eq!(desk.begin(other(31_001)), Begun::Held { until_ms: 40_000 });
    // Whoever held it is gone.
    assert_eq!(desk.begin(other(40_000)), granted);
    assert!(!desk.wait(desk.store.hold_name("a.test", "one", 90_000)).unwrap());
    assert!(desk.due(40_001).is_empty());
}

#[test]
fn a_failure_is_remembered_and_waited_after() {
    let desk = Desk::new();
    desk.begin(begin("a.test", 1_000));
    let of = DueName { name: "a.test".into(), tenant: tenant_id("acme") };
    desk.wait(desk.store.name_failed(of, "dns", "no address".into(), 50_000, actor())).unwrap();
    assert_eq!(desk.begin(begin("a.test", 2_000)), Begun::NotDue { next_ms: 50_000 });
    assert!(desk.due(49_999).is_empty());
    assert_eq!(desk.due(50_000), ["a.test"]);
    let at_once = Begin { at_once: true, ..begin("a.test", 2_000) };
    assert_eq!(desk.begin(at_once), Begun::Granted { failures: 1 });
    let work = desk.wait(desk.store.name("a.test", true)).unwrap().work.unwrap();
    assert_eq!((work.failures, work.error.as_deref()), (1, Some("no address")));
    // Another tenant has not failed.
    let other = Begin { tenant: tenant_id("globex"), ..begin("a.test", 40_000) };
    assert_eq!(desk.begin(other), Begun::Granted { failures: 0 });
}

#[test]
fn budgets_bound_orders_and_are_free_again_in_time() {
    let desk = Desk::new();
    let with = |name: &str, now_ms, budgets| Begin { budgets, ..begin(name, now_ms) };
    let tight = AcmeBudgets { tenant: 2, ..PLENTY };
    for name in ["a.test", "b.test"] {
        assert!(matches!(desk.begin(with(name, 1_000, tight)), Begun::Granted { .. }));
    }
    let over = Begun::OverBudget { budget: AcmeBudget::Tenant, until_ms: 1_000 + 24 * HOUR_MS };
    assert_eq!(desk.begin(with("c.test", 2_000, tight)), over);
    // What the authority has not heard of does not count.
    desk.wait(desk.store.uncount_order(with("b.test", 1_000, tight))).unwrap();
    assert!(matches!(desk.begin(with("b2.test", 1_000, tight)), Begun::Granted { .. }));
    // A renewal is no new name.
    let renewal = Begin { renewal: true, ..with("d.test", 2_000, tight) };
    assert!(matches!(desk.begin(renewal), Begun::Granted { .. }));
    let other = Begin { tenant: tenant_id("globex"), ..with("e.test", 2_000, tight) };
    assert!(matches!(desk.begin(other.clone()), Begun::Granted { .. }));
    let registered = AcmeBudgets { registered: 3, ..PLENTY };
    let over = Begun::OverBudget { budget: AcmeBudget::Registered, until_ms: 1_000 + 7 * 24 * HOUR_MS };
    assert_eq!(desk.begin(Begin { name: "f.test".into(), budgets: registered, ..other.clone() }), over);
    let account = AcmeBudgets { account: 4, ..PLENTY };
    let over = Begun::OverBudget { budget: AcmeBudget::Account, until_ms: 1_000 + 3 * HOUR_MS };
    let elsewhere = Begin { registered: "g.test".into(), name: "g.test".into(), budgets: account, ..other };
    assert_eq!(desk.begin(elsewhere), over);
    // It is waited for as long, and then there is room.
    let work = desk.wait(desk.store.name("c.test", true)).unwrap().work.unwrap();
    assert_eq!((work.next_ms, work.failures), (1_000 + 24 * HOUR_MS, 0));
    assert!(matches!(desk.begin(with("c.test", 1_000 + 24 * HOUR_MS, tight)), Begun::Granted { .. }));
}

#[test]
fn a_certificate_is_there_as_long_as_its_domain() {
    let desk = Desk::new();
    desk.put(a_put("acme", &["a.test", "b.test"])).unwrap();
    assert!(desk.keep("a.test") && desk.keep("b.test"));
    assert!(!desk.keep("c.test"), "it is nobody's");
    let found = desk.name("a.test");
    assert_eq!(found.owner, Some((tenant_id("acme"), "active".into())));
    assert_eq!(found.certificate, Some(certificate("a.test")));
    assert_eq!(found.work.unwrap().next_ms, HOUR_MS);
    let uses = |now_ms| desk.wait(desk.store.key_uses(now_ms)).unwrap().certificates;
    let used = |valid, expired| {
        vec![KeyUse { key_id: "k".into(), valid, expired, soonest_ms: Some(90 * 24 * HOUR_MS) }]
    };
    assert_eq!((uses(0), uses(91 * 24 * HOUR_MS)), (used(2, 0), used(0, 2)));
    desk.wait(desk.store.release_domain(tenant_id("acme"), "a.test", actor())).unwrap();
    let found = desk.wait(desk.store.name("a.test", true)).unwrap();
    assert_eq!(found, NameFound::default());
    desk.wait(desk.store.delete(tenant_id("acme"), Expect::Any, actor())).unwrap();
    assert_eq!(uses(0), []);
    assert!(desk.due(i64::MAX).is_empty());
}

#[test]
fn names_that_nothing_is_known_of_are_found_and_nobodys_thousands_stand_before_anothers() {
    let desk = Desk::new();
    desk.put(a_put("acme", &["a1.test", "a2.test", "a3.test", "*.w.test"])).unwrap();
    desk.put(a_put("globex", &["g.test"])).unwrap();
    let names = desk.wait(desk.store.names_without_work("", 10)).unwrap();
    assert_eq!(
        names.iter().map(|name| &*name.name).collect::<Vec<_>>(),
        ["a1.test", "a2.test", "a3.test", "g.test"]
    );
    desk.wait(desk.store.enqueue_names(names, 7)).unwrap();
    assert!(desk.wait(desk.store.names_without_work("", 10)).unwrap().is_empty());
    assert!(desk.due(6).is_empty());
    let due = desk.due(7);
    assert_eq!(due.len(), 3, "two of each tenant: {due:?}");
    assert!(due[..2].contains(&"g.test".to_owned()));
}

#[test]
fn names_that_wait_for_something_else_than_time_are_found_and_released() {
    let desk = Desk::new();
    desk.put(a_put("acme", &["a1.test", "a2.test", "a3.test"])).unwrap();
    let names = desk.wait(desk.store.names_without_work("", 10)).unwrap();
    desk.wait(desk.store.enqueue_names(names, 7)).unwrap();
    for (name, kind) in [("a1.test", SUSPENDED), ("a2.test", SUSPENDED), ("a3.test", "over_budget")] {
        desk.wait(desk.store.postpone_name(name, 1_000, Some((kind, "why".into())))).unwrap();
    }
    let held = |kind, after: &str| {
        let held = desk.wait(desk.store.held_names(kind, after, 10)).unwrap();
        held.into_iter().map(|held| (held.name.into_string(), held.state.unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(
        held(SUSPENDED, ""),
        [("a1.test".into(), "active".into()), ("a2.test".into(), "active".into())]
    );
    assert_eq!(held(SUSPENDED, "a1.test").len(), 1);
    // One that waits for something else by now is left alone.
    let names = vec!["a1.test".into(), "a3.test".into()];
    desk.wait(desk.store.release_names(names, SUSPENDED, 50)).unwrap();
    assert_eq!(desk.due(999), ["a1.test"]);
    assert_eq!(desk.name("a1.test").work.unwrap().error, None);
    // What may be mended is tried again, and told until then.
    let retry = |max| desk.wait(desk.store.retry_names("over_budget", 60, max)).unwrap();
    assert_eq!((retry(10), retry(10)), (1, 0));
    assert_eq!(desk.due(60), ["a1.test", "a3.test"]);
    assert_eq!(desk.name("a3.test").work.unwrap().error.as_deref(), Some("why"));
}
