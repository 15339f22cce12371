//! Endpoints over HTTP/2 that refuse, leave, break off and come back; and clients that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use h2::Reason;
use h2::server::Builder;
use http::{Request, Response};
use tokio::sync::Notify;

use super::{ask_post, before};
use crate::harness::{
    ACME, H2Client, H2Origin, Origin, Respond, block_on, config, eventually, get, post, read, refuse,
    request, say, send_body,
};

#[test]
fn a_refused_request_goes_elsewhere_whatever_its_method_is() {
    let busy = H2Origin::serving(Builder::new(), async |_, respond| refuse(respond));
    let good = H2Origin::saying("good");
    let gateway = before(&[&busy, &good]);
    for method in ["GET", "POST", "PATCH"].repeat(4) {
        let answer = gateway.ask(&request(method, ACME, "/"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "good"), "{method}");
    }
    assert!(busy.requests() >= 4, "it was asked");
    assert_eq!(good.requests(), 12, "each came once");
    assert_eq!(busy.connections(), 1, "its connection goes on");
    let gateway = before(&[&busy]);
    gateway.ask(&request("POST", ACME, "/")).assert_refused(502, "upstream_protocol");
}

#[test]
fn a_refused_request_comes_again_where_the_pool_retries() {
    let busy = Arc::new(AtomicBool::new(true));
    let origin =
        H2Origin::serving(Builder::new(), async move |_, respond| match busy.swap(false, Ordering::SeqCst) {
            true => refuse(respond),
            false => say(respond, "well then"),
        });
    let gateway = config().pool("shared", &[origin.address()], "protocol: h2, retries: {}").start();
    assert_eq!(gateway.ask(&request("POST", ACME, "/")).text(), "well then");
    assert_eq!((origin.connections(), origin.requests()), (1, 2));
}

#[test]
fn an_endpoint_that_leaves_again_and_again_costs_no_request() {
    let origin = H2Origin::saying("hello");
    let gateway = before(&[&origin]);
    block_on(async {
        let clients = join_all((0..4).map(|_| H2Client::connect(gateway.address()))).await;
        for round in 0..20 {
            let asked = clients.iter().flat_map(|client| {
                (0..10).map(move |nth| {
                    client.send(if nth % 2 == 0 { ask_post("/") } else { ask_post("/").map(|()| ()) }, &[])
                })
            });
            let leaving = async {
                tokio::task::yield_now().await;
                origin.leave();
            };
            let (answers, ()) = tokio::join!(join_all(asked), leaving);
            for answer in answers {
                let answer = answer.unwrap();
                assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"hello"[..]), "round {round}");
            }
        }
    });
    assert_eq!(origin.requests(), 800, "each came once");
    assert!(origin.connections() > 1, "it left");
    // Those that were opened while it left another are good: now all of them are left.
    origin.leave();
    eventually("those that it left are closed", || origin.open_connections() == 0);
}

#[test]
fn a_stream_that_is_reset_is_502_or_a_cut_answer_and_the_connection_goes_on() {
    let seen = Arc::new(Notify::new());
    let go = Arc::clone(&seen);
    let origin = H2Origin::serving(Builder::new(), async move |request, mut respond: Respond| match request
        .uri()
        .path()
    {
        "/before" => respond.send_reset(Reason::INTERNAL_ERROR),
        "/midway" => {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"half"), false).unwrap();
            go.notified().await;
            body.send_reset(Reason::INTERNAL_ERROR);
        }
        _ => say(respond, "whole"),
    });
    let gateway = before(&[&origin]);
    let refused = gateway.ask(&get(ACME, "/before"));
    refused.assert_refused(502, "upstream_protocol");
    assert!(refused.header("proxy-status").unwrap().contains("connection_terminated"));
    let mut client = gateway.connect();
    client.send(get(ACME, "/midway").bytes());
    assert_eq!(client.response_head().unwrap().status, 200);
    assert_eq!(client.chunk().unwrap(), b"half");
    seen.notify_one();
    client.assert_closed();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let midway = Request::get(format!("http://{ACME}/midway")).body(()).unwrap();
        let mut body = client.open(midway, true).await.unwrap().0.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "half");
        seen.notify_one();
        assert!(body.data().await.unwrap().unwrap_err().is_reset());
        assert_eq!(client.get(ACME, "/").await.unwrap().body, b"whole");
    });
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "whole");
    assert_eq!((origin.connections(), origin.requests()), (1, 5));
}

