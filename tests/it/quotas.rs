//! How much a tenant may use in a window of time, and that nothing is forgotten.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::harness::{
    ACME, Config, GLOBEX, Gate, Origin, Response, TestGateway, config, eventually, get, post,
};

/// A configuration whose plan has these quotas.
fn quotas(origin: &Origin, quotas: &str) -> Config {
    config().to(origin).set("plans", &format!("{{ free: {{ quotas: [{quotas}] }} }}"))
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
            _ => answer.assert_refused(429, "quota_exceeded"),
        }
    }
    admitted
}

/// How a quota stands, as the admin API tells it.
#[track_caller]
fn standing(gateway: &TestGateway, tenant: &str, quota: &str) -> serde_json::Value {
    let limits = gateway.admin(&format!("/api/v1/tenants/{tenant}/limits")).json();
    let quotas = limits["quotas"].as_array().unwrap();
    quotas.iter().find(|one| one["name"] == quota).unwrap_or_else(|| panic!("{limits:#}")).clone()
}

const DAILY: &str = "{ name: daily, meter: requests, limit: 20, per: day }";

#[test]
fn a_quota_admits_its_limit_and_not_one_more() {
    let origin = Origin::echo();
    let gateway = quotas(&origin, DAILY).set("workers", "2").start();
    assert_eq!((0..30).map(|_| admitted(&gateway, ACME, 1)).sum::<usize>(), 20);
    assert_eq!(origin.requests().len(), 20, "what is refused never reaches the origin");
    assert_eq!(admitted(&gateway, GLOBEX, 30), 20, "one tenant's quota is not another's");

    let refused = gateway.ask(&get(ACME, "/"));
    refused.assert_refused(429, "quota_exceeded");
    let problem = refused.json();
    assert_eq!(problem["violated-policies"], serde_json::json!(["daily"]));
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert!(problem["detail"].as_str().unwrap().contains("'daily'"), "{problem}");
    assert!(refused.header("proxy-status").unwrap().contains("quota_exceeded"));
    // The clock stands at noon.
    assert_eq!(refused.header("retry-after"), Some("43200"));
    assert_eq!(
        gateway.metric("tollgate_rejected_total", &[("tenant", "acme"), ("reason", "quota_exceeded")]),
        11.0
    );
    assert_eq!(gateway.metric("tollgate_quota_used_ratio", &[("tenant", "acme"), ("quota", "daily")]), 1.0);
    let log = gateway.access_log(61);
    assert_eq!(log.iter().filter(|entry| entry["code"] == "quota_exceeded").count(), 21);
}

#[test]
fn waiting_as_long_as_it_was_told_is_enough_and_less_is_not() {
    let origin = Origin::echo();
    let gateway = quotas(&origin, DAILY).start();
    assert_eq!(admitted(&gateway, ACME, 25), 20);
    let wait = gateway.ask(&get(ACME, "/")).header("retry-after").unwrap().parse().unwrap();
    gateway.advance(Duration::from_secs(wait) - Duration::from_millis(1));
    assert_eq!(admitted(&gateway, ACME, 2), 0);
    gateway.advance(Duration::from_millis(1));
    assert_eq!(admitted(&gateway, ACME, 25), 20);
    // A clock that is put back finds the day before as it was left.
    gateway.set_wall("2025-01-15T23:59:00Z");
    assert_eq!(admitted(&gateway, ACME, 3), 0);
}

#[test]
fn every_response_says_how_much_is_left_of_each_limit() {
    let origin = Origin::echo();
    let plan = "{ free: { rate_limit: { rate: 10/s, burst: 5 }, quotas: [
        { name: daily, meter: requests, limit: 20, per: day },
        { name: egress, meter: response_bytes, limit: 1MiB, per: month }] } }";
    let gateway = config().to(&origin).set("plans", plan).start();
    let answer = gateway.ask(&get(ACME, "/"));
    assert_eq!(
        answer.header("ratelimit-policy"),
        Some(
            "\"default\";q=5;w=1, \"daily\";q=20;w=86400, \"egress\";q=1048576;w=2592000;qu=\"content-bytes\""
        )
    );
    assert_eq!(
        answer.header("ratelimit"),
        Some("\"default\";r=4;t=1, \"daily\";r=19;t=43200, \"egress\";r=1048576;t=1425600")
    );
    // Also what is refused before anything is charged.
    let refused = gateway.ask(&get(ACME, "/../.."));
    refused.assert_refused(400, "bad_request");
    assert!(refused.header("ratelimit").unwrap().contains("\"daily\";r=19;"), "{refused:?}");
}

