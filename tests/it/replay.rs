//! Request bodies that are kept and sent once more, and those that are not.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use crate::harness::{
    ACME, DEADLINE, Message, Origin, Request, TestGateway, config, fingerprint, get, post, request,
};

fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// How an origin fails the first requests of all that come, when it has read them.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Reset,
    Busy,
    BusyAndCloses,
}

/// An origin that fails the first `times` requests, and all that it was asked, in order.
fn failing(times: usize, failure: Failure) -> (Origin, Arc<Mutex<Vec<Request>>>) {
    let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
    let noted = Arc::clone(&asked);
    let origin = Origin::on_connection(move |_, mut peer| {
        while let Some(request) = peer.request() {
            let nth = {
                let mut noted = noted.lock().unwrap();
                noted.push(request);
                noted.len()
            };
            match failure {
                _ if nth > times => {
                    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
                }
                Failure::Reset => return peer.reset(),
                Failure::Busy => {
                    peer.send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
                }
                Failure::BusyAndCloses => {
                    peer.send("HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\nbusy");
                    return;
                }
            }
        }
    });
    (origin, asked)
}

fn retrying(origin: &Origin, more: &str) -> TestGateway {
    let retries = format!("retries: {{ backoff: {{ base: 1ms, max: 1ms }}{more} }}");
    config().pool("shared", &[origin.address()], &retries).start()
}

fn put(body: &[u8]) -> Message {
    request("PUT", ACME, "/thing").body(body)
}

fn chunked(body: &[u8]) -> Message {
    let (first, rest) = body.split_at(body.len() / 3);
    request("PUT", ACME, "/thing")
        .header("TE", "trailers")
        .chunks_and_trailers(&[first, rest], "X-End: yes\r\n")
}

#[test]
fn a_body_is_sent_again_as_it_was_while_the_request_may_be() {
    for failure in [Failure::Reset, Failure::Busy, Failure::BusyAndCloses] {
        for length in [3, 8_000, 9_000, 65_536] {
            let body = noise(length);
            for message in [put(&body), chunked(&body)] {
                let (origin, asked) = failing(2, failure);
                let message = message.header("X-Request-Timeout", "30.000");
                let answer = retrying(&origin, "").ask(&message);
                assert_eq!((answer.status, answer.text().as_str()), (200, "good"), "{failure:?} {length}");
                let asked = asked.lock().unwrap();
                assert_eq!(asked.len(), 3, "{failure:?} {length}");
                for one in &*asked {
                    assert!(one.body == body, "{failure:?} {length}: {}", one.body.len());
                    let names =
                        |of: &Request| of.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
                    assert_eq!((&one.trailers, names(one)), (&asked[0].trailers, names(&asked[0])));
                    assert_eq!(one.all("x-request-timeout").len(), 1, "{one:?}");
                }
                // hyper sends only trailers that are announced.
                let has_trailers =
                    asked[0].header("transfer-encoding").is_some() && !cfg!(feature = "hyper-upstream");
                assert_eq!(asked[0].trailers.len(), usize::from(has_trailers));
            }
        }
    }
}

#[test]
fn what_is_larger_than_the_bound_is_not_sent_again() {
    let body = noise(3_000);
    for (more, sent) in [(", buffer: 3000", 2), (", buffer: 2999", 1), (", buffer: 0", 1)] {
        for message in [put(&body), chunked(&body)] {
            let (origin, asked) = failing(1, Failure::Reset);
            let answer = retrying(&origin, more).ask(&message);
            match sent {
                1 => answer.assert_refused(502, "upstream_protocol"),
                _ => answer.assert_status(200),
            }
            assert_eq!(asked.lock().unwrap().len(), sent, "{more}");
            let (origin, asked) = failing(1, Failure::Busy);
            let answer = retrying(&origin, more).ask(&message);
            assert_eq!(answer.status, if sent == 1 { 503 } else { 200 });
            assert_eq!(asked.lock().unwrap().len(), sent, "{more}");
        }
    }
}

#[test]
fn what_may_have_had_an_effect_is_not_sent_again_for_its_body_being_kept() {
    for failure in [Failure::Reset, Failure::Busy, Failure::BusyAndCloses] {
        for message in [post(ACME, "/", b"once"), request("PATCH", ACME, "/").chunks(&[b"on", b"ce"])] {
            let (origin, asked) = failing(1, failure);
            let status = retrying(&origin, "").ask(&message).status;
            assert!(matches!(status, 502 | 503), "{failure:?} {status}");
            assert_eq!(asked.lock().unwrap().len(), 1, "{failure:?}");
        }
    }
}

#[test]
fn what_is_being_said_again_is_said_to_its_end_though_the_answer_has_begun() {
    let body = noise(3 << 19);
    let origin = Origin::on_connection(move |nth, mut peer| {
        while let Some(mut request) = peer.request_head() {
            if nth == 0 {
                peer.request_body(&mut request).unwrap();
                return peer.reset();
            }
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            peer.send_chunk("seen ");
            if peer.request_body(&mut request).is_err() {
                return;
            }
            peer.send_chunk(fingerprint(&request.body));
            peer.send("0\r\n\r\n");
        }
    });
    let gateway = retrying(&origin, ", buffer: 2MiB");
    let mut client = gateway.connect();
    for message in [put(&body), get(ACME, "/")] {
        let sent = if message.bytes().starts_with(b"GET") { &b""[..] } else { &body };
        assert_eq!(client.ask(&message).text(), format!("seen {}", fingerprint(sent)));
    }
    assert_eq!(origin.connections(), 2);
}

/// Reads what comes up to the body's first octets, resets the first connection, and hands the next request over.
fn resetting_in_the_body(first: &'static [u8]) -> (Origin, Receiver<()>, Receiver<Request>) {
    let (failed, failures) = channel();
    let (done, requests) = channel();
    let origin = Origin::on_connection(move |nth, mut peer| {
        if nth == 0 {
            peer.request_head();
            assert_eq!(peer.take(first.len()).unwrap(), first);
            failed.send(()).unwrap();
            return peer.reset();
        }
        if let Some(request) = peer.request() {
            done.send(request).unwrap();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (origin, failures, requests)
}

#[test]
fn the_rest_of_a_body_follows_what_was_kept_of_it() {
    let (origin, failures, requests) = resetting_in_the_body(b"first");
    let gateway = retrying(&origin, "");
    let mut client = gateway.connect();
    client.send("PUT / HTTP/1.1\r\nHost: acme.app.test\r\nContent-Length: 11\r\n\r\nfirst");
    failures.recv_timeout(DEADLINE).unwrap();
    client.send(" later");
    client.answer().assert_status(200);
    assert_eq!(requests.recv_timeout(DEADLINE).unwrap().body, b"first later");
}

#[test]
fn a_kept_connection_that_had_ended_costs_no_body() {
    let origin = Origin::on_connection(|_, mut peer| {
        // The second request of each connection meets its end.
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            peer.request();
        }
    });
    let gateway = retrying(&origin, ", max: 0");
    for _ in 0..6 {
        gateway.ask(&get(ACME, "/")).assert_status(200);
        gateway.ask(&put(b"not lost")).assert_status(200);
    }
}
