//! Circuit breakers: how much of a pool may be in use at a time, by everyone and by each tenant, and what becomes of
//! what is beyond.

use std::time::{Duration, Instant};

use crate::harness::{
    ACME, Client, Config, GLOBEX, Gate, Origin, TestGateway, block_on, config, eventually, eventually_async,
    get, websocket, websocket_echo,
};

/// An origin that answers when the gate lets it.
/// A pool with this circuit breaker, and so much time for what waits for a connection.
fn breaking_within(connect: &str, origin: &Origin, bounds: &str) -> Config {
    let more = format!("circuit_breaker: {{ {bounds} }}, timeouts: {{ connect: {connect} }}");
    config().pool("shared", &[origin.address()], &more)
}

fn breaking(origin: &Origin, bounds: &str) -> Config {
    breaking_within("1m", origin, bounds)
}

fn level(gateway: &TestGateway, resource: &str, what: &str) -> serde_json::Value {
    gateway.admin("/api/v1/pools/shared").json()["circuit_breaker"][resource][what].clone()
}

#[track_caller]
fn wait_until(gateway: &TestGateway, resource: &str, in_use: u32) {
    eventually(&format!("{in_use} {resource} in use"), || level(gateway, resource, "in_use") == in_use);
}

#[track_caller]
fn wait_until_nothing_is_in_use(gateway: &TestGateway) {
    for resource in ["requests", "pending", "retries"] {
        wait_until(gateway, resource, 0);
    }
}

fn tripped(gateway: &TestGateway, resource: &str, scope: &str) -> f64 {
    let labels = [("pool", "shared"), ("resource", resource), ("scope", scope)];
    gateway.metric("tollgate_circuit_breaker_tripped_total", &labels)
}

fn is_open(gateway: &TestGateway, resource: &str) -> bool {
    let labels = [("pool", "shared"), ("resource", resource)];
    gateway.metric("tollgate_circuit_breaker_open", &labels) == 1.0
}

#[test]
fn a_pool_without_one_shows_none() {
    let origin = Origin::saying("ok");
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    assert!(gateway.admin("/api/v1/pools/shared").json()["circuit_breaker"].is_null());
    assert!(!gateway.metrics().contains("tollgate_circuit_breaker"));
}

#[test]
fn requests_beyond_the_pools_bound_are_refused_at_once_and_not_charged() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let plan = "{ free: { rate_limit: { rate: 10/s, burst: 10 } } }";
    let gateway = breaking(&origin, "max_requests: 1").set("plans", plan).start();
    let mut held = gateway.asking(&get(ACME, "/"));
    eventually("it is at the origin", || gate.waiting() == 1);
    assert!(is_open(&gateway, "requests"));
    let refused = gateway.ask(&get(ACME, "/"));
    refused.assert_refused(503, "no_capacity");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit"), Some("\"default\";r=9;t=1"), "only the first is charged");
    assert_eq!(tripped(&gateway, "requests", "pool"), 1.0);
    assert_eq!(level(&gateway, "requests", "limit"), 1);
    assert_eq!(level(&gateway, "requests", "tripped"), 1);
    let log = gateway.access_log(1);
    assert_eq!((&log[0]["code"], &log[0]["tripped"]), (&"no_capacity".into(), &"pool.requests".into()));
    gate.throw_open();
    held.answer().assert_status(200);
    wait_until_nothing_is_in_use(&gateway);
    assert!(!is_open(&gateway, "requests"));
    gateway.ask(&get(ACME, "/")).assert_status(200);
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn a_tenant_at_its_own_bound_does_not_touch_others() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = breaking(&origin, "max_requests: 2, per_tenant: { max_requests: 1 }").start();
    let mut held = vec![gateway.asking(&get(ACME, "/"))];
    eventually("it is at the origin", || gate.waiting() == 1);
    gateway.ask(&get(ACME, "/")).assert_refused(429, "concurrency_exceeded");
    assert!(!is_open(&gateway, "requests"), "the pool has room");
    held.push(gateway.asking(&get(GLOBEX, "/")));
    eventually("both are at the origin", || gate.waiting() == 2);
    assert_eq!((tripped(&gateway, "requests", "tenant"), tripped(&gateway, "requests", "pool")), (1.0, 0.0));
    assert_eq!(level(&gateway, "requests", "tenant_limit"), 1);
    let log = gateway.access_log(1);
    assert_eq!(log[0]["tripped"], "tenant.requests");
    gate.throw_open();
    held.iter_mut().for_each(|client| client.answer().assert_status(200));
    wait_until_nothing_is_in_use(&gateway);
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

