//! Pages of other origins: what the gateway tells their browsers.

use crate::harness::{
    ACME, ADMIN_TOKEN, Client, Config, GLOBEX, Message, Origin, Response, config, get, request,
};

const PAGE: &str = "https://app.acme.test";

fn from(message: Message, origin: &str) -> Message {
    message.header("Origin", origin)
}

fn preflight(host: &str, path: &str, method: &str, origin: &str) -> Message {
    from(request("OPTIONS", host, path), origin).header("Access-Control-Request-Method", method)
}

/// What an answer says of origins: the one that it allows, and by which fields it varies.
fn allowed(answer: &Response) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

fn varies_by_origin(answer: &Response) -> bool {
    answer
        .all("vary")
        .iter()
        .any(|line| line.split(',').any(|name| name.trim().eq_ignore_ascii_case("origin")))
}

fn with_cors(origin: &Origin, routes: &str) -> Config {
    config().to(origin).set("routes", routes)
}

#[test]
fn a_preflight_is_answered_at_the_edge() {
    let origin = Origin::echo();
    let gateway = with_cors(
        &origin,
        "[{ match: { path_prefix: / } },
          { match: { path_prefix: /api, methods: [POST] }, requires_feature: sso,
            cors: { allow_origins: ['https://app.acme.test', 'https://*.shop.test'], allow_methods: [POST, PUT],
                    allow_headers: [X-Token, Content-Type], expose_headers: [X-Total], allow_credentials: true,
                    max_age: 10m, allow_private_network: true } }]",
    )
    .set("plans", "{ free: { rate_limit: { rate: 1/min, burst: 2 } } }")
    .start();
    // By the method that is asked for, without a charge, and whatever the route requires.
    for _ in 0..3 {
        let asked = preflight(ACME, "/api/x", "POST", PAGE)
            .header("Access-Control-Request-Headers", "x-token")
            .header("Access-Control-Request-Private-Network", "true");
        let answer = gateway.ask(&asked);
        assert_eq!((answer.status, allowed(&answer)), (204, Some(PAGE)));
        assert_eq!(answer.header("access-control-allow-methods"), Some("POST, PUT"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("x-token, content-type"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        assert_eq!(answer.header("access-control-allow-private-network"), Some("true"));
        assert_eq!(answer.header("access-control-expose-headers"), None);
        assert!(varies_by_origin(&answer) && answer.header("x-request-id").is_some());
    }
    for stranger in ["https://evil.test", "http://app.acme.test", "https://shop.test", "null", "nonsense"] {
        let answer = gateway.ask(&preflight(ACME, "/api/x", "POST", stranger));
        assert_eq!((answer.status, allowed(&answer)), (204, None), "{stranger}");
        assert_eq!(answer.header("access-control-allow-methods"), None);
        assert!(varies_by_origin(&answer));
    }
    origin.assert_untouched();
    // Of what no route with `cors` takes, the application is asked.
    let answer = gateway.ask(&preflight(ACME, "/api/x", "GET", PAGE));
    assert_eq!((answer.status, allowed(&answer)), (200, None));
    assert_eq!(origin.last_request().method, "OPTIONS");
    let answer = gateway.ask(&preflight(GLOBEX, "*", "POST", PAGE));
    assert_eq!((answer.status, origin.last_request().target.as_str()), (200, "*"));
    // Neither is a preflight what lacks one of its fields.
    let answer = gateway.ask(&from(request("OPTIONS", GLOBEX, "/"), PAGE));
    assert_eq!((answer.status, origin.requests().len()), (200, 3));
}

#[test]
fn answers_say_what_the_gateway_says_and_not_the_application() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\nVary: Accept\r\n\
         Access-Control-Expose-Headers: X-Secret\r\nAccess-Control-Allow-Credentials: true\r\n\r\nok",
    );
    let gateway = with_cors(
        &origin,
        "[{ match: { path_prefix: / } },
          { match: { path: /own }, cors: { allow_origins: ['https://app.acme.test'], expose_headers: [X-Total] } },
          { match: { path: /all }, cors: { allow_origins: ['*'], allow_headers: ['*'] } }]",
    )
    .start();
    let told = |path: &str, page: Option<&str>| {
        let message = get(ACME, path);
        let answer = gateway.ask(&match page {
            Some(page) => from(message, page),
            None => message,
        });
        answer.assert_status(200);
        let of = |name: &str| answer.header(name).map(ToOwned::to_owned);
        let vary = answer.all("vary").join(", ");
        (
            of("access-control-allow-origin"),
            of("access-control-expose-headers"),
            of("access-control-allow-credentials"),
            vary,
        )
    };
    let is = |origin: Option<&str>, exposed: Option<&str>, credentials: Option<&str>, vary: &str| {
        let own = |text: Option<&str>| text.map(ToOwned::to_owned);
        (own(origin), own(exposed), own(credentials), vary.to_owned())
    };
    assert_eq!(
        told("/own", Some(PAGE)),
        is(Some(PAGE), Some("X-Total").map(|_| "x-total"), None, "Accept, Origin")
    );
    assert_eq!(told("/own", Some("https://evil.test")), is(None, None, None, "Accept, Origin"));
    assert_eq!(told("/own", None), is(None, None, None, "Accept, Origin"));
    assert_eq!(told("/all", None), is(Some("*"), None, None, "Accept"));
    // Where nothing is said, the application says all.
    assert_eq!(told("/", Some(PAGE)), is(Some("*"), Some("X-Secret"), Some("true"), "Accept"));
    let asked =
        preflight(ACME, "/all", "GET", PAGE).header("Access-Control-Request-Headers", "authorization");
    let answer = gateway.ask(&asked);
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization"));
}

