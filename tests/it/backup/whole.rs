//! All of a store: backed up while it changes, and brought back where the disk is gone.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::harness::get;

/// Ends the changes, also where the test fails.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_backup_is_of_one_moment_however_much_changes_meanwhile() {
    let origin = Origin::saying("hello");
    let gateway = stored(&origin).start();
    let admin = gateway.admin_address();
    furnish(admin);
    // A tenant's label says which domain it has.
    let change = |turn: usize| {
        let document = json!({ "plan": "pro", "labels": { "turn": turn.to_string() }, "domains": [format!("t{turn}.test")] });
        put(admin, "restless", &document);
    };
    change(0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stopping = Stop(&stop);
        let changing = scope.spawn(|| {
            let mut turn = 0;
            while !stop.load(Ordering::SeqCst) {
                turn += 1;
                change(turn);
            }
            turn
        });
        for _ in 0..5 {
            let kept = backup(admin, &gateway.directory().join("moving.backup"));
            let tenants = records(&kept, "tenant");
            let restless = tenants.iter().find(|tenant| tenant["id"] == "restless").unwrap();
            let domains = records(&kept, "domain");
            let own: Vec<_> = domains.iter().filter(|domain| domain["tenant"] == "restless").collect();
            assert_eq!(own.len(), 1);
            let turn = restless["labels"]["turn"].as_str().unwrap();
            assert_eq!(own[0]["domain"], format!("t{turn}.test"));
            let last = records(&kept, "audit").pop().unwrap();
            assert_eq!(
                (&last["seq"], &last["after"]["labels"]["turn"]),
                (&restless["revision"], &json!(turn))
            );
        }
        drop(stopping);
        assert!(changing.join().unwrap() > 0);
    });
}

#[test]
fn a_lost_store_is_back_as_it_was_with_its_history() {
    let origin = Origin::saying("hello");
    let gateway = stored(&origin).start();
    let admin = gateway.admin_address();
    furnish(admin);
    let lines: String = (0..2_500)
        .map(|number| {
            format!("{{\"id\":\"t{number:04}\",\"plan\":\"pro\",\"domains\":[\"t{number}.test\"]}}\n")
        })
        .collect();
    ask(admin, "POST", "/import", &lines).assert_status(200);
    ask(admin, "DELETE", "/tenants/t0007", "").assert_status(204);
    // A tenant of the configuration has usage, too.
    assert_eq!(gateway.ask(&get("acme.app.test", "/")).status, 200);
    let file = gateway.directory().join("all.backup");
    let kept = backup(admin, &file);
    let last_seq: Value = serde_json::from_str(kept.lines().next().unwrap()).unwrap();
    let last_seq = last_seq["last_seq"].as_u64().unwrap();

    let other = stored(&origin).start();
    let there = other.admin_address();
    let out = well(there, &["restore", file.to_str().unwrap(), "--yes"]);
    assert!(out.contains("tenants             changed=0, created=2502, failed=0, unchanged=0"), "{out}");
    assert!(out.ends_with("\nbrought back\n"));
    assert_eq!(exported(there), exported(admin));
    for id in ["initech", "hooli", "t2499"] {
        for part in ["domains", "keys"] {
            let show = |at: SocketAddr| ask(at, "GET", &format!("/tenants/{id}/{part}"), "").json();
            assert_eq!(show(there), show(admin), "{id} {part}");
        }
    }
    assert_eq!(other.ask(&get("t2499.test", "/")).status, 200);
    other.ask(&get("t7.test", "/")).assert_refused(404, "unknown_tenant");
    let again = backup(there, &other.directory().join("again.backup"));
    let audit = records(&again, "audit");
    let (old, new) = audit.split_at(records(&kept, "audit").len());
    assert_eq!(old, records(&kept, "audit"));
    assert!(
        new.iter().all(|entry| entry["action"] == "tenant.restore" && entry["seq"].as_u64() > Some(last_seq))
    );
    assert_eq!(new.len(), 2_502);
    assert_eq!(records(&again, "usage"), records(&kept, "usage"));

    let report = ask(there, "POST", "/restore?dry_run=false", &kept).json();
    assert_eq!((&report["changes"], &report["tenants"]["unchanged"]), (&json!([]), &json!(2_502)));
    assert_eq!(report["audit"]["created"], 0);
}

#[test]
fn one_backup_or_restore_at_a_time_and_none_without_a_store() {
    let origin = Origin::saying("hello");
    let gateway = config().to(&origin).start();
    let admin = gateway.admin_address();
    ask(admin, "GET", "/backup", "").assert_refused(409, "no_store");
    ask(admin, "POST", "/restore", "x").assert_refused(409, "no_store");
    let gateway = stored(&origin).start();
    let admin = gateway.admin_address();
    ask(admin, "GET", "/backup?tenant=acme", "").assert_refused(400, "bad_query");
    let head = format!(
        "POST /api/v1/restore HTTP/1.1\r\nHost: admin.test\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    );
    let mut client = std::net::TcpStream::connect(admin).unwrap();
    client.write_all(head.as_bytes()).unwrap();
    // Asked for once there is room for it.
    let mut told = [0; 25];
    client.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    ask(admin, "GET", "/backup", "").assert_refused(503, "too_many_backups");
    drop(client);
    crate::harness::eventually("its turn is over", || ask(admin, "GET", "/backup", "").status == 200);
}
