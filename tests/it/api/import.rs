//! Many tenants at a time.

use serde_json::json;

use super::*;

#[track_caller]
fn import(gateway: &TestGateway, query: &str, lines: &str) -> Response {
    ask(gateway, "POST", &format!("/import{query}"), &["Content-Type: application/x-ndjson"], lines)
}

/// `lines`, `created`, `updated`, `unchanged`, `failed`.
fn sums(answer: &Response) -> [u64; 5] {
    let document = answer.json();
    ["lines", "created", "updated", "unchanged", "failed"].map(|key| document[key].as_u64().unwrap())
}

#[test]
fn good_lines_are_taken_and_bad_ones_told() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "there", &json!({ "plan": "free" }));
    made(&gateway, "same", &json!({ "plan": "free" }));
    let lines = concat!(
        "{\"id\": \"one\", \"plan\": \"free\", \"domains\": [\"one.test\"]}\n",
        "\n",
        "{\"id\": \"two\", \"plan\": \"fre\"}\r\n",
        "{\"id\": \"three\",\n",
        "{\"id\": \"there\", \"plan\": \"pro\"}\n",
        "{\"id\": \"same\", \"plan\": \"free\"}\n",
        "{\"id\": \"taken\", \"plan\": \"free\", \"domains\": [\"one.test\"]}\n",
        "{\"id\": \"acme\", \"plan\": \"free\"}\n",
        "{\"plan\": \"free\"}\n",
        "{\"id\": \"last\", \"plan\": \"pro\"}",
    );
    let before = audited(&gateway).len();
    let dry = import(&gateway, "?dry_run=true", lines);
    dry.assert_status(200);
    assert_eq!(sums(&dry), [9, 2, 1, 1, 5]);
    assert_eq!(audited(&gateway).len(), before, "a dry run changes nothing");
    show(&gateway, "/tenants/one").assert_refused(404, "unknown_tenant");

    let answer = import(&gateway, "", lines);
    answer.assert_status(200);
    assert_eq!(sums(&answer), sums(&dry));
    let document = answer.json();
    assert_eq!((&document["dry_run"], &document["errors_truncated"]), (&json!(false), &json!(false)));
    let errors: Vec<_> = document["errors"].as_array().unwrap().iter().collect();
    let told: Vec<_> = errors
        .iter()
        .map(|error| (error["line"].as_u64().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "unknown-plan"),
            (4, "bad_json"),
            (7, "domain_taken"),
            (8, "tenant_in_configuration"),
            (9, "missing-key")
        ]
    );
    assert_eq!((&errors[0]["id"], &errors[0]["pointer"]), (&json!("two"), &json!("#/plan")));
    assert_eq!((&errors[1]["id"], &errors[2]["id"]), (&Value::Null, &json!("taken")));
    assert_eq!(show(&gateway, "/tenants/there").json()["plan"], "pro");
    assert_eq!(show(&gateway, "/tenants/last").json()["plan"], "pro");
    assert_eq!(audited(&gateway).len(), before + 3);
}

#[test]
fn an_import_may_leave_what_is_there() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "there", &json!({ "plan": "free" }));
    let lines = "{\"id\": \"there\", \"plan\": \"pro\"}\n{\"id\": \"new\", \"plan\": \"pro\"}\n";
    let answer = import(&gateway, "?mode=create", lines);
    assert_eq!(sums(&answer), [2, 1, 0, 0, 1]);
    assert_eq!(answer.json()["errors"][0]["code"], "tenant_exists");
    assert_eq!(show(&gateway, "/tenants/there").json()["plan"], "free");
    import(&gateway, "?mode=delete", lines).assert_refused(400, "bad_query");
    import(&gateway, "?dry_run=perhaps", lines).assert_refused(400, "bad_query");
}

#[test]
fn an_import_of_nothing_good_is_refused_and_one_of_nothing_is_not() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let answer = import(&gateway, "", "nonsense\n{\"id\": \"A\"}\n");
    answer.assert_refused(422, "invalid_import");
    assert_eq!(sums(&answer), [2, 0, 0, 0, 2]);
    let empty = import(&gateway, "", "");
    empty.assert_status(200);
    assert_eq!(sums(&empty), [0; 5]);
    let long = format!(
        "{{\"id\": \"long\", \"labels\": {{\"x\": \"{}\"}}}}\n{{\"id\": \"ok\"}}\n",
        "x".repeat(300 << 10)
    );
    let answer = import(&gateway, "", &long);
    assert_eq!(sums(&answer), [2, 1, 0, 0, 1]);
    assert_eq!(
        (&answer.json()["errors"][0]["line"], &answer.json()["errors"][0]["code"]),
        (&json!(1), &json!("line_too_long"))
    );
}

#[test]
fn what_is_exported_can_be_imported_elsewhere() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    let lines: String = (0..2_500)
        .map(|number| format!("{{\"id\":\"t{number:04}\",\"plan\":\"free\",\"domains\":[\"t{number}.test\"],\"labels\":{{\"n\":\"{}\"}}}}\n", number % 7))
        .collect();
    let answer = import(&gateway, "", &lines);
    answer.assert_status(200);
    assert_eq!(sums(&answer), [2_500, 2_500, 0, 0, 0]);
    // In pieces, as a stream comes.
    let again: Vec<&[u8]> = lines.as_bytes().chunks(10_007).collect();
    let message = request("POST", "admin.test", "/api/v1/import")
        .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
        .header("Connection", "close")
        .chunks(&again);
    let unchanged = Client::connect(gateway.admin_address()).ask(&message);
    assert_eq!(sums(&unchanged), [2_500, 0, 0, 2_500, 0]);

    let exported = show(&gateway, "/export");
    exported.assert_status(200);
    assert_eq!(exported.header("content-type"), Some("application/x-ndjson"));
    let ids: Vec<String> = exported
        .text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, (0..2_500).map(|number| format!("t{number:04}")).collect::<Vec<_>>());
    let few = show(&gateway, "/export?label=n%3D3&q=t00").text();
    assert_eq!(few.lines().count(), (0..100).filter(|number| number % 7 == 3).count());

    let other = stored(&origin).start();
    let answer = import(&other, "", &exported.text());
    assert_eq!(sums(&answer), [2_500, 2_500, 0, 0, 0]);
    assert_eq!(show(&other, "/export").text(), exported.text());
}