#[test]
fn requests_wait_in_turn_for_a_connection_and_take_it_over() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = breaking(&origin, "max_connections: 1").start();
    let mut clients = Vec::new();
    for nth in 0..4_u32 {
        let mut client = gateway.connect();
        client.send(get(ACME, &format!("/{nth}")).bytes());
        clients.push(client);
        eventually("the first is at the origin", || gate.waiting() == 1);
        wait_until(&gateway, "pending", nth);
    }
    assert!(is_open(&gateway, "connections"));
    gate.throw_open();
    clients.iter_mut().for_each(|client| client.answer().assert_status(200));
    let order: Vec<String> = origin.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(order, ["/0", "/1", "/2", "/3"]);
    assert_eq!(origin.connections(), 1);
    wait_until_nothing_is_in_use(&gateway);
    assert_eq!(level(&gateway, "connections", "in_use"), 1, "it is idle now, and counts");
}

#[test]
fn who_finds_no_connection_in_time_is_refused() {
    for (bounds, status, code, scope) in [
        ("max_connections: 1", 503, "no_capacity", "pool"),
        ("per_tenant: { max_connections: 1 }", 429, "concurrency_exceeded", "tenant"),
    ] {
        let gate = Gate::shut();
        let origin = Origin::behind(&gate);
        let gateway = breaking_within("100ms", &origin, bounds).start();
        let mut held = gateway.asking(&get(ACME, "/"));
        eventually("it is at the origin", || gate.waiting() == 1);
        let refused = gateway.ask(&get(ACME, "/"));
        refused.assert_refused(status, code);
        assert_eq!(tripped(&gateway, "connections", scope), 1.0);
        let log = gateway.access_log(1);
        assert_eq!(log[0]["tripped"], format!("{scope}.connections"));
        assert!(log[0]["upstream_ms"].is_null(), "it has not been there: {log:?}");
        gate.throw_open();
        held.answer().assert_status(200);
        wait_until_nothing_is_in_use(&gateway);
        gateway.ask(&get(ACME, "/")).assert_status(200);
    }
}

#[test]
fn no_more_wait_than_may() {
    for (bounds, most, status, scope) in [
        ("max_connections: 1, max_pending: 2", 2, 503, "pool"),
        ("max_connections: 1, max_pending: 0", 0, 503, "pool"),
        ("max_connections: 1, per_tenant: { max_pending: 1 }", 1, 429, "tenant"),
    ] {
        let gate = Gate::shut();
        let origin = Origin::behind(&gate);
        let gateway = breaking(&origin, bounds).start();
        let mut clients = vec![gateway.asking(&get(ACME, "/"))];
        eventually("it is at the origin", || gate.waiting() == 1);
        for nth in 1..=most {
            clients.push(gateway.asking(&get(ACME, "/")));
            wait_until(&gateway, "pending", nth);
        }
        let code = if status == 503 { "no_capacity" } else { "concurrency_exceeded" };
        gateway.ask(&get(ACME, "/")).assert_refused(status, code);
        assert_eq!(tripped(&gateway, "pending", scope), 1.0, "{bounds}");
        assert_eq!(gateway.access_log(1)[0]["tripped"], format!("{scope}.pending"));
        gate.throw_open();
        clients.iter_mut().for_each(|client| client.answer().assert_status(200));
        wait_until_nothing_is_in_use(&gateway);
    }
}

#[test]
fn a_client_that_goes_away_while_it_waits_frees_its_place() {
    for bounds in ["max_connections: 1, max_pending: 1", "per_tenant: { max_connections: 1, max_pending: 1 }"]
    {
        let gate = Gate::shut();
        let origin = Origin::behind(&gate);
        let gateway = breaking(&origin, bounds).start();
        let mut held = gateway.asking(&get(ACME, "/"));
        eventually("it is at the origin", || gate.waiting() == 1);
        let leaves = gateway.asking(&get(ACME, "/"));
        wait_until(&gateway, "pending", 1);
        leaves.reset();
        wait_until(&gateway, "pending", 0);
        let mut stays = gateway.asking(&get(ACME, "/"));
        wait_until(&gateway, "pending", 1);
        gate.throw_open();
        held.answer().assert_status(200);
        stays.answer().assert_status(200);
        wait_until_nothing_is_in_use(&gateway);
        assert_eq!(origin.requests().len(), 2);
    }
}

