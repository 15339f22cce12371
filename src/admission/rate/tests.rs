//! Limits as requests meet them, against models that count.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::admission::{Label, StandingList, Violation};
use crate::telemetry::Metrics;
use crate::time::{Clock, ManualClock};

pub(super) fn policy(units: u32, period: Duration, burst: u32) -> RatePolicy {
    RatePolicy { units: NonZeroU32::new(units).unwrap(), period, burst: NonZeroU32::new(burst).unwrap() }
}

pub(super) fn per_second(units: u32, burst: u32) -> RatePolicy {
    policy(units, Duration::from_secs(1), burst)
}

fn rule(name: &str, units: u32, burst: u32) -> RateRule {
    RateRule::new(name, per_second(units, burst))
}

fn keyed(name: &str, burst: u32, by: RateKey) -> RateRule {
    RateRule { by: Some(by), keys_max: 100, ..rule(name, 1, burst) }
}

fn route(index: usize) -> LimitedRoute {
    LimitedRoute { index, name: format!("route-{index}").into() }
}

/// A clock, and the limits of a tenant over states that outlive them.
pub(super) struct Bench {
    clock: Clock,
    pub(super) hand: ManualClock,
    states: RateStates,
    limits: Arc<RateLimits>,
    metrics: Metrics,
}

impl Bench {
    fn new(rules: Vec<RateRule>) -> Self {
        let (clock, hand) = Clock::manual();
        hand.advance(Duration::from_secs(1000));
        let states = RateStates::default();
        let limits = states.open(&Arc::new(RateRules::new(rules, &[], clock.clone())));
        Self { clock, hand, states, limits, metrics: Metrics::new(1).unwrap() }
    }

    pub(super) fn of(policies: &[RatePolicy]) -> Self {
        Self::new(Self::rules(policies))
    }

    pub(super) fn rules(policies: &[RatePolicy]) -> Vec<RateRule> {
        let names = ["default", "second", "third"];
        policies.iter().zip(names).map(|(policy, name)| RateRule::new(name, *policy)).collect()
    }

    pub(super) fn reload(&mut self, rules: Vec<RateRule>) {
        self.limits = self.states.open(&Arc::new(RateRules::new(rules, &[], self.clock.clone())));
    }

    fn request<'r>(&self, route: usize, client: &str, fields: &'r HeaderMap) -> RateRequest<'r> {
        RateRequest { route, cost: NonZeroU32::MIN, client: client.parse().unwrap(), fields }
    }

    /// Whether a request is let in, and stays.
    fn lets_in(&self, request: &RateRequest<'_>) -> bool {
        let mut charges = self.limits.charge(request, |_| {}).unwrap();
        charges.keep();
        charges.violation().is_none()
    }

    pub(super) fn charge(&self, cost: u32) -> RateCharges {
        let fields = HeaderMap::new();
        let request =
            RateRequest { cost: NonZeroU32::new(cost).unwrap(), ..self.request(0, "192.0.2.1", &fields) };
        self.limits.charge(&request, |_| {}).unwrap()
    }

    /// Asks, and stays if let in.
    fn asks(&self, cost: u32) -> bool {
        let mut charges = self.charge(cost);
        charges.keep();
        charges.violation().is_none()
    }

    /// What a client is told of a request that stays.
    fn told(&self, cost: u32) -> String {
        let mut charges = self.charge(cost);
        charges.keep();
        told(&charges)
    }

    pub(super) fn left(&self) -> String {
        let mut text = BytesMut::new();
        self.limits.tell(&mut StandingList::new(&mut text));
        String::from_utf8(text.to_vec()).unwrap()
    }
}

fn told(charges: &RateCharges) -> String {
    let mut text = BytesMut::new();
    charges.tell(&mut StandingList::new(&mut text));
    String::from_utf8(text.to_vec()).unwrap()
}

#[test]
fn a_burst_passes_then_the_rate() {
    let bench = Bench::of(&[per_second(2, 3)]);
    assert_eq!(bench.limits.policy_field().unwrap(), "\"default\";q=3;w=2");
    assert_eq!(bench.told(1), "\"default\";r=2;t=1");
    assert_eq!(bench.told(1), "\"default\";r=1;t=1");
    assert_eq!(bench.left(), "\"default\";r=1;t=1");
    assert_eq!(bench.told(1), "\"default\";r=0;t=2");
    assert_eq!(bench.told(1), "\"default\";r=0;t=1");
    bench.hand.advance(Duration::from_millis(499));
    assert!(!bench.asks(1));
    bench.hand.advance(Duration::from_millis(1));
    assert!(bench.asks(1));
    assert!(!bench.asks(1));
}

