//! The looks of plans, and what browsers may keep of pages in them.

use crate::harness::{ACME, GLOBEX, Origin, TestGateway, config, eventually, get, request};

const LOGO: &str = "<svg xmlns='http://www.w3.org/2000/svg'><text>gold</text></svg>";

const INJECT: &str =
    "{ name: Example, inject: true, rewrite: [{ select: '#footer', set_inner: 'by {{brand.name}}' }] }";

const PAGE: &str = "<html><head><title>{{brand.name}}</title></head><body><p id=footer>old</p></body></html>";

#[test]
fn a_plan_has_a_look_over_the_default_and_under_its_tenants() {
    let origin = Origin::echo();
    let plans =
        "{ free: {}, gold: { branding: { name: Gold, tagline: shines, colors: { accent: '#c9a227' } } } }";
    let tenants = "[{ id: acme, plan: gold, branding: { name: Acme } }, { id: globex, plan: gold }, { id: initech, plan: free }]";
    let mut gateway = config()
        .to(&origin)
        .set("branding", "{ name: Example, tagline: plain }")
        .set("plans", plans)
        .set("tenants", tenants)
        .start();
    let brand = |gateway: &TestGateway, host: &str| {
        let json = gateway.ask(&get(host, "/.brand/brand.json")).text();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        [text(&json["name"]), text(&json["tagline"]), text(&json["colors"]["accent"])]
    };
    assert_eq!(brand(&gateway, ACME), ["Acme", "shines", "#c9a227"]);
    assert_eq!(brand(&gateway, GLOBEX), ["Gold", "shines", "#c9a227"]);
    assert_eq!(brand(&gateway, "initech.app.test"), ["Example", "plain", ""]);
    gateway.reload(|config| config.set("plans", &plans.replace("shines", "glows"))).unwrap();
    assert_eq!(brand(&gateway, ACME), ["Acme", "glows", "#c9a227"]);
    assert_eq!(brand(&gateway, GLOBEX), ["Gold", "glows", "#c9a227"]);
    let plan: serde_json::Value = serde_json::from_str(&gateway.admin("/api/v1/plans/gold").text()).unwrap();
    assert_eq!(plan["branding"]["tagline"], "glows");
}

#[test]
fn a_plans_pictures_are_watched() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .file("gold.svg", LOGO)
        .set("plans", "{ gold: { branding: { logo: gold.svg } } }")
        .set("tenants", "[{ id: acme, plan: gold }, { id: globex }]")
        .start();
    assert_eq!(gateway.ask(&get(ACME, "/.brand/logo.svg")).text(), LOGO);
    // Whoever has nothing of a look leaves the path to the application.
    assert_ne!(gateway.ask(&get(GLOBEX, "/.brand/logo.svg")).text(), LOGO);
    let other = LOGO.replace("gold", "silver");
    std::fs::write(gateway.directory().join("gold.svg"), &other).unwrap();
    eventually("the new logo", || gateway.ask(&get(ACME, "/.brand/logo.svg")).text() == other);
}

#[test]
fn what_a_browser_has_kept_is_good_until_the_page_or_the_look_changes() {
    let origin = Origin::serving(|request, peer| {
        let (kind, length) =
            if request.target == "/picture" { ("image/png", 3) } else { ("text/html", PAGE.len()) };
        let is_known = request.header("if-none-match").is_some_and(|tags| tags.contains("\"abc\""));
        let status = if is_known { "304 Not Modified" } else { "200 OK" };
        let fields = format!("ETag: \"abc\"\r\nContent-Type: {kind}\r\n");
        peer.send(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n"));
        if !is_known && request.method == "GET" {
            peer.send(PAGE.get(..length).unwrap());
        }
    });
    let mut gateway = config().to(&origin).set("branding", INJECT).start();
    let etag = gateway.ask(&get(ACME, "/")).header("etag").unwrap().to_owned();
    let again = |gateway: &TestGateway, target, tags: &str| {
        let answer = gateway.ask(&get(ACME, target).header("If-None-Match", tags));
        (answer.status, answer.header("etag").unwrap().to_owned())
    };
    assert_eq!(again(&gateway, "/", &format!("\"x\", {etag}")), (304, etag.clone()));
    assert_eq!(origin.last_request().header("if-none-match"), Some("\"x\", \"abc\""));
    let head = gateway.ask(&request("HEAD", ACME, "/"));
    assert_eq!((head.header("etag"), head.header("content-length")), (Some(etag.as_str()), None));
    // What is no page has the origin's tag, and keeps it.
    assert_eq!(gateway.ask(&get(ACME, "/picture")).header("etag"), Some("\"abc\""));
    assert_eq!(again(&gateway, "/picture", "\"abc\""), (304, "\"abc\"".to_owned()));
    gateway.reload(|config| config.set("branding", &INJECT.replace("by {{", "of {{"))).unwrap();
    let (status, other) = again(&gateway, "/", &etag);
    assert!(status == 200 && other != etag && other.starts_with("W/\"abc-s"), "{status} {other}");
    assert_eq!(again(&gateway, "/", &other), (304, other.clone()));
}

#[test]
fn a_page_without_a_tag_can_not_be_asked_for_by_its_date() {
    let fields = "Content-Type: text/html\r\nLast-Modified: Tue, 01 Dec 2026 00:00:00 GMT";
    let origin = Origin::answering(format!(
        "HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {}\r\n\r\n{PAGE}",
        PAGE.len()
    ));
    let gateway = config().to(&origin).set("branding", INJECT).start();
    assert_eq!(gateway.ask(&get(ACME, "/")).header("last-modified"), None);
}
