//! What is explained of a request, held against what really becomes of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{
    ACME, Config, GLOBEX, Gate, Origin, TestGateway, config, eventually, get, post, request, tollgate,
};

/// A configuration in which much can become of a request.
fn varied(origin: &Origin, other: &Origin) -> Config {
    config()
        .to(origin)
        .pool("other", &[other.address()], "load_balancing: { consistent_hash: tenant }, timeouts: { request: 9s }")
        .set("trusted_proxies", "[127.0.0.0/8]")
        .set("tenancy", "{ identify: [{ host: '{tenant}.app.test' }, domain, { header: X-Tenant }] }")
        .set(
            "plans",
            "{ free: { features: [sso], request_body: { max: 8B }, request_headers: { set: { X-Plan: 'free-{tenant.id}' }, remove: [X-Debug] } },
               pro: { pool: other, cors: { allow_origins: ['https://page.test'], expose_headers: [X-Total] }, features: [{ name: half, percent: 50 }], response_headers: { set: { X-Tier: pro } },
                      routes: [{ match: { path: /pro-only }, respond: { body: pro } }] } }",
        )
        .set(
            "tenants",
            "[{ id: acme, plan: free, domains: [www.acme.test, '*.shop.acme.test'], branding: { name: Acme, colors: { primary: '#102030' } } },
              { id: globex, plan: pro, labels: { tier: gold }, features: [sso], request_headers: { set: { X-Auth-Key: hidden }, add: { X-Via: '{client_ip}' } },
                routes: [{ name: api, pool: shared }, { name: gone, disabled: true }] },
              { id: shut, plan: free, state: suspended, labels: { tier: gold } }, { id: owing, state: past_due }, { id: moving, state: maintenance },
              { id: closed, access: { deny: [198.51.100.0/24], allow: [127.0.0.1, 198.51.100.0/24, 203.0.113.7] } }]",
        )
        .set(
            "routes",
            "[{ match: { path_prefix: / } },
              { name: api, match: { path_prefix: /api }, rewrite: { prefix: /v1 }, timeout: 5s, request_headers: { set: { X-Api: '{path}' } } },
              { name: beta, match: { path_prefix: /api, headers: { x-beta: '1' }, query: { v: '2' } }, pool: other },
              { name: posts, match: { path_template: '/users/{id}', methods: [POST] }, request_headers: { set: { X-User: '{path.id}' } } },
              { name: sso, match: { path: /sso }, requires_feature: sso, response_headers: { remove: [Content-Type] } },
              { name: half, match: { path: /half, features: [half] }, pool: other },
              { name: split, match: { path_prefix: /split }, split: [{ pool: shared, weight: 1 }, { pool: other, weight: 1, sticky: tenant }] },
              { name: gold, match: { path_prefix: /half, labels: { tier: gold } }, request_headers: { set: { X-Tier-Label: '{tenant.label.tier}' } } },
              { name: own, match: { path_prefix: /own }, internal_hosts: [app.internal], rewrite: { prefix: /in }, mirror: { pool: shared, percent: 0 } },
              { name: fenced, match: { path_prefix: /fenced }, access: { deny: [127.0.0.0/8] }, request_body: { max: 6B }, cors: { allow_origins: ['*'] } },
              { name: old, match: { path_prefix: /old }, redirect: { to: 'https://{tenant.id}.new.test{path.rest}{?query}', status: 308 } },
              { name: gone, match: { path: /gone }, respond: { status: 410, body: gone, headers: { X-Whose: '{tenant.id}' } } },
              { name: shop, match: { path_prefix: /, hosts: ['*.shop.acme.test'] }, pool: other },
              { name: inside, match: { path: /inside, client_ip: [198.51.100.0/24] }, pool: other }]",
        )
        .set("identity", "{ header: X-Tenant-Id, features_header: X-Tenant-Features, signed: { header: X-Context, algorithm: HS256, key_file: context.key } }")
        .file("context.key", "0123456789abcdef0123456789abcdef")
}

/// A request to ask about, and to send.
struct Asked {
    method: &'static str,
    host: &'static str,
    target: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    body: usize,
}

impl Asked {
    fn document(&self) -> Value {
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &self.fields {
            headers.entry((*name).to_owned()).or_default().push((*value).to_owned());
        }
        if self.body > 0 {
            headers.insert("content-length".to_owned(), vec![self.body.to_string()]);
        }
        json!({ "url": format!("http://{}{}", self.host, self.target), "method": self.method,
            "headers": headers, "from": "127.0.0.1" })
    }

