//! One tenant is brought back, and no other is touched.

use serde_json::json;

use super::*;
use crate::harness::get;

#[test]
fn a_tenant_that_was_deleted_is_back_with_all_that_it_had_and_the_others_are_as_they_were() {
    let origin = Origin::saying("hello");
    let gateway = stored(&origin).start();
    let admin = gateway.admin_address();
    furnish(admin);
    let status = |host: &str| gateway.ask(&get(host, "/")).status;
    assert_eq!([status("initech.test"), status("x.initech.test")], [200; 2]);
    let issued = ask(admin, "POST", "/tenants/hooli/keys", "").json();
    let before = in_full(admin);
    let file = gateway.directory().join("one.backup");
    let path = file.to_str().unwrap();
    let kept = backup(admin, &file);
    assert_eq!(records(&kept, "tenant").len(), 3);
    assert_eq!((records(&kept, "key").len(), records(&kept, "domain").len()), (4, 6));
    assert!(!kept.contains(issued["key"].as_str().unwrap()), "keys themselves are nowhere");

    ask(admin, "DELETE", "/tenants/initech", "").assert_status(204);
    put(admin, "hooli", &json!({ "plan": "free", "domains": ["new.hooli.test"] }));
    put(admin, "newcomer", &json!({ "plan": "pro" }));
    assert_eq!(status("initech.test"), 404);
    let changed = in_full(admin);

    let (code, out, err) = run(admin, &["restore", path, "--tenant", "initech"]);
    assert!(code == Some(1) && err.contains("--yes") && err.contains("nothing was changed"), "{out}{err}");
    for line in [
        "+   initech   tenant   -                         -",
        "+   initech   domain   *.initech.test            -",
        "+   initech   domain   claimed.initech.example   -",
        "tenants   changed=0, created=1, failed=0, unchanged=0",
    ] {
        assert!(out.contains(line), "{line}:\n{out}");
    }
    assert_eq!(in_full(admin), changed, "nothing was changed");

    well(admin, &["restore", path, "--tenant", "initech", "--yes"]);
    // At once: the cache has forgotten that there was none.
    assert_eq!([status("initech.test"), status("x.initech.test")], [200; 2]);
    let mut back = in_full(admin);
    let initech = back.remove("initech").unwrap();
    assert_eq!(back, changed, "all others are byte for byte the same");
    assert_eq!(initech[1..], before["initech"][1..], "domains and keys");
    let document = |text: &str| {
        let mut document: Value = serde_json::from_str(text).unwrap();
        let revision = document.as_object_mut().unwrap().remove("revision").unwrap().as_u64();
        document.as_object_mut().unwrap().remove("updated_at");
        (document, revision)
    };
    let (now, then) = (document(&initech[0]), document(&before["initech"][0]));
    assert_eq!(now.0, then.0);
    assert!(now.1 > then.1, "its ETag is a new one");
    let audit = ask(admin, "GET", "/audit?limit=1", "").json();
    let entry = &audit["entries"][0];
    assert_eq!((&entry["action"], &entry["tenant"]), (&json!("tenant.restore"), &json!("initech")));

    let again = well(admin, &["restore", path, "--tenant", "initech", "--yes", "-o", "json"]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&again["changes"], &again["tenants"]["unchanged"]), (&json!([]), &json!(1)));
    let (code, _, err) = run(admin, &["restore", path, "--tenant", "newcomer", "--yes"]);
    assert!(code == Some(1) && err.contains("the backup has no tenant `newcomer`"), "{err}");
}

#[test]
fn what_it_got_since_goes_and_what_it_lost_comes_back() {
    let origin = Origin::saying("hello");
    let gateway = stored(&origin).start();
    let admin = gateway.admin_address();
    furnish(admin);
    let before = in_full(admin);
    let kept = backup(admin, &gateway.directory().join("one.backup"));
    put(admin, "initech", &json!({ "plan": "pro", "domains": ["initech.test", "more.test"] }));
    let key = records(&kept, "key").into_iter().find(|key| key["tenant"] == "initech").unwrap();
    let id = key["id"].as_str().unwrap();
    ask(admin, "DELETE", &format!("/tenants/initech/keys/{id}"), "").assert_status(204);
    let issued = ask(admin, "POST", "/tenants/initech/keys", "").json();
    let answer = ask(admin, "POST", "/restore?tenant=initech", &kept);
    answer.assert_status(200);
    let report = answer.json();
    let mut told: Vec<String> = report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            let name = change["domain"].as_str().or(change["id"].as_str()).unwrap_or_default();
            format!("{} {} {name}", change["action"].as_str().unwrap(), change["kind"].as_str().unwrap())
        })
        .collect();
    told.sort();
    let new = issued["id"].as_str().unwrap();
    let mut wanted = vec![
        "change tenant ".to_owned(),
        "create domain *.initech.test".to_owned(),
        "delete domain more.test".to_owned(),
        format!("create key {id}"),
        format!("delete key {new}"),
    ];
    wanted.sort();
    assert_eq!(told, wanted);
    let members = report["changes"].as_array().unwrap().iter().find_map(|change| change.get("members"));
    assert_eq!(members, Some(&json!(["labels", "plan"])));
    assert_eq!(report["dry_run"], true, "unless asked for otherwise");
    let done = ask(admin, "POST", "/restore?tenant=initech&dry_run=false", &kept).json();
    assert_eq!(
        (&done["changes"], &done["keys"]),
        (&report["changes"], &json!({ "created": 1, "changed": 0, "deleted": 1 }))
    );
    assert_eq!(in_full(admin)["initech"][1..], before["initech"][1..]);
}