#[test]
fn an_endpoint_goes_away_and_comes_back() {
    let origin = H2Origin::saying("first");
    let gateway = before(&[&origin]);
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "first");
    let address = origin.address();
    drop(origin);
    eventually("it is away", || gateway.ask(&get(ACME, "/")).code() == "upstream_connect");
    let listener = std::net::TcpListener::bind(address).unwrap();
    let origin = H2Origin::at(listener, None, Builder::new(), async |_, respond| say(respond, "second"));
    for _ in 0..3 {
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "second");
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn who_speaks_http_1_only_is_no_connection() {
    let origin = Origin::saying("hello");
    let gateway = config().pool("shared", &[origin.address()], "protocol: h2").start();
    let refused = gateway.ask(&post(ACME, "/", b"secret"));
    refused.assert_refused(502, "upstream_connect");
    assert!(refused.header("proxy-status").unwrap().contains("http_protocol_error"));
    let heard = origin.received().concat();
    assert!(!heard.windows(6).any(|octets| octets == b"secret"), "no request goes there");
}

#[test]
fn a_client_that_leaves_ends_its_stream_and_nothing_else() {
    let (arrived, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (here, left) = (Arc::clone(&arrived), Arc::clone(&gone));
    let origin = H2Origin::serving(Builder::new(), async move |request, mut respond: Respond| {
        if request.uri().path() == "/" {
            return say(respond, "here");
        }
        here.notify_one();
        assert_eq!(std::future::poll_fn(|cx| respond.poll_reset(cx)).await.unwrap(), Reason::CANCEL);
        left.notify_one();
    });
    let gateway = before(&[&origin]);
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let (response, up) = client.open(ask_post("/held"), false).await.unwrap();
        arrived.notified().await;
        drop((response, up));
        gone.notified().await;
        assert_eq!(client.get(ACME, "/").await.unwrap().body, b"here");
    });
    assert_eq!(origin.connections(), 1);
    eventually("nothing is in flight", || {
        gateway.metric("tollgate_endpoint_requests_in_flight", &[("pool", "shared")]) == 0.0
    });
}

#[test]
fn an_upload_is_held_back_by_an_endpoint_that_does_not_read() {
    let origin = H2Origin::serving(Builder::new(), async |request, respond| {
        std::future::pending::<()>().await;
        drop((request, respond));
    });
    let impatient = "protocol: h2, timeouts: { idle: 300ms }";
    let gateway = config().pool("shared", &[origin.address()], impatient).start();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let (response, mut up) = client.open(ask_post("/"), false).await.unwrap();
        let sent = send_body(&mut up, &[7; 2_000_000]);
        let (_, answer) = tokio::join!(sent, read(response));
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "upstream_timeout"));
    });
}

#[test]
fn clients_that_take_nothing_hold_up_nobody_else() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let origin = H2Origin::serving(Builder::new(), async move |request, mut respond: Respond| {
        if request.uri().path() == "/" {
            return say(respond, "at once");
        }
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        // Without end, until its client leaves.
        loop {
            body.reserve_capacity(1024);
            while body.capacity() == 0 {
                let Some(Ok(_)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await else { return };
            }
            let room = body.capacity().min(1024);
            let Ok(()) = body.send_data(Bytes::from_static(&[7; 1024]).slice(..room), false) else { return };
            counted.fetch_add(room, Ordering::SeqCst);
        }
    });
    let gateway = before(&[&origin]);
    let stalled: Vec<_> = (0..20)
        .map(|_| {
            let mut client = gateway.connect();
            client.send(get(ACME, "/much").bytes());
            assert_eq!(client.response_head().unwrap().status, 200);
            client
        })
        .collect();
    let (mut before, mut same) = (0, 0);
    eventually("what they take nothing of fills up", || {
        let now = sent.load(Ordering::SeqCst);
        same = if now == std::mem::replace(&mut before, now) { same + 1 } else { 0 };
        same == 20
    });
    for _ in 0..3 {
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "at once");
    }
    let open = gateway.metric("tollgate_upstream_connections", &[("pool", "shared")]);
    assert_eq!((origin.connections(), open), (1, 1.0));
    drop(stalled);
}
