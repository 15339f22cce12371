//! The configuration as operators meet it: the files that are shipped, and what is said of bad ones.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tollgate::config::{self, Loaded, Report, Severity};

/// Golden files and schema are written anew instead of compared.
fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn no_environment(_: &str) -> Option<String> {
    None
}

fn load(path: &str) -> Result<Loaded, Report> {
    config::load_from(Path::new(path), &no_environment)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

#[track_caller]
fn assert_golden(golden: &Path, actual: &str) {
    if updating() {
        std::fs::write(golden, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(golden).unwrap_or_default();
    let how = "regenerate with `UPDATE_GOLDEN=1 cargo test --test config`, then read the difference";
    assert!(expected == actual, "{} differs; {how}\n{actual}", golden.display());
}

#[test]
fn shipped_configurations_load_clean() {
    let examples = ["minimal", "dedicated-pools", "behind-a-load-balancer"];
    let examples = examples.map(|name| format!("config/examples/{name}.yaml"));
    for path in examples.iter().map(String::as_str).chain(["config/tollgate.yaml"]) {
        match load(path) {
            Ok(loaded) => {
                assert!(loaded.findings().diagnostics.is_empty(), "{path}:\n{}", loaded.findings());
            }
            Err(report) => panic!("{path}:\n{report}"),
        }
    }
}

#[test]
fn every_example_is_tested() {
    let tested = ["behind-a-load-balancer", "dedicated-pools", "full-surface", "minimal"];
    let there: Vec<_> = yaml_files("config/examples");
    let names: Vec<_> = there.iter().map(|file| file.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, tested);
}

#[test]
fn the_annotated_configuration_states_the_defaults() {
    let annotated = load("config/tollgate.yaml").unwrap().document;
    let least = config::load_str("listeners: [{ bind: 0.0.0.0:8080 }]", "least.yaml").unwrap().document;
    assert_eq!(annotated.admin, least.admin);
    assert_eq!(annotated.limits, least.limits);
    // The one thing that is off unless asked for.
    assert_eq!(least.access_log, None);
    assert_eq!(annotated.metrics, least.metrics);
    assert_eq!(annotated.metering, least.metering);
    assert_eq!(annotated.audit, least.audit);
    assert_eq!(annotated.store, Path::new("config").join(&least.store));
    assert_eq!(annotated.identity, least.identity);
    assert_eq!(annotated.workers, least.workers);
    assert_eq!(annotated.listeners, least.listeners);
    let pools = "listeners: [{ bind: 0.0.0.0:8080 }]\npools: { a: { endpoints: [http://a] } }";
    let pools = config::load_str(pools, "pools.yaml").unwrap().document.pools;
    assert_eq!(annotated.pools["shared"].timeouts, pools["a"].timeouts);
    assert_eq!(annotated.pools["shared"].max_idle, pools["a"].max_idle);
}

#[test]
fn the_whole_surface_parses_and_only_what_is_not_built_is_refused() {
    let report = load("config/examples/full-surface.yaml").unwrap_err();
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for diagnostic in &report.diagnostics {
        *codes.entry(diagnostic.code).or_default() += 1;
    }
    // It names pools that it does not define (canary and shadow are examples inside of features
    // that are not built), and files that are not there.
    let expected = ["missing-file", "not-supported-yet"];
    let unexpected: Vec<_> = report
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error && !expected.contains(&d.code))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert_golden(Path::new("tests/golden/config/full-surface.txt"), &report.to_string());
}

#[test]
fn the_committed_schema_is_what_the_code_says() {
    let mut schema = serde_json::to_string_pretty(&config::schema()).unwrap();
    schema.push('\n');
    assert_golden(Path::new("config/tollgate.schema.json"), &schema);
}

#[test]
fn the_schema_validates_what_is_shipped() {
    let schema = config::schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for file in yaml_files("config/examples").into_iter().chain(["config/tollgate.yaml".into()]) {
        let value: serde_json::Value = serde_saphyr::from_str(&text(file.to_str().unwrap())).unwrap();
        let errors: Vec<_> =
            validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema = config::schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for bad in [
        "{}",
        "listeners: []",
        "listeners: [{ bind: 0.0.0.0:8080, port: 1 }]",
        "listeners: [{ bind: 0.0.0.0:8080 }]\nplans: { free: { rate_limit: { rate: 5 } } }",
        "listeners: [{ bind: 0.0.0.0:8080 }]\nworkers: many",
        "listeners: [{ bind: 0.0.0.0:8080 }]\ntenants: [{ plan: free }]",
        "listeners: [{ bind: 0.0.0.0:8080 }]\nlimits: { drain: soon }",
    ] {
        let value: serde_json::Value = serde_saphyr::from_str(bad).unwrap();
        assert!(!validator.is_valid(&value), "{bad}");
        assert!(config::load_str(bad, "bad.yaml").is_err(), "{bad}");
    }
}

#[test]
fn every_key_of_the_schema_says_what_it_is() {
    fn undocumented(at: &str, schema: &serde_json::Value, found: &mut Vec<String>) {
        let Some(object) = schema.as_object() else { return };
        for (name, property) in object.get("properties").and_then(|p| p.as_object()).into_iter().flatten() {
            if property.get("description").is_none() {
                found.push(format!("{at}.{name}"));
            }
        }
        for (name, definition) in object.get("$defs").and_then(|d| d.as_object()).into_iter().flatten() {
            undocumented(name, definition, found);
        }
    }
    let mut found = Vec::new();
    undocumented("", &config::schema(), &mut found);
    // The keys of one-word choices are described by the choice.
    found.retain(|key| !key.starts_with("IdentifyRule"));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn bad_configurations_are_reported_in_full() {
    for file in yaml_files("tests/golden/config") {
        let name = format!("{}.yaml", file.file_stem().unwrap().to_str().unwrap());
        let text = text(file.to_str().unwrap());
        let environment = |name: &str| (name == "SECRET").then(|| "s3cr3t-from-the-environment".to_owned());
        let folder = Path::new("tests/golden/config");
        let report = match config::load_text(&text, &name, folder, &environment) {
            Ok(loaded) => loaded.findings(),
            Err(report) => report,
        };
        assert!(!report.diagnostics.is_empty(), "{name} has no finding");
        for diagnostic in &report.diagnostics {
            let place = format!("{}:{}:{}", diagnostic.file, diagnostic.line, diagnostic.column);
            assert!(report.to_string().contains(&place), "{name}: {place} is not shown");
        }
        let rendered = report.to_string();
        let json = serde_json::to_string(&report).unwrap();
        for shown in [&rendered, &json, &report.render(true)] {
            assert!(!shown.contains("s3cr3t"), "{name} shows a secret:\n{shown}");
        }
        assert_golden(&file.with_extension("txt"), &rendered);
    }
}

#[test]
fn a_bad_tenant_file_is_quarantined_and_the_others_load() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("tenants")).unwrap();
    write(
        "tollgate.yaml",
        "listeners: [{ bind: 0.0.0.0:8080 }]\nplans: { free: { pool: a } }\ntenants_dir: tenants\n\
         tenancy: { identify: [{ host: '{tenant}.app.test' }, domain] }\n\
         pools: { a: { endpoints: [http://a] } }\n\
         tenants: [{ id: acme, pool: a, domains: [acme.test, www.app.test] }]\n",
    );
    write("tenants/globex.yaml", "plan: free\ndomains: [globex.test]\n");
    write("tenants/initech.yaml", "plan: fre\n");
    write("tenants/hooli.yaml", "id: other\nplan: free\n");
    write("tenants/umbrella.yaml", "plan: free\ndomains: [acme.test]\n");
    write("tenants/acme.yaml", "plan: free\n");
    write("tenants/Bad_Name.yaml", "plan: free\n");
    write("tenants/syntax.yaml", "plan: [free\n");
    write("tenants/empty.yaml", "");
    write("tenants/README.md", "not a tenant");
    write("tenants/.hidden.yaml", "not: a tenant");
    let path = folder.path().join("tollgate.yaml");
    write("tenants/www.yaml", "plan: free\n");
    write("tenants/poolless.yaml", "labels: { pool: none }\n");
    let loaded = config::load(&path).unwrap_or_else(|report| panic!("{report}"));
    let ids: Vec<_> = loaded.document.tenants.iter().map(|tenant| tenant.id.as_str()).collect();
    assert_eq!(ids, ["acme", "globex"]);
    let quarantined: BTreeMap<_, _> = loaded
        .quarantined
        .iter()
        .map(|q| (q.file.file_name().unwrap().to_str().unwrap(), q.diagnostics[0].code))
        .collect();
    let expected = BTreeMap::from([
        ("Bad_Name.yaml", "invalid-value"),
        ("acme.yaml", "duplicate-tenant"),
        ("empty.yaml", "invalid-value"),
        ("hooli.yaml", "invalid-value"),
        ("initech.yaml", "unknown-plan"),
        ("poolless.yaml", "missing-default-pool"),
        ("syntax.yaml", "syntax"),
        ("umbrella.yaml", "duplicate-domain"),
        ("www.yaml", "conflicting-domain"),
    ]);
    let checked = config::check(&path);
    assert!(!checked.valid && checked.tenants == 2 && checked.quarantined.len() == 9, "{checked:?}");
    assert_eq!(quarantined, expected);
    assert_eq!(loaded.watched, [path.clone(), folder.path().join("tenants")]);
    let origin = &loaded.document.tenants.get(1).unwrap().origin;
    assert!(origin.to_string().ends_with("tenants/globex.yaml:1"), "{origin}");
}

#[test]
fn files_and_variables_are_read_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    std::fs::write(folder.path().join("admin.token"), "hunter2\n").unwrap();
    std::fs::write(
        &path,
        "listeners: [{ bind: '0.0.0.0:${PORT}' }]\nworkers: ${N}\nadmin: { token_file: admin.token }\n",
    )
    .unwrap();
    let environment = |name: &str| match name {
        "PORT" => Some("8080".to_owned()),
        "N" => Some("3".to_owned()),
        _ => None,
    };
    let loaded = config::load_from(&path, &environment).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(loaded.document.listeners[0].bind.inet().unwrap().port(), 8080);
    assert_eq!(loaded.document.workers, config::Workers::Count(3.try_into().unwrap()));
    assert_eq!(loaded.document.admin.token.as_ref().map(|token| token.expose()), Some("hunter2"));
    assert!(!format!("{:?}", loaded.document).contains("hunter2"));
    assert_eq!(loaded.watched, [path, folder.path().join("admin.token")]);
}

#[test]
fn a_missing_file_is_reported_as_such() {
    let report = config::load(Path::new("no/such.yaml")).unwrap_err();
    assert_eq!(report.diagnostics[0].code, "missing-file");
    assert!(report.to_string().contains("no/such.yaml"), "{report}");
}

#[test]
fn a_tenant_overrides_parts_of_its_plan() {
    let text = "
listeners: [{ bind: 0.0.0.0:8080 }]
pools: { shared: { endpoints: [http://a] }, own: { endpoints: [http://b] }, planned: { endpoints: [http://c] } }
default_pool: shared
plans:
  free: { rate_limit: { rate: 20/s, burst: 40 } }
  paid: { rate_limit: { rate: 100/s }, pool: planned }
tenants:
  - { id: a, plan: free, limits: { rate_limit: { rate: 50/s } } }
  - { id: b, plan: paid, limits: { rate_limit: { rate: 50/s } } }
  - { id: c, plan: paid, pool: own, limits: { rate_limit: { burst: 7 } } }
  - { id: d }
";
    let document =
        config::load_str(text, "tollgate.yaml").unwrap_or_else(|report| panic!("{report}")).document;
    let effective: Vec<_> = document
        .tenants
        .iter()
        .map(|t| (document.pool_of(t), document.rate_limit_of(t).map(|l| (l.rate.count, l.burst()))))
        .collect();
    assert_eq!(
        effective,
        [
            (Some("shared"), Some((50, 40))),
            (Some("planned"), Some((50, 50))),
            (Some("own"), Some((100, 7))),
            (Some("shared"), None)
        ]
    );
}

#[test]
fn quotas_are_read_in_what_their_meters_count_and_a_tenant_replaces_its_plans_by_name() {
    let text = "
listeners: [{ bind: 0.0.0.0:8080 }]
pools: { a: { endpoints: [http://a] } }
default_pool: a
store: sqlite:/var/lib/tollgate/quotas.db
metering: { flush: 250ms }
plans:
  free:
    on_outage: deny
    quotas:
      - { name: monthly, meter: requests, limit: 1000, per: month, soft: 80% }
      - { name: egress, meter: response_bytes, limit: 5GiB, per: 24h, soft: 1GiB }
      - { name: time, meter: upstream_seconds, limit: 90, per: day, time_zone: europe/berlin }
tenants:
  - { id: a, plan: free }
  - id: b
    plan: free
    limits:
      on_outage: local
      quotas:
        - { name: own, meter: upstream_seconds, limit: 2h, per: week }
        - { name: egress, meter: request_bytes, limit: 7, per: minute, on_exceed: allow }
";
    let document =
        config::load_str(text, "tollgate.yaml").unwrap_or_else(|report| panic!("{report}")).document;
    assert_eq!(document.store, Path::new("/var/lib/tollgate/quotas.db"));
    assert_eq!(document.metering.flush.as_millis(), 250);
    let of = |at: usize| -> Vec<_> {
        let quotas = document.quotas_of(document.tenants.get(at).unwrap()).into_iter();
        quotas.map(|quota| (quota.name.as_str(), quota.limit, quota.soft)).collect()
    };
    let monthly = ("monthly", 1_000, Some(800));
    let time = ("time", 90_000_000, None);
    assert_eq!(of(0), [monthly, ("egress", 5 << 30, Some(1 << 30)), time]);
    assert_eq!(of(1), [monthly, ("egress", 7, None), time, ("own", 7_200_000_000, None)]);
    let outage = |at: usize| document.on_outage_of(document.tenants.get(at).unwrap());
    assert_eq!((outage(0), outage(1)), (config::OnOutage::Deny, config::OnOutage::Local));
    let zone = document.quotas_of(document.tenants.get(0).unwrap())[2].time_zone.as_ref().unwrap();
    assert_eq!(zone.zone().iana_name(), Some("Europe/Berlin"));
}

#[test]
fn anchors_and_merge_keys_work() {
    let text = "
listeners: [{ bind: 0.0.0.0:8080 }]
pools:
  a: &defaults { endpoints: [http://a], timeouts: { connect: 3s } }
  b: { <<: *defaults, endpoints: [http://b] }
default_pool: a
routes: [{ match: {}, pool: b }]
";
    let document =
        config::load_str(text, "tollgate.yaml").unwrap_or_else(|report| panic!("{report}")).document;
    assert_eq!(document.pools["b"].timeouts.connect.as_secs(), 3);
    assert_eq!(document.pools["b"].endpoints[0].to_string(), "http://b:80");
}

#[test]
fn aliases_can_not_expand_into_gigabytes() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let report = config::load_str(&text, "bomb.yaml").unwrap_err();
    assert_eq!(report.diagnostics[0].code, "syntax");
}

#[test]
fn a_hundred_errors_are_enough() {
    let tenants: String =
        (0..1_000).map(|n| format!("  - {{ id: t{n}, plan: 1, bogus: 2, domains: 3 }}\n")).collect();
    let report =
        config::load_str(&format!("listeners: [{{ bind: 0.0.0.0:80 }}]\ntenants:\n{tenants}"), "many.yaml");
    assert_eq!(report.unwrap_err().diagnostics.len(), 100);
}

proptest! {
    #[test]
    fn any_text_loads_or_is_reported(text in "\\PC{0,200}") {
        let _ = config::load_text(&text, "any.yaml", Path::new("/nonexistent"), &no_environment).map_err(|r| r.to_string());
    }

    #[test]
    fn any_yaml_like_text_loads_or_is_reported(text in "([a-z_]{1,12}|listeners|bind|tenants|id|plans|[-:,\\[\\]{}&*!|>'\"#%@`$ \n\t]|\\$\\{|<<: ){0,80}") {
        let _ = config::load_text(&text, "any.yaml", Path::new("/nonexistent"), &no_environment).map_err(|r| r.render(true));
    }

    #[test]
    fn a_mutated_document_loads_or_is_reported(at in 0_usize..9_000, len in 0_usize..40, with in "\\PC{0,12}|[-:,\\[\\]{}&*!|>'\"# \n\t]{0,6}") {
        let mut text = include_str!("../config/examples/full-surface.yaml").to_owned();
        let boundary = |mut at: usize| { while !text.is_char_boundary(at) { at -= 1; } at };
        let (start, end) = (boundary(at.min(text.len())), boundary((at + len).min(text.len())));
        text.replace_range(start..end, &with);
        let report = config::load_text(&text, "mutated.yaml", Path::new("/nonexistent"), &no_environment);
        prop_assert!(report.is_err());
        let report = report.unwrap_err();
        prop_assert!(report.has_errors());
        prop_assert!(report.to_string().contains("mutated.yaml:"));
    }
}
