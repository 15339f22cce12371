//! Certificates of tenants' domains, from a real authority (Pebble).

mod front;
mod hardship;
mod keys;
mod many;
mod pebble;
mod renewal_info;
mod several;
mod told;
mod world;

use std::sync::Arc;
use std::thread;

use pebble::{HMAC_KEY, KEY_ID, Terms, until};
use world::{World, life, orders, put_tenant, tell};

fn seconds_between(from: &serde_json::Value, to: &serde_json::Value) -> i64 {
    let [from, to] = [from, to].map(|time| time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap());
    to.duration_since(from).as_secs()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_verified_domain_has_its_certificate_ahead_however_many_nonces_are_refused() {
    let world = World::new(Terms { bad_nonces: 50, ..Terms::default() });
    let gateway =
        world.config("").set("tenants", "[{ id: acme, plan: free, domains: [own.acme.test] }]").start();
    put_tenant(&gateway, "globex", "active", &names(&["www.globex.test"]));
    for name in ["own.acme.test", "www.globex.test"] {
        until("it is issued", || life(&gateway, name)["state"] == "valid");
        let shown = world.show(name).unwrap();
        assert!(shown.is_of_authority() && shown.names[0].contains(name), "{shown:?}");
    }
    let life = life(&gateway, "www.globex.test");
    assert!(
        life["serial"].is_string() && life["not_after"].is_string() && life["last_error"].is_null(),
        "{life}"
    );
    assert_eq!(orders(&gateway, "issued"), 2);
    let audit = gateway.admin("/api/v1/audit?action=certificate.issue").text();
    assert!(audit.contains("www.globex.test") && audit.contains("own.acme.test"), "{audit}");
    // Released, it is shown no more.
    tell(&gateway, "DELETE", "/api/v1/tenants/globex/domains/www.globex.test", "").assert_status(204);
    assert!(!world.show("www.globex.test").unwrap().is_of_authority());
}

#[test]
fn handshakes_wait_for_one_order() {
    let world = Arc::new(World::new(Terms::default()));
    let gateway = world.config("").start();
    put_tenant(&gateway, "globex", "active", &names(&["www.globex.test"]));
    let clients: Vec<_> = (0..12)
        .map(|_| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.show("www.globex.test").unwrap())
        })
        .collect();
    for client in clients {
        let shown = client.join().unwrap();
        assert!(shown.is_of_authority(), "{shown:?}");
    }
    assert_eq!((orders(&gateway, "issued"), orders(&gateway, "failed")), (1, 0));
}

#[test]
fn nothing_is_ordered_for_names_that_are_nobodys() {
    let world = World::new(Terms::default());
    let gateway = world.config("").start();
    put_tenant(&gateway, "globex", "active", &names(&["*.globex.test", "ok.globex.test"]));
    world.wait_for("ok.globex.test");
    let committed = || gateway.metric("tollgate_store_commit_duration_seconds_count", &[]);
    let mut before = committed();
    until("what is still to be written is", || {
        let last = std::mem::replace(&mut before, committed());
        last == before
    });
    for number in 0..200 {
        let shown = world.show(&format!("scan-{number}.example.test")).unwrap();
        assert!(!shown.is_of_authority(), "{shown:?}");
    }
    for name in ["below.globex.test", "acme.app.test"] {
        assert!(!world.show(name).unwrap().is_of_authority(), "{name}");
    }
    // What else there was to be written may have been late.
    let written = committed() - before;
    assert!(written < 20.0, "a scan writes nothing, and there were {written} transactions");
    assert_eq!(orders(&gateway, "issued") + orders(&gateway, "failed"), 1);
}

