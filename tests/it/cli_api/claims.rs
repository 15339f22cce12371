//! `tollgate domain` and `tollgate key`.

use serde_json::{Value, json};

use super::{admin, body, problem, run};

#[test]
fn a_claim_says_how_to_prove_it() {
    let origin = admin(|_, request| {
        let claimed = body(request);
        let state = if claimed["verified"] == true { "verified" } else { "pending" };
        let challenge = json!({
            "dns": { "name": "_tollgate-challenge.www.x.test", "type": "TXT", "value": "tg-1" },
            "http": { "url": "http://www.x.test/.well-known/tollgate-challenge", "body": "tg-1" },
        });
        (201, json!({ "domain": claimed["domain"], "state": state, "challenge": challenge }))
    });
    let out = run(&origin, &["domain", "add", "acme", "www.x.test"]).well();
    for part in [
        "_tollgate-challenge.www.x.test  TXT  \"tg-1\"",
        "http://www.x.test/.well-known/tollgate-challenge answers tg-1",
        "tollgate domain verify acme 'www.x.test'",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert_eq!(origin.last_request().target, "/api/v1/tenants/acme/domains");
    assert_eq!(body(&origin.last_request()), json!({ "domain": "www.x.test", "verified": false }));
    let out = run(&origin, &["domain", "add", "acme", "www.x.test", "--verified"]).well();
    assert_eq!(out, "www.x.test is tenant acme's\n");
    let document = run(&origin, &["domain", "add", "acme", "www.x.test", "-o", "json"]).json();
    assert_eq!(document["challenge"]["dns"]["value"], "tg-1");
}

#[test]
fn domains_are_proven_listed_found_and_removed() {
    let origin = admin(|call, request| match call {
        "POST /tenants/acme/domains/www.x.test/verify" if body(request) == json!({ "method": "dns" }) => {
            problem(409, "not_verified", "no TXT record at _tollgate-challenge.www.x.test")
        }
        "POST /tenants/acme/domains/www.x.test/verify" => (200, json!({ "state": "verified" })),
        "GET /tenants/acme/domains" => {
            let verified = json!({ "domain": "a.test", "state": "verified", "method": "dns",
                "created_at": "2027-01-31T08:00:00Z", "verified_at": "2027-01-31T09:00:00Z" });
            let pending = json!({ "domain": "*.b.test", "state": "pending", "method": null,
                "created_at": "2027-01-31T08:00:00Z", "verified_at": null });
            (200, json!({ "domains": [verified, pending] }))
        }
        "GET /domains/a.test" => (200, json!({ "state": "verified", "tenant": "acme", "domain": "a.test" })),
        "DELETE /tenants/acme/domains/%2A.b.test" => (204, Value::Null),
        _ => problem(404, "unknown_domain", call),
    });
    let error = run(&origin, &["domain", "verify", "acme", "www.x.test", "--method", "dns"]).badly();
    assert!(error.contains("no TXT record"), "{error}");
    let out = run(&origin, &["domain", "verify", "acme", "www.x.test"]).well();
    assert_eq!(out, "www.x.test is verified: it is tenant acme's\n");
    assert_eq!(
        run(&origin, &["domain", "list", "acme"]).well(),
        "DOMAIN     STATE      METHOD   CREATED                VERIFIED\n\
         a.test     verified   dns      2027-01-31T08:00:00Z   2027-01-31T09:00:00Z\n\
         *.b.test   pending    -        2027-01-31T08:00:00Z   -\n"
    );
    let out = run(&origin, &["domain", "whois", "a.test"]).well();
    assert_eq!(out, "domain   a.test\ntenant   acme\nstate    verified\n");
    assert!(run(&origin, &["domain", "whois", "b.test"]).badly().contains("unknown_domain"));
    assert!(run(&origin, &["domain", "remove", "acme", "*.b.test"]).badly().contains("--yes"));
    let out = run(&origin, &["domain", "remove", "acme", "*.b.test", "--yes"]).well();
    assert_eq!(out, "*.b.test is no domain of tenant acme any more\n");
}

#[test]
fn an_order_that_is_wanted_now_says_what_becomes_of_it() {
    let origin = admin(|call, _| match call {
        "POST /domains/a.test/certificate" => {
            let detail = "an order for the certificate of a.test is under way already";
            (202, json!({ "domain": "a.test", "ordered": "under_way", "detail": detail }))
        }
        _ => problem(409, "not_ordered", "no certificate is ordered for `b.test`: the tenant is suspended"),
    });
    let out = run(&origin, &["domain", "renew", "a.test"]).well();
    assert_eq!(
        out,
        "an order for the certificate of a.test is under way already: tollgate domain status a.test\n"
    );
    let error = run(&origin, &["domain", "renew", "b.test"]).badly();
    assert!(error.contains("the tenant is suspended") && error.contains("not_ordered"), "{error}");
}

#[test]
fn what_is_not_proven_yet_says_what_to_publish_and_can_be_waited_for() {
    let looks = std::sync::atomic::AtomicUsize::new(0);
    let origin = admin(move |call, _| {
        let challenge = json!({
            "dns": { "name": "_tollgate-challenge.www.x.test", "type": "TXT", "value": "tg-1" },
            "http": { "url": "http://www.x.test/.well-known/tollgate-challenge", "body": "tg-1" },
        });
        if call == "GET /tenants/acme/domains" {
            let pending = json!({ "domain": "www.x.test", "state": "pending", "method": null,
                "created_at": "2027-01-31T08:00:00Z", "verified_at": null, "challenge": challenge });
            return (200, json!({ "domains": [pending] }));
        }
        if call == "POST /tenants/acme/domains/old.test/verify" {
            return problem(409, "claim_lapsed", "the claim has lapsed");
        }
        match looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 | 1 => {
                let (status, mut document) = problem(409, "not_verified", "there is no TXT record");
                document["challenge"] = challenge;
                (status, document)
            }
            _ => (200, json!({ "state": "verified" })),
        }
    });
    let to_publish = [
        "_tollgate-challenge.www.x.test  TXT  \"tg-1\"",
        "http://www.x.test/.well-known/tollgate-challenge answers tg-1",
    ];
    let listed = run(&origin, &["domain", "list", "acme"]).well();
    let error = run(&origin, &["domain", "verify", "acme", "www.x.test"]).badly();
    for part in to_publish {
        assert!(listed.contains(part), "{part}: {listed}");
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(error.contains("there is no TXT record (409, not_verified)"), "{error}");
    let out = run(&origin, &["domain", "verify", "acme", "www.x.test", "--wait", "1m"]).well();
    assert_eq!(out, "www.x.test is verified: it is tenant acme's\n");
    // What no waiting helps against is told at once.
    let error = run(&origin, &["domain", "verify", "acme", "old.test", "--wait", "10h"]).badly();
    assert!(error.contains("claim_lapsed"), "{error}");
}

#[test]
fn a_key_is_shown_once_and_rotated_and_revoked() {
    let origin = admin(|call, request| match call {
        "POST /tenants/acme/keys" | "POST /tenants/acme/keys/key_1/rotate" => {
            (201, json!({ "id": "key_2", "key": "tg_secret", "asked": body(request) }))
        }
        "GET /tenants/acme/keys" => {
            let key = json!({ "id": "key_1", "name": "ci", "hint": "tg_ab…", "created_at": "2027-01-31T08:00:00Z",
                "expires_at": null, "state": "active" });
            (200, json!({ "keys": [key] }))
        }
        "DELETE /tenants/acme/keys/key_1" => (204, Value::Null),
        _ => problem(404, "unknown_key", call),
    });
    let done = run(&origin, &["key", "issue", "acme", "--name", "ci", "--expires-in", "90d"]);
    assert!(done.err.contains("can't be shown again"), "{}", done.err);
    let out = done.well();
    assert!(out.contains("key     tg_secret\n"), "{out}");
    assert_eq!(body(&origin.last_request()), json!({ "name": "ci", "expires_in": "90d" }));
    let done = run(&origin, &["key", "issue", "acme", "-o", "json"]);
    assert_eq!(done.err, "");
    assert_eq!(done.json()["key"], "tg_secret");
    run(&origin, &["key", "rotate", "acme", "key_1", "--overlap", "0s"]).well();
    assert_eq!(body(&origin.last_request()), json!({ "overlap": "0ms" }));
    run(&origin, &["key", "rotate", "acme", "key_1"]).well();
    assert_eq!(body(&origin.last_request()), json!({}));
    assert_eq!(
        run(&origin, &["key", "list", "acme"]).well(),
        "ID      NAME   HINT     STATE    CREATED                EXPIRES\n\
         key_1   ci     tg_ab…   active   2027-01-31T08:00:00Z   -\n"
    );
    assert!(run(&origin, &["key", "revoke", "acme", "key_1"]).badly().contains("--yes"));
    assert_eq!(run(&origin, &["key", "revoke", "acme", "key_1", "--yes"]).well(), "key key_1 is revoked\n");
}
