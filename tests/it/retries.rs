//! Retries that a pool is told to make: what is sent again, what never is, and how much of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{ACME, Gate, Origin, config, eventually, get, post, refused_address, request};

/// An origin that fails the first requests in this way, and then says "good".
fn failing(times: usize, failure: &'static str) -> (Origin, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let origin = Origin::on_connection(move |_, mut peer| {
        while peer.request().is_some() {
            if counted.fetch_add(1, Ordering::SeqCst) < times {
                if failure == "reset" {
                    return peer.reset();
                }
                peer.send(failure);
            } else {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
            }
        }
    });
    (origin, asked)
}

const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
const BROKEN: &str = "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n";

#[test]
fn what_is_safe_is_sent_again_after_what_the_pool_says() {
    for failure in ["reset", BUSY] {
        let (origin, asked) = failing(2, failure);
        let gateway = config().pool("shared", &[origin.address()], "retries: {}").start();
        let answer = gateway.ask(&get(ACME, "/"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "good"), "{failure}");
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        assert_eq!(gateway.metric("tollgate_upstream_retries_total", &[("pool", "shared")]), 2.0);
        // A PUT without a body is as idempotent.
        let (origin, _) = failing(1, failure);
        let gateway = config().pool("shared", &[origin.address()], "retries: {}").start();
        gateway.ask(&request("PUT", ACME, "/").header("Content-Length", "0")).assert_status(200);
    }
}

#[test]
fn what_may_have_had_an_effect_is_never_sent_again() {
    for failure in ["reset", BUSY] {
        for message in [post(ACME, "/", b"body"), post(ACME, "/", b""), request("PATCH", ACME, "/")] {
            let (origin, asked) = failing(1, failure);
            let gateway = config().pool("shared", &[origin.address()], "retries: {}").start();
            let status = gateway.ask(&message).status;
            assert!(matches!(status, 502 | 503), "{failure}: {status}");
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{failure}");
        }
    }
}

#[test]
fn what_the_pool_does_not_say_is_not_retried_and_no_more_than_it_says() {
    let (origin, asked) = failing(1, BROKEN);
    let gateway = config().pool("shared", &[origin.address()], "retries: {}").start();
    gateway.ask(&get(ACME, "/")).assert_status(500);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "500 is not among the defaults");

    let (origin, asked) = failing(9, BUSY);
    let gateway = config().pool("shared", &[origin.address()], "retries: { max: 3 }").start();
    // The last answer is the client's, as it is.
    let answer = gateway.ask(&get(ACME, "/"));
    assert_eq!((answer.status, answer.text().as_str()), (503, "busy"));
    assert_eq!(asked.load(Ordering::SeqCst), 4);

    let (origin, asked) = failing(1, BUSY);
    let gateway = config().pool("shared", &[origin.address()], "retries: { on: [reset] }").start();
    gateway.ask(&get(ACME, "/")).assert_status(503);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_retry_goes_to_another_endpoint_while_there_is_one() {
    let bad = Origin::answering(BUSY);
    let good = Origin::saying("good");
    let pool = "retries: {}, load_balancing: round_robin";
    let gateway = config().pool("shared", &[bad.address(), good.address()], pool).start();
    for _ in 0..10 {
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "good");
    }
    assert!(good.requests().len() == 10 && !bad.requests().is_empty());
}

#[test]
fn a_try_may_take_so_long_and_the_next_goes_elsewhere() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stuck = Origin::on_request(move |_, _kept| {
        held.pass();
    });
    let good = Origin::saying("good");
    let pool = "retries: { per_try_timeout: 200ms }, load_balancing: round_robin";
    let gateway = config().pool("shared", &[stuck.address(), good.address()], pool).start();
    for _ in 0..4 {
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "good");
    }
    gateway.ask(&post(ACME, "/", b"x")).assert_refused(504, "upstream_timeout");
    gate.throw_open();
}

#[test]
fn the_routes_timeout_is_for_all_tries_together() {
    let (dead, _held) = refused_address();
    let routes = "[{ match: { path_prefix: / }, pool: shared, timeout: 300ms }]";
    let pool = "retries: { max: 10, backoff: { base: 10s, max: 10s } }";
    let gateway = config().pool("shared", &[dead], pool).set("routes", routes).start();
    let since = std::time::Instant::now();
    assert!(matches!(gateway.ask(&get(ACME, "/")).status, 502 | 504));
    assert!(since.elapsed() < std::time::Duration::from_secs(5));
}

/// With every request failing, retries stay a part of what is in flight, and the pool is not asked thrice as much.
#[test]
fn an_ill_pool_is_not_finished_off_by_retries() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        held.pass();
        peer.send(BUSY);
    });
    let pool = "retries: { max: 10, on: [503], budget: 10%, backoff: { base: 1ms, max: 1ms } }";
    let gateway = config().pool("shared", &[origin.address()], pool).start();
    let mut clients: Vec<_> = (0..60).map(|_| gateway.connect()).collect();
    assert!(clients.iter_mut().all(|client| client.send(get(ACME, "/").bytes())));
    eventually("all are there", || gate.waiting() == 60);
    gate.throw_open();
    clients.iter_mut().for_each(|client| client.answer().assert_status(503));
    let retries = gateway.metric("tollgate_upstream_retries_total", &[("pool", "shared")]);
    // Ten at a time of sixty, and they end as soon as there are none to retry.
    assert!(retries > 0.0 && retries < 240.0, "{retries}");
    let withheld = gateway.metric("tollgate_upstream_retries_withheld_total", &[("pool", "shared")]);
    assert!(withheld > 0.0);
}