    fn send(&self, gateway: &TestGateway) -> crate::harness::Response {
        let message = self
            .fields
            .iter()
            .fold(request(self.method, self.host, self.target), |message, (name, value)| {
                message.header(name, value)
            });
        gateway.ask(&if self.body > 0 { message.body("b".repeat(self.body)) } else { message })
    }
}

fn varied_requests() -> Vec<Asked> {
    let hosts = [
        ACME,
        GLOBEX,
        "www.acme.test",
        "a.b.shop.acme.test",
        "shut.app.test",
        "owing.app.test",
        "moving.app.test",
        "closed.app.test",
        "nobody.test",
        "ACME.app.test:8080",
        "bad_host!.test",
    ];
    let targets = [
        "/",
        "/api/x?v=2",
        "/api//./y/../z%2fq",
        "/users/7",
        "/sso",
        "/half",
        "/old/a/b?c=d",
        "/gone",
        "/pro-only",
        "/inside",
        "/split/x",
        "/own/x?y",
        "/fenced",
        "/../up",
        "/.brand/brand.json",
    ];
    let fields: [&[(&str, &str)]; 9] = [
        &[],
        &[("x-beta", "1"), ("X-Debug", "yes"), ("Authorization", "Bearer secret"), ("X-Tenant-Id", "globex")],
        &[
            ("X-Forwarded-For", "203.0.113.7, 198.51.100.9"),
            ("X-Forwarded-Proto", "https"),
            ("x-request-id", "mine"),
        ],
        &[("X-Forwarded-For", "nonsense"), ("Cookie", "sid=1"), ("Connection", "X-Hop"), ("X-Hop", "1")],
        &[("X-Tenant", "globex")],
        &[("Origin", "https://page.test"), ("Referer", "https://page.test/a")],
        &[("Origin", "https://page.test"), ("Access-Control-Request-Method", "POST"), ("x-beta", "1")],
        &[("X-Tenant", "nobody-knows")],
        &[("Upgrade", "a, b"), ("Connection", "upgrade")],
    ];
    let mut all = Vec::new();
    for (at, host) in hosts.iter().enumerate() {
        for (to, target) in targets.iter().enumerate() {
            // Each pair with two of the sets of fields, so that each set meets each host and each target.
            for set in [(at + to) % fields.len(), (at * 3 + to * 5 + 1) % fields.len()] {
                let (method, body) =
                    [("GET", 0), ("POST", 5), ("POST", 9), ("HEAD", 0), ("OPTIONS", 0)][(at + to + set) % 5];
                all.push(Asked { method, host, target, fields: fields[set].to_vec(), body });
            }
        }
    }
    all
}

/// Whether a field is the one that is told: secrets are not, and what is made for each request is named.
fn is_told(told: &(String, String), seen: &(String, String), request_id: &str) -> bool {
    let value = told.1.replace("{request_id}", request_id);
    told.0 == seen.0 && (told.1 == "***" || value == seen.1)
}

fn fields(told: &Value) -> Vec<(String, String)> {
    let text = |field: &Value, key: &str| field[key].as_str().unwrap().to_ascii_lowercase();
    let mut fields: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (text(field, "name"), field["value"].as_str().unwrap().to_owned()))
        .collect();
    fields.sort();
    fields
}

