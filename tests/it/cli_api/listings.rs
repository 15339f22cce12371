//! Lists: pages, filters, tables.

use serde_json::{Value, json};

use super::{admin, run};
use crate::harness::Origin;

/// So many tenants, in pages of what is asked for, but 400 at most.
fn many(tenants: u64) -> Origin {
    admin(move |_, request| {
        let query = request.target.split_once('?').unwrap().1;
        let number = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.map(|value| value.parse::<u64>().unwrap())
        };
        let first = number("cursor").unwrap_or(0);
        let end = tenants.min(first + number("limit").unwrap().min(400));
        let page: Vec<_> = (first..end).map(|n| json!({ "id": format!("t{n}"), "plan": "free" })).collect();
        let next = (end < tenants).then(|| end.to_string());
        (200, json!({ "tenants": page, "next_cursor": next }))
    })
}

#[test]
fn a_list_is_a_hundred_and_says_that_there_are_more() {
    let origin = many(150);
    let done = run(&origin, &["tenant", "list"]);
    assert!(done.err.contains("--all"), "{}", done.err);
    assert_eq!(done.well().lines().count(), 101);
    assert_eq!(origin.requests().len(), 1);
    let done = run(&origin, &["tenant", "list", "--limit", "150"]);
    assert_eq!((done.err.as_str(), done.out.lines().count()), ("", 151));
}

#[test]
fn all_follows_the_pages_to_the_end() {
    let origin = many(2_345);
    let text = run(&origin, &["tenant", "list", "--all"]).well();
    let ids: Vec<_> = text.lines().skip(1).map(|line| line.split_whitespace().next().unwrap()).collect();
    let expected: Vec<_> = (0..2_345).map(|n| format!("t{n}")).collect();
    assert_eq!(ids, expected);
    for output in ["json", "yaml"] {
        let text = run(&origin, &["tenant", "list", "--all", "-o", output]).well();
        let document: Value = match output {
            "json" => serde_json::from_str(&text).unwrap(),
            // Too long for the reader's bounds as a whole: one that is shorter says how they look.
            _ => {
                assert_eq!(text.matches("id: t").count(), 2_345);
                let text = run(&many(410), &["tenant", "list", "--all", "-o", output]).well();
                serde_saphyr::from_str(&text).unwrap()
            }
        };
        let count = if output == "json" { 2_345 } else { 410 };
        let tenants = document["tenants"].as_array().unwrap();
        assert_eq!((tenants.len(), &document["next_cursor"]), (count, &Value::Null));
        assert_eq!(tenants[401]["id"], "t401");
    }
}

#[test]
fn an_empty_list_is_a_list() {
    let origin = many(0);
    let text = run(&origin, &["tenant", "list"]).well();
    assert_eq!(text, "ID   PLAN   STATE   DOMAINS   LABELS   SOURCE\n");
    let empty = json!({ "tenants": [], "next_cursor": null });
    assert_eq!(run(&origin, &["tenant", "list", "-o", "json"]).json(), empty);
    let yaml = run(&origin, &["tenant", "list", "-o", "yaml"]).well();
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), empty);
}

#[test]
fn filters_are_handed_on() {
    let origin = many(0);
    let arguments = [
        "tenant",
        "list",
        "--plan",
        "free",
        "--state",
        "active",
        "--label",
        "a=b c",
        "--label",
        "d=&",
        "--domain",
        "*.shop.test",
        "--query",
        "é",
        "--source",
        "store",
        "--limit",
        "7",
    ];
    run(&origin, &arguments).well();
    assert_eq!(
        origin.last_request().target,
        "/api/v1/tenants?plan=free&state=active&domain=%2A.shop.test&q=%C3%A9&label=a%3Db%20c&label=d%3D%26&source=store&limit=7"
    );
}

#[test]
fn a_list_that_never_ends_is_given_up() {
    let origin = admin(|_, _| (200, json!({ "tenants": [], "next_cursor": "again" })));
    let error = run(&origin, &["tenant", "list", "--all"]).badly();
    assert!(error.contains("doesn't end"), "{error}");
}

#[test]
fn tables_have_a_row_each_and_columns_in_line() {
    let origin = admin(|call, _| {
        let name = call.split(['/', '?']).nth(1).unwrap();
        let document = match name {
            "tenants" => json!({ "tenants": [
                { "id": "acme", "plan": "pro", "state": "active", "domains": ["a.test"], "labels": { "b": "2", "a": "1" }, "source": "store" },
                { "id": "globex", "plan": null, "state": "suspended", "domains": ["a.x", "b.x", "c.x", "d.x", "e.x"], "source": "configuration" },
            ], "next_cursor": null }),
            "plans" => json!({ "plans": [
                { "name": "free", "tenants": 12, "rate_limit": { "rate": "5/s" }, "features": [] },
                { "name": "enterprise", "tenants": 0, "features": ["reports", "sso"] },
            ] }),
            _ => json!({ "entries": [
                { "seq": 12, "at": "2027-01-31T08:00:00Z", "actor": "token (alice@laptop)", "action": "tenant.update",
                  "tenant": "acme", "before": { "plan": "free", "revision": 3 }, "after": { "plan": "pro", "revision": 12 } },
                { "seq": 3, "at": "2027-01-30T08:00:00Z", "actor": "token", "action": "tenant.create", "tenant": "acme",
                  "before": null, "after": { "plan": "free" } },
            ], "next_cursor": null }),
        };
        (200, document)
    });
    assert_eq!(
        run(&origin, &["tenant", "list"]).well(),
        "ID       PLAN   STATE       DOMAINS            LABELS     SOURCE\n\
         acme     pro    active      a.test             a=1, b=2   store\n\
         globex   -      suspended   a.x,b.x,c.x (+2)   -          configuration\n"
    );
    assert_eq!(
        run(&origin, &["plan", "list"]).well(),
        "NAME         TENANTS   RATE   FEATURES\nfree         12        5/s    -\nenterprise   0         -      reports, sso\n"
    );
    let since = [
        "audit",
        "--tenant",
        "acme",
        "--actor",
        "token",
        "--action",
        "tenant.update",
        "--since",
        "2027-01-01T00:00:00Z",
    ];
    assert_eq!(
        run(&origin, &since).well(),
        "SEQ   AT                     ACTOR                  ACTION          TENANT   CHANGE\n\
         12    2027-01-31T08:00:00Z   token (alice@laptop)   tenant.update   acme     plan \"free\" → \"pro\"\n\
         3     2027-01-30T08:00:00Z   token                  tenant.create   acme     -\n"
    );
    assert_eq!(
        origin.last_request().target,
        "/api/v1/audit?tenant=acme&actor=token&action=tenant.update&since=2027-01-01T00%3A00%3A00Z&limit=100"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let origin = many(100_000);
    let mut command = super::command(&origin, &["tenant", "list", "--all"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    drop(out);
    assert!(line.starts_with("ID"), "{line}");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    assert!(origin.requests().len() < 250, "it went on to the end");
}
