//! Many domains at once, and what is in the store at a start.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::pebble::{Terms, until};
use super::world::{World, life, orders, put_tenant};

#[test]
fn what_the_store_has_is_shown_after_a_restart_and_another_key_is_told_of() {
    let world = World::new(Terms::default());
    let store = tempfile::tempdir().unwrap();
    let at = format!("'sqlite:{}/kept.db'", store.path().display());
    let gateway = world.config("").set("store", &at).start();
    put_tenant(&gateway, "globex", "active", &["www.globex.test".to_owned()]);
    let before = world.wait_for("www.globex.test");
    drop(gateway);
    let gateway = world.config("").set("store", &at).start();
    assert_eq!(world.show("www.globex.test").unwrap(), before);
    assert_eq!(orders(&gateway, "issued"), 0);
    drop(gateway);
    let other = "ff".repeat(32);
    let gateway = world.config("").set("store", &at).file("key.b64", &other).start();
    assert!(!world.show("www.globex.test").unwrap().is_of_authority());
    let told = life(&gateway, "www.globex.test");
    assert_eq!(told["state"], "unreadable");
    assert!(told["detail"].as_str().unwrap().contains("former_encryption_key_files"), "{told}");
    drop(gateway);
    // The old key beside the new one is all that it takes.
    let more = ", former_encryption_key_files: [old.b64]";
    let rotated =
        world.config(more).set("store", &at).file("key.b64", &other).file("old.b64", super::world::KEY);
    let _gateway = rotated.start();
    assert_eq!(world.show("www.globex.test").unwrap(), before);
}

#[test]
fn two_hundred_at_once_one_of_them_broken_are_served_within_half_a_minute() {
    let world = World::new(Terms { bad_nonces: 5, ..Terms::default() });
    world.pebble.lead("d0.t0.test", "127.0.0.9");
    let gateway = world.config(", budgets: { per_tenant: 1000, account: 10000 }").start();
    let start = Instant::now();
    let mut wanted = HashSet::new();
    for tenant in 0..20 {
        let domains: Vec<_> = (0..10).map(|number| format!("d{number}.t{tenant}.test")).collect();
        put_tenant(&gateway, &format!("t{tenant}"), "active", &domains);
        wanted.extend(domains);
    }
    wanted.remove("d0.t0.test");
    until("199 are issued", || orders(&gateway, "issued") >= 199);
    let took = start.elapsed();
    for name in &wanted {
        let shown = world.show(name).unwrap();
        assert!(shown.is_of_authority() && shown.names[0].contains(name.as_str()), "{name}: {shown:?}");
    }
    assert_eq!(life(&gateway, "d0.t0.test")["state"], "failing");
    println!("199 domains issued in {took:?}, shown in {:?}", start.elapsed());
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "issued in {took:?}, all shown in {:?}",
        start.elapsed()
    );
}

/// Makes a store of ten thousand domains, each with a certificate that holds.
fn fill(path: &std::path::Path) {
    let key = tollgate::types::EncryptionKey::parse(super::world::KEY).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["kept.test".to_owned()]).unwrap();
    let (chain, private) = (made.cert.pem(), made.signing_key.serialize_pem());
    let mut connection = rusqlite::Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    for number in 0..10_000 {
        let (name, tenant) = (format!("d{number}.test"), format!("t{}", number / 10));
        if number % 10 == 0 {
            let sql = "INSERT INTO tenants (id, revision, created_ms, updated_ms, plan, state) VALUES (?1, 1, 1, 1, 'free', 'active')";
            transaction.execute(sql, [&tenant]).unwrap();
        }
        let sql = "INSERT INTO domains (name, tenant, verified, method, created_ms, verified_ms) VALUES (?1, ?2, 1, 'dns', 1, 1)";
        transaction.execute(sql, [&name, &tenant]).unwrap();
        let sealed = key.encrypt(&name, private.as_bytes()).unwrap();
        let (end, never) = (4_000_000_000_000_i64, 3_000_000_000_000_i64);
        let sql = "INSERT INTO certificates VALUES (?1, ?2, ?3, ?4, ?5, '01', 'Kept CA', 1, ?6, 1, ?7)";
        transaction
            .execute(sql, rusqlite::params![name, tenant, chain, sealed, key.id(), end, never])
            .unwrap();
        let sql = "INSERT INTO acme_names (name, tenant, next_ms, failures, held_until_ms) VALUES (?1, ?2, ?3, 0, 0)";
        transaction.execute(sql, rusqlite::params![name, tenant, never]).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn ten_thousand_certificates_in_the_store_don_t_hold_a_start_up() {
    let world = World::new(Terms::default());
    let store = tempfile::tempdir().unwrap();
    let path = store.path().join("kept.db");
    let at = format!("'sqlite:{}'", path.display());
    drop(world.config("").set("store", &at).start());
    fill(&path);
    let start = Instant::now();
    let gateway = world.config("").set("store", &at).start();
    for number in [0, 17, 4_711, 9_999] {
        let shown = world.show(&format!("d{number}.test")).unwrap();
        assert!(shown.names[0].contains("kept.test"), "{shown:?}");
    }
    let took = start.elapsed();
    println!("10,000 certificates: started and shown in {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    until("they are counted", || {
        gateway.metric("tollgate_certificates", &[("state", "valid")]) as u64 == 10_000
    });
    assert_eq!(orders(&gateway, "issued") + orders(&gateway, "failed"), 0);
}
