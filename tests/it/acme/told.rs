//! What becomes of an order that an operator wants, and names that need none.

use super::names;
use super::pebble::{Terms, until};
use super::world::{World, life, orders, put_tenant, tell};
use crate::harness::{Response, TestGateway};

fn renew(gateway: &TestGateway, name: &str) -> Response {
    tell(gateway, "POST", &format!("/api/v1/domains/{name}/certificate"), "")
}

#[test]
fn a_suspended_tenant_is_told_of_and_forgotten_when_it_is_back() {
    let world = World::new(Terms::default());
    let gateway = world.config("").start();
    put_tenant(&gateway, "away", "suspended", &names(&["www.away.test"]));
    until("it waits", || life(&gateway, "www.away.test")["last_error"]["kind"] == "suspended");
    let refused = renew(&gateway, "www.away.test");
    refused.assert_refused(409, "not_ordered");
    let problem = refused.json();
    assert_eq!(problem["reason"], "suspended");
    assert!(problem["detail"].as_str().unwrap().contains("tollgate tenant resume away"), "{problem}");
    assert_eq!(life(&gateway, "www.away.test")["last_error"]["kind"], "suspended", "nothing was tried");
    // Nor is one for a domain that is nobody's yet.
    let claim = r#"{"domain": "claimed.away.test"}"#;
    tell(&gateway, "POST", "/api/v1/tenants/away/domains", claim).assert_status(201);
    let refused = renew(&gateway, "claimed.away.test");
    refused.assert_refused(409, "not_ordered");
    assert_eq!(refused.json()["reason"], "not_verified");
    // Back, it has one soon, and nobody has to ask for it.
    tell(&gateway, "POST", "/api/v1/tenants/away/resume", "").assert_status(200);
    let first = world.wait_for("www.away.test");
    assert!(life(&gateway, "www.away.test")["last_error"].is_null());
    // Suspended while it has one, and looked at meanwhile.
    tell(&gateway, "POST", "/api/v1/tenants/away/suspend", "").assert_status(200);
    let store = rusqlite::Connection::open(gateway.directory().join("tollgate.db")).unwrap();
    store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    store.execute("UPDATE acme_names SET next_ms = 0", []).unwrap();
    until("it is remembered", || life(&gateway, "www.away.test")["last_error"]["kind"] == "suspended");
    tell(&gateway, "POST", "/api/v1/tenants/away/resume", "").assert_status(200);
    until("it is forgotten", || life(&gateway, "www.away.test")["last_error"].is_null());
    assert_eq!(world.show("www.away.test").unwrap(), first, "it is not renewed for that");
    assert_eq!(orders(&gateway, "issued"), 1);
    // Asked for, it is.
    let answer = renew(&gateway, "www.away.test");
    answer.assert_status(202);
    assert_eq!(answer.json()["ordered"], "now");
    until("it is renewed", || world.show("www.away.test").unwrap().serial != first.serial);
    let actor = gateway.admin("/api/v1/audit?action=certificate.issue").json()["entries"][0]["actor"].clone();
    assert_eq!(actor, "gateway (acme)");
}

#[test]
fn names_that_a_file_has_a_certificate_for_need_none() {
    let world = World::new(Terms::default());
    let wanted = vec!["*.globex.test".to_owned(), "www.initech.test".to_owned()];
    let made = rcgen::generate_simple_self_signed(wanted).unwrap();
    let with_file = world
        .config_with_file(", certificates: [{ cert: file.pem, key: file.key }]")
        .file("file.pem", &made.cert.pem())
        .file("file.key", &made.signing_key.serialize_pem());
    let mut gateway = with_file.start();
    put_tenant(&gateway, "globex", "active", &names(&["www.globex.test", "a.b.globex.test"]));
    put_tenant(&gateway, "initech", "active", &names(&["www.initech.test", "initech.test"]));
    for name in ["a.b.globex.test", "initech.test"] {
        world.wait_for(name);
    }
    for name in ["www.globex.test", "www.initech.test"] {
        let told = life(&gateway, name);
        assert_eq!(told["state"], "file", "{told}");
        let file = told["file"].as_str().unwrap();
        assert!(file.ends_with("file.pem") && told["detail"].as_str().unwrap().contains(file), "{told}");
        assert!(told["last_error"].is_null() && told["next_try"].is_null(), "{told}");
        let shown = world.show(name).unwrap();
        assert!(!shown.is_of_authority() && shown.names.len() == 2, "{shown:?}");
        renew(&gateway, name).assert_refused(409, "not_ordered");
    }
    assert_eq!((orders(&gateway, "issued"), orders(&gateway, "failed")), (2, 0));
    // Without the file they have one each.
    gateway.reload(|_| world.config("")).unwrap();
    for name in ["www.globex.test", "www.initech.test"] {
        world.wait_for(name);
    }
}
