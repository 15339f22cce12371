//! Backup and restore.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use super::{admin, problem, run};
use crate::harness::Origin;

fn backup() -> String {
    let records = "{\"tollgate_backup\":1,\"version\":\"0.1.0\"}\n{\"tenant\":{\"id\":\"acme\"}}\n{\"key\":{\"id\":\"key_1\"}}\n";
    let sum: String =
        digest(&SHA256, records.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{records}{{\"end\":{{\"records\":2,\"sha256\":\"{sum}\"}}}}\n")
}

#[test]
fn a_backup_is_kept_once_it_is_whole() {
    let origin = Origin::saying(&backup());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tollgate.backup");
    let path = file.to_str().unwrap();
    let out = run(&origin, &["backup", path]).well();
    assert!(out.starts_with("2 records (") && out.ends_with("tollgate.backup\n"), "{out}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), backup());
    assert_eq!(origin.last_request().target, "/api/v1/backup");
    // It has keys' hashes in it.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let document = run(&origin, &["backup", path, "-o", "json"]).json();
    assert_eq!((&document["records"], &document["file"]), (&json!(2), &json!(path)));
}

#[test]
fn a_backup_that_is_cut_off_or_damaged_leaves_the_last_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tollgate.backup");
    std::fs::write(&file, "the last one").unwrap();
    let cut = backup().lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    for (text, why) in
        [(cut, "cut off"), (backup().replace("acme", "evil"), "sha256"), ("{}\n".to_owned(), "first line")]
    {
        let error = run(&Origin::saying(&text), &["backup", file.to_str().unwrap()]).badly();
        assert!(error.contains("was not kept") && error.contains(why), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "the last one");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

fn restoring() -> Origin {
    admin(|call, request| {
        assert_eq!(request.body, backup().into_bytes());
        assert!(call.starts_with("POST /restore?"), "{call}");
        let changes = json!([
            { "kind": "tenant", "tenant": "acme", "action": "change", "members": ["plan", "state"] },
            { "kind": "domain", "tenant": "acme", "domain": "acme.test", "action": "delete" },
            { "kind": "key", "tenant": "acme", "id": "key_1", "action": "create" },
            { "kind": "usage", "tenant": "acme", "id": "daily", "action": "change", "units_before": 2, "units": 5, "period_start": "2026-11-29T00:00:00.000Z" },
        ]);
        (
            200,
            json!({ "dry_run": call.contains("dry_run=true"), "changes": changes, "audit": { "created": 4 } }),
        )
    })
}

#[test]
fn restore_shows_the_difference_and_does_nothing_without_a_yes() {
    let (origin, directory) = (restoring(), tempfile::tempdir().unwrap());
    let file = directory.path().join("tollgate.backup");
    std::fs::write(&file, backup()).unwrap();
    let path = file.to_str().unwrap();
    let difference = "    TENANT   KIND     NAME        WHAT\n\
                      ~   acme     tenant   -           plan, state\n\
                      -   acme     domain   acme.test   -\n\
                      +   acme     key      key_1       -\n\
                      ~   acme     usage    daily       2 to 5 units, since 2026-11-29T00:00:00.000Z\n\n\
                      audit   created=4\n";
    let done = run(&origin, &["restore", path, "--tenant", "acme"]);
    assert_eq!(done.out, difference);
    assert!(done.badly().contains("--yes"));
    let targets = || origin.requests().into_iter().map(|request| request.target).collect::<Vec<_>>();
    assert_eq!(targets(), ["/api/v1/restore?tenant=acme&dry_run=true"]);
    let out = run(&origin, &["restore", path, "--yes"]).well();
    assert_eq!(out, format!("{difference}\nbrought back\n"));
    assert_eq!(targets()[1..], ["/api/v1/restore?dry_run=true", "/api/v1/restore?dry_run=false"]);
    let document = run(&origin, &["restore", path, "--yes", "-o", "json"]).json();
    assert_eq!(document["dry_run"], false);
}

#[test]
fn a_damaged_backup_is_refused_before_anything_is_sent() {
    let (origin, directory) = (restoring(), tempfile::tempdir().unwrap());
    let file = directory.path().join("tollgate.backup");
    std::fs::write(&file, backup().replace("acme", "evil")).unwrap();
    let error = run(&origin, &["restore", file.to_str().unwrap(), "--yes"]).badly();
    assert!(error.contains("tollgate.backup is no good backup") && error.contains("sha256"), "{error}");
    let error = run(&origin, &["restore", "/no/such/backup", "--yes"]).badly();
    assert!(error.contains("/no/such/backup can't be read"), "{error}");
    assert_eq!(origin.connections(), 0);
}

#[test]
fn what_the_gateway_refuses_is_told() {
    let origin = admin(|_, _| problem(422, "bad_backup", "line 2: a tenant without an id"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tollgate.backup");
    std::fs::write(&file, backup()).unwrap();
    let error = run(&origin, &["restore", file.to_str().unwrap(), "--yes"]).badly();
    assert!(error.contains("line 2: a tenant without an id (422, bad_backup)"), "{error}");
}

#[test]
fn where_nothing_would_change_nothing_is_asked_or_done_and_what_was_left_out_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tollgate.backup");
    std::fs::write(&file, backup()).unwrap();
    let path = file.to_str().unwrap();
    let origin = admin(|_, _| {
        (200, json!({ "dry_run": true, "changes": [], "tenants": { "unchanged": 1, "failed": 0 } }))
    });
    assert!(run(&origin, &["restore", path]).well().contains("unchanged=1"));
    assert_eq!(run(&origin, &["restore", path, "--yes", "-o", "json"]).json()["dry_run"], true);
    assert_eq!(origin.requests().len(), 2, "once each");
    let errors =
        json!([{ "tenant": "acme", "code": "domain_taken", "detail": "acme.test belongs to globex" }]);
    let report = json!({ "dry_run": true, "changes": [], "tenants": { "failed": 1 }, "errors": errors });
    let origin = admin(move |_, _| (200, report.clone()));
    let done = run(&origin, &["restore", path, "--yes"]);
    assert!(done.out.contains("acme.test belongs to globex"), "{}", done.out);
    assert!(done.badly().contains("a tenant can't be brought back"));
}
