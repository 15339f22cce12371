//! Tenants made, replaced, changed and deleted.

use std::thread;

use serde_json::json;

use super::*;

#[test]
fn a_tenant_is_made_shown_changed_and_deleted() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let document = json!({
        "id": "initech", "plan": "free", "domains": ["WWW.Initech.test", "*.shop.initech.test"],
        "labels": { "tier": "gold" }, "limits": { "rate_limit": { "rate": "5/s" } },
    });
    let answer =
        ask(&gateway, "POST", "/tenants", &["X-Tollgate-Actor: alice@laptop"], &document.to_string());
    answer.assert_status(201);
    assert_eq!(answer.header("location"), Some("/api/v1/tenants/initech"));
    let created = answer.json();
    let revision = created["revision"].as_u64().unwrap();
    assert_eq!(answer.header("etag"), Some(format!("\"{revision}\"").as_str()));
    assert_eq!(created["domains"], json!(["*.shop.initech.test", "www.initech.test"]));
    assert_eq!((&created["state"], &created["source"]), (&json!("active"), &json!("store")));
    assert!(created["created_at"].as_str().unwrap().ends_with('Z'));

    let shown = show(&gateway, "/tenants/initech");
    shown.assert_status(200);
    assert_eq!(shown.json(), created);
    let known = ask(&gateway, "GET", "/tenants/initech", &[&format!("If-None-Match: \"{revision}\"")], "");
    assert_eq!((known.status, known.body.len()), (304, 0));

    // What was got can be put back: nothing changes, and nobody is told.
    let again = put(&gateway, "initech", &created);
    again.assert_status(200);
    assert_eq!(again.json(), created);

    let patch =
        r#"{"plan": "pro", "labels": {"tier": null, "region": "eu"}, "domains": ["www.initech.test"]}"#;
    let kind = "Content-Type: application/merge-patch+json";
    let patched = ask(&gateway, "PATCH", "/tenants/initech", &[kind], patch);
    patched.assert_status(200);
    let patched = patched.json();
    assert_eq!((&patched["plan"], &patched["labels"]), (&json!("pro"), &json!({ "region": "eu" })));
    assert_eq!(patched["limits"], created["limits"]);
    assert!(patched["revision"].as_u64().unwrap() > revision);
    assert_eq!(patched["created_at"], created["created_at"]);

    ask(&gateway, "DELETE", "/tenants/initech", &[], "").assert_status(204);
    show(&gateway, "/tenants/initech").assert_refused(404, "unknown_tenant");
    ask(&gateway, "DELETE", "/tenants/initech", &[], "").assert_refused(404, "unknown_tenant");

    let audit = show(&gateway, "/audit").json();
    let entries = audit["entries"].as_array().unwrap();
    let actions: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["tenant.delete", "tenant.update", "tenant.create"]);
    assert_eq!(entries[2]["actor"], "token (alice@laptop)");
    assert_eq!((&entries[2]["before"], &entries[2]["after"]["plan"]), (&Value::Null, &json!("free")));
    assert_eq!(entries[1]["before"]["plan"], "free");
    assert_eq!((&entries[1]["after"]["plan"], &entries[1]["actor"]), (&json!("pro"), &json!("token")));
    assert_eq!((&entries[0]["after"], &entries[0]["before"]["plan"]), (&Value::Null, &json!("pro")));
}