#[test]
fn what_is_explained_is_what_happens() {
    let (shared, other) = (Origin::echo(), Origin::echo());
    let gateway = varied(&shared, &other).start();
    let (mut verdicts, mut pools) = (BTreeMap::new(), Vec::new());
    for asked in varied_requests() {
        let told = gateway.admin_post("/api/v1/explain", &asked.document().to_string());
        told.assert_status(200);
        let told: Value = serde_json::from_slice(&told.body).unwrap();
        let what = format!(
            "{} {} {} {:?} {}: {told:#}",
            asked.method, asked.host, asked.target, asked.fields, asked.body
        );
        let before = [&shared, &other].map(|origin| origin.requests().len());
        let answer = asked.send(&gateway);
        let after = [&shared, &other].map(|origin| origin.requests().len());
        let text = told.to_string();
        assert!(["Bearer secret", "hidden", "sid=1"].iter().all(|secret| !text.contains(secret)), "{what}");
        let verdict = &told["verdict"];
        *verdicts.entry(format!("{} {}", verdict["action"], verdict["code"])).or_insert(0) += 1;
        let request_id = answer.header("x-request-id").unwrap_or_default();
        match verdict["action"].as_str().unwrap() {
            "forward" => {
                assert_eq!(answer.status, 200, "{what}");
                let seen = match (after[0] - before[0], after[1] - before[1]) {
                    (1, 0) => (shared.last_request(), "shared"),
                    (0, 1) => (other.last_request(), "other"),
                    other => panic!("{other:?} {what}"),
                };
                let (seen, pool) = seen;
                assert_eq!(told["pool"]["name"], pool, "{what}");
                let line = format!("{} {} HTTP/1.1", seen.method, seen.target);
                assert_eq!(told["upstream"]["request_line"], line, "{what}");
                let mut sent: Vec<_> = seen
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
                    .collect();
                sent.sort();
                let set = fields(&told["response"]["headers"]);
                let told = fields(&told["upstream"]["headers"]);
                let alike = told.len() == sent.len()
                    && told.iter().zip(&sent).all(|(told, sent)| is_told(told, sent, request_id));
                assert!(alike, "{sent:#?} {what}");

                for (name, value) in set {
                    assert!(answer.all(&name).contains(&value.as_str()), "{name} {what}");
                }
                pools.push(pool.to_owned());
            }
            action => {
                assert_eq!(after, before, "{what}");
                assert_eq!(Some(u64::from(answer.status)), verdict["status"].as_u64(), "{what}");
                match action {
                    "refuse" if asked.method != "HEAD" => {
                        let problem: Value = serde_json::from_slice(&answer.body).unwrap();
                        assert_eq!(
                            (&problem["code"], &problem["detail"]),
                            (&verdict["code"], &verdict["detail"]),
                            "{what}"
                        );
                        let tenant = told["tenant"].get("id").cloned().unwrap_or_default();
                        assert_eq!(problem.get("tenant").cloned().unwrap_or_default(), tenant, "{what}");
                    }
                    "refuse" => {}
                    "answer" => {
                        for (name, value) in fields(&told["response"]["headers"]) {
                            assert!(
                                answer
                                    .all(&name)
                                    .contains(&value.replace("{request_id}", request_id).as_str()),
                                "{name} {what}"
                            );
                        }
                    }
                    other => panic!("{other} {what}"),
                }
            }
        }
        pools.push(String::new());
    }
    // The table is worth something only if much becomes of its requests.
    for code in [
        "null",
        "unknown_tenant",
        "tenant_conflict",
        "tenant_suspended",
        "payment_required",
        "maintenance",
        "access_denied",
        "feature_not_in_plan",
        "body_too_large",
        "bad_request",
    ] {
        assert!(
            verdicts
                .keys()
                .any(|verdict| verdict.ends_with(&format!("\"{code}\"")) || verdict.ends_with(code)),
            "{code}: {verdicts:#?}"
        );
    }
    assert!(["shared", "other"].iter().all(|name| pools.iter().any(|pool| pool == name)));
}

#[test]
fn to_explain_charges_counts_and_makes_nothing() {
    let origin = Origin::echo();
    let gateway =
        config().to(&origin).set("plans", "{ free: { rate_limit: { rate: 1/min, burst: 2 } } }").start();
    let ask = |path: &str| -> Value {
        let told = gateway
            .admin(&format!("/api/v1/explain?url=http%3A%2F%2F{ACME}{path}&header=x-a%3A1&from=127.0.0.1"));
        told.assert_status(200);
        serde_json::from_slice(&told.body).unwrap()
    };
    for _ in 0..5 {
        assert_eq!(ask("/")["verdict"]["action"], "forward");
    }
    origin.assert_untouched();
    assert!(!gateway.metrics().contains("tenant=\"acme\""), "no series is made");
    gateway.ask(&get(ACME, "/")).assert_status(200);
    let told = ask("/");
    assert_eq!(
        (&told["limits"]["applying"][0]["remaining"], &told["verdict"]["action"]),
        (&json!(1), &json!("forward"))
    );
    gateway.ask(&get(ACME, "/")).assert_status(200);
    let told = ask("/");
    assert_eq!((&told["verdict"]["status"], &told["verdict"]["code"]), (&json!(429), &json!("rate_limited")));
    assert_eq!(told["verdict"]["policies"], json!(["default"]));
    gateway.ask(&get(ACME, "/")).assert_refused(429, "rate_limited");
    assert_eq!(gateway.metric("tollgate_requests_total", &[("tenant", "acme")]), 3.0);
    assert_eq!(told["configuration"]["running"], json!(true));
    for (target, body) in [("/api/v1/explain", "{}"), ("/api/v1/explain", "{\"url\": \"ftp://x/\"}")] {
        gateway.admin_post(target, body).assert_status(400);
    }
    gateway.admin("/api/v1/explain").assert_status(400);
}

