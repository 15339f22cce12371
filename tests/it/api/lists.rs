//! Pages of tenants, plans and the audit log.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use super::*;

#[track_caller]
fn all_pages(gateway: &TestGateway, query: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = show(gateway, &format!("/tenants?{query}{cursor}"));
        answer.assert_status(200);
        found.extend(ids(&answer));
        match answer.json()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[test]
fn pages_have_every_tenant_once_in_order() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    // Between, before and behind those of the configuration.
    let names = ["a", "aaa", "b", "c", "globey", "h", "zz"];
    for name in names {
        made(&gateway, name, &json!({ "plan": "free" }));
    }
    let mut all: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    all.extend(["acme".to_owned(), "globex".to_owned()]);
    all.sort();
    for limit in 1..=10 {
        assert_eq!(all_pages(&gateway, &format!("limit={limit}")), all, "limit={limit}");
    }
    assert_eq!(all_pages(&gateway, "limit=2&source=store"), names);
    assert_eq!(all_pages(&gateway, "limit=1&source=configuration"), ["acme", "globex"]);
}

#[test]
fn pages_miss_nobody_while_others_come_and_go() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let lasting: Vec<String> = (0..30).map(|number| format!("t{number:02}")).collect();
    for id in &lasting {
        made(&gateway, id, &json!({ "plan": "free" }));
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                for id in ["t05x", "t17x", "a0", "zz"] {
                    put(&gateway, id, &json!({ "plan": "pro" }));
                    ask(&gateway, "DELETE", &format!("/tenants/{id}"), &[], "");
                }
            }
        });
        for _ in 0..5 {
            let found = all_pages(&gateway, "limit=7");
            let set: BTreeSet<&String> = found.iter().collect();
            assert_eq!(set.len(), found.len(), "nobody is there twice: {found:?}");
            assert!(lasting.iter().all(|id| set.contains(id)), "{found:?}");
            assert!(found.is_sorted());
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn filters_choose_from_both_sources_alike() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(
        &gateway,
        "initech",
        &json!({
            "plan": "pro", "state": "suspended", "domains": ["www.initech.test"], "labels": { "tier": "gold", "Zone": "EU" },
        }),
    );
    made(&gateway, "hooli", &json!({ "plan": "free", "labels": { "tier": "lead" } }));
    for (query, expected) in [
        ("plan=free", &["acme", "globex", "hooli"][..]),
        ("plan=pro", &["initech"]),
        ("plan=none", &[]),
        ("state=suspended", &["initech"]),
        ("state=active", &["acme", "globex", "hooli"]),
        ("label=tier%3Dgold", &["acme", "initech"]),
        ("label=tier=gold&label=Zone%3DEU", &["initech"]),
        ("domain=WWW.Initech.test", &["initech"]),
        ("domain=www.acme.test", &["acme"]),
        ("q=TECH", &["initech"]),
        ("q=.acme.", &["acme"]),
        ("q=gol", &["acme", "initech"]),
        ("q=o&source=store", &["hooli", "initech"]),
        ("plan=free&label=tier%3Dgold&q=a", &["acme"]),
    ] {
        assert_eq!(all_pages(&gateway, query), expected, "{query}");
        assert_eq!(all_pages(&gateway, &format!("{query}&limit=1")), expected, "{query}");
    }
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "state=sleeping",
        "label=tier",
        "domain=a%20b",
        "cursor=A",
        "plam=free",
        "plan=a&plan=b",
        "source=elsewhere",
    ] {
        show(&gateway, &format!("/tenants?{query}")).assert_refused(400, "bad_query");
    }
}

#[test]
fn what_is_shown_of_a_configured_tenant_makes_another_like_it() {
    let origin = Origin::echo();
    let tenant = "[{ id: acme, plan: free, labels: { a: b }, limits: { rate_limit: { rate: 600/min, burst: 7 }, \
                  concurrency: { max: 9, max_wait: 1500ms } }, request_headers: { set: { X-A: 'ä' } } }]";
    let gateway = stored(&origin).set("tenants", tenant).start();
    let shown = show(&gateway, "/tenants/acme").json();
    assert!(shown["origin"].as_str().unwrap().contains("tollgate.yaml:"));
    let mut copy = shown.clone();
    copy["id"] = json!("copy");
    let copied = made(&gateway, "copy", &copy);
    for key in ["plan", "labels", "limits", "request_headers", "state"] {
        assert_eq!(copied[key], shown[key], "{key}");
    }
    assert_eq!(copied["limits"]["rate_limit"], json!({ "rate": "600/min", "burst": 7 }));
}

#[test]
fn plans_are_shown_with_their_tenants_counted() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "initech", &json!({ "plan": "free" }));
    let plans = show(&gateway, "/plans").json();
    let counts: Vec<_> = plans["plans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plan| (plan["name"].clone(), plan["tenants"].clone()))
        .collect();
    assert_eq!(counts, [(json!("free"), json!(3)), (json!("pro"), json!(0))]);
    let free = show(&gateway, "/plans/free").json();
    assert_eq!(free["rate_limit"], json!({ "rate": "10/s" }));
    show(&gateway, "/plans/none").assert_refused(404, "unknown_plan");
}

#[test]
fn the_audit_log_is_read_in_pages_and_by_what_is_wanted() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    for id in ["a", "b", "c"] {
        made(&gateway, id, &json!({ "plan": "free" }));
        put(&gateway, id, &json!({ "plan": "pro" })).assert_status(200);
    }
    let (mut seqs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = show(&gateway, &format!("/audit?limit=4{cursor}")).json();
        let entries = page["entries"].as_array().unwrap().clone();
        seqs.extend(entries.iter().map(|entry| entry["seq"].as_u64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seqs.len(), 6);
    assert!(seqs.windows(2).all(|pair| pair[0] > pair[1]), "{seqs:?}");
    let count =
        |query: &str| show(&gateway, &format!("/audit?{query}")).json()["entries"].as_array().unwrap().len();
    assert_eq!(
        (count("tenant=a"), count("action=tenant.update"), count("tenant=a&action=tenant.create")),
        (2, 3, 1)
    );
    assert_eq!((count("actor=token"), count("actor=nobody")), (6, 0));
    assert_eq!((count("since=2020-01-01T00:00:00Z"), count("since=2999-01-01T00:00:00Z")), (6, 0));
    for query in ["since=yesterday", "tenant=A_B", "cursor=x", "limit=0"] {
        show(&gateway, &format!("/audit?{query}")).assert_refused(400, "bad_query");
    }
}