#[test]
fn of_several_quotas_the_one_that_takes_longest_decides_when_to_come_back() {
    let origin = Origin::echo();
    let both = "{ name: hourly, meter: requests, limit: 5, per: hour }, { name: daily, meter: requests, limit: 5, per: day }";
    let gateway = quotas(&origin, both).start();
    assert_eq!(admitted(&gateway, ACME, 6), 5);
    let refused = gateway.ask(&get(ACME, "/"));
    assert_eq!(refused.header("retry-after"), Some("43200"));
    assert_eq!(refused.json()["violated-policies"], serde_json::json!(["hourly", "daily"]));
    // What the second refuses, the first is not charged for.
    gateway.advance(Duration::from_secs(3_600));
    assert_eq!(admitted(&gateway, ACME, 3), 0);
    assert_eq!(standing(&gateway, "acme", "hourly")["used"], 0);
}

#[test]
fn a_reload_forgets_nothing_and_a_changed_limit_holds_at_once() {
    let origin = Origin::echo();
    let mut gateway = quotas(&origin, DAILY).start();
    let with =
        |limit: u32| format!("{{ free: {{ quotas: [{}] }} }}", DAILY.replace("20", &limit.to_string()));
    assert_eq!(admitted(&gateway, ACME, 12), 12);
    gateway.reload(|c| c.set("metrics", "{ tenants: 10 }")).unwrap();
    assert_eq!(admitted(&gateway, ACME, 20), 8, "an unrelated change");
    gateway.reload(|c| c.set("plans", &with(30))).unwrap();
    assert_eq!(admitted(&gateway, ACME, 5), 5);
    gateway.reload(|c| c.set("plans", &with(10))).unwrap();
    assert_eq!(admitted(&gateway, ACME, 5), 0, "a lower one than is used");
    gateway.reload(|c| c.set("plans", "{ free: {} }")).unwrap();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    gateway.reload(|c| c.set("plans", &with(26))).unwrap();
    assert_eq!(admitted(&gateway, ACME, 5), 1, "one that was left out for a while");
    gateway.reload(|c| c.set("store", "sqlite:elsewhere.db")).unwrap();
    let status = gateway.admin("/api/v1/status").text();
    assert!(status.contains("\"restart_required\":[\"store\"]"), "{status}");
    assert!(!gateway.directory().join("elsewhere.db").exists());
}

#[test]
fn a_restart_forgets_nothing_and_forfeits_nothing() {
    let origin = Origin::echo();
    let kept = tempfile::tempdir().unwrap();
    let store = format!("'sqlite:{}/deep/down/quotas.db'", kept.path().display());
    let start = || quotas(&origin, DAILY).set("store", &store).start();
    for _ in 0..2 {
        let gateway = start();
        assert_eq!(admitted(&gateway, ACME, 7), 7);
        gateway.drain();
        gateway.wait();
    }
    assert_eq!(admitted(&start(), ACME, 20), 6);
}

#[test]
fn without_a_quota_there_is_no_store_until_a_reload_brings_one() {
    let origin = Origin::echo();
    let mut gateway = config().to(&origin).start();
    assert_eq!(admitted(&gateway, ACME, 30), 30);
    let file = gateway.directory().join("state/tollgate.db");
    assert!(!file.parent().unwrap().exists());
    gateway.reload(|c| c.set("plans", &format!("{{ free: {{ quotas: [{DAILY}] }} }}"))).unwrap();
    assert!(file.exists());
    assert_eq!(admitted(&gateway, ACME, 30), 20);
}

