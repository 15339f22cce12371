//! The key that private keys are encrypted with, where it is not the one that they were.

use super::names;
use super::pebble::{Terms, until};
use super::world::{KEY, World, life, put_tenant, tell};
use crate::harness::{TestGateway, eventually, tollgate};

const FORMER: &str = ", former_encryption_key_files: [old.b64]";

fn counted(gateway: &TestGateway, state: &str) -> u64 {
    gateway.metric("tollgate_certificates", &[("state", state)]) as u64
}

#[test]
fn a_wrong_key_is_told_of_and_a_reload_mends_it() {
    let world = World::new(Terms::default());
    let store = tempfile::tempdir().unwrap();
    let at = format!("'sqlite:{}/kept.db'", store.path().display());
    let gateway = world.config("").set("store", &at).start();
    put_tenant(&gateway, "globex", "active", &names(&["www.globex.test"]));
    let before = world.wait_for("www.globex.test");
    drop(gateway);
    let other = "ff".repeat(32);
    let wrong = world.config("").set("store", &at).file("key.b64", &other);
    let directory = tempfile::tempdir().unwrap();
    let checked = |config: &crate::harness::Config| {
        let output = tollgate(&["check", config.write(directory.path()).to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = checked(&wrong);
    assert!(
        said.contains("unreadable-certificates") && said.contains("former_encryption_key_files"),
        "{said}"
    );
    assert_eq!(checked(&world.config("").set("store", &at)), "");

    let process = wrong.clone().spawn();
    eventually("it is logged", || {
        let log = process.log();
        log.iter().any(|line| line.contains("ERROR") && line.contains("former_encryption_key_files"))
    });
    drop(process.end());

    let mut gateway = wrong.start();
    until("it is counted", || counted(&gateway, "unreadable") == 1);
    assert_eq!(counted(&gateway, "valid"), 0);
    let told = life(&gateway, "www.globex.test");
    assert_eq!(
        (&told["state"], &told["last_error"]["kind"]),
        (&"unreadable".into(), &"encryption_key".into())
    );
    assert!(told["last_error"]["detail"].as_str().unwrap().contains("former_encryption_key_files"), "{told}");
    let refused = tell(&gateway, "POST", "/api/v1/domains/www.globex.test/certificate", "");
    refused.assert_refused(409, "not_ordered");
    assert_eq!(refused.json()["reason"], "encryption_key");
    // A new name fails for the same reason.
    put_tenant(&gateway, "initech", "active", &names(&["www.initech.test"]));
    until("it fails", || life(&gateway, "www.initech.test")["last_error"]["kind"] == "encryption_key");

    gateway
        .reload(|_| world.config(FORMER).set("store", &at).file("key.b64", &other).file("old.b64", KEY))
        .unwrap();
    assert_eq!(world.show("www.globex.test").unwrap(), before);
    until("it is counted", || (counted(&gateway, "unreadable"), counted(&gateway, "valid") > 0) == (0, true));
    // What has failed meanwhile is not waited for.
    world.wait_for("www.initech.test");

    // Taken away again, clients would lose it.
    let without = world.config("").set("store", &at).file("key.b64", &other);
    let failure = gateway.reload(|_| without).unwrap_err().to_string();
    assert!(
        failure.contains("a certificate encrypted with another key")
            && failure.contains("former_encryption_key_files"),
        "{failure}"
    );
    assert_eq!(world.show("www.globex.test").unwrap(), before);
    assert!(life(&gateway, "www.globex.test")["last_error"].is_null());
}
