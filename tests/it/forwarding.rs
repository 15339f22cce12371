//! What an origin sees of a request, and a client of its response.

use crate::harness::{ACME, Client, Origin, Request, config, get, post, request};

/// What the origin sees of a request by this field line, added to a plain GET.
fn seen_with(name: &str, value: &str) -> Request {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/").header(name, value)).assert_status(200);
    origin.last_request()
}

/// What a client sees of a response with these field lines.
fn response_with(lines: &str) -> crate::harness::Response {
    let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{lines}\r\nok"));
    let gateway = config().to(&origin).start();
    let response = gateway.ask(&get(ACME, "/"));
    response.assert_status(200);
    assert_eq!(response.text(), "ok");
    response
}

#[test]
fn methods_targets_and_fields_pass_unchanged() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get"] {
        for target in ["/", "/a/b", "/a%2Fb%20c;p=1//d?x=%26&y&z=1?2", "/?"] {
            client.ask(&request(method, ACME, target).header("X-Kept", "a,  b")).assert_status(200);
            let seen = origin.last_request();
            assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, target));
            assert_eq!(seen.version, "HTTP/1.1");
            assert_eq!(seen.header("x-kept"), Some("a,  b"));
            assert_eq!(seen.header("host"), Some(ACME), "the application sees the host that was asked for");
        }
    }
}

#[test]
fn repeated_fields_stay_repeated_and_in_order() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/").header("X-List", "1").header("X-Other", "o").header("x-list", "2"));
    assert_eq!(origin.last_request().all("x-list"), ["1", "2"]);
    let response = response_with("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: app\r\n");
    assert_eq!(response.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(response.header("server"), Some("app"));
}

#[test]
fn hop_by_hop_fields_of_a_request_stay_at_the_gateway() {
    for (name, value) in [
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "gzip"),
        ("Upgrade", "websocket"),
        ("Upgrade", "h2c"),
    ] {
        let seen = seen_with(name, value);
        assert_eq!(seen.all(name), [""; 0], "{name}: {value} passed");
    }
}

#[test]
fn fields_named_by_connection_stay_at_the_gateway() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let message = get(ACME, "/")
        .header("Connection", "X-Private, keep-alive")
        .header("connection", "x-also-private")
        .header("X-Private", "1")
        .header("X-Also-Private", "1")
        .header("X-Public", "1");
    gateway.ask(&message).assert_status(200);
    let seen = origin.last_request();
    assert_eq!(seen.all("x-private"), [""; 0]);
    assert_eq!(seen.all("x-also-private"), [""; 0]);
    assert_eq!(seen.header("x-public"), Some("1"));
    let nominated = seen.all("connection").join(",").to_lowercase();
    assert!(!nominated.contains("private"), "{nominated}");
}

#[test]
fn connection_cannot_remove_what_the_gateway_adds() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let message = get(ACME, "/").header("Connection", "X-Tenant-Id, X-Forwarded-For, Host, X-Request-Id");
    // Refusing is as safe as ignoring; stripping is not.
    if gateway.ask(&message).status == 200 {
        let seen = origin.last_request();
        assert_eq!(seen.header("x-tenant-id"), Some("acme"));
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.header("host"), Some(ACME));
        assert!(seen.header("x-request-id").is_some());
    }
}

#[test]
fn hop_by_hop_fields_of_a_response_stay_at_the_gateway() {
    let response = response_with(
        "Connection: X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
         Upgrade: h2c\r\nX-Public: 1\r\n",
    );
    for name in ["X-Private", "Keep-Alive", "Proxy-Connection", "Upgrade"] {
        assert_eq!(response.all(name), [""; 0], "{name} passed");
    }
    assert_eq!(response.header("x-public"), Some("1"));
}

#[test]
fn te_trailers_reaches_the_origin_and_nothing_else_of_te() {
    assert_eq!(seen_with("TE", "trailers").header("te"), Some("trailers"));
    assert!(!seen_with("TE", "gzip, trailers;q=0.5").all("te").join(",").contains("gzip"));
}