#[test]
fn a_failing_domain_says_why_and_waits_and_others_are_not_delayed() {
    let world = World::new(Terms::default());
    world.pebble.lead("broken.globex.test", "127.0.0.9");
    let gateway = world.config(", challenges: [http-01]").start();
    put_tenant(&gateway, "globex", "active", &names(&["broken.globex.test", "ok.globex.test"]));
    world.wait_for("ok.globex.test");
    until("the failure is told", || life(&gateway, "broken.globex.test")["state"] == "failing");
    let told = life(&gateway, "broken.globex.test");
    let words = told["last_error"]["detail"].as_str().unwrap();
    assert!(words.contains("could not reach http://broken.globex.test (port 80)"), "{words}");
    assert_eq!(told["last_error"]["kind"], "connection");
    let pause = seconds_between(&told["last_error"]["at"], &told["next_try"]);
    assert!((80..=160).contains(&pause), "{told}");
    // Handshakes don't have it tried again.
    assert!(!world.show("broken.globex.test").unwrap().is_of_authority());
    assert_eq!(orders(&gateway, "failed"), 1);
    // Repaired, it is tried again when the operator says so.
    world.pebble.lead("broken.globex.test", "127.0.0.1");
    let answer = tell(&gateway, "POST", "/api/v1/domains/broken.globex.test/certificate", "");
    answer.assert_status(202);
    until("it is issued", || life(&gateway, "broken.globex.test")["state"] == "valid");
    assert!(world.show("broken.globex.test").unwrap().is_of_authority());
    let before = world.show("ok.globex.test").unwrap();
    tell(&gateway, "POST", "/api/v1/domains/ok.globex.test/certificate", "").assert_status(202);
    until("it is renewed", || world.show("ok.globex.test").unwrap().serial != before.serial);
    assert_eq!(orders(&gateway, "renewed"), 1);
    tell(&gateway, "POST", "/api/v1/domains/nobody.test/certificate", "")
        .assert_refused(404, "unknown_domain");
}

#[test]
fn a_handshake_alone_shows_that_a_name_leads_here_and_an_account_is_bound() {
    let world = World::new(Terms { external: true, ..Terms::default() });
    let bound = format!(
        ", challenges: [tls-alpn-01], external_account: {{ key_id: {KEY_ID}, hmac_key: {HMAC_KEY} }}"
    );
    let gateway = world.config(&bound).start();
    put_tenant(&gateway, "globex", "active", &names(&["www.globex.test"]));
    world.wait_for("www.globex.test");
    assert_eq!(orders(&gateway, "issued"), 1);
}

#[test]
fn certificates_are_renewed_at_two_thirds_of_their_life() {
    let world = World::new(Terms { seconds: 20, ..Terms::default() });
    let gateway = world.config("").start();
    put_tenant(&gateway, "globex", "active", &names(&["www.globex.test"]));
    let first = world.wait_for("www.globex.test");
    until("it is renewed", || world.show("www.globex.test").unwrap().serial != first.serial);
    assert!(world.show("www.globex.test").unwrap().is_of_authority());
    assert!(orders(&gateway, "renewed") >= 1);
}

#[test]
fn a_suspended_tenant_gets_none_and_a_budget_is_kept() {
    let world = World::new(Terms::default());
    let gateway = world.config(", budgets: { per_tenant: 1 }").start();
    put_tenant(&gateway, "away", "suspended", &names(&["www.away.test"]));
    put_tenant(&gateway, "globex", "active", &names(&["one.globex.test", "two.globex.test"]));
    until("one has come, and one has to wait", || {
        let lives = ["one", "two"].map(|name| life(&gateway, &format!("{name}.globex.test")));
        lives.iter().any(|life| life["state"] == "valid")
            && lives.iter().any(|life| life["last_error"]["kind"] == "over_budget")
    });
    assert_eq!(orders(&gateway, "issued"), 1);
    assert!(gateway.metric("tollgate_acme_over_budget_total", &[("budget", "tenant")]) >= 1.0);
    assert!(!world.show("www.away.test").unwrap().is_of_authority());
    // Active again, it has one, and nobody has to ask for it.
    put_tenant(&gateway, "away", "active", &names(&["www.away.test"]));
    world.wait_for("www.away.test");
    // Suspended, it goes on showing what it has.
    put_tenant(&gateway, "away", "suspended", &names(&["www.away.test"]));
    assert!(world.show("www.away.test").unwrap().is_of_authority());
}