#[test]
fn a_refused_cost_leaves_what_is_there() {
    let bench = Bench::of(&[per_second(1, 5)]);
    assert!(bench.asks(3));
    assert_eq!(bench.told(4), "\"default\";r=2;t=2");
    assert!(bench.asks(2));
    assert_eq!(bench.told(6), "\"default\";r=0;t=5", "more than the burst never passes");
}

#[test]
fn a_new_limit_goes_on_where_the_old_one_was() {
    let mut bench = Bench::of(&[per_second(10, 10)]);
    for _ in 0..10 {
        assert!(bench.asks(1));
    }
    bench.reload(Bench::rules(&[per_second(10, 10)]));
    assert!(!bench.asks(1));
    bench.reload(Bench::rules(&[per_second(100, 15)]));
    assert_eq!((0..20).filter(|_| bench.asks(1)).count(), 5);
    bench.hand.advance(Duration::from_millis(30));
    assert_eq!((0..20).filter(|_| bench.asks(1)).count(), 3, "it comes back at the new rate");
}

#[test]
fn a_limit_that_was_changed_or_away_goes_on_in_its_own_time() {
    let one = |units| vec![rule("default", units, 10)];
    let mut bench = Bench::new(one(10));
    (0..10).for_each(|_| assert!(bench.asks(1)));
    bench.reload(one(1));
    bench.hand.advance(Duration::from_secs(2));
    assert_eq!(bench.left(), "\"default\";r=2;t=8");
    // Away for a while, and back as it was at first.
    bench.reload(vec![rule("other", 5, 5)]);
    bench.hand.advance(Duration::from_secs(1));
    assert!(!bench.states.is_rested(bench.clock.now_ns()), "what is gone is still owed");
    bench.reload(one(10));
    assert_eq!(bench.left(), "\"default\";r=3;t=1");
    bench.hand.advance(Duration::from_millis(300));
    assert_eq!(bench.left(), "\"default\";r=6;t=1");
    let now_ns = bench.clock.now_ns();
    bench.hand.advance(Duration::from_secs(1));
    assert!(!bench.states.is_rested(now_ns) && bench.states.is_rested(bench.clock.now_ns()));
}

#[test]
fn the_same_rules_make_the_same_limits() {
    let (clock, _) = Clock::manual();
    let states = RateStates::default();
    let rules = Arc::new(RateRules::new(vec![rule("default", 1, 1)], &[], clock));
    assert!(Arc::ptr_eq(&states.open(&rules), &states.open(&rules)));
}

/// A hundred thousand tenants have them in memory.
#[test]
fn a_limit_that_never_changed_is_small() {
    assert!(size_of::<RateLimits>() <= 32 && size_of::<RateStates>() <= 16, "{}", size_of::<RateLimits>());
}

#[test]
fn a_request_is_charged_to_all_limits_or_to_none() {
    let bench = Bench::of(&[per_second(1, 5), per_second(1, 1), policy(1, Duration::from_secs(60), 1)]);
    assert_eq!(bench.told(1), "\"default\";r=4;t=1, \"second\";r=0;t=1, \"third\";r=0;t=60");
    let refused = bench.charge(1);
    let violation = refused.violation().unwrap();
    assert_eq!(violation, Violation { retry_after_s: 60, policies: vec!["second".into(), "third".into()] });
    assert_eq!(told(&refused), "\"default\";r=4;t=1, \"second\";r=0;t=1, \"third\";r=0;t=60");
    drop(refused);
    assert_eq!(bench.left(), "\"default\";r=4;t=1, \"second\";r=0;t=1, \"third\";r=0;t=60");
    bench.hand.advance(Duration::from_secs(violation.retry_after_s));
    assert!(bench.asks(1), "who waits as long as the binding limit says gets in");
}

