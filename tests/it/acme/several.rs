//! Several gateways over one store: an authority reaches another than the one that has ordered.

use super::names;
use super::pebble::{Terms, until};
use super::world::{World, life, orders, put_tenant};
use crate::harness::get;

#[test]
fn a_gateway_answers_for_what_another_has_ordered() {
    for challenge in ["http-01", "tls-alpn-01"] {
        let world = World::new(Terms::default());
        let store = tempfile::tempdir().unwrap();
        let at = format!("'sqlite:{}/shared.db'", store.path().display());
        let more = format!(", challenges: [{challenge}]");
        // What it orders, the authority looks for at the other.
        let hidden = world.config_elsewhere(&more).set("store", &at).start();
        let seen = world.config(&more).set("store", &at).start();
        // It has looked through the store, and does so again in a minute: the first is faster then.
        until("it has begun", || seen.metrics().contains("tollgate_certificates{"));
        let wanted: Vec<_> = (0..8).map(|number| format!("d{number}.globex.test")).collect();
        put_tenant(&hidden, "globex", "active", &wanted);
        until("all are issued", || wanted.iter().all(|name| life(&hidden, name)["state"] == "valid"));
        // Counted a moment after they are there.
        until("all are counted", || orders(&hidden, "issued") + orders(&seen, "issued") == 8);
        assert!(orders(&hidden, "issued") >= 1, "{challenge}: the other has ordered all");
        assert_eq!((orders(&hidden, "failed"), orders(&seen, "failed")), (0, 0), "{challenge}");
        for name in &wanted {
            assert!(world.show(name).unwrap().is_of_authority(), "{challenge}: {name}");
        }
        // Once it is issued nothing is told any more.
        let store = rusqlite::Connection::open(store.path().join("shared.db")).unwrap();
        let left: i64 =
            store.query_row("SELECT count(*) FROM acme_challenges", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0);
    }
}

#[test]
fn what_nobody_has_ordered_is_as_any_other_path() {
    let world = World::new(Terms::default());
    let gateway = world.config("").start();
    put_tenant(&gateway, "globex", "active", &names(&["www.globex.test"]));
    world.wait_for("www.globex.test");
    let path = "/.well-known/acme-challenge/made-up";
    // A tenant's application may have an authority of its own.
    let answer = gateway.ask(&get("www.globex.test", path));
    answer.assert_status(200);
    assert_eq!(world.origin.last_request().target, path);
    gateway.ask(&get("nobody.test", path)).assert_refused(404, "unknown_tenant");
}
