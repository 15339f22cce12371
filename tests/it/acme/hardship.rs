//! Authorities that hang, keep silent or have had enough, and budgets that are used up.

use std::time::Duration;

use super::pebble::{Terms, until};
use super::world::{World, life, orders, put_tenant, tell};
use super::{names, seconds_between};
use crate::harness::TestGateway;

fn renew(gateway: &TestGateway, name: &str) -> crate::harness::Response {
    tell(gateway, "POST", &format!("/api/v1/domains/{name}/certificate"), "")
}

#[test]
fn a_validation_that_hangs_ends_in_time_and_an_order_that_nobody_answers_too() {
    let world = World::behind_a_front(Terms::default());
    world.front().tricks().stuck.insert("stuck.globex.test".to_owned());
    world.front().tricks().silent.insert("silent.globex.test".to_owned());
    let gateway = world.config("").ordered_within(Duration::from_secs(12)).start();
    let wanted = ["stuck.globex.test", "silent.globex.test", "ok.globex.test"];
    put_tenant(&gateway, "globex", "active", &names(&wanted));
    put_tenant(&gateway, "initech", "active", &names(&["www.initech.test"]));
    until("it is looked at", || life(&gateway, "stuck.globex.test")["order"]["step"] == "challenged");
    // Nobody else waits for those.
    for name in ["ok.globex.test", "www.initech.test"] {
        world.wait_for(name);
    }
    for name in ["stuck.globex.test", "silent.globex.test"] {
        until("it is given up", || life(&gateway, name)["state"] == "failing");
        let told = life(&gateway, name);
        assert_eq!(told["last_error"]["kind"], "timeout", "{told}");
        assert!(told["last_error"]["detail"].as_str().unwrap().contains("within 12 seconds"), "{told}");
        assert!(told["next_try"].is_string() && told["order"].is_null(), "{told}");
    }
    assert_eq!((orders(&gateway, "issued"), orders(&gateway, "failed")), (2, 2));
    assert_eq!(gateway.metric("tollgate_acme_orders_in_flight", &[]) as u64, 0);
}

#[test]
fn the_time_that_the_authority_asks_for_is_waited() {
    let world = World::behind_a_front(Terms::default());
    world.front().tricks().limited = Some(7_200);
    let gateway = world.config("").start();
    put_tenant(&gateway, "globex", "active", &names(&["www.globex.test"]));
    until("it is turned away", || life(&gateway, "www.globex.test")["state"] == "failing");
    let told = life(&gateway, "www.globex.test");
    assert_eq!(told["last_error"]["kind"], "rate_limited");
    assert!(told["last_error"]["detail"].as_str().unwrap().contains("too many new orders"), "{told}");
    let pause = seconds_between(&told["last_error"]["at"], &told["next_try"]);
    assert!((7_199..=7_200 + 600).contains(&pause), "{pause}: {told}");
    assert_eq!(world.front().tricks().orders.len(), 1);
    // The operator may know better.
    world.front().tricks().limited = None;
    let answer = renew(&gateway, "www.globex.test");
    answer.assert_status(202);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("after one failure and without waiting until"), "{detail}");
    world.wait_for("www.globex.test");
}

#[test]
fn budgets_of_a_registered_domain_and_of_the_account_are_kept_and_a_reload_that_raises_them_helps() {
    let world = World::new(Terms::default());
    let budgets = |registered: u32, account: u32| {
        format!(", budgets: {{ per_registered_domain: {registered}, account: {account} }}")
    };
    let mut gateway = world.config(&budgets(1, 2)).start();
    let waits = |gateway: &TestGateway, name: &str, key: &str| {
        until("it is put off", || life(gateway, name)["last_error"]["kind"] == "over_budget");
        let told = life(gateway, name);
        assert!(told["last_error"]["detail"].as_str().unwrap().contains(key), "{told}");
        let answer = renew(gateway, name);
        answer.assert_refused(409, "not_ordered");
        let problem = answer.json();
        assert_eq!(problem["reason"], "over_budget");
        assert!(
            problem["until"].is_string() && problem["detail"].as_str().unwrap().contains(key),
            "{problem}"
        );
    };
    put_tenant(&gateway, "globex", "active", &names(&["one.globex.test"]));
    world.wait_for("one.globex.test");
    put_tenant(&gateway, "hooli", "active", &names(&["two.globex.test"]));
    waits(&gateway, "two.globex.test", "per_registered_domain");
    put_tenant(&gateway, "initech", "active", &names(&["www.initech.test"]));
    world.wait_for("www.initech.test");
    put_tenant(&gateway, "umbrella", "active", &names(&["www.umbrella.test"]));
    waits(&gateway, "www.umbrella.test", "account");
    for budget in ["registered_domain", "account"] {
        assert!(gateway.metric("tollgate_acme_over_budget_total", &[("budget", budget)]) >= 1.0, "{budget}");
    }
    assert_eq!(orders(&gateway, "issued"), 2);
    // Raised, they let those through that wait.
    gateway.reload(|_| world.config(&budgets(10, 20))).unwrap();
    for name in ["two.globex.test", "www.umbrella.test"] {
        world.wait_for(name);
        assert!(life(&gateway, name)["last_error"].is_null());
    }
}
