//! When the authority would have certificates renewed (RFC 9773).

use super::names;
use super::pebble::{Terms, until};
use super::world::{World, life, orders, put_tenant};

#[test]
fn a_certificate_is_renewed_when_the_authority_says_so() {
    let world = World::behind_a_front(Terms::default());
    let now = jiff::Timestamp::now();
    let after = |hours: i64| (now + jiff::SignedDuration::from_hours(hours)).to_string();
    world.front().tricks().window = Some((after(240), after(480)));
    let gateway = world.config("").start();
    put_tenant(&gateway, "globex", "active", &names(&["www.globex.test"]));
    let first = world.wait_for("www.globex.test");
    // As after a part of its life, which here is years.
    let look_now = || {
        let store = rusqlite::Connection::open(gateway.directory().join("tollgate.db")).unwrap();
        store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        store.execute("UPDATE acme_names SET next_ms = 0", []).unwrap();
    };
    let renewal = || {
        life(&gateway, "www.globex.test")["renew_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    assert!(renewal() > now + jiff::SignedDuration::from_hours(480), "at two thirds of its life");
    look_now();
    until("the window is heard of", || renewal() <= now + jiff::SignedDuration::from_hours(480));
    assert!(renewal() >= now + jiff::SignedDuration::from_hours(240));
    let asked = world.front().tricks().asked.clone();
    assert!(asked.iter().all(|id| id.split('.').count() == 2) && !asked.is_empty(), "{asked:?}");
    assert_eq!(world.show("www.globex.test").unwrap().serial, first.serial);
    assert_eq!(orders(&gateway, "renewed"), 0);
    // It asks again when it was told to, after six hours.
    let next =
        life(&gateway, "www.globex.test")["next_try"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!((21_000..=21_700).contains(&next.duration_since(now).as_secs()), "{next}");
    // Now the authority is about to revoke it.
    world.front().tricks().window = Some((after(-48), after(-24)));
    look_now();
    until("it is renewed", || world.show("www.globex.test").unwrap().serial != first.serial);
    assert_eq!((orders(&gateway, "renewed"), orders(&gateway, "failed")), (1, 0));
    let ordered = world.front().tricks().orders.clone();
    assert_eq!(ordered.len(), 2);
    assert!(ordered[0]["replaces"].is_null() && ordered[1]["replaces"] == *asked[0], "{ordered:?}");
}
