//! A restore that is killed: nothing is half there, and it can be begun again.

use std::thread;

use super::*;
use crate::harness::eventually;

/// Deaths.
const KILLS: usize = 3;
/// Tenants.
const TENANTS: usize = 1_500;

#[test]
fn a_restore_that_is_killed_leaves_whole_tenants_and_can_be_begun_again() {
    let origin = Origin::saying("hello");
    let source = stored(&origin).start();
    furnish(source.admin_address());
    let lines: String = (0..TENANTS)
        .map(|number| {
            format!("{{\"id\":\"t{number:04}\",\"plan\":\"pro\",\"domains\":[\"a{number}.test\",\"b{number}.test\"],\"labels\":{{\"n\":\"{number}\"}}}}\n")
        })
        .collect();
    ask(source.admin_address(), "POST", "/import", &lines).assert_status(200);
    let kept = backup(source.admin_address(), &source.directory().join("all.backup"));
    let whole = exported(source.admin_address());

    let mut process = stored(&origin).spawn();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut there, mut midway) = (0, 0);
    for _ in 0..KILLS {
        if TENANTS.saturating_sub(there) < 4 {
            break;
        }
        let admin = process.admin_address();
        let message = request("POST", "admin.test", "/api/v1/restore?dry_run=false")
            .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
            .body(&kept)
            .bytes();
        let sending = thread::spawn(move || {
            let mut client = Client::connect(admin);
            // It may be killed before all was sent, or before it answers.
            let _ = client.send(&message) && client.response(false).is_ok();
        });
        // Tenants come back by their ids: it is killed when this one is there, and not all behind it.
        let seen = random.usize(there + 1..there + (TENANTS - there).div_ceil(2));
        let path = format!("/tenants/t{seen:04}");
        eventually("it is under way", || ask(admin, "GET", &path, "").status == 200);
        process = process.kill_and_restart();
        sending.join().unwrap();
        let back = exported(process.admin_address());
        for (id, line) in &back {
            assert_eq!(Some(line), whole.get(id), "{id} is half there");
        }
        assert!(back.len() >= there && back.contains_key(&format!("t{seen:04}")), "what was there is");
        there = back.len();
        midway += usize::from(there < whole.len());
    }
    assert!(midway > 0, "a life ended in the middle of it");
    println!("{there} of {} tenants over {KILLS} lives", whole.len());
    let admin = process.admin_address();
    let report = ask(admin, "POST", "/restore?dry_run=false", &kept).json();
    assert_eq!(report["tenants"]["failed"], 0, "{report}");
    assert_eq!(report["tenants"]["unchanged"], there);
    assert_eq!(exported(admin), whole);
    let again = backup(admin, &process.directory().join("again.backup"));
    let audit = records(&again, "audit");
    assert!(audit.starts_with(&records(&kept, "audit")), "its history is there once");
}
