//! Import and export.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::{admin, command, finished, problem, run, run_with};
use crate::harness::{Gate, Origin, Request, eventually};

/// Takes every line that has an id, and answers as the API does.
fn importing() -> Origin {
    admin(|call, request| {
        assert!(call.starts_with("POST /import?"), "{call}");
        let (lines, failed) = check(request);
        let created = lines - failed.len() as u64;
        let errors: Vec<_> = failed.into_iter().map(|line| refused(line, "no id")).collect();
        let status = if created == 0 { 422 } else { 200 };
        let dry_run = call.contains("dry_run=true");
        (
            status,
            json!({ "lines": lines, "created": created, "updated": 0, "unchanged": 0, "failed": errors.len(),
            "dry_run": dry_run, "errors": errors }),
        )
    })
}

fn refused(line: u64, detail: &str) -> Value {
    json!({ "line": line, "id": "acme", "code": "invalid_tenant", "detail": detail, "pointer": "#/id" })
}

/// How many lines there are, and which of them have no id.
fn check(request: &Request) -> (u64, Vec<u64>) {
    let text = std::str::from_utf8(&request.body).unwrap();
    let numbered = (1..).zip(text.lines());
    (text.lines().count() as u64, numbered.filter(|(_, line)| !line.contains("id")).map(|(n, _)| n).collect())
}

fn tenants(lines: u64) -> String {
    (1..=lines).map(|n| format!("{{\"id\":\"t{n}\"}}\n")).collect()
}

#[test]
fn an_import_sends_every_line_once_in_several_requests() {
    let origin = importing();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tenants.ndjson");
    std::fs::write(&file, tenants(12_345)).unwrap();
    let out = run(&origin, &["tenant", "import", file.to_str().unwrap()]).well();
    assert_eq!(out, "12345 lines: 12345 created, 0 updated, 0 unchanged, 0 failed\n");
    let requests = origin.requests();
    assert!(requests.len() > 1 && requests.len() < 10, "{}", requests.len());
    let sent: Vec<u8> = requests.iter().flat_map(|request| request.body.clone()).collect();
    assert_eq!(String::from_utf8(sent).unwrap(), tenants(12_345));
    assert_eq!(requests[0].target, "/api/v1/import?dry_run=false&mode=upsert");
    assert_eq!(requests[0].header("content-type"), Some("application/x-ndjson"));
}

#[test]
fn errors_have_the_numbers_of_the_file_and_fail_the_command() {
    let origin = importing();
    let text = format!("{}{{}}\n{}{{}}\n", tenants(7_000), tenants(2));
    let done = run_with(&origin, &["tenant", "import", "-", "--dry-run", "--mode", "create"], &text);
    assert_eq!(
        done.out,
        "7004 lines: 7002 created, 0 updated, 0 unchanged, 2 failed; a dry run: nothing was changed\n"
    );
    assert_eq!(
        done.badly(),
        "line 7001: acme: #/id: no id\nline 7004: acme: #/id: no id\ntollgate: 2 lines failed\n"
    );
    assert_eq!(origin.last_request().target, "/api/v1/import?dry_run=true&mode=create");
    let done = run_with(&origin, &["tenant", "import", "-", "-o", "json"], &text);
    let document: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&document["lines"], &document["failed"]), (&json!(7_004), &json!(2)));
    assert_eq!(document["errors"][1]["line"], 7_004);
    assert_eq!(done.code, Some(1));
}

#[test]
fn a_file_of_which_nothing_can_be_taken_fails_line_by_line() {
    let origin = importing();
    let error = run_with(&origin, &["tenant", "import", "-"], "{}\n").badly();
    assert_eq!(error, "line 1: acme: #/id: no id\ntollgate: 1 line failed\n");
    assert_eq!(
        run_with(&origin, &["tenant", "import", "-"], "").well(),
        "0 lines: 0 created, 0 updated, 0 unchanged, 0 failed\n"
    );
}