#[test]
fn lines_are_those_of_the_file_and_a_changed_file_is_told() {
    let origin = Origin::echo();
    let mut gateway = config()
        .to(&origin)
        .set("plans", "{\n  free: { rate_limit: {\n    rate: 5/s } } }")
        .set("tenants_dir", "tenants")
        .file("tenants/initech.yaml", "plan: free\nlimits:\n  rate_limit:\n    burst: 9\n")
        .set("store", "sqlite:{dir}/tenants.db")
        .start();
    let umbrella = post(
        "admin.test",
        "/api/v1/tenants",
        r#"{"id": "umbrella", "plan": "free", "limits": {"rate_limit": {"burst": 7}}}"#,
    );
    let umbrella = umbrella
        .header("Authorization", "Bearer a-token-for-tests")
        .header("Content-Type", "application/json");
    crate::harness::Client::connect(gateway.admin_address()).ask(&umbrella).assert_status(201);
    let ask = |gateway: &TestGateway, host: &str| -> Value {
        let told = gateway.admin(&format!("/api/v1/explain?url=http%3A%2F%2F{host}%2F"));
        serde_json::from_slice(&told.body).unwrap()
    };
    let setting = |told: &Value, name: &str| {
        let settings = told["settings"].as_array().unwrap().clone();
        let found = settings.into_iter().find(|setting| setting["name"] == name).unwrap();
        (
            found["value"].clone(),
            found["from"].as_str().unwrap().to_owned(),
            found["source"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let text = std::fs::read_to_string(gateway.directory().join("tollgate.yaml")).unwrap();
    let line = text.lines().position(|line| line.contains("rate: 5/s")).unwrap() + 1;
    let told = ask(&gateway, "initech.app.test");
    let (value, from, source) = setting(&told, "limits.rate_limit.rate");
    assert_eq!((value, from.as_str()), (json!("5/s"), "plan free"));
    assert!(source.ends_with(&format!("tollgate.yaml:{line}")), "{source}");
    let (value, from, source) = setting(&told, "limits.rate_limit.burst");
    assert_eq!((value, from.as_str()), (json!(9), "tenant"));
    assert!(source.ends_with("tenants/initech.yaml:4"), "{source}");
    assert_eq!(setting(&told, "state"), (json!("active"), "default".to_owned(), String::new()));
    assert_eq!(told["configuration"]["file_has_changed"], json!(false));
    assert!(told["route"]["source"].as_str().unwrap().contains("tollgate.yaml:"), "{told:#}");

    let told = ask(&gateway, "umbrella.app.test");
    let (value, from, source) = setting(&told, "limits.rate_limit.burst");
    assert_eq!((value, from.as_str()), (json!(7), "tenant"), "{told:#}");
    assert!(source.starts_with("store, revision "), "{source}");

    // A file is asked while the gateway has its store open, and when nobody has.
    let config = gateway.directory().join("tollgate.yaml");
    let umbrella = || -> Value {
        let arguments =
            ["explain", "--config", config.to_str().unwrap(), "http://umbrella.app.test/", "-o", "json"];
        serde_json::from_slice(&tollgate(&arguments).output().unwrap().stdout).unwrap()
    };
    let told = umbrella();
    assert_eq!(setting(&told, "limits.rate_limit.burst").0, json!(7), "{told:#}");
    assert_eq!(setting(&told, "limits.rate_limit.burst").2, source);
    assert_eq!(
        (&told["tenant"]["source"], &told["configuration"]["store_not_read"]),
        (&json!(source), &Value::Null)
    );

    // Nobody has told the gateway; it may have seen it by itself.
    gateway.edit(|config| config.set("plans", "{ free: {\n rate_limit: {\n rate: 6/s } } }"));
    let told = ask(&gateway, ACME);
    let value = setting(&told, "limits.rate_limit.rate").0;
    let is_told = told["configuration"]["file_has_changed"] == json!(true);
    assert!(is_told || value == json!("6/s"), "{told:#}");
}

#[test]
fn a_file_is_asked_without_any_gateway() {
    let (shared, other) = (Origin::echo(), Origin::echo());
    let directory = tempfile::tempdir().unwrap();
    let config = varied(&shared, &other).set("store", "sqlite:{dir}/tenants.db").write(directory.path());
    let run = |arguments: &[&str]| {
        let output = tollgate(&[&["explain", "--config", config.to_str().unwrap()], arguments].concat())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, err) =
        run(&["http://globex.app.test/api/x", "-H", "x-beta: 1", "--from", "203.0.113.7", "-X", "POST"]);
    assert_eq!(code, Some(0), "{out}{err}");
    for part in [
        "POST http://globex.app.test/api/x from 203.0.113.7",
        "tenant globex, plan pro",
        "says globex: the host globex.app.test is globex's",
        "route api ",
        "not beta: query parameter v must be `2`",
        "leads to the pool shared",
        "sent upstream: POST /v1/x HTTP/1.1",
        "added   x-via: 203.0.113.7",
        "added   x-auth-key: ***",
        "added   x-context: ***",
        "verdict: forwarded to pool shared",
        "were not looked at",
    ] {
        assert!(out.contains(part), "{part} is missing:\n{out}");
    }
    let (code, out, _) = run(&["http://shut.app.test/", "--output", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["verdict"]["code"]), (Some(0), &json!("tenant_suspended")));
    assert_eq!(told["route"], Value::Null);
    let named =
        crate::harness::config().pool_as("shared", "{ endpoints: ['dns+http://app.invalid:80'] }".to_owned());
    let named = named.write(tempfile::tempdir_in(directory.path()).unwrap().keep().as_path());
    let output = tollgate(&["explain", "--config", named.to_str().unwrap(), "http://acme.app.test/"])
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("none is known; names are not looked up here"), "{out}");
    assert!(out.contains("verdict: forwarded to pool shared"), "{out}");
    let (code, _, err) = run(&["not a url"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("https://www.example.com/path"), "{err}");
    assert!(!directory.path().join("tenants.db").exists(), "nothing is opened for writing");
    shared.assert_untouched();
    let (code, _, err) = run(&["http://a/", "--admin", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(2), "{err}");
}

/// Tries tests out: the exit code, and what was said.
fn check(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = tollgate(&[&["check"], arguments].concat()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_example_s_routing_tests_pass() {
    let (code, out, err) = check(&["--tests", "config/examples/tests/dedicated-pools.yaml"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(out, "config/examples/tests/dedicated-pools.yaml: 6 tests passed\n");
    let (code, out, _) =
        check(&["config/examples/minimal.yaml", "--tests", "config/examples/tests/dedicated-pools.yaml"]);
    assert_eq!(code, Some(1), "another configuration is another matter: {out}");
}

#[test]
fn a_test_that_fails_says_where_what_and_why() {
    let (shared, other) = (Origin::echo(), Origin::echo());
    let directory = tempfile::tempdir().unwrap();
    let config = varied(&shared, &other).write(directory.path());
    let file = directory.path().join("tests.yaml");
    let tests = |text: &str| {
        std::fs::write(&file, text).unwrap();
        check(&[config.to_str().unwrap(), "--tests", file.to_str().unwrap()])
    };
    let all = "tests:\n\
        - request: http://globex.app.test/api/x?v=2\n  expect: { tenant: globex, plan: pro, route: api, pool: shared, target: '/v1/x?v=2', action: forward,\n\
        \x20   headers: { x-api: /api/x, x-auth-key: { present: true }, x-plan: { present: false } }, response_headers: { x-tier: pro }, features: [sso] }\n\
        - request: { url: http://acme.app.test/old/a, headers: { x-beta: [1, 2] } }\n  expect: { action: answer, status: 308, location: 'https://acme.new.test/a' }\n\
        - request: http://shut.app.test/\n  expect: { code: tenant_suspended, status: 403 }\n";
    let (code, out, err) = tests(all);
    assert_eq!(code, Some(0), "{out}{err}");

    let (code, out, _) = tests(
        "tests:\n- name: the API\n  request: http://globex.app.test/api/x\n  expect:\n    tenant: globex\n    pool: other\n    status: 200\n    headers:\n      x-api: /x\n      x-auth-key: hidden\n      x-none: '1'\n    features: [sso, half]\n\
        - request: http://acme.app.test/\n  expect: { tenant: acme }\n",
    );
    assert_eq!(code, Some(1), "{out}");
    let name = file.display();
    for part in [
        format!("failed: the API ({name}:3)"),
        format!("{name}:6: pool: expected other, came shared"),
        format!("{name}:7: status: expected 200, came the application's own"),
        format!("{name}:9: header x-api: expected `/x`, came `/api/x`"),
        format!("{name}:10: header x-auth-key: expected `hidden`, came it is there, but is not shown"),
        format!("{name}:11: header x-none: expected `1`, came it is not there"),
        "not beta: header x-beta must be `1`, and is not there; query parameter v must be `2`".to_owned(),
        "pool shared (the route's pool)".to_owned(),
        format!("{name}: 1 of 2 tests failed"),
    ] {
        assert!(out.contains(&part), "{part} is missing:\n{out}");
    }
    let arguments = [config.to_str().unwrap(), "--tests", file.to_str().unwrap(), "--output", "json"];
    let (code, out, _) = check(&arguments);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["passed"], &told["failed"]), (Some(1), &json!(1), &json!(1)));
    assert_eq!(told["tests"][0]["failures"][0]["expected"], "other");
    assert_eq!(told["tests"][0]["explanation"]["verdict"]["action"], "forward");
    assert_eq!(told["tests"][1]["explanation"], Value::Null);

    for (text, said) in [
        ("tests: [{ request: http://a/, expect: { tenat: acme } }]", "did you mean `tenant`?"),
        ("tests: [{ request: http://a/, expect: {} }]", "nothing is expected here"),
        ("tests: []", "there is no test in this file"),
        ("tests: [{ request: 'ftp://a/', expect: { tenant: acme } }]", "tests.yaml:1: `ftp://a/` is no URL"),
        (
            "tests: [{ request: http://a/, expect: { headers: { x: { regex: '(' } } } }]",
            "no regular expression",
        ),
    ] {
        let (code, out, err) = tests(text);
        assert_eq!(code, Some(1), "{out}{err}");
        assert!(err.contains(said), "{said} is missing: {err}");
    }
    let (code, _, err) = check(&["--tests", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(err.contains("which configuration?") || err.contains("no regular expression"), "{err}");
    shared.assert_untouched();
}

#[test]
fn a_busy_pool_says_whether_there_is_a_seat() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = config()
        .pool("shared", &[origin.address()], "concurrency: { limit: 1 }")
        .set("plans", "{ free: { concurrency: { queue: 1 } } }")
        .start();
    let ask = |host: &str| -> Value {
        let told = gateway.admin(&format!("/api/v1/explain?url=http%3A%2F%2F{host}%2F"));
        serde_json::from_slice(&told.body).unwrap()
    };
    let outlook = |told: &Value| told["pool"]["seats"]["outlook"].as_str().unwrap_or_default().to_owned();
    assert_eq!(outlook(&ask(ACME)), "one is free");
    let mut first = gateway.asking(&get(ACME, "/"));
    eventually("it is being served", || gate.waiting() == 1);
    let told = ask(ACME);
    assert_eq!(
        (outlook(&told).as_str(), &told["verdict"]["action"]),
        ("it would wait for one", &json!("forward"))
    );
    assert_eq!((&told["pool"]["seats"]["in_use"], &told["pool"]["seats"]["limit"]), (&json!(1), &json!(1)));
    let mut second = gateway.asking(&get(ACME, "/"));
    eventually("it waits", || ask(ACME)["pool"]["seats"]["waiting"] == json!(1));
    assert_eq!(ask(ACME)["verdict"]["code"], "concurrency_exceeded");
    gateway.ask(&get(ACME, "/")).assert_refused(429, "concurrency_exceeded");
    assert_eq!(outlook(&ask(GLOBEX)), "it would wait for one");
    gate.throw_open();
    first.answer().assert_status(200);
    second.answer().assert_status(200);
    eventually("all is given back", || outlook(&ask(ACME)) == "one is free");
}
