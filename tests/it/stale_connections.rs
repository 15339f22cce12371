//! Kept-alive connections to an origin: what went wrong on one is nothing to the next request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{ACME, Origin, config, eventually, get, post, request};

#[test]
fn more_than_the_length_said_is_not_the_next_answer() {
    let nth = Arc::new(AtomicUsize::new(0));
    let origin = Origin::serving(move |_, peer| {
        let nth = nth.fetch_add(1, Ordering::SeqCst);
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{nth}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"));
    });
    let gateway = config().to(&origin).start();
    for _ in 0..4 {
        let answer = gateway.ask(&get(ACME, "/"));
        assert!(!answer.text().contains("forged"), "{answer:?}");
        assert!(answer.status == 200 || answer.status == 502, "{answer:?}");
    }
}

#[test]
fn a_kept_connection_that_the_origin_had_closed_is_no_error() {
    for message in [
        get(ACME, "/"),
        request("HEAD", ACME, "/"),
        request("DELETE", ACME, "/"),
        request("OPTIONS", ACME, "/"),
    ] {
        let origin = closing_under_the_second_request();
        let gateway = config().to(&origin).start();
        let mut client = gateway.connect();
        for _ in 0..8 {
            client.ask(&message).assert_status(200);
        }
    }
}

#[test]
fn a_post_is_not_delivered_twice() {
    let origin = closing_under_the_second_request();
    let gateway = config().to(&origin).start();
    let mut asked = 0;
    for nth in 0..8 {
        gateway.ask(&get(ACME, "/warm"));
        let answer = gateway.ask(&post(ACME, &format!("/{nth}"), b"once"));
        asked += 1;
        assert!(matches!(answer.status, 200 | 502), "{answer:?}");
    }
    let received = origin.received().concat();
    let text = String::from_utf8_lossy(&received);
    for nth in 0..asked {
        let delivered = text.matches(&format!("POST /{nth} ")).count();
        assert!(delivered <= 1, "POST /{nth} was delivered {delivered} times");
    }
}

/// Answers the first request of each connection and closes, without an answer, when the second
/// arrives: what a keep-alive timeout at the wrong moment looks like.
fn closing_under_the_second_request() -> Origin {
    Origin::on_connection(|_, mut peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            // The second request's bytes are read, so that the close is a FIN, as of a server
            // that had decided to close before they came.
            let _ = peer.request_head();
        }
    })
}

#[test]
fn connections_that_the_origin_closed_while_idle_are_not_used() {
    let origin = Origin::on_request(|_, mut peer| {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let gateway = config().to(&origin).start();
    for nth in 1..=5 {
        gateway.ask(&post(ACME, "/", b"x")).assert_status(200);
        eventually("the connection is closed", || origin.open_connections() == 0);
        assert_eq!(origin.connections(), nth);
    }
}

#[test]
fn a_failure_of_one_request_is_not_the_next_ones() {
    let origin = Origin::on_request(|request, mut peer| match request.target.as_str() {
        "/reset" => peer.reset(),
        "/garbage" => {
            peer.send("nonsense\r\n\r\n");
        }
        _ => {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    for _ in 0..3 {
        for target in ["/reset", "/garbage"] {
            client.ask(&post(ACME, target, b"")).assert_refused(502, "upstream_protocol");
        }
        assert_eq!(client.ask(&get(ACME, "/")).text(), "ok");
    }
}
