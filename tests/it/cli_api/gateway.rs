//! The commands against a real gateway with a store.

use serde_json::{Value, json};

use super::{Done, command_at, finished};
use crate::harness::{Origin, TestGateway, config};

/// A gateway with a store, and the tenants `acme` and `globex` in its configuration.
struct Served {
    gateway: TestGateway,
    _origin: Origin,
}

impl Served {
    fn start() -> Self {
        let origin = Origin::echo();
        let plans = "{ free: { rate_limit: { rate: 5/s } }, pro: { features: [reports] } }";
        let config = config().to(&origin).set("plans", plans).set("store", "sqlite:{dir}/tollgate.db");
        Self { gateway: config.start(), _origin: origin }
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let mut command = command_at(self.gateway.admin_address(), arguments);
        finished(command.env("USER", "alice").current_dir(self.gateway.directory()).output().unwrap())
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.gateway.directory().join(name), text).unwrap();
    }

    fn get(&self, id: &str) -> Value {
        self.run(&["tenant", "get", id, "-o", "json"]).json()
    }
}

#[test]
fn a_tenant_s_life() {
    let served = Served::start();
    let create = [
        "tenant",
        "create",
        "initech",
        "--plan",
        "free",
        "--domain",
        "www.initech.test",
        "--label",
        "team=a",
    ];
    assert_eq!(served.run(&create).well(), "tenant initech created\n");
    let made = served.get("initech");
    assert_eq!((&made["plan"], &made["domains"]), (&json!("free"), &json!(["www.initech.test"])));
    assert_eq!((&made["labels"], &made["source"]), (&json!({ "team": "a" }), &json!("store")));
    assert!(served.run(&create).badly().contains("tenant_exists"));

    let revision = made["revision"].to_string();
    let set = [
        "tenant",
        "set",
        "initech",
        "--plan",
        "pro",
        "--label",
        "tier=1",
        "--unlabel",
        "team",
        "--if-match",
        &revision,
    ];
    served.run(&set).well();
    let changed = served.get("initech");
    assert_eq!((&changed["plan"], &changed["labels"]), (&json!("pro"), &json!({ "tier": "1" })));
    let error = served.run(&["tenant", "set", "initech", "--plan", "free", "--if-match", &revision]).badly();
    assert!(error.contains("precondition_failed"), "{error}");

    assert_eq!(
        served.run(&["tenant", "suspend", "initech", "--reason", "unpaid"]).well(),
        "tenant initech is suspended\n"
    );
    assert_eq!(served.run(&["tenant", "resume", "initech"]).well(), "tenant initech is active\n");
    let audit = served.run(&["audit", "--tenant", "initech", "--since", "1h"]).well();
    for part in ["token (alice@", "\"free\" → \"pro\"", "(unpaid)", "tenant.create"] {
        assert!(audit.contains(part), "{part}: {audit}");
    }
    assert_eq!(served.run(&["tenant", "delete", "initech", "--yes"]).well(), "tenant initech deleted\n");
    assert!(served.run(&["tenant", "get", "initech"]).badly().contains("unknown_tenant"));
}

#[test]
fn what_get_shows_set_takes() {
    let served = Served::start();
    served.run(&["tenant", "create", "initech", "--plan", "free"]).well();
    let patch = r#"{"limits": {"rate_limit": {"rate": "50/s", "burst": 100}}, "request_headers": {"set": {"X-A": "on"}}}"#;
    served.run(&["tenant", "set", "initech", "--patch", patch]).well();
    let before = served.get("initech");
    let yaml = served.run(&["tenant", "get", "initech", "-o", "yaml"]).well();
    served.file("initech.yaml", &yaml);
    served.run(&["tenant", "set", "initech", "--file", "initech.yaml"]).well();
    assert_eq!(served.get("initech"), before, "{yaml}");
    served.file("initech.yaml", &yaml.replace("initech", "umbrella"));
    served.run(&["tenant", "create", "umbrella", "--file", "initech.yaml"]).well();
    assert_eq!(served.get("umbrella")["limits"], before["limits"]);
}

