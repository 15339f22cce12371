//! Files of tenants change one by one under traffic, and nothing else does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::harness::{Origin, TestGateway, config, eventually, get};

/// A gateway with these files of tenants.
fn with_files(origin: &Origin, files: &[(&str, &str)]) -> TestGateway {
    let config = config().to(origin).set("tenants_dir", "'{dir}/tenants'").file("tenants/README", "");
    files.iter().fold(config, |c, (name, text)| c.file(&format!("tenants/{name}"), text)).start()
}

fn file(gateway: &TestGateway, name: &str) -> PathBuf {
    gateway.directory().join("tenants").join(name)
}

fn write(gateway: &TestGateway, name: &str, text: &str) {
    fs::write(file(gateway, name), text).unwrap();
}

/// As deployments write: whole, by renaming.
fn replace(gateway: &TestGateway, name: &str, text: &str) {
    write(gateway, "draft.tmp", text);
    fs::rename(file(gateway, "draft.tmp"), file(gateway, name)).unwrap();
}

fn status_of(gateway: &TestGateway, host: &str) -> u16 {
    gateway.ask(&get(host, "/")).status
}

/// The tenant that the application was told of last.
fn tenant_of(gateway: &TestGateway, origin: &Origin, host: &str) -> Option<String> {
    let answer = gateway.ask(&get(host, "/"));
    (answer.status == 200).then(|| origin.last_request().header("x-tenant-id").unwrap_or_default().to_owned())
}

#[test]
fn one_of_thousands_changes_and_the_others_stay() {
    let origin = Origin::echo();
    let names: Vec<String> = (0..3_000).map(|nth| format!("t{nth}.yaml")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "plan: free\n")).collect();
    let gateway = with_files(&origin, &files);
    assert_eq!(status_of(&gateway, "t1234.app.test"), 200);
    assert_eq!(gateway.metric("tollgate_config_last_reload_successful", &[]), 1.0);

    replace(&gateway, "t1234.yaml", "plan: free\nstate: suspended\n");
    eventually("it is suspended", || status_of(&gateway, "t1234.app.test") == 403);
    assert_eq!(status_of(&gateway, "t1233.app.test"), 200);
    assert_eq!(status_of(&gateway, "t2999.app.test"), 200);
    write(&gateway, "t3000.yaml", "plan: free\n");
    eventually("another has come", || status_of(&gateway, "t3000.app.test") == 200);
    assert_eq!(status_of(&gateway, "t1234.app.test"), 403);
}

#[test]
fn a_file_is_left_out_while_it_is_bad() {
    let origin = Origin::echo();
    let gateway = with_files(&origin, &[("initech.yaml", "plan: free\n"), ("hooli.yaml", "plan: free\n")]);
    write(&gateway, "initech.yaml", "plan: no-such-plan\n");
    eventually("it is left out", || status_of(&gateway, "initech.app.test") == 404);
    assert!(gateway.admin("/api/v1/status").text().contains("no-such-plan"));
    assert_eq!(status_of(&gateway, "hooli.app.test"), 200);
    write(&gateway, "initech.yaml", "plan: free\n");
    eventually("it is back", || status_of(&gateway, "initech.app.test") == 200);
    assert!(!gateway.admin("/api/v1/status").text().contains("no-such-plan"));
}

#[test]
fn files_are_removed_and_renamed() {
    let origin = Origin::echo();
    let text = "plan: free\ndomains: [shop.test]\n";
    let gateway = with_files(&origin, &[("initech.yaml", text), ("hooli.yaml", "plan: free\n")]);
    fs::remove_file(file(&gateway, "hooli.yaml")).unwrap();
    eventually("hooli is gone", || status_of(&gateway, "hooli.app.test") == 404);
    fs::rename(file(&gateway, "initech.yaml"), file(&gateway, "umbrella.yaml")).unwrap();
    let owner = || tenant_of(&gateway, &origin, "shop.test");
    eventually("it has another id", || owner().as_deref() == Some("umbrella"));
    assert_eq!(status_of(&gateway, "initech.app.test"), 404);
}