#[test]
fn a_client_that_goes_away_frees_what_its_request_holds() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let bounds = "max_connections: 1, max_requests: 1, per_tenant: { max_connections: 1, max_requests: 1 }";
    let gateway = breaking(&origin, bounds).start();
    let leaves = gateway.asking(&get(ACME, "/"));
    eventually("it is at the origin", || gate.waiting() == 1);
    leaves.reset();
    wait_until_nothing_is_in_use(&gateway);
    wait_until(&gateway, "connections", 0);
    gate.throw_open();
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

#[test]
fn an_idle_connection_to_one_endpoint_makes_room_for_another() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let more = "circuit_breaker: { max_connections: 1, max_pending: 0 }, load_balancing: round_robin";
    let gateway = config().pool("shared", &[one.address(), two.address()], more).start();
    let answers: Vec<String> = (0..6).map(|_| gateway.ask(&get(ACME, "/")).text()).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "one").count(), 3, "{answers:?}");
    assert_eq!(level(&gateway, "connections", "in_use"), 1);
}

/// The kernel spreads connections over workers: of so many, some come to each.
#[test]
fn idle_connections_of_one_worker_starve_no_other() {
    let origin = Origin::saying("ok");
    let gateway = breaking(&origin, "max_connections: 1").set("workers", "4").start();
    let mut clients: Vec<Client> = (0..24).map(|_| gateway.connect()).collect();
    let since = Instant::now();
    for _ in 0..4 {
        clients.iter_mut().for_each(|client| client.ask(&get(ACME, "/")).assert_status(200));
    }
    // Not by their growing old: they are kept for most of a minute.
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert!(origin.connections() > 1, "more than one worker has asked");
    assert!(level(&gateway, "connections", "in_use").as_u64() <= Some(1));
}

#[test]
fn busy_connections_of_one_worker_starve_no_other() {
    let origin = Origin::saying("ok");
    let gateway = breaking(&origin, "max_connections: 2").set("workers", "4").start();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            let mut client = gateway.connect();
            scope.spawn(move || (0..40).for_each(|_| client.ask(&get(ACME, "/")).assert_status(200)));
        }
    });
    wait_until_nothing_is_in_use(&gateway);
    assert!(level(&gateway, "connections", "in_use").as_u64() <= Some(2));
    assert!(origin.open_connections() <= 2);
    assert_eq!(tripped(&gateway, "connections", "pool"), 0.0);
}

#[test]
fn a_tenants_connections_are_those_that_it_uses() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = breaking(&origin, "max_connections: 4, per_tenant: { max_connections: 1 }").start();
    let mut first = gateway.asking(&get(ACME, "/"));
    eventually("it is at the origin", || gate.waiting() == 1);
    let mut second = gateway.asking(&get(ACME, "/"));
    wait_until(&gateway, "pending", 1);
    let mut other = gateway.asking(&get(GLOBEX, "/"));
    eventually("the other tenant's is at the origin", || gate.waiting() == 2);
    gate.throw_open();
    for client in [&mut first, &mut second, &mut other] {
        client.answer().assert_status(200);
    }
    wait_until_nothing_is_in_use(&gateway);
    gateway.ask(&get(GLOBEX, "/")).assert_status(200);
    assert_eq!(origin.connections(), 2, "an idle one is nobody's");
}

#[test]
fn a_tunnel_counts_until_its_end() {
    block_on(async {
        let (address, _farewell) = websocket_echo().await;
        let more = "circuit_breaker: { max_connections: 1, per_tenant: { max_requests: 1 } }, \
                    timeouts: { connect: 100ms }";
        let gateway = config().pool("shared", &[address], more).start();
        let socket = websocket(gateway.address(), ACME).await;
        let refused = |host: &str, status, code: &str| {
            gateway.ask(&get(host, "/")).assert_refused(status, code);
        };
        refused(ACME, 429, "concurrency_exceeded");
        refused(GLOBEX, 503, "no_capacity");
        drop(socket);
        eventually_async("nothing is in use", || {
            ["requests", "connections"].iter().all(|resource| level(&gateway, resource, "in_use") == 0)
        })
        .await;
    });
}