#[test]
fn refusals_can_be_read_by_the_page_that_asked() {
    let (origin, down) = (Origin::echo(), crate::harness::refused_address());
    let gateway = with_cors(
        &origin,
        "[{ match: { path_prefix: /app } },
          { match: { path_prefix: /sso }, requires_feature: sso },
          { match: { path_prefix: /down }, pool: down },
          { match: { path_prefix: /fixed }, respond: { body: fixed } },
          { match: { path_prefix: /off }, cors: off, requires_feature: sso }]",
    )
    .pool("down", &[down.0], "")
    .set("cors", "{ allow_origins: ['https://app.acme.test'], allow_credentials: true }")
    .set("plans", "{ free: { rate_limit: { rate: 1/min, burst: 2 } } }")
    .set("tenants", "[{ id: acme, plan: free }, { id: globex, plan: free, state: maintenance }]")
    .start();
    let ask = |host: &str, path: &str| gateway.ask(&from(get(host, path), PAGE));
    for (host, path, status) in [
        (ACME, "/sso", 403),
        (ACME, "/none", 404),
        (ACME, "/app/..//../..", 400),
        (GLOBEX, "/app", 503),
        (ACME, "/down", 502),
        (ACME, "/fixed", 200),
        (ACME, "/app", 429),
    ] {
        let answer = ask(host, path);
        assert_eq!((answer.status, allowed(&answer)), (status, Some(PAGE)), "{path}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert!(varies_by_origin(&answer), "{path}");
    }
    assert_eq!(allowed(&ask(ACME, "/off")), None);
    assert_eq!(allowed(&gateway.ask(&from(get(ACME, "/sso"), "https://evil.test"))), None);
    // A tenant that is not served answers no preflight either.
    let answer = gateway.ask(&preflight(GLOBEX, "/app", "PUT", PAGE));
    assert_eq!((answer.status, allowed(&answer)), (503, Some(PAGE)));
    gateway.ask(&from(get("nobody.test", "/"), PAGE)).assert_refused(404, "unknown_tenant");
}

#[test]
fn the_nearest_says_what_holds() {
    let origin = Origin::echo();
    let only = |host: &str| format!("{{ allow_origins: ['https://{host}.test'] }}");
    let gateway = with_cors(
        &origin,
        &format!(
            "[{{ name: all, match: {{ path_prefix: / }} }},
              {{ name: api, match: {{ path_prefix: /api }}, cors: {} }}]",
            only("route")
        ),
    )
    .set("store", "sqlite:{dir}/tenants.db")
    .set("cors", &only("top"))
    .set("plans", &format!("{{ free: {{}}, pro: {{ cors: {} }} }}", only("plan")))
    .set(
        "tenants",
        &format!(
            "[{{ id: acme, plan: pro, cors: {}, routes: [{{ name: api, cors: {} }}] }},
              {{ id: globex, plan: pro }}, {{ id: hooli, plan: free }},
              {{ id: vehement, plan: pro, cors: off, routes: [{{ name: api, cors: off }}] }}]",
            only("tenant"),
            only("tenants-route")
        ),
    )
    .start();
    let all = ["top", "plan", "tenant", "route", "tenants-route"];
    let by = |tenant: &str, path: &str| {
        let host = format!("{tenant}.app.test");
        let admits = |name: &&&str| {
            let page = format!("https://{name}.test");
            allowed(&gateway.ask(&from(get(&host, path), &page))) == Some(page.as_str())
        };
        let found: Vec<&str> = all.iter().filter(admits).copied().collect();
        assert!(found.len() < 2, "{found:?}");
        found.first().copied()
    };
    for (tenant, path, holds) in [
        ("hooli", "/", Some("top")),
        ("hooli", "/api", Some("route")),
        ("globex", "/", Some("plan")),
        ("globex", "/api", Some("route")),
        ("acme", "/", Some("tenant")),
        ("acme", "/api", Some("tenants-route")),
        ("vehement", "/", None),
        ("vehement", "/api", None),
    ] {
        assert_eq!(by(tenant, path), holds, "{tenant} {path}");
    }
    let put = |body: &str| {
        let message = request("PUT", "admin.test", "/api/v1/tenants/initech")
            .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
            .header("Connection", "close")
            .body(body);
        Client::connect(gateway.admin_address()).ask(&message)
    };
    let answer = put(r#"{ "plan": "free", "cors": { "allow_origins": ["https://tenant.test"] } }"#);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(by("initech", "/"), Some("tenant"));
    assert_eq!(put(r#"{ "plan": "free", "cors": "off" }"#).status, 200);
    assert_eq!(by("initech", "/"), None);
    assert_eq!(put(r#"{ "plan": "free", "cors": { "allow_origins": ["tenant.test"] } }"#).status, 422);
}

#[test]
fn a_reload_changes_who_may() {
    let origin = Origin::echo();
    let mut gateway = config().to(&origin).set("store", "sqlite:{dir}/tenants.db").start();
    assert_eq!(allowed(&gateway.ask(&from(get(ACME, "/"), PAGE))), None);
    gateway.reload(|config| config.set("cors", "{ allow_origins: ['https://app.acme.test'] }")).unwrap();
    assert_eq!(allowed(&gateway.ask(&from(get(ACME, "/"), PAGE))), Some(PAGE));
    gateway.reload(|config| config.set("cors", "off")).unwrap();
    assert_eq!(allowed(&gateway.ask(&from(get(ACME, "/"), PAGE))), None);
}
