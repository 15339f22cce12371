//! Domains that have changed hands since the backup.

use super::*;
use crate::harness::get;

/// More than are brought back in one go.
const BETWEEN: usize = 1_100;

#[test]
fn tenants_that_have_swapped_domains_are_back_after_one_whole_restore() {
    let origin = Origin::saying("hello");
    let gateway = stored(&origin).start();
    let admin = gateway.admin_address();
    let with = |domains: &[&str]| json!({ "plan": "pro", "domains": domains });
    for (id, domain) in
        [("a1", "a1.test"), ("a2", "a2.test"), ("z1", "z1.test"), ("z2", "z2.test"), ("z3", "z3.test")]
    {
        put(admin, id, &with(&[domain]));
    }
    let lines: String =
        (0..BETWEEN).map(|number| format!("{{\"id\":\"m{number:04}\",\"plan\":\"pro\"}}\n")).collect();
    ask(admin, "POST", "/import", &lines).assert_status(200);
    let kept = backup(admin, &gateway.directory().join("all.backup"));
    let before = exported(admin);

    // a1 and z1 swap; a2 hands its domain to a newcomer; z2's goes to z3, and that of z3 to a1.
    put(admin, "a1", &with(&[]));
    put(admin, "z1", &with(&["a1.test"]));
    put(admin, "z3", &with(&[]));
    put(admin, "a1", &with(&["z1.test", "z3.test"]));
    put(admin, "z2", &with(&[]));
    put(admin, "z3", &with(&["z2.test"]));
    put(admin, "a2", &with(&[]));
    put(admin, "newcomer", &with(&["a2.test"]));
    let owner = |host: &str| {
        assert_eq!(gateway.ask(&get(host, "/")).status, 200, "{host}");
        origin.last_request().header("x-tenant-id").unwrap().to_owned()
    };
    assert_eq!(["a1.test", "z1.test", "z2.test", "z3.test"].map(owner), ["z1", "a1", "z3", "a1"]);
    let now = in_full(admin);

    let told = |report: &Value| {
        let errors = report["errors"].as_array().unwrap().iter();
        let errors: Vec<String> =
            errors.map(|error| format!("{} {}", error["tenant"], error["code"])).collect();
        (errors.join(", "), report["tenants"]["changed"].clone(), report["domains"].clone())
    };
    let wanted =
        (r#""a2" "domain_taken""#.to_owned(), json!(4), json!({ "created": 4, "changed": 0, "deleted": 4 }));
    let dry = ask(admin, "POST", "/restore", &kept).json();
    assert_eq!(told(&dry), wanted, "{dry}");
    assert_eq!(in_full(admin), now, "nothing was changed");
    let done = ask(admin, "POST", "/restore?dry_run=false", &kept).json();
    assert_eq!(told(&done), wanted, "{done}");
    assert_eq!(["a1.test", "z1.test", "z2.test", "z3.test"].map(owner), ["a1", "z1", "z2", "z3"]);
    assert_eq!(owner("a2.test"), "newcomer");

    ask(admin, "DELETE", "/tenants/newcomer", "").assert_status(204);
    let report = ask(admin, "POST", "/restore?dry_run=false", &kept).json();
    assert_eq!((&report["errors"], &report["tenants"]["changed"]), (&json!([]), &json!(1)), "{report}");
    assert_eq!(exported(admin), before);
}