#[test]
fn the_forwarding_fields_are_set() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    let seen = origin.last_request();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-host"), Some(ACME));
    assert_eq!(seen.header("x-tenant-id"), Some("acme"));
    let forwarded = seen.header("forwarded").unwrap_or_default();
    for pair in ["for=127.0.0.1", "proto=http", "host="] {
        assert!(forwarded.contains(pair), "{pair} is missing in {forwarded:?}");
    }
    assert!(forwarded.contains(ACME), "{forwarded}");
    assert!(seen.header("x-request-id").is_some_and(|id| id.len() >= 16));
}

#[test]
fn a_clients_own_forwarding_and_identity_fields_are_removed() {
    for name in [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Real-IP",
        "Forwarded",
        "X-Tenant-Id",
        "X_Tenant_Id",
        "X-Tenant_Id",
        "x_tenant-id",
        "X_Forwarded_For",
        "X-Tollgate-Context",
        "X_Tollgate_Context",
        "X-Request-Id",
        "X_Request_Id",
    ] {
        let seen = seen_with(name, "forged");
        let lines = format!("{:?}", seen.headers);
        assert!(!lines.contains("forged"), "{name} passed: {lines}");
        assert_eq!(seen.header("x-tenant-id"), Some("acme"));
    }
}

#[test]
fn the_identity_field_can_have_another_name() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("identity", "{ header: X-Customer }").start();
    gateway.ask(&get(ACME, "/").header("X-Customer", "globex").header("X_Customer", "globex"));
    let seen = origin.last_request();
    assert_eq!(seen.header("x-customer"), Some("acme"));
    assert!(!format!("{:?}", seen.headers).contains("globex"));
}

#[test]
fn a_trusted_proxy_is_believed_and_added_to() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("trusted_proxies", "[127.0.0.9/32]").start();
    let message = get(ACME, "/")
        .header("X-Forwarded-For", "203.0.113.7")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "public.test")
        .header("Forwarded", "for=203.0.113.7;proto=https")
        .header("X-Request-Id", "from-the-edge-1");
    Client::connect_from("127.0.0.9", gateway.address()).ask(&message).assert_status(200);
    let seen = origin.last_request();
    assert_eq!(seen.all("x-forwarded-for").join(", "), "203.0.113.7, 127.0.0.9");
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some("public.test"));
    assert_eq!(seen.header("x-request-id"), Some("from-the-edge-1"));
    let forwarded = seen.all("forwarded").join(", ");
    assert!(forwarded.starts_with("for=203.0.113.7;proto=https"), "{forwarded}");
    assert!(forwarded.contains("for=127.0.0.9"), "{forwarded}");

    Client::connect_from("127.0.0.8", gateway.address()).ask(&message).assert_status(200);
    let seen = origin.last_request();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.8"), "its neighbour is not");
    assert_ne!(seen.header("x-request-id"), Some("from-the-edge-1"));
}

#[test]
fn every_request_has_an_id_of_its_own() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    for _ in 0..20 {
        client.ask(&get(ACME, "/")).assert_status(200);
    }
    let mut ids: Vec<_> =
        origin.requests().iter().map(|r| r.header("x-request-id").map(str::to_owned)).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

#[test]
fn one_upstream_connection_carries_one_request_after_another() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    for _ in 0..10 {
        gateway.ask(&post(ACME, "/", b"x")).assert_status(200);
    }
    assert_eq!(origin.connections(), 1, "kept-alive connections are used again");
}

#[test]
fn a_client_that_says_close_does_not_close_the_upstream_connection() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    for _ in 0..3 {
        let mut client = gateway.connect();
        client.ask(&get(ACME, "/").header("Connection", "close")).assert_status(200);
        client.assert_closed();
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn routes_pools_and_tenants_change_fields() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Powered-By: app\r\n\r\n");
    let gateway = config()
        .to(&origin)
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: '{tenant.pool}',
                request_headers: { set: { X-Api-Version: '2' }, remove: [X-Debug] },
                response_headers: { set: { Cache-Control: no-store }, remove: [X-Powered-By] } }]",
        )
        .set("tenants", "[{ id: acme, plan: free, request_headers: { set: { X-Region: eu } } }]")
        .start();
    let message = get(ACME, "/").header("X-Debug", "1").header("X-Api-Version", "9").header("X-Region", "us");
    let response = gateway.ask(&message);
    let seen = origin.last_request();
    assert_eq!(seen.header("x-api-version"), Some("2"));
    assert_eq!(seen.header("x-debug"), None);
    assert_eq!(seen.header("x-region"), Some("eu"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("x-powered-by"), None);
}