#[test]
fn a_domain_that_is_anothers_by_now_is_a_refusal_that_names_it() {
    let origin = Origin::saying("hello");
    let gateway = stored(&origin).start();
    let admin = gateway.admin_address();
    furnish(admin);
    let kept = backup(admin, &gateway.directory().join("one.backup"));
    put(admin, "initech", &json!({ "plan": "free" }));
    put(admin, "hooli", &json!({ "plan": "pro", "domains": ["hooli.test", "initech.test"] }));
    let now = in_full(admin);
    for query in ["?tenant=initech", "?tenant=initech&dry_run=false"] {
        let answer = ask(admin, "POST", &format!("/restore{query}"), &kept);
        answer.assert_refused(409, "domain_taken");
        let problem = answer.json();
        assert_eq!((&problem["domain"], &problem["owner"]), (&json!("initech.test"), &json!("hooli")));
    }
    assert_eq!(in_full(admin), now);
    // Of all, hooli comes first, and gives it back.
    let report = ask(admin, "POST", "/restore?dry_run=false", &kept).json();
    assert_eq!((&report["errors"], &report["tenants"]["failed"]), (&json!([]), &json!(0)), "{report}");
}

#[test]
fn what_the_configuration_does_not_allow_is_not_brought_back() {
    let origin = Origin::saying("hello");
    let mut gateway = stored(&origin).start();
    let admin = gateway.admin_address();
    furnish(admin);
    let kept = backup(admin, &gateway.directory().join("one.backup"));
    for id in ["initech", "hooli", "umbrella"] {
        ask(admin, "DELETE", &format!("/tenants/{id}"), "").assert_status(204);
    }
    gateway
        .reload(|config| {
            config
                .set("plans", "{ free: {} }")
                .set("tenants", "[{ id: umbrella, plan: free, domains: [initech.test] }]")
        })
        .unwrap();
    let restore = |id: &str| ask(admin, "POST", &format!("/restore?dry_run=false&tenant={id}"), &kept);
    restore("umbrella").assert_refused(409, "tenant_in_configuration");
    restore("initech").assert_refused(409, "domain_taken");
    restore("hooli").assert_refused(422, "invalid_tenant");
    let report = ask(admin, "POST", "/restore?dry_run=false", &kept).json();
    assert_eq!(report["tenants"]["failed"], 3);
    let errors = report["errors"].as_array().unwrap();
    let told: Vec<_> = errors.iter().map(|error| [&error["tenant"], &error["code"]]).collect();
    assert_eq!(
        json!(told),
        json!([
            ["hooli", "unknown-plan"],
            ["initech", "domain_taken"],
            ["umbrella", "tenant_in_configuration"]
        ])
    );
    assert!(exported(admin).is_empty());
}

#[test]
fn restoring_gives_no_tenant_more_than_its_quota() {
    let origin = Origin::saying("hello");
    let gateway = stored(&origin).start();
    let admin = gateway.admin_address();
    furnish(admin);
    let asked = |gateway: &crate::harness::TestGateway, count: usize| -> Vec<u16> {
        (0..count).map(|_| gateway.ask(&get("initech.test", "/")).status).collect()
    };
    assert_eq!(asked(&gateway, 3), [200; 3]);
    let kept = backup(admin, &gateway.directory().join("one.backup"));
    assert!(
        records(&kept, "usage")
            .iter()
            .any(|usage| usage["tenant"] == "initech" && usage["quota"] == "yearly")
    );
    assert_eq!(asked(&gateway, 3), [200, 200, 429]);
    // Three were used in the backup, and five since: five stay used.
    ask(admin, "POST", "/restore?tenant=initech&dry_run=false", &kept).assert_status(200);
    assert_eq!(asked(&gateway, 1), [429]);
    ask(admin, "DELETE", "/tenants/initech", "").assert_status(204);
    ask(admin, "POST", "/restore?tenant=initech&dry_run=false", &kept).assert_status(200);
    assert_eq!(asked(&gateway, 1), [429]);

    // On another disk, what was used by then is.
    let other = stored(&origin).start();
    let report = ask(other.admin_address(), "POST", "/restore?tenant=initech&dry_run=false", &kept).json();
    assert_eq!(report["usage"]["created"], 1, "{report}");
    let answers = asked(&other, 4);
    let admitted = answers.iter().filter(|status| **status == 200).count();
    assert!(admitted <= 2 && answers[admitted..].iter().all(|status| *status == 429), "{answers:?}");
}
