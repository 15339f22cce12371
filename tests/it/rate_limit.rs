//! How often a tenant may ask, counted under a clock that the test moves.

use std::time::Duration;

use crate::harness::{ACME, GLOBEX, Origin, Response, TestGateway, config, get};

/// Ten requests a second, five at once.
const LIMITED: &str = "{ free: { rate_limit: { rate: 10/s, burst: 5 } } }";

fn limited(origin: &Origin) -> TestGateway {
    config().to(origin).set("plans", LIMITED).start()
}

/// How many of so many requests are let in.
#[track_caller]
fn admitted(gateway: &TestGateway, host: &str, asked: usize) -> usize {
    let mut client = gateway.connect();
    let mut admitted = 0;
    for _ in 0..asked {
        let answer = client.ask(&get(host, "/"));
        match answer.status {
            200 => admitted += 1,
            _ => answer.assert_refused(429, "rate_limited"),
        }
    }
    admitted
}

#[test]
fn a_burst_is_admitted_and_not_one_more() {
    let origin = Origin::echo();
    let gateway = limited(&origin);
    assert_eq!(admitted(&gateway, ACME, 12), 5);
    assert_eq!(origin.requests().len(), 5, "what is refused never reaches the origin");
}

#[test]
fn a_limit_refills_at_its_rate_and_no_faster() {
    let origin = Origin::echo();
    let gateway = limited(&origin);
    assert_eq!(admitted(&gateway, ACME, 12), 5);
    gateway.advance(Duration::from_millis(99));
    assert_eq!(admitted(&gateway, ACME, 3), 0);
    gateway.advance(Duration::from_millis(1));
    assert_eq!(admitted(&gateway, ACME, 3), 1);
    gateway.advance(Duration::from_millis(300));
    assert_eq!(admitted(&gateway, ACME, 9), 3);
    gateway.advance(Duration::from_secs(3600));
    assert_eq!(admitted(&gateway, ACME, 12), 5, "never more than the burst");
}

#[test]
fn one_tenants_limit_is_not_anothers() {
    let origin = Origin::echo();
    let gateway = limited(&origin);
    assert_eq!(admitted(&gateway, ACME, 10), 5);
    assert_eq!(admitted(&gateway, GLOBEX, 10), 5);
}

#[test]
fn a_limit_holds_over_all_workers_and_connections() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("plans", LIMITED).set("workers", "2").start();
    let admitted: usize = (0..20).map(|_| admitted(&gateway, ACME, 1)).sum();
    assert_eq!(admitted, 5);
}

#[test]
fn a_tenants_own_limit_replaces_its_plans() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("plans", LIMITED)
        .set(
            "tenants",
            "[{ id: acme, plan: free, limits: { rate_limit: { rate: 1/s, burst: 2 } } }, { id: globex, plan: free }]",
        )
        .start();
    assert_eq!(admitted(&gateway, ACME, 10), 2);
    assert_eq!(admitted(&gateway, GLOBEX, 10), 5);
}

#[test]
fn a_route_can_cost_more_than_one() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("plans", "{ free: { rate_limit: { rate: 10/s, burst: 10 } } }")
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: shared }, { match: { path_prefix: /heavy }, pool: shared, cost: 5 }]",
        )
        .start();
    gateway.ask(&get(ACME, "/heavy")).assert_status(200);
    for _ in 0..3 {
        gateway.ask(&get(ACME, "/")).assert_status(200);
    }
    // Two are left: too few for the heavy route, which takes none of them by asking.
    gateway.ask(&get(ACME, "/heavy")).assert_refused(429, "rate_limited");
    gateway.ask(&get(ACME, "/")).assert_status(200);
    gateway.ask(&get(ACME, "/")).assert_status(200);
    gateway.ask(&get(ACME, "/")).assert_refused(429, "rate_limited");
}

#[test]
fn every_response_of_a_limited_tenant_says_how_much_is_left() {
    let origin = Origin::echo();
    let gateway = limited(&origin);
    for left in ["4", "3", "2", "1", "0"] {
        let answer = gateway.ask(&get(ACME, "/"));
        assert_eq!(rate_limit(&answer).0, left);
        let policy = answer.header("ratelimit-policy").unwrap_or_default();
        assert!(policy.starts_with("\"default\";q="), "{policy}");
    }
    let refused = gateway.ask(&get(ACME, "/"));
    refused.assert_refused(429, "rate_limited");
    let (left, reset) = rate_limit(&refused);
    assert_eq!(left, "0");
    let retry_after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(retry_after >= 1, "rounded up, never down");
    assert!(retry_after >= reset.parse().unwrap(), "Retry-After is never earlier than t");
    assert!(refused.json()["violated-policies"].is_array(), "{}", refused.text());
    // Waiting as long as it was told is enough.
    gateway.advance(Duration::from_secs(retry_after));
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

/// `r` and `t` of a RateLimit field.
#[track_caller]
fn rate_limit(answer: &Response) -> (String, String) {
    let value = answer.header("ratelimit").unwrap_or_else(|| panic!("no RateLimit: {answer:?}"));
    let mut parts = value.split(';');
    assert_eq!(parts.next(), Some("\"default\""), "{value}");
    let mut parameter = |name: &str| {
        let part = parts.next().unwrap_or_default();
        part.strip_prefix(name).unwrap_or_else(|| panic!("{name} expected in {value}")).to_owned()
    };
    (parameter("r="), parameter("t="))
}

#[test]
fn an_unlimited_tenant_is_told_nothing_of_limits() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let answer = gateway.ask(&get(ACME, "/"));
    assert_eq!(answer.all("ratelimit").len() + answer.all("ratelimit-policy").len(), 0);
}

#[test]
fn a_refusal_is_not_charged_to_the_rate_limit() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("plans", LIMITED)
        .set(
            "routes",
            "[{ match: { path_prefix: / }, pool: shared },
              { match: { path_prefix: /paid }, pool: shared, requires_feature: reports }]",
        )
        .start();
    for _ in 0..10 {
        gateway.ask(&get(ACME, "/paid")).assert_refused(403, "feature_not_in_plan");
    }
    assert_eq!(admitted(&gateway, ACME, 8), 5);
}