#[test]
fn a_store_that_cannot_be_opened_changes_nothing() {
    let origin = Origin::echo();
    let mut gateway = config().to(&origin).file("state", "not a folder").start();
    let refused = gateway.reload(|c| c.set("plans", &format!("{{ free: {{ quotas: [{DAILY}] }} }}")));
    let error = format!("{:#}", refused.unwrap_err());
    assert!(error.contains("the folder of the store"), "{error}");
    assert_eq!(admitted(&gateway, ACME, 30), 30);
}

#[test]
fn a_tenants_quota_replaces_its_plans_of_the_same_name_and_the_others_stay() {
    let origin = Origin::echo();
    let plan = "{ name: daily, meter: requests, limit: 3, per: day }, { name: monthly, meter: requests, limit: 9, per: month }";
    let own = "[{ id: acme, plan: free, limits: { quotas: [{ name: daily, meter: requests, limit: 6, per: day }] } },
                { id: globex, plan: free },
                { id: initech, limits: { quotas: [{ name: own, meter: requests, limit: 2, per: week }] } }]";
    let gateway = quotas(&origin, plan).set("tenants", own).start();
    assert_eq!(admitted(&gateway, ACME, 20), 6);
    assert_eq!(admitted(&gateway, GLOBEX, 20), 3);
    assert_eq!(admitted(&gateway, "initech.app.test", 20), 2);
    gateway.advance(Duration::from_secs(86_400));
    assert_eq!(admitted(&gateway, ACME, 20), 3, "nine in the month");
    gateway.set_wall("2025-02-01T00:00:00Z");
    assert_eq!(admitted(&gateway, ACME, 20), 6);
}

#[test]
fn days_are_those_of_the_tenants_time_zone() {
    let origin = Origin::echo();
    let tenants = "[{ id: acme, plan: free, time_zone: Asia/Tokyo }, { id: globex, plan: free }]";
    let gateway = quotas(&origin, DAILY).set("tenants", tenants).start();
    gateway.set_wall("2025-01-15T14:59:59Z");
    assert_eq!((admitted(&gateway, ACME, 25), admitted(&gateway, GLOBEX, 25)), (20, 20));
    gateway.set_wall("2025-01-15T15:00:00Z");
    assert_eq!((admitted(&gateway, ACME, 25), admitted(&gateway, GLOBEX, 25)), (20, 0));
    assert_eq!(standing(&gateway, "acme", "daily")["window"], "day Asia/Tokyo");
    assert_eq!(standing(&gateway, "acme", "daily")["period_start"], "2025-01-15T15:00:00Z");
}

#[test]
fn a_rolling_window_has_no_midnight() {
    let origin = Origin::echo();
    let gateway = quotas(&origin, "{ name: day, meter: requests, limit: 10, per: 24h }").start();
    gateway.set_wall("2025-01-15T23:00:00Z");
    assert_eq!(admitted(&gateway, ACME, 20), 10);
    gateway.set_wall("2025-01-16T22:59:59Z");
    assert_eq!(admitted(&gateway, ACME, 20), 0);
    let wait: i64 = gateway.ask(&get(ACME, "/")).header("retry-after").unwrap().parse().unwrap();
    assert!(wait <= 48 * 60, "a slot at most: {wait}");
    gateway.advance(Duration::from_secs(wait as u64));
    assert_eq!(admitted(&gateway, ACME, 20), 10);
}

#[test]
fn past_the_limit_requests_are_slowed_or_only_counted() {
    let origin = Origin::echo();
    let gateway = quotas(
        &origin,
        "{ name: slow, meter: requests, limit: 5, per: day, on_exceed: throttle, throttle: 1/s }",
    )
    .start();
    assert_eq!(admitted(&gateway, ACME, 20), 6);
    assert_eq!(gateway.ask(&get(ACME, "/")).header("retry-after"), Some("1"));
    gateway.advance(Duration::from_secs(1));
    assert_eq!(admitted(&gateway, ACME, 20), 1);
    assert_eq!(standing(&gateway, "acme", "slow")["used"], 7);

    let gateway =
        quotas(&origin, "{ name: billed, meter: requests, limit: 5, per: day, on_exceed: allow }").start();
    assert_eq!(admitted(&gateway, ACME, 20), 20);
    assert_eq!(gateway.metric("tollgate_quota_used_ratio", &[("tenant", "acme"), ("quota", "billed")]), 4.0);
}