#[test]
fn an_import_that_breaks_off_says_where_to_go_on() {
    let seen = Mutex::new(0);
    let origin = admin(move |_, request| {
        let mut seen = seen.lock().unwrap();
        *seen += 1;
        match *seen {
            1 => (200, json!({ "lines": check(request).0, "created": check(request).0 })),
            _ => problem(503, "store_busy", "the store has too much to do"),
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tenants.ndjson");
    std::fs::write(&file, tenants(9_000)).unwrap();
    let path = file.to_str().unwrap();
    let error = run(&origin, &["tenant", "import", path]).badly();
    for part in ["lines 1 to 5000 are in", "--from-line 5001", "too much to do (503, store_busy)"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let rest = importing();
    let out = run(&rest, &["tenant", "import", path, "--from-line", "5001"]).well();
    assert!(out.starts_with("4000 lines"), "{out}");
    let bodies: Vec<u8> = rest.requests().iter().flat_map(|request| request.body.clone()).collect();
    assert!(bodies.starts_with(b"{\"id\":\"t5001\"}\n"));
    let error = run(&rest, &["tenant", "import", path, "--from-line", "9100"]).badly();
    assert!(error.contains("only 9000 lines"), "{error}");
}

#[test]
fn a_request_that_was_done_in_part_counts_as_far_as_it_was_done() {
    let origin = admin(|_, _| {
        let (status, mut document) = problem(507, "store_full", "the disk is full");
        for (name, value) in [("lines", 3_000), ("settled_lines", 2_000), ("created", 1_999), ("failed", 1)] {
            document[name] = json!(value);
        }
        document["errors"] = json!([refused(17, "no id")]);
        (status, document)
    });
    let error = run_with(&origin, &["tenant", "import", "-"], &tenants(4_000)).badly();
    assert_eq!(
        error,
        "line 17: acme: #/id: no id\ntollgate: lines 1 to 2000 are in, but for those that failed (1 failed so far): go on \
         with --from-line 2001: the disk is full (507, store_full)\n"
    );
}

#[test]
fn an_interrupted_import_says_where_to_go_on() {
    let gate = Gate::shut();
    let (held, seen) = (gate.clone(), Mutex::new(0));
    let origin = admin(move |_, request| {
        let first = {
            let mut seen = seen.lock().unwrap();
            *seen += 1;
            *seen == 1
        };
        if !first {
            held.pass();
        }
        (200, json!({ "lines": check(request).0, "created": check(request).0 }))
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tenants.ndjson");
    std::fs::write(&file, tenants(9_000)).unwrap();
    let mut command = command(&origin, &["tenant", "import", file.to_str().unwrap()]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the second request is there", || origin.requests().len() == 2);
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let error = finished(child.wait_with_output().unwrap()).badly();
    assert!(error.contains("--from-line 5001") && error.contains("interrupted"), "{error}");
    gate.open();
}

#[test]
fn a_file_that_can_not_be_read_is_named() {
    let origin = importing();
    let error = run(&origin, &["tenant", "import", "/no/such/tenants.ndjson"]).badly();
    assert!(error.contains("/no/such/tenants.ndjson can't be read"), "{error}");
}

/// Sends three lines in chunks, and all of them or not.
fn exporting(whole: bool) -> Origin {
    Origin::on_request(move |_, mut peer| {
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.send_chunk("{\"id\":\"a\"}\n{\"id\"");
        peer.send_chunk(":\"b\"}\n{\"id\":\"c\"}\n");
        if whole {
            peer.send("0\r\n\r\n");
        }
    })
}

const EXPORTED: &str = "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n";

#[test]
fn an_export_goes_to_standard_output_or_into_a_file() {
    assert_eq!(run(&exporting(true), &["tenant", "export"]).well(), EXPORTED);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tenants.ndjson");
    let origin = exporting(true);
    let mut command = command(&origin, &["tenant", "export", "tenants.ndjson", "--plan", "free"]);
    let done = finished(command.current_dir(directory.path()).output().unwrap());
    assert_eq!(done.err, "3 tenants in tenants.ndjson\n");
    assert_eq!(done.well(), "");
    assert_eq!(std::fs::read_to_string(file).unwrap(), EXPORTED);
    assert_eq!(origin.last_request().target, "/api/v1/export?plan=free");
}

#[test]
fn an_export_that_breaks_off_leaves_the_file_that_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tenants.ndjson");
    std::fs::write(&file, "old").unwrap();
    let error = run(&exporting(false), &["tenant", "export", file.to_str().unwrap()]).badly();
    assert!(error.contains("broke off"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