#[test]
fn charges_are_given_back_unless_they_are_kept() {
    let bench = Bench::of(&[per_second(1, 2), per_second(1, 3)]);
    let full = bench.left();
    let waiting = bench.charge(2);
    assert!(!bench.asks(1), "what is held is in use");
    drop(waiting);
    assert_eq!(bench.left(), full);
    let mut kept = bench.charge(2);
    kept.keep();
    kept.refund();
    drop(kept);
    assert_eq!(bench.left(), "\"default\";r=0;t=2, \"second\";r=1;t=2");
    let mut refunded = Bench::of(&[per_second(1, 2)]).charge(1);
    refunded.refund();
    assert_eq!(told(&refunded), "\"default\";r=2;t=0", "a refusal tells what is left after it");
}

#[test]
fn other_kinds_of_limits_are_told_behind() {
    let (clock, _) = Clock::manual();
    let monthly = [Label::new("monthly", 5, 60)];
    let of = |rules| RateStates::default().open(&Arc::new(RateRules::new(rules, &monthly, clock.clone())));
    let none = of(Vec::new());
    assert_eq!(none.policy_field().unwrap(), "\"monthly\";q=5;w=60");
    let fields = HeaderMap::new();
    let bench = Bench::new(Vec::new());
    assert!(none.charge(&bench.request(0, "192.0.2.1", &fields), |_| {}).is_none());
    let one = of(vec![rule("default", 1, 1)]);
    assert_eq!(one.policy_field().unwrap(), "\"default\";q=1;w=1, \"monthly\";q=5;w=60");
}

#[test]
fn a_limit_applies_to_its_routes() {
    let routed = |name, burst, routes: &[usize]| RateRule {
        routes: Some(routes.iter().copied().map(route).collect()),
        ..rule(name, 1, burst)
    };
    let bench = Bench::new(vec![rule("default", 1, 9), routed("a", 1, &[0, 2]), routed("b", 2, &[2])]);
    let fields = HeaderMap::new();
    let policy = |route| {
        let charges = bench.limits.charge(&bench.request(route, "192.0.2.1", &fields), |_| {}).unwrap();
        charges.policy_field().unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(policy(0), "\"default\";q=9;w=9, \"a\";q=1;w=1");
    assert_eq!(policy(1), "\"default\";q=9;w=9");
    assert_eq!(policy(2), "\"default\";q=9;w=9, \"a\";q=1;w=1, \"b\";q=2;w=2");
    assert_eq!(policy(77), "\"default\";q=9;w=9");
    let asks = |route| bench.lets_in(&bench.request(route, "192.0.2.1", &fields));
    assert!(asks(0) && !asks(2), "the two routes share it");
    assert!(asks(1) && asks(1));
    assert_eq!(bench.left(), "\"default\";r=6;t=3", "told where the route is not known");
}

#[test]
fn each_key_has_a_rate_of_its_own() {
    let bench = Bench::new(vec![keyed("per-ip", 1, RateKey::ClientIp)]);
    let fields = HeaderMap::new();
    let asks = |client: &str| bench.lets_in(&bench.request(0, client, &fields));
    assert!(asks("192.0.2.1") && !asks("192.0.2.1"));
    assert!(asks("192.0.2.2"));
    // Whoever has an IPv6 address has 2^64 of them.
    assert!(asks("2001:db8::1") && !asks("2001:db8::ffff:2"));
    assert!(asks("2001:db8:0:1::1"));
    assert_eq!(bench.limits.policy_field(), None, "nothing is said of keys that are not known");
    bench.hand.advance(Duration::from_secs(1));
    assert!(asks("192.0.2.1"));
}

#[test]
fn requests_without_the_field_share_a_key_and_so_do_those_with_several() {
    let name = HeaderName::from_static("x-api-key");
    let bench = Bench::new(vec![keyed("per-key", 1, RateKey::Header(name.clone()))]);
    let asks = |values: &[&str]| {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(&name, HeaderValue::from_str(value).unwrap());
        }
        bench.lets_in(&bench.request(0, "192.0.2.1", &fields))
    };
    assert!(asks(&["one"]) && asks(&["two"]) && asks(&["One"]));
    assert!(!asks(&["one"]) && !asks(&["two"]));
    assert!(asks(&[]) && !asks(&[]) && !asks(&[""]));
    assert!(!asks(&["one", "made-up"]) && !asks(&["made-up", "one"]));
}