#[test]
fn a_route_costs_as_many_units_as_it_says() {
    let origin = Origin::echo();
    let routes = "[{ match: { path_prefix: / }, pool: shared }, { match: { path_prefix: /heavy }, pool: shared, cost: 8 }]";
    let gateway = quotas(&origin, DAILY).set("routes", routes).start();
    gateway.ask(&get(ACME, "/heavy")).assert_status(200);
    gateway.ask(&get(ACME, "/heavy")).assert_status(200);
    gateway.ask(&get(ACME, "/heavy")).assert_refused(429, "quota_exceeded");
    assert_eq!(admitted(&gateway, ACME, 9), 4, "asking took nothing");
}

#[test]
fn a_soft_threshold_warns_and_refuses_nothing() {
    let origin = Origin::echo();
    let quota = "{ name: daily, meter: requests, limit: 10, per: day, soft: 80% }";
    let gateway = quotas(&origin, quota).start();
    let warning = || gateway.ask(&get(ACME, "/")).header("x-tollgate-quota-warning").map(str::to_owned);
    for _ in 0..7 {
        assert_eq!(warning(), None);
    }
    let labels = [("tenant", "acme"), ("quota", "daily")];
    assert_eq!(gateway.metric("tollgate_quota_soft_exceeded", &labels), 0.0);
    assert_eq!(warning().as_deref(), Some("\"daily\";u=80"));
    assert_eq!(warning().as_deref(), Some("\"daily\";u=90"));
    assert_eq!(gateway.metric("tollgate_quota_soft_exceeded", &labels), 1.0);

    let process = quotas(&origin, quota).spawn();
    for _ in 0..10 {
        process.connect().ask(&get(ACME, "/")).assert_status(200);
    }
    let told = || process.log().iter().filter(|line| line.contains("the soft threshold is passed")).count();
    eventually("it is in the log", || told() > 0);
    assert_eq!(told(), 1, "once a window");
}

#[test]
fn bytes_and_seconds_are_counted_when_an_exchange_is_over() {
    let origin = Origin::serving(|request, peer| {
        let body = vec![b'x'; if request.method == "POST" { 0 } else { 600 }];
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
        peer.send(&body);
    });
    let of = |meter: &str, limit: &str| {
        quotas(&origin, &format!("{{ name: q, meter: {meter}, limit: {limit}, per: day }}"))
    };
    let gateway = of("response_bytes", "1000B").start();
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.ask(&get(ACME, "/")).assert_status(200);
    }
    eventually("both are counted", || standing(&gateway, "acme", "q")["used"] == 1_200);
    client.ask(&get(ACME, "/")).assert_refused(429, "quota_exceeded");
    assert_eq!(standing(&gateway, "acme", "q")["used"], 1_200, "the gateway's own answers are not");

    let gateway = of("request_bytes", "1KiB").start();
    for used in [700, 1_400] {
        gateway.ask(&post(ACME, "/", vec![b'y'; 700])).assert_status(200);
        eventually("it is counted", || standing(&gateway, "acme", "q")["used"] == used);
    }
    gateway.ask(&get(ACME, "/")).assert_refused(429, "quota_exceeded");

    let gateway = of("upstream_seconds", "1h").start();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    eventually("some is counted", || {
        gateway.metric("tollgate_quota_used_ratio", &[("tenant", "acme"), ("quota", "q")]) > 0.0
    });
    assert_eq!(standing(&gateway, "acme", "q")["limit"], 3_600);
}

#[test]
fn what_was_used_is_written_down_every_flush() {
    let origin = Origin::saying("0123456789");
    let quota = "{ name: egress, meter: response_bytes, limit: 1MiB, per: month }";
    let gateway = quotas(&origin, quota).set("metering", "{ flush: 100ms }").start();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    let written = Connection::open(gateway.directory().join("state/tollgate.db")).unwrap();
    let units = || -> i64 {
        written.query_row("SELECT coalesce(sum(units), 0) FROM quota_usage", [], |row| row.get(0)).unwrap()
    };
    eventually("it is in the store", || units() == 10);
    assert!(gateway.metric("tollgate_store_commit_duration_seconds_count", &[]) > 0.0);
}

