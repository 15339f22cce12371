//! Endpoints that can't serve: found by checks and by traffic, left out, and used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;

use crate::harness::{ACME, GLOBEX, Origin, TestGateway, config, eventually, get, refused_address};

const CHECKED: &str = "load_balancing: round_robin, health_check: { path: /healthz, interval: 20ms, timeout: 20ms, healthy: 2, unhealthy: 2 }";

/// An origin that says its name, or 503 while it is ill; checks are answered by `/healthz` alone.
struct Patient {
    origin: Origin,
    ill: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    checked: Arc<AtomicUsize>,
}

impl Patient {
    fn called(name: &'static str) -> Self {
        let ill = Arc::new(AtomicBool::new(false));
        let (served, checked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (is_ill, serves, checks) = (Arc::clone(&ill), Arc::clone(&served), Arc::clone(&checked));
        let origin = Origin::serving(move |request, peer| {
            let count = if request.target == "/healthz" { &checks } else { &serves };
            count.fetch_add(1, Ordering::SeqCst);
            let (status, body) = if is_ill.load(Ordering::SeqCst) { (503, "ill") } else { (200, name) };
            peer.send(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        });
        Self { origin, ill, served, checked }
    }

    fn fall_ill(&self) {
        self.ill.store(true, Ordering::SeqCst);
    }

    fn recover(&self) {
        self.ill.store(false, Ordering::SeqCst);
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

fn endpoint(gateway: &TestGateway, origin: &Origin) -> Value {
    let pools = gateway.admin("/api/v1/pools").json();
    let name = origin.address().to_string();
    let endpoints =
        pools["pools"].as_array().unwrap().iter().flat_map(|pool| pool["endpoints"].as_array().unwrap());
    endpoints.clone().find(|endpoint| endpoint["name"] == name.as_str()).unwrap().clone()
}

fn health(gateway: &TestGateway, patient: &Patient) -> String {
    endpoint(gateway, &patient.origin)["health"].as_str().unwrap().to_owned()
}

fn pool(gateway: &TestGateway, name: &str) -> Value {
    gateway.admin(&format!("/api/v1/pools/{name}")).json()
}

fn answers(gateway: &TestGateway, host: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| gateway.ask(&get(host, "/")).text()).collect()
}

#[test]
fn what_fails_its_checks_is_left_out_and_comes_back() {
    let [one, two] = ["one", "two"].map(Patient::called);
    let gateway = config().pool("shared", &[one.origin.address(), two.origin.address()], CHECKED).start();
    eventually("both are healthy", || {
        [&one, &two].iter().all(|patient| health(&gateway, patient) == "healthy")
    });
    one.fall_ill();
    eventually("one is found ill", || health(&gateway, &one) == "unhealthy");
    let served = one.served();
    assert_eq!(answers(&gateway, ACME, 6), ["two"; 6]);
    assert_eq!(one.served(), served);
    let name = one.origin.address().to_string();
    let labels = [("pool", "shared"), ("endpoint", &*name)];
    assert_eq!(gateway.metric("tollgate_endpoint_up", &labels), 0.0);
    let failed = [labels[0], labels[1], ("result", "fail")];
    assert!(gateway.metric("tollgate_endpoint_health_checks_total", &failed) >= 2.0);
    one.recover();
    eventually("one is healthy again", || health(&gateway, &one) == "healthy");
    assert_eq!(gateway.metric("tollgate_endpoint_up", &labels), 1.0);
    let mut both = answers(&gateway, ACME, 2);
    both.sort();
    assert_eq!(both, ["one", "two"]);
}

#[test]
fn a_check_asks_what_is_configured_and_is_no_request_of_a_tenant() {
    let origin = Origin::saying("fine");
    let terms = "health_check: { path: '/up?deep=1', method: HEAD, host: app.internal, interval: 20ms, timeout: 20ms, expect: [200] }";
    let gateway = config().pool("shared", &[origin.address()], terms).start();
    eventually("it is healthy", || endpoint(&gateway, &origin)["health"] == "healthy");
    let check = origin.last_request();
    assert_eq!((&*check.method, &*check.target), ("HEAD", "/up?deep=1"));
    assert_eq!(check.header("host"), Some("app.internal"));
    assert_eq!(check.header("user-agent"), Some("tollgate-health-check"));
    assert_eq!(check.header("x-tenant-id"), None);
    assert_eq!(endpoint(&gateway, &origin)["requests"], 0);
    assert_eq!(gateway.metric("tollgate_endpoint_requests_total", &[]), 0.0);
}

#[test]
fn a_reload_that_ends_the_checks_forgets_what_they_found() {
    let [one, two, three] = ["one", "two", "three"].map(Patient::called);
    let addresses = [one.origin.address(), two.origin.address(), three.origin.address()];
    let mut gateway = config().pool("shared", &addresses, CHECKED).start();
    one.fall_ill();
    eventually("one is found ill", || health(&gateway, &one) == "unhealthy");
    // The same checks: what they found stays.
    let more = format!("{CHECKED}, max_idle: 3");
    gateway.reload(|config| config.pool("shared", &addresses, &more)).unwrap();
    assert_eq!(health(&gateway, &one), "unhealthy");
    gateway.reload(|config| config.pool("shared", &addresses, "load_balancing: round_robin")).unwrap();
    assert_eq!(health(&gateway, &one), "unchecked");
    let checked = one.checked.load(Ordering::SeqCst);
    assert!(answers(&gateway, ACME, 3).contains(&"ill".to_owned()));
    // A check that was under way may still have come.
    assert!(one.checked.load(Ordering::SeqCst) <= checked + 1);
}

#[test]
fn when_most_fail_health_is_ignored_unless_it_is_said_not_to_be() {
    let [one, two] = ["one", "two"].map(Patient::called);
    let addresses = [one.origin.address(), two.origin.address()];
    let mut gateway = config().pool("shared", &addresses, CHECKED).start();
    one.fall_ill();
    two.fall_ill();
    eventually("the pool panics", || pool(&gateway, "shared")["panicking"] == true);
    assert_eq!(gateway.metric("tollgate_pool_panicking", &[("pool", "shared")]), 1.0);
    gateway.ask(&get(ACME, "/")).assert_status(503);
    assert_eq!(one.served() + two.served(), 1);
    let more = format!("{CHECKED}, panic_threshold: 0%");
    gateway.reload(|config| config.pool("shared", &addresses, &more)).unwrap();
    gateway.ask(&get(ACME, "/")).assert_refused(503, "no_endpoint");
    assert_eq!(one.served() + two.served(), 1);
}

#[test]
fn an_endpoint_that_only_must_take_connections() {
    let (dead, _held) = refused_address();
    let alive = Origin::saying("alive");
    let terms = "health_check: { interval: 1s, timeout: 1s, unhealthy: 1 }";
    let gateway = config().pool("shared", &[dead, alive.address()], terms).start();
    eventually("it is known", || {
        let endpoints = pool(&gateway, "shared")["endpoints"].clone();
        endpoints[0]["health"] == "unhealthy" && endpoints[1]["health"] == "healthy"
    });
    assert_eq!(answers(&gateway, ACME, 3), ["alive"; 3]);
    assert_eq!(gateway.metric("tollgate_endpoint_failures_total", &[]), 0.0);
}

#[test]
fn a_pool_stands_in_while_fewer_than_half_can_serve() {
    let [one, two, other] = ["one", "two", "other"].map(Patient::called);
    let more = format!("{CHECKED}, failover: spare");
    let gateway = config()
        .pool("shared", &[one.origin.address(), two.origin.address()], &more)
        .pool("spare", &[other.origin.address()], "")
        .start();
    eventually("both are healthy", || {
        [&one, &two].iter().all(|patient| health(&gateway, patient) == "healthy")
    });
    one.fall_ill();
    eventually("one is found ill", || health(&gateway, &one) == "unhealthy");
    assert_eq!(answers(&gateway, ACME, 3), ["two"; 3]);
    two.fall_ill();
    eventually("the pool fails over", || pool(&gateway, "shared")["failed_over"] == "spare");
    assert_eq!(answers(&gateway, ACME, 3), ["other"; 3]);
    assert_eq!(gateway.metric("tollgate_pool_failed_over", &[("pool", "shared")]), 1.0);
    // It is the pool that serves that the books are of.
    let entry = gateway.access_log(6).pop().unwrap();
    assert_eq!(entry["pool"], "spare");
    one.recover();
    eventually("the pool is back", || pool(&gateway, "shared")["failed_over"].is_null());
    assert_eq!(answers(&gateway, ACME, 3), ["one"; 3]);
}

#[test]
fn a_stand_in_that_is_as_ill_is_passed_over() {
    let [one, two, three] = ["one", "two", "three"].map(Patient::called);
    let first = format!("{CHECKED}, failover: second");
    let second = format!("{CHECKED}, failover: third");
    let gateway = config()
        .pool("shared", &[one.origin.address()], &first)
        .pool("second", &[two.origin.address()], &second)
        .pool("third", &[three.origin.address()], CHECKED)
        .start();
    one.fall_ill();
    eventually("the first fails over", || pool(&gateway, "shared")["failed_over"] == "second");
    // A check that was late on a busy machine passes the second over, too, until the next.
    eventually("the second serves", || answers(&gateway, ACME, 1) == ["two"]);
    two.fall_ill();
    eventually("the second, too", || pool(&gateway, "second")["failed_over"] == "third");
    eventually("the third serves", || answers(&gateway, ACME, 1) == ["three"]);
    three.fall_ill();
    eventually("the third is found ill", || health(&gateway, &three) == "unhealthy");
    let served = one.served();
    gateway.ask(&get(ACME, "/")).assert_status(503);
    assert_eq!(one.served(), served + 1, "where none can serve it is whose it was");
}

const EJECTING: &str = "load_balancing: round_robin, outlier_detection: { consecutive_failures: 3, base_ejection: 200ms, interval: 50ms";

#[test]
fn what_fails_several_tenants_is_ejected_and_readmitted() {
    let [one, two] = ["one", "two"].map(Patient::called);
    let more = format!("{EJECTING} }}");
    let gateway = config().pool("shared", &[one.origin.address(), two.origin.address()], &more).start();
    one.fall_ill();
    for host in [ACME, GLOBEX, ACME, GLOBEX, ACME, GLOBEX] {
        answers(&gateway, host, 2);
    }
    let name = one.origin.address().to_string();
    let labels = [("pool", "shared"), ("endpoint", &*name)];
    assert_eq!(gateway.metric("tollgate_endpoint_ejections_total", &labels), 1.0);
    eventually("it is left out", || {
        let served = one.served();
        answers(&gateway, ACME, 2);
        one.served() == served
    });
    one.recover();
    eventually("it is back", || answers(&gateway, ACME, 2).contains(&"one".to_owned()));
    assert_eq!(gateway.metric("tollgate_endpoint_ejected", &labels), 0.0);
    assert_eq!(endpoint(&gateway, &one.origin)["ejections"], 1);
    assert!(endpoint(&gateway, &one.origin)["ejected_for_ms"].is_null());
}

#[test]
fn one_tenants_failures_eject_nothing_that_serves_others() {
    let origin = || {
        Origin::serving(|request, peer| {
            let is_acme = request.header("x-tenant-id") == Some("acme");
            let status = if is_acme { "500 Bad" } else { "200 OK" };
            peer.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
        })
    };
    let [one, two] = [origin(), origin()];
    // So long that the other tenant is always heard of in it, however busy the machine is.
    let more = format!("{EJECTING} }}").replace("interval: 50ms", "interval: 1m");
    let gateway = config().pool("shared", &[one.address(), two.address()], &more).start();
    for _ in 0..20 {
        gateway.ask(&get(GLOBEX, "/")).assert_status(200);
        gateway.ask(&get(GLOBEX, "/")).assert_status(200);
        (0..6).for_each(|_| gateway.ask(&get(ACME, "/")).assert_status(500));
    }
    assert_eq!(gateway.metric("tollgate_endpoint_ejections_total", &[]), 0.0);
}

#[test]
fn what_can_not_be_connected_to_is_ejected_whoever_asks() {
    let (dead, _held) = refused_address();
    let alive = Origin::saying("alive");
    let more = format!("{EJECTING}, min_tenants: 4 }}")
        .replace("200ms", "10m")
        .replace("interval", "max_ejection: 10m, interval");
    let gateway = config().pool("shared", &[dead, alive.address()], &more).start();
    assert_eq!(answers(&gateway, ACME, 6), ["alive"; 6]);
    let labels = [("pool", "shared"), ("cause", "connects")];
    assert_eq!(gateway.metric("tollgate_endpoint_ejections_total", &labels), 1.0);
    eventually("it is asked no more", || {
        let failures = || gateway.metric("tollgate_endpoint_failures_total", &[("kind", "connect")]);
        let before = failures();
        answers(&gateway, ACME, 4);
        failures() == before
    });
    let ejected = pool(&gateway, "shared")["endpoints"][0]["ejected_for_ms"].as_u64().unwrap();
    assert!((500_000..=600_000).contains(&ejected), "{ejected}");
}

#[test]
fn a_response_that_breaks_off_counts_against_its_endpoint() {
    let broken = Origin::serving(|_, peer| {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        peer.finish_sending();
    });
    let more = format!("{EJECTING}, min_tenants: 1 }}");
    let gateway = config().pool("shared", &[broken.address()], &more).start();
    for _ in 0..3 {
        let mut client = gateway.connect();
        client.send(get(ACME, "/").bytes());
        client.drain();
    }
    eventually("it is ejected", || {
        gateway.metric("tollgate_endpoint_ejections_total", &[("cause", "failures")]) == 1.0
    });
    assert_eq!(gateway.metric("tollgate_endpoint_failures_total", &[("kind", "reset")]), 3.0);
    // The only one: used all the same.
    eventually("the pool panics", || pool(&gateway, "shared")["panicking"] == true);
}

/// No more than half are ever ejected, but those that would be don't count as able to serve either.
#[test]
fn a_pool_whose_traffic_says_that_all_fail_fails_over() {
    let (dead, _held) =
        [refused_address(), refused_address(), refused_address()].into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    let spare = Origin::saying("spare");
    let more = format!("{EJECTING}, max_ejection: 10m }}, failover: spare").replace("200ms", "10m");
    let gateway = config().pool("shared", &dead, &more).pool("spare", &[spare.address()], "").start();
    eventually("the pool fails over", || {
        gateway.ask(&get(ACME, "/"));
        pool(&gateway, "shared")["failed_over"] == "spare"
    });
    assert_eq!(answers(&gateway, ACME, 3), ["spare"; 3]);
    let ejected = gateway.metric("tollgate_endpoint_ejected", &[("pool", "shared")]);
    assert!((1.0..3.0).contains(&ejected), "{ejected}");
}
