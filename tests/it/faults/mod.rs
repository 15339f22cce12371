//! The fault matrix: each way in which an endpoint fails, over each transport, for requests that may be repeated and those that may not. What the
//! client sees, how often the endpoint is asked, by when all is over, and that nothing is left behind: no connection,
//! seat, request in flight or task.

mod fault;
mod faulty;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use crate::harness::{
    ACME, Ending, H2Origin, Message, Origin, Response, TestGateway, config, eventually, get, post, serve_h2,
};
use crate::transports::cover::Cover;
use crate::transports::tls::{Authority, acceptor};
use fault::{FAULTS, Fault, Seen, TRANSPORTS, Transport};
use faulty::Faulty;

/// Deadlines short enough to be waited for.
const IMPATIENT: &str = "timeouts: { connect: 300ms, tls: 300ms, response_header: 300ms, idle: 300ms }, concurrency: { limit: 8 }, \
                         load_balancing: round_robin";

/// By when any of it is over: far beyond the deadlines, far below a hang.
const SOON: Duration = Duration::from_secs(5);

/// What must be the same before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Left {
    tasks: f64,
    connections: f64,
    seats: f64,
    at_endpoints: f64,
    at_tenants: f64,
}

impl Left {
    fn of(gateway: &TestGateway) -> Self {
        let sum = |name: &str| gateway.metric(name, &[]);
        Self {
            tasks: sum("tollgate_worker_tasks"),
            connections: sum("tollgate_connections"),
            seats: sum("tollgate_pool_seats_in_use"),
            at_endpoints: sum("tollgate_endpoint_requests_in_flight"),
            at_tenants: sum("tollgate_requests_in_flight"),
        }
    }
}

fn ask(gateway: &TestGateway, message: &Message) -> (Response, Duration) {
    let since = Instant::now();
    let mut client = gateway.connect();
    let answer = client.ask(message);
    (answer, since.elapsed())
}

fn requests() -> [(&'static str, Message); 2] {
    [("GET", get(ACME, "/")), ("POST", post(ACME, "/", b"body"))]
}

/// A gateway to these endpoints, which it has little patience with.
fn before(urls: &[String], by: Transport) -> TestGateway {
    let gateway = config().pool_at("shared", urls, &format!("{}, {IMPATIENT}", by.keys())).start();
    // The sweeper and the accept loop: the worker may not have come so far when the gateway has started.
    eventually("the worker listens", || gateway.metric("tollgate_worker_tasks", &[]) == 3.0);
    gateway
}

/// Asserts what each fault does to each method over a transport.
fn assert_faults(by: Transport) {
    for fault in FAULTS {
        for (method, message) in requests() {
            assert_fault(fault, by, method, &message);
        }
    }
}

fn assert_fault(fault: Fault, by: Transport, method: &str, message: &Message) {
    let faulty = Faulty::new(fault, by);
    let gateway = before(std::slice::from_ref(&faulty.url), by);
    let before = Left::of(&gateway);
    let (answer, took) = ask(&gateway, message);
    let what = format!("{fault:?} over {by:?}, {method}: {answer:?}");
    match fault.seen(by) {
        Seen::Refused(status, code) => {
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what}");
        }
        Seen::Cut => {
            assert!(answer.status == 502 || answer.ending == Ending::Broken, "{what}");
            assert_ne!(answer.body.len(), 10, "{what}");
        }
        Seen::Whole => assert_eq!((answer.status, answer.text().as_str()), (200, "slow"), "{what}"),
    }
    assert!(took < SOON, "{what} took {took:?}");
    assert_eq!(faulty.asked(), usize::from(fault.is_asked()), "{what}: it is sent once");
    for kind in ["connect", "reset", "timeout", "protocol", "status"] {
        let told = gateway.metric("tollgate_endpoint_failures_total", &[("kind", kind)]);
        let expected = f64::from(u8::from(fault.kind(by) == Some(kind)));
        assert_eq!(told, expected, "{what}: {kind}");
    }
    let kept = f64::from(u8::from(fault.leaves_connection(by)));
    // Each connection of HTTP/2 has a task.
    let tasks = before.tasks + if by == Transport::Http2 { kept } else { 0.0 };
    let after = Left { tasks, ..before };
    let open = || gateway.metric("tollgate_upstream_connections", &[("pool", "shared")]);
    eventually(&format!("nothing is left of {what}"), || Left::of(&gateway) == after && open() == kept);
}