#[test]
fn what_is_wrong_is_pointed_at_and_what_is_configured_stays() {
    let served = Served::start();
    let error = served.run(&["tenant", "create", "initech", "--plan", "fre"]).badly();
    for part in ["invalid_tenant", "#/plan: ", "fre", "free"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(
        served.run(&["tenant", "set", "acme", "--plan", "pro"]).badly().contains("tenant_in_configuration")
    );
    let list = served.run(&["tenant", "list", "--source", "configuration"]).well();
    assert!(list.contains("acme") && list.contains("globex") && list.contains("configuration"), "{list}");
}

#[test]
fn what_export_writes_import_takes() {
    let served = Served::start();
    let tenants: String = (0..6_500)
        .map(|n| format!("{{\"id\":\"t{n}\",\"plan\":\"free\",\"domains\":[\"t{n}.test\"]}}\n"))
        .collect();
    served.file("tenants.ndjson", &tenants);
    let import = ["tenant", "import", "tenants.ndjson"];
    let dry = served.run(&[&import[..], &["--dry-run"]].concat()).well();
    assert!(dry.starts_with("6500 lines: 6500 created"), "{dry}");
    let list = |arguments: &[&str]| {
        served.run(&[&["tenant", "list", "--source", "store"], arguments].concat()).well()
    };
    assert_eq!(list(&[]).lines().count(), 1, "a dry run changes nothing");
    assert!(served.run(&import).well().starts_with("6500 lines: 6500 created"));
    assert!(served.run(&import).well().contains("6500 unchanged"));
    assert_eq!(list(&["--all"]).lines().count(), 6_501);
    assert!(list(&["--query", "t649"]).contains("t6499"));

    served.run(&["tenant", "export", "out.ndjson"]).well();
    let out = std::fs::read_to_string(served.gateway.directory().join("out.ndjson")).unwrap();
    assert_eq!(out.lines().count(), 6_500);
    assert!(served.run(&["tenant", "import", "out.ndjson"]).well().contains("6500 unchanged"));

    served.file(
        "bad.ndjson",
        &format!("{{\"id\":\"a\",\"plan\":\"free\"}}\nno json\n{tenants}{{\"id\":\"b\",\"plan\":\"fre\"}}\n"),
    );
    let done = served.run(&["tenant", "import", "bad.ndjson"]);
    assert!(
        done.out.starts_with("6503 lines: 1 created, 0 updated, 6500 unchanged, 2 failed"),
        "{}",
        done.out
    );
    let error = done.badly();
    assert!(error.contains("line 2: ") && error.contains("line 6503: b: #/plan: "), "{error}");
}

#[test]
fn domains_and_keys() {
    let served = Served::start();
    served.run(&["tenant", "create", "initech", "--plan", "free"]).well();
    let claimed = served.run(&["domain", "add", "initech", "shop.initech.test"]).well();
    assert!(claimed.contains("_tollgate-challenge.shop.initech.test  TXT"), "{claimed}");
    let told = served.run(&["domain", "status", "shop.initech.test"]).well();
    for part in ["claimed by   tenant initech", "TXT", "tollgate domain verify initech 'shop.initech.test'"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    served.run(&["domain", "add", "initech", "*.initech.test", "--verified"]).well();
    let owner = served.run(&["domain", "whois", "a.initech.test", "-o", "json"]).json();
    assert_eq!(owner["tenant"], "initech");
    let list = served.run(&["domain", "list", "initech"]).well();
    assert!(list.contains("pending") && list.contains("verified"), "{list}");
    served.run(&["domain", "remove", "initech", "*.initech.test", "--yes"]).well();
    assert!(served.run(&["domain", "whois", "a.initech.test"]).badly().contains("unknown_domain"));

    let issued =
        served.run(&["key", "issue", "initech", "--name", "ci", "--expires-in", "90d", "-o", "json"]).json();
    let (id, key) = (issued["id"].as_str().unwrap(), issued["key"].as_str().unwrap());
    assert!(key.starts_with("tg_"));
    let rotated = served.run(&["key", "rotate", "initech", id, "--overlap", "0s", "-o", "json"]).json();
    let list = served.run(&["key", "list", "initech"]).well();
    assert!(
        list.contains(id) && list.contains(rotated["id"].as_str().unwrap()) && !list.contains(key),
        "{list}"
    );
    served.run(&["key", "revoke", "initech", id, "--yes"]).well();
    assert!(!served.run(&["key", "list", "initech"]).well().contains(id));
}

#[test]
fn plans_and_their_tenants() {
    let served = Served::start();
    served.run(&["tenant", "create", "initech", "--plan", "pro"]).well();
    let list = served.run(&["plan", "list"]).well();
    let row = |name: &str| {
        list.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(
        (row("free")[1..].to_vec(), row("pro")[1..].to_vec()),
        (vec!["2", "5/s", "-"], vec!["1", "-", "reports"])
    );
    assert!(served.run(&["plan", "get", "pro"]).well().contains("reports"));
    assert!(served.run(&["plan", "get", "gold"]).badly().contains("unknown_plan"));
}