#[test]
fn a_domain_moves_from_one_file_to_another() {
    let origin = Origin::echo();
    let with = "plan: free\ndomains: [shop.test]\n";
    let without = "plan: free\n";
    // From the first file to the second and back: in one the taker is judged first, in the other the giver.
    let gateway = with_files(&origin, &[("a.yaml", with), ("b.yaml", without)]);
    let owner = || tenant_of(&gateway, &origin, "shop.test");
    assert_eq!(owner().as_deref(), Some("a"));
    for (giver, taker) in [("a", "b"), ("b", "a")] {
        // Given up first.
        replace(&gateway, &format!("{giver}.yaml"), without);
        replace(&gateway, &format!("{taker}.yaml"), with);
        eventually("it has moved", || owner().as_deref() == Some(taker));
    }
    for (giver, taker) in [("a", "b"), ("b", "a")] {
        // Taken first: one of the two is left out until the other lets go.
        replace(&gateway, &format!("{taker}.yaml"), with);
        replace(&gateway, &format!("{giver}.yaml"), without);
        eventually("it has moved", || owner().as_deref() == Some(taker));
        eventually("both serve", || status_of(&gateway, &format!("{giver}.app.test")) == 200);
    }
    assert!(!gateway.admin("/api/v1/status").text().contains("duplicate-domain"));
}

#[test]
fn a_plan_that_changes_in_the_main_file_reaches_all() {
    let origin = Origin::echo();
    let own = "plan: free\nlimits: { rate_limit: { rate: 1/s, burst: 3 } }\n";
    let mut gateway =
        with_files(&origin, &[("a.yaml", "plan: free\n"), ("b.yaml", "plan: paid\n"), ("c.yaml", own)]);
    assert_eq!(status_of(&gateway, "b.app.test"), 404, "there is no such plan yet");
    gateway.edit(|c| c.set("plans", "{ free: { rate_limit: { rate: 1/s, burst: 2 } }, paid: {} }"));
    eventually("the plan is there", || status_of(&gateway, "b.app.test") == 200);
    let admitted = |host: &str| (0..9).filter(|_| status_of(&gateway, host) == 200).count();
    assert_eq!(admitted("a.app.test"), 2);
    assert_eq!(admitted("c.app.test"), 3);
    gateway.edit(|c| c.set("plans", "{ paid: {} }").set("tenants", "[]"));
    eventually("those without a plan are left out", || status_of(&gateway, "a.app.test") == 404);
    assert_eq!(status_of(&gateway, "c.app.test"), 404);
    assert_eq!(status_of(&gateway, "b.app.test"), 200);
}

#[test]
fn a_tenants_file_changes_nothing_else() {
    let origin = Origin::echo();
    let gateway = with_files(&origin, &[("a.yaml", "plan: free\n")]);
    assert_eq!(status_of(&gateway, "a.app.test"), 200);
    gateway.access_log(1);
    let log = gateway.directory().join("access.log");
    fs::rename(&log, gateway.directory().join("access.log.1")).unwrap();
    replace(&gateway, "a.yaml", "plan: free\nstate: suspended\n");
    eventually("it is suspended", || status_of(&gateway, "a.app.test") == 403);
    assert!(!log.exists(), "the log was opened anew");
    assert_eq!(origin.connections(), 1);
    // Asked for, all is done.
    gateway.admin_post("/api/v1/reload", "").assert_status(200);
    assert!(log.exists());
}

#[test]
fn links_are_swapped_as_mounted_configurations_are() {
    let origin = Origin::echo();
    let gateway = with_files(&origin, &[]);
    let folder = gateway.directory().join("tenants");
    for (version, state) in [("..1", "active"), ("..2", "suspended")] {
        fs::create_dir(folder.join(version)).unwrap();
        fs::write(folder.join(version).join("a.yaml"), format!("plan: free\nstate: {state}\n")).unwrap();
    }
    symlink("..1", folder.join("..data")).unwrap();
    symlink("..data/a.yaml", folder.join("a.yaml")).unwrap();
    eventually("it is there", || status_of(&gateway, "a.app.test") == 200);
    symlink("..2", folder.join("..draft")).unwrap();
    fs::rename(folder.join("..draft"), folder.join("..data")).unwrap();
    eventually("it is the other one", || status_of(&gateway, "a.app.test") == 403);
}