#[test]
fn nothing_is_charged_for_what_a_later_gate_refuses_or_who_goes_away_there() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        held.pass();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let plan = format!("{{ free: {{ quotas: [{DAILY}], concurrency: {{ max: 1, queue: 1 }} }} }}");
    let gateway = config().to(&origin).set("plans", &plan).start();
    let used = || standing(&gateway, "acme", "daily")["used"].clone();
    let mut first = gateway.connect();
    first.send(get(ACME, "/").bytes());
    eventually("it is being served", || gate.waiting() == 1);
    let mut second = gateway.connect();
    second.send(get(ACME, "/").bytes());
    eventually("it waits for a seat", || {
        gateway.metric("tollgate_queue_depth", &[("tenant", "acme")]) == 1.0
    });
    assert_eq!(used(), 2);
    for _ in 0..30 {
        gateway.ask(&get(ACME, "/")).assert_refused(429, "concurrency_exceeded");
    }
    assert_eq!(used(), 2);
    second.reset();
    eventually("it left and was charged nothing", || used() == 1);
    gate.throw_open();
    first.answer().assert_status(200);
    assert_eq!(admitted(&gateway, ACME, 30), 19);
}

/// Asks while another process holds the store's database.
#[track_caller]
fn while_locked(gateway: &TestGateway, ask: impl Fn() -> Response) -> Response {
    let other = Connection::open(gateway.directory().join("state/tollgate.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let started = Instant::now();
    let answer = ask();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "the request was held for {took:?}");
    other.execute_batch("ROLLBACK").unwrap();
    answer
}

#[test]
fn a_locked_store_holds_no_request_and_the_policy_decides() {
    let origin = Origin::echo();
    let with = |policy: &str| {
        let plan = format!("{{ free: {{ on_outage: {policy}, quotas: [{DAILY}] }} }}");
        config().to(&origin).set("plans", &plan).start()
    };
    let gateway = with("deny");
    let refused = while_locked(&gateway, || gateway.ask(&get(ACME, "/")));
    refused.assert_refused(503, "quota_unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(gateway.metric("tollgate_quota_outages_total", &[("policy", "deny")]), 1.0);
    eventually("it is back", || gateway.ask(&get(ACME, "/")).status == 200);
    assert_eq!(standing(&gateway, "acme", "daily")["used"], 1);

    let gateway = with("local");
    let answer = while_locked(&gateway, || gateway.ask(&get(ACME, "/")));
    answer.assert_status(200);
    assert_eq!(gateway.metric("tollgate_quota_outages_total", &[("policy", "local")]), 1.0);
    assert_eq!(admitted(&gateway, ACME, 30), 19, "what was let in meanwhile is counted");
    eventually("the store knows of it", || {
        let quota = standing(&gateway, "acme", "daily");
        quota["outage"] == false && quota["known"] == true
    });
}

#[test]
fn an_outage_is_in_the_log_once_and_usage_goes_on_when_it_ends() {
    let origin = Origin::saying("0123456789");
    let process = quotas(&origin, "{ name: daily, meter: requests, limit: 1000, per: day }").spawn();
    process.connect().ask(&get(ACME, "/")).assert_status(200);
    let other = Connection::open(process.directory().join("state/tollgate.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut client = process.connect();
    for _ in 0..300 {
        client.ask(&get(ACME, "/")).assert_status(200);
    }
    let told = || process.log().iter().filter(|line| line.contains("did not answer in time")).count();
    eventually("it is in the log", || told() > 0);
    other.execute_batch("ROLLBACK").unwrap();
    let written = || -> i64 {
        other.query_row("SELECT coalesce(sum(units), 0) FROM quota_usage", [], |row| row.get(0)).unwrap()
    };
    eventually("all of it is written down", || written() >= 301);
    assert_eq!(told(), 1, "not a line a request");
}