#[test]
fn retries_beyond_the_bound_are_not_made() {
    const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
    for (bounds, retries, scope) in [
        ("max_retries: 0", 0, "pool"),
        ("per_tenant: { max_retries: 0 }", 0, "tenant"),
        ("max_retries: 1", 2, "none"),
    ] {
        let origin = Origin::answering(BUSY);
        let more = format!("circuit_breaker: {{ {bounds} }}, retries: {{ max: 2 }}");
        let gateway = config().pool("shared", &[origin.address()], &more).start();
        let answer = gateway.ask(&get(ACME, "/"));
        assert_eq!((answer.status, answer.text().as_str()), (503, "busy"), "{bounds}");
        assert_eq!(origin.requests().len(), 1 + retries, "{bounds}");
        let trips = if scope == "none" { 0.0 } else { 1.0 };
        let all = gateway.metric("tollgate_circuit_breaker_tripped_total", &[("resource", "retries")]);
        assert_eq!((all, tripped(&gateway, "retries", scope)), (trips, trips), "{bounds}");
        wait_until_nothing_is_in_use(&gateway);
    }
}

#[test]
fn a_reload_changes_the_bounds_of_what_is_in_use() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let mut gateway = breaking(&origin, "max_requests: 1, per_tenant: { max_requests: 1 }").start();
    let mut held = vec![gateway.asking(&get(ACME, "/"))];
    eventually("it is at the origin", || gate.waiting() == 1);
    gateway.ask(&get(ACME, "/")).assert_refused(429, "concurrency_exceeded");
    gateway.ask(&get(GLOBEX, "/")).assert_refused(503, "no_capacity");
    let bounds = |bounds: &'static str| {
        let address = origin.address();
        move |config: Config| config.pool("shared", &[address], bounds)
    };
    gateway.reload(bounds("circuit_breaker: { max_requests: 3, per_tenant: { max_requests: 2 } }")).unwrap();
    held.push(gateway.asking(&get(ACME, "/")));
    eventually("both are at the origin", || gate.waiting() == 2);
    gateway.ask(&get(ACME, "/")).assert_refused(429, "concurrency_exceeded");
    assert_eq!(level(&gateway, "requests", "in_use"), 2);
    gateway.reload(bounds("circuit_breaker: { max_requests: 2 }")).unwrap();
    gateway.ask(&get(GLOBEX, "/")).assert_refused(503, "no_capacity");
    gate.throw_open();
    held.iter_mut().for_each(|client| client.answer().assert_status(200));
    wait_until_nothing_is_in_use(&gateway);
}

#[test]
fn a_reload_lets_in_who_waits_and_counts_what_was_open_before() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let address = origin.address();
    let mut gateway = config().to(&origin).start();
    let mut held = vec![gateway.asking(&get(ACME, "/")), gateway.asking(&get(ACME, "/"))];
    eventually("both are at the origin", || gate.waiting() == 2);
    let bounded = |most: u32| {
        let more = format!("circuit_breaker: {{ max_connections: {most} }}, timeouts: {{ connect: 1m }}");
        move |config: Config| config.pool("shared", &[address], &more)
    };
    // They were opened while there was no bound.
    gateway.reload(bounded(2)).unwrap();
    assert_eq!(level(&gateway, "connections", "in_use"), 2);
    held.push(gateway.asking(&get(ACME, "/")));
    wait_until(&gateway, "pending", 1);
    gateway.reload(bounded(3)).unwrap();
    eventually("the third is at the origin", || gate.waiting() == 3);
    gate.throw_open();
    held.iter_mut().for_each(|client| client.answer().assert_status(200));
    wait_until_nothing_is_in_use(&gateway);
    // Idle ones above a lowered bound close.
    gateway.reload(bounded(1)).unwrap();
    wait_until(&gateway, "connections", 1);
    eventually("the origin sees it", || origin.open_connections() == 1);
}

#[test]
fn a_reload_lets_in_a_tenants_requests_that_wait() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let address = origin.address();
    let mut gateway = breaking(&origin, "per_tenant: { max_connections: 1 }").start();
    let mut clients = vec![gateway.asking(&get(ACME, "/"))];
    eventually("it is at the origin", || gate.waiting() == 1);
    clients.push(gateway.asking(&get(ACME, "/")));
    wait_until(&gateway, "pending", 1);
    let more = "circuit_breaker: { per_tenant: { max_connections: 2 } }";
    gateway.reload(|config| config.pool("shared", &[address], more)).unwrap();
    eventually("both are at the origin", || gate.waiting() == 2);
    gate.throw_open();
    clients.iter_mut().for_each(|client| client.answer().assert_status(200));
    wait_until_nothing_is_in_use(&gateway);
}

