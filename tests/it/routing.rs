//! Where a request goes.

use crate::harness::{ACME, Config, GLOBEX, Message, Origin, TestGateway, config, get, post};

/// A configuration of pools that answer with their own names, and the origins behind them.
fn pools(names: &[&str]) -> (Config, Vec<Origin>) {
    let origins: Vec<_> = names.iter().map(|name| Origin::saying(name)).collect();
    let config = names
        .iter()
        .zip(&origins)
        .fold(config(), |config, (name, origin)| config.pool(name, &[origin.address()], ""));
    (config.set("default_pool", names[0]), origins)
}

#[track_caller]
fn goes_to(gateway: &TestGateway, message: &Message, pool: &str) {
    let answer = gateway.ask(message);
    assert_eq!((answer.status, answer.text().as_str()), (200, pool));
}

#[test]
fn a_prefix_ends_at_a_segment() {
    let (config, _origins) = pools(&["rest", "api"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: rest }, { match: { path_prefix: /api }, pool: api }]",
        )
        .start();
    for path in ["/api", "/api/", "/api/x", "/api?q=1", "/api/x/y?z"] {
        goes_to(&gateway, &get(ACME, path), "api");
    }
    for path in ["/", "/apix", "/ap", "/API", "/x/api", "/apix/api"] {
        goes_to(&gateway, &get(ACME, path), "rest");
    }
}

#[test]
fn a_prefix_may_end_with_a_slash() {
    let (config, _origins) = pools(&["rest", "files"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: rest }, { match: { path_prefix: /files/ }, pool: files }]",
        )
        .start();
    goes_to(&gateway, &get(ACME, "/files/a"), "files");
    goes_to(&gateway, &get(ACME, "/filesystem"), "rest");
}

#[test]
fn the_longest_prefix_wins_whatever_the_order() {
    let (config, _origins) = pools(&["a", "ab", "abc"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: /a }, pool: a }, { match: { path_prefix: /a/b/c }, pool: abc },
              { match: { path_prefix: /a/b }, pool: ab }]",
        )
        .start();
    goes_to(&gateway, &get(ACME, "/a/x"), "a");
    goes_to(&gateway, &get(ACME, "/a/b/x"), "ab");
    goes_to(&gateway, &get(ACME, "/a/b/c/x"), "abc");
    goes_to(&gateway, &get(ACME, "/a/b/cx"), "ab");
}

#[test]
fn an_exact_path_wins_over_any_prefix() {
    let (config, _origins) = pools(&["prefix", "exact"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: /a/b }, pool: prefix }, { match: { path: /a/b }, pool: exact }]",
        )
        .start();
    goes_to(&gateway, &get(ACME, "/a/b"), "exact");
    goes_to(&gateway, &get(ACME, "/a/b?q"), "exact");
    goes_to(&gateway, &get(ACME, "/a/b/"), "prefix");
    goes_to(&gateway, &get(ACME, "/a/b/c"), "prefix");
}

#[test]
fn methods_fields_and_queries_make_a_route_more_specific() {
    let (config, _origins) = pools(&["plain", "posts", "beta", "v2"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: plain },
              { match: { path_prefix: /, methods: [POST, PUT] }, pool: posts },
              { match: { path_prefix: /b, headers: { x-beta: '1' } }, pool: beta },
              { match: { path_prefix: /q, query: { v: '2' } }, pool: v2 }]",
        )
        .start();
    goes_to(&gateway, &get(ACME, "/"), "plain");
    goes_to(&gateway, &post(ACME, "/", b""), "posts");
    goes_to(&gateway, &get(ACME, "/b").header("X-Beta", "1"), "beta");
    goes_to(&gateway, &get(ACME, "/b").header("X-Beta", "0"), "plain");
    goes_to(&gateway, &get(ACME, "/b"), "plain");
    goes_to(&gateway, &get(ACME, "/q?v=2"), "v2");
    goes_to(&gateway, &get(ACME, "/q?a=1&v=2&b"), "v2");
    goes_to(&gateway, &get(ACME, "/q?v=22"), "plain");
    goes_to(&gateway, &get(ACME, "/q?vv=2"), "plain");
    goes_to(&gateway, &get(ACME, "/q"), "plain");
}