#[test]
fn keys_survive_a_reload_of_everything_else() {
    let by_ip = |burst| vec![rule("default", 100, 100), keyed("per-ip", burst, RateKey::ClientIp)];
    let mut bench = Bench::new(by_ip(1));
    let fields = HeaderMap::new();
    let asks = |bench: &Bench| bench.lets_in(&bench.request(0, "192.0.2.1", &fields));
    assert!(asks(&bench) && !asks(&bench));
    bench.reload(by_ip(2));
    assert!(asks(&bench) && !asks(&bench), "a larger burst adds only the difference");
    bench.reload(vec![rule("default", 100, 100)]);
    bench.reload(by_ip(2));
    assert!(!asks(&bench), "removed and added again, it goes on where it was");
    let fewer = |rule: RateRule| RateRule { keys_max: 16, ..rule };
    bench.reload(by_ip(2).into_iter().map(fewer).collect());
    assert!(!asks(&bench), "with room for fewer keys, too");
}

#[test]
fn a_limit_in_the_shadow_counts_and_never_refuses() {
    let mut bench = Bench::new(vec![rule("default", 1, 3)]);
    let slot = bench.metrics.limit("strict");
    let shadow = RateRule { shadow: Some(slot), ..rule("strict", 1, 1) };
    bench.reload(vec![shadow, rule("default", 1, 3)]);
    let fields = HeaderMap::new();
    let mut counted = 0;
    let mut asks = || {
        let mut charges = bench.limits.charge(&bench.request(0, "192.0.2.1", &fields), |of| {
            assert_eq!(of, slot);
            counted += 1;
        });
        charges.iter_mut().for_each(RateCharges::keep);
        let charges = charges.unwrap();
        (charges.violation().is_none(), told(&charges), counted)
    };
    assert_eq!(asks(), (true, "\"default\";r=2;t=1".to_owned(), 0));
    assert_eq!(asks(), (true, "\"default\";r=1;t=2".to_owned(), 1));
    assert_eq!(asks(), (true, "\"default\";r=0;t=3".to_owned(), 2));
    assert_eq!(asks(), (false, "\"default\";r=0;t=1".to_owned(), 2), "what is refused anyway is not counted");
    let policy = bench.limits.policy_field().unwrap();
    assert_eq!(policy, "\"default\";q=3;w=3");
}

#[test]
fn a_report_tells_how_each_limit_stands() {
    let mut by_ip = keyed("per-ip", 5, RateKey::ClientIp);
    by_ip.routes = Some(vec![route(0)]);
    let bench = Bench::new(vec![rule("default", 10, 20), by_ip]);
    let fields = HeaderMap::new();
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.2"] {
        assert!(bench.lets_in(&bench.request(0, client, &fields)));
    }
    let report = bench.limits.report();
    assert_eq!((&*report[0].name, report[0].units, report[0].burst), ("default", 10, 20));
    assert_eq!((report[0].remaining, report[0].reset_s, report[0].keys), (Some(17), Some(1), None));
    assert_eq!((report[1].by.as_deref(), report[1].remaining), (Some("client_ip"), None));
    assert_eq!(report[1].keys, Some(KeysReport { in_use: 2, max: 100 }));
    assert_eq!(report[1].routes, Some(vec!["route-0".into()]));
}

#[test]
fn all_workers_charge_the_same_cells() {
    let bench = Bench::new(vec![rule("default", 1, 500), keyed("per-ip", 50, RateKey::ClientIp)]);
    let admitted = std::thread::scope(|scope| {
        let ask = |client: &'static str| {
            let client: IpAddr = client.parse().unwrap();
            let fields = HeaderMap::new();
            let request = RateRequest { route: 0, cost: NonZeroU32::MIN, client, fields: &fields };
            (0..400).filter(|_| bench.lets_in(&request)).count()
        };
        let threads: Vec<_> = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
            .into_iter()
            .map(|client| scope.spawn(move || ask(client)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(admitted, 150, "of each client as many as one client may");
}

#[test]
fn what_many_give_back_at_once_is_all_there_again() {
    let bench = Bench::new(vec![rule("default", 1, 100), keyed("per-ip", 10, RateKey::ClientIp)]);
    let fields = HeaderMap::new();
    let request = bench.request(0, "192.0.2.1", &fields);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // Some are refused by the second limit while the others hold it: those give back too.
            scope.spawn(|| (0..2_000).for_each(|_| drop(bench.limits.charge(&request, |_| {}))));
        }
    });
    let charges = bench.limits.charge(&request, |_| {}).unwrap();
    assert_eq!(told(&charges), "\"default\";r=99;t=1, \"per-ip\";r=9;t=1");
}