#[test]
fn each_fault_has_its_answer_and_leaves_nothing_behind() {
    assert_faults(Transport::Http1);
}

#[test]
fn each_fault_over_tls_has_its_answer_and_leaves_nothing_behind() {
    assert_faults(Transport::Tls);
}

#[test]
fn each_fault_over_http_2_has_its_answer_and_leaves_nothing_behind() {
    assert_faults(Transport::Http2);
}

/// Beside an endpoint that works, what could be sent on is: only faults after a request may have had an effect are seen.
#[test]
fn beside_a_good_endpoint_what_was_not_sent_goes_there() {
    for by in TRANSPORTS {
        let unsent = FAULTS.into_iter().filter(|fault| fault.kind(by) == Some("connect"));
        for fault in unsent {
            for (method, message) in requests() {
                let faulty = Faulty::new(fault, by);
                let good = Good::new(by);
                let gateway = before(&[faulty.url.clone(), good.url.clone()], by);
                let before = Left::of(&gateway);
                for _ in 0..4 {
                    let (answer, took) = ask(&gateway, &message);
                    let what = format!("{fault:?} over {by:?}, {method}");
                    assert_eq!((answer.status, answer.text().as_str()), (200, "good"), "{what}");
                    assert!(took < SOON, "{what} took {took:?}");
                }
                assert_eq!(good.requests(), 4);
                let tasks = before.tasks + if by == Transport::Http2 { 1.0 } else { 0.0 };
                eventually("nothing is left", || Left::of(&gateway) == Left { tasks, ..before });
            }
        }
    }
}

/// An endpoint that says `good`.
struct Good {
    url: String,
    origin: Origin,
    two: H2Origin,
    _cover: Cover,
}

impl Good {
    fn new(by: Transport) -> Self {
        let (origin, two) = (Origin::saying("good"), H2Origin::saying("good"));
        let cover = Cover::tls(origin.address(), acceptor(&Authority::new(), "127.0.0.1", None));
        let url = match by {
            Transport::Http1 => by.url(origin.address()),
            Transport::Tls => cover.url.clone(),
            Transport::Http2 => by.url(two.address()),
        };
        Self { url, origin, two, _cover: cover }
    }

    fn requests(&self) -> usize {
        self.origin.requests().len() + self.two.requests()
    }
}

/// An endpoint that fails every other connection: whatever the mix, each request has one outcome, and nothing is left.
#[test]
fn a_flapping_endpoint_leaves_nothing_behind() {
    let origin = Origin::on_connection(|nth, mut peer| {
        if nth % 2 == 0 {
            peer.reset();
            return;
        }
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    let cover = Cover::tls(origin.address(), acceptor(&Authority::new(), "127.0.0.1", None));
    let nth = Arc::new(AtomicUsize::new(0));
    let two = H2Origin::raw(async move |mut io| {
        if nth.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            let _ = io.shutdown().await;
            return;
        }
        serve_h2(io, 1).await;
    });
    for by in TRANSPORTS {
        let url = match by {
            Transport::Http1 => by.url(origin.address()),
            Transport::Tls => cover.url.clone(),
            Transport::Http2 => by.url(two.address()),
        };
        assert_flaps(by, url);
    }
}

fn assert_flaps(by: Transport, url: String) {
    let gateway = before(&[url], by);
    let before = Left::of(&gateway);
    let mut seen = [0; 2];
    for nth in 0..40 {
        let (answer, _) = ask(&gateway, &requests()[nth % 2].1);
        match answer.status {
            200 => seen[0] += 1,
            502 => seen[1] += 1,
            other => panic!("{by:?}, {other}: {answer:?}"),
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{by:?}: {seen:?}");
    eventually("nothing is left", || Left::of(&gateway) == before);
}