#[test]
fn a_longer_path_counts_for_more_than_conditions() {
    let (config, _origins) = pools(&["conditions", "longer"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: /a, methods: [GET], headers: { x-a: '1' } }, pool: conditions },
              { match: { path_prefix: /a/b }, pool: longer }]",
        )
        .start();
    goes_to(&gateway, &get(ACME, "/a/b").header("X-A", "1"), "longer");
    goes_to(&gateway, &get(ACME, "/a/c").header("X-A", "1"), "conditions");
}

#[test]
fn ties_go_to_the_first_in_the_file() {
    let (config, _origins) = pools(&["first", "second"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: /, headers: { x-a: '1' } }, pool: first },
              { match: { path_prefix: /, headers: { x-b: '1' } }, pool: second }]",
        )
        .start();
    goes_to(&gateway, &get(ACME, "/").header("X-A", "1").header("X-B", "1"), "first");
    goes_to(&gateway, &get(ACME, "/").header("X-B", "1"), "second");
}

#[test]
fn hosts_templates_and_expressions_choose() {
    let (config, _origins) = pools(&["rest", "acme", "user", "version"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: rest },
              { match: { hosts: [ACME.app.test], path_prefix: /own }, pool: acme },
              { match: { path_template: '/users/{id}' }, pool: user },
              { match: { path_regex: '/v[0-9]+/.*' }, pool: version }]",
        )
        .start();
    goes_to(&gateway, &get(ACME, "/own/x"), "acme");
    goes_to(&gateway, &get(GLOBEX, "/own/x"), "rest");
    goes_to(&gateway, &get(ACME, "/users/7"), "user");
    goes_to(&gateway, &get(ACME, "/users/7/posts"), "rest");
    goes_to(&gateway, &get(ACME, "/v12/x"), "version");
    goes_to(&gateway, &get(ACME, "/x/../v12/x"), "version");
    goes_to(&gateway, &get(ACME, "/vv/x"), "rest");
}

#[test]
fn conditions_on_values_cookies_clients_and_features_choose() {
    let (config, _origins) = pools(&["rest", "beta", "bot", "cookie", "local", "remote", "feature"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: rest },
              { match: { path_prefix: /h, headers: { x-v: { regex: '2\\.[0-9]' } } }, pool: beta },
              { match: { path_prefix: /u, headers: { user-agent: { present: false } } }, pool: bot },
              { match: { path_prefix: /c, cookies: { canary: yes } }, pool: cookie },
              { match: { path_prefix: /ip, client_ip: [127.0.0.0/8] }, pool: local },
              { match: { path_prefix: /far, client_ip: [192.0.2.0/24] }, pool: remote },
              { match: { path_prefix: /f, features: [sso] }, pool: feature }]",
        )
        .set("tenants", "[{ id: acme, plan: free, features: [sso] }, { id: globex, plan: free }]")
        .start();
    goes_to(&gateway, &get(ACME, "/h").header("X-V", "2.7"), "beta");
    goes_to(&gateway, &get(ACME, "/h").header("X-V", "2.77"), "rest");
    goes_to(&gateway, &get(ACME, "/u"), "bot");
    goes_to(&gateway, &get(ACME, "/u").header("User-Agent", "x"), "rest");
    goes_to(&gateway, &get(ACME, "/c").header("Cookie", "a=b; canary=yes"), "cookie");
    goes_to(&gateway, &get(ACME, "/c").header("Cookie", "xcanary=yes"), "rest");
    goes_to(&gateway, &get(ACME, "/ip"), "local");
    goes_to(&gateway, &get(ACME, "/far"), "rest");
    goes_to(&gateway, &get(ACME, "/f"), "feature");
    goes_to(&gateway, &get(GLOBEX, "/f"), "rest");
}

#[test]
fn no_route_is_a_refusal() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("routes", "[{ match: { path_prefix: /api, methods: [GET] }, pool: '{tenant.pool}' }]")
        .start();
    gateway.ask(&get(ACME, "/")).assert_refused(404, "no_route");
    gateway.ask(&post(ACME, "/api", b"")).assert_refused(404, "no_route");
    origin.assert_untouched();
    gateway.ask(&get(ACME, "/api")).assert_status(200);
}