#[test]
fn suspension_is_a_change_with_a_reason() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "initech", &json!({ "plan": "free", "limits": { "request_body": { "max": "1MiB" } } }));
    let suspended =
        ask(&gateway, "POST", "/tenants/initech/suspend", &[], r#"{"reason": "unpaid since May"}"#);
    suspended.assert_status(200);
    assert_eq!(suspended.json()["state"], "suspended");
    assert_eq!(suspended.json()["limits"]["request_body"]["max"], "1MiB");
    // Once more is the same, and no news.
    let again = ask(&gateway, "POST", "/tenants/initech/suspend", &[], "");
    assert_eq!(again.json(), suspended.json());
    let resumed = ask(&gateway, "POST", "/tenants/initech/resume", &[], "");
    resumed.assert_status(200);
    assert_eq!(resumed.json()["state"], "active");
    let audit = show(&gateway, "/audit?tenant=initech&action=tenant.suspend").json();
    let entries = audit["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &entries[0]["reason"]), (1, &json!("unpaid since May")));
    for body in ["[]", r#"{"reason": 7}"#, r#"{"why": "x"}"#] {
        ask(&gateway, "POST", "/tenants/initech/suspend", &[], body).assert_refused(400, "bad_body");
    }
    for what in ["suspend", "resume"] {
        ask(&gateway, "POST", &format!("/tenants/nobody/{what}"), &[], "")
            .assert_refused(404, "unknown_tenant");
    }
}

#[test]
fn preconditions_hold_or_nothing_happens() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let first = made(&gateway, "initech", &json!({ "plan": "free" }));
    let old = format!("If-Match: \"{}\"", first["revision"]);
    let second = put(&gateway, "initech", &json!({ "plan": "pro" })).json();
    let body = r#"{"plan": "free"}"#;
    for (method, path) in [
        ("PUT", "/tenants/initech"),
        ("PATCH", "/tenants/initech"),
        ("DELETE", "/tenants/initech"),
        ("POST", "/tenants/initech/suspend"),
    ] {
        let body = if matches!(method, "PUT" | "PATCH") { body } else { "" };
        for field in [old.as_str(), "If-Match: \"abc\"", "If-None-Match: *"] {
            let refused = ask(&gateway, method, path, &[field], body);
            refused.assert_refused(412, "precondition_failed");
        }
        ask(&gateway, method, path, &["If-Match: 7"], body).assert_refused(400, "bad_precondition");
        let absent = path.replace("initech", "nobody");
        ask(&gateway, method, &absent, &["If-Match: *"], body).assert_refused(412, "precondition_failed");
        ask(&gateway, method, &absent, &[&old], body).assert_refused(412, "precondition_failed");
    }
    assert_eq!(show(&gateway, "/tenants/initech").json(), second);
    let refused = ask(&gateway, "PUT", "/tenants/initech", &[&old], body);
    assert_eq!(refused.json()["revision"], second["revision"]);
    let now = format!("If-Match: \"{}\"", second["revision"]);
    ask(&gateway, "PUT", "/tenants/initech", &[&now], body).assert_status(200);
    ask(&gateway, "PUT", "/tenants/hooli", &["If-None-Match: *"], body).assert_status(201);
    ask(&gateway, "DELETE", "/tenants/hooli", &["If-Match: *"], "").assert_status(204);
}

#[test]
fn of_writers_with_one_etag_one_is_first() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let first = made(&gateway, "initech", &json!({ "plan": "free" }));
    let etag = format!("If-Match: \"{}\"", first["revision"]);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let (gateway, etag) = (&gateway, &etag);
                scope.spawn(move || {
                    let patch = json!({ "labels": { "writer": writer.to_string() } }).to_string();
                    ask(gateway, "PATCH", "/tenants/initech", &[etag], &patch).status
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 412)), "{statuses:?}");
    assert_eq!(audited(&gateway).len(), 2);
}

#[test]
fn patches_without_an_etag_lose_nothing_of_each_other() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "initech", &json!({ "plan": "free" }));
    thread::scope(|scope| {
        for writer in 0..4 {
            let gateway = &gateway;
            scope.spawn(move || {
                for turn in 0..5 {
                    let patch = json!({ "labels": { format!("l{writer}-{turn}"): "x" } }).to_string();
                    // One that others were faster than too often is told to try again.
                    loop {
                        let answer = ask(gateway, "PATCH", "/tenants/initech", &[], &patch);
                        if answer.status == 200 {
                            break;
                        }
                        answer.assert_refused(409, "contended");
                    }
                }
            });
        }
    });
    let labels = show(&gateway, "/tenants/initech").json()["labels"].clone();
    assert_eq!(labels.as_object().unwrap().len(), 20, "{labels}");
}