#[test]
fn what_finds_no_connection_is_no_failure_of_the_endpoint() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let more = "circuit_breaker: { max_connections: 1 }, timeouts: { connect: 50ms }, \
                retries: { max: 2 }, outlier_detection: { consecutive_failures: 1 }";
    let gateway = config().pool("shared", &[origin.address()], more).start();
    let mut held = gateway.asking(&get(ACME, "/"));
    eventually("it is at the origin", || gate.waiting() == 1);
    for host in [ACME, GLOBEX, ACME] {
        gateway.ask(&get(host, "/")).assert_refused(503, "no_capacity");
    }
    let endpoint = gateway.admin("/api/v1/pools/shared").json()["endpoints"][0].clone();
    assert!(endpoint["failures"].as_object().unwrap().values().all(|count| *count == 0), "{endpoint}");
    assert_eq!((&endpoint["ejections"], &endpoint["in_flight"]), (&0.into(), &1.into()), "{endpoint}");
    assert_eq!(gateway.metric("tollgate_upstream_retries_total", &[("pool", "shared")]), 0.0);
    let log = gateway.access_log(3);
    assert!(log.iter().all(|line| line["endpoint"].is_null()), "{log:?}");
    gate.throw_open();
    held.answer().assert_status(200);
    wait_until_nothing_is_in_use(&gateway);
}

#[test]
fn a_retry_that_finds_no_connection_counts_as_none() {
    let gate = Gate::shut();
    let at_gate = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        at_gate.pass();
        peer.send("HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy");
    });
    let address = origin.address();
    let pool = |bounds: &str| {
        let more = "timeouts: { connect: 1m }, retries: { max: 1, backoff: { base: 1ms, max: 1ms } }";
        let more = format!("circuit_breaker: {{ {bounds} }}, {more}");
        move |config: Config| config.pool("shared", &[address], &more)
    };
    let mut gateway = pool("max_connections: 1")(config()).start();
    let mut first = gateway.asking(&get(ACME, "/"));
    eventually("the first is at the origin", || gate.waiting() == 1);
    let mut second = gateway.asking(&get(GLOBEX, "/"));
    wait_until(&gateway, "pending", 1);
    gateway.reload(pool("max_connections: 1, max_pending: 0")).unwrap();
    gate.open();
    // Its connection closes, and the one that has waited opens another.
    first.answer().assert_refused(503, "no_capacity");
    assert_eq!(tripped(&gateway, "pending", "pool"), 1.0);
    assert_eq!(gateway.metric("tollgate_upstream_retries_total", &[("pool", "shared")]), 0.0);
    let log = gateway.access_log(1);
    assert!(log[0]["upstream_ms"].is_number(), "it has been there once: {log:?}");
    assert_eq!(log[0]["retries"], 0, "{log:?}");
    gate.throw_open();
    second.answer().assert_status(503);
    wait_until_nothing_is_in_use(&gateway);
}

#[test]
fn health_checks_neither_wait_nor_are_refused() {
    let gate = Gate::shut();
    let at_gate = gate.clone();
    let origin = Origin::serving(move |request, peer| {
        if request.target == "/" {
            at_gate.pass();
        }
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let more = "circuit_breaker: { max_connections: 1, max_pending: 0, max_requests: 1 }, \
                health_check: { path: /healthz, interval: 300ms, timeout: 300ms, healthy: 1, unhealthy: 1 }";
    let gateway = config().pool("shared", &[origin.address()], more).start();
    let mut held = gateway.asking(&get(ACME, "/"));
    eventually("it is at the origin", || gate.waiting() == 1);
    let checks = |result| {
        let labels = [("pool", "shared"), ("result", result)];
        gateway.metric("tollgate_endpoint_health_checks_total", &labels)
    };
    let before = checks("pass");
    eventually("checks go on", || checks("pass") >= before + 2.0);
    assert_eq!((checks("fail"), level(&gateway, "connections", "in_use")), (0.0, 1.into()));
    for resource in ["connections", "pending", "requests"] {
        assert_eq!(tripped(&gateway, resource, "pool"), 0.0);
    }
    gate.throw_open();
    held.answer().assert_status(200);
}