#[test]
fn the_tenants_own_pool_comes_before_the_default() {
    let (config, _origins) = pools(&["shared", "dedicated"]);
    let gateway = config
        .set("tenants", "[{ id: acme, plan: free, pool: dedicated }, { id: globex, plan: free }]")
        .start();
    goes_to(&gateway, &get(ACME, "/"), "dedicated");
    goes_to(&gateway, &get(GLOBEX, "/"), "shared");
}

#[test]
fn endpoints_of_a_pool_take_turns() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let gateway =
        config().pool("shared", &[one.address(), two.address()], "load_balancing: round_robin").start();
    for _ in 0..10 {
        gateway.ask(&get(ACME, "/")).assert_status(200);
    }
    assert_eq!((one.requests().len(), two.requests().len()), (5, 5));
}

#[test]
fn a_path_is_matched_as_it_is_forwarded() {
    let (config, origins) = pools(&["open", "admin"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: open },
              { match: { path_prefix: /admin }, pool: admin, requires_feature: sso }]",
        )
        .start();
    // However a path is spelled, what the gateway let through must not be what the route guards:
    // it is refused, guarded, or forwarded in the very spelling that was not.
    for path in ["/%61dmin", "/./admin", "/x/../admin", "//admin", "/admin;x=1", "/admin%2Fx", "/ADMIN"] {
        let answer = gateway.ask(&get(ACME, path));
        if answer.status == 200 {
            assert_eq!(origins[0].last_request().target, path, "rewritten on the way");
        } else {
            assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {answer:?}");
        }
    }
    assert!(origins[1].requests().is_empty());
}

#[test]
fn a_gate_holds_however_its_path_is_written() {
    let (config, origins) = pools(&["rest", "gold"]);
    let gateway = config
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: rest },
              { match: { path_prefix: /premium }, pool: gold, requires_feature: gold }]",
        )
        .start();
    for path in ["/premium", "/premium;a=b", "/;/premium/x", "//premium", "/%70remium"] {
        assert_eq!(gateway.ask(&get(ACME, path)).status, 403, "{path}");
    }
    for path in [
        "/x/..;/premium",
        "/x/..%3b/premium",
        "/x%5c..%5cpremium",
        "/x%2f..%2fpremium",
        "/x\\..\\premium",
        "/premium%00",
    ] {
        assert_eq!(gateway.ask(&get(ACME, path)).status, 400, "{path}");
    }
    origins[1].assert_untouched();
    // What goes upstream is what came.
    goes_to(&gateway, &get(ACME, "/a;b=c/d%2Fe"), "rest");
    assert_eq!(origins[0].last_request().target, "/a;b=c/d%2Fe");
}

#[test]
fn what_is_resolved_is_what_goes_upstream() {
    let (config, origins) = pools(&["rest", "gold"]);
    let routes = "[{ match: { path_prefix: / }, pool: rest },
          { match: { path_prefix: /admin }, pool: gold, access: { allow: [203.0.113.0/24] } },
          { match: { path_prefix: /kept }, respond: { status: 404 } }]";
    let gateway = config.set("routes", routes).start();
    for (path, sent) in [
        ("/admin/../x?y=../z", "/x?y=../z"),
        ("/admin/%2e%2E/x", "/x"),
        ("/a/./b/", "/a/b/"),
        ("/a//b", "/a//b"),
        ("/%61/b", "/%61/b"),
        ("/a%2Fb", "/a%2Fb"),
    ] {
        goes_to(&gateway, &get(ACME, path), "rest");
        assert_eq!(origins[0].last_request().target, sent, "{path}");
    }
    for path in ["/%2Fadmin/x", "/admin%2Fx", "/x/..%2f..%2Fadmin", "/;/admin/x", "/%61dmin", "/admin%5cx"] {
        let status = gateway.ask(&get(ACME, path)).status;
        assert!(matches!(status, 400 | 403), "{path}: {status}");
    }
    for path in ["/admin//../x", "/x/;/../admin/x", "/admin/y%2Fz/../../x", "/kept%2Fx"] {
        assert_eq!(gateway.ask(&get(ACME, path)).status, 400, "{path}");
    }
    origins[1].assert_untouched();
}
