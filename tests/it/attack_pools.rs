//! Clients, tenants and endpoints that mean harm, against what pools share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::Builder;
use http::Response as Head;
use tokio::sync::Semaphore;

use crate::harness::{
    ACME, GLOBEX, Gate, H2Origin, Origin, Respond, TestGateway, block_on, config, eventually,
    eventually_async, get, post, read_request, refused_address, say,
};

const H2: &str = "protocol: h2";

/// What is answered when the test says so.
#[derive(Clone)]
struct Word(Arc<Semaphore>);

impl Word {
    fn unsaid() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    async fn said(&self) {
        self.0.acquire().await.unwrap().forget();
    }

    fn say(&self) {
        self.0.add_permits(1);
    }
}

/// Sends for as long as somebody takes.
async fn pour(mut respond: Respond) {
    let Ok(mut body) = respond.send_response(Head::new(()), false) else { return };
    loop {
        body.reserve_capacity(16 * 1024);
        match std::future::poll_fn(|cx| body.poll_capacity(cx)).await {
            Some(Ok(room)) if body.send_data(Bytes::from(vec![b'x'; room]), false).is_ok() => {}
            _ => return,
        }
    }
}

/// Waits for its word at `/hold`, and pours elsewhere.
fn holding_or_pouring(word: &Word) -> H2Origin {
    let word = word.clone();
    H2Origin::serving(Builder::new(), async move |request, respond| {
        if request.uri().path() == "/hold" {
            word.said().await;
            say(respond, "held");
        } else {
            pour(respond).await;
        }
    })
}

fn in_flight(gateway: &TestGateway) -> f64 {
    gateway.metric("tollgate_endpoint_requests_in_flight", &[])
}

#[test]
fn downloads_that_are_left_break_nobody_elses_request_on_the_connection() {
    let word = Word::unsaid();
    let origin = holding_or_pouring(&word);
    let gateway = config().pool("shared", &[origin.address()], H2).start();
    let mut other = gateway.connect();
    other.send(get(GLOBEX, "/hold").bytes());
    eventually("it is at the endpoint", || origin.requests() == 1);
    for _ in 0..20 {
        let clients: Vec<_> = (0..50)
            .map(|_| {
                let mut client = gateway.connect();
                client.send(get(ACME, "/pour").bytes());
                client
            })
            .collect();
        for mut client in clients {
            client.response_head().unwrap();
        }
    }
    eventually("nobody else is left", || in_flight(&gateway) <= 1.0);
    word.say();
    assert_eq!(other.answer().text(), "held");
}

#[test]
fn streams_that_one_tenant_holds_are_no_failure_of_the_endpoint() {
    let word = Word::unsaid();
    let (wait, mut terms) = (word.clone(), Builder::new());
    terms.max_concurrent_streams(1);
    let origin = H2Origin::serving(terms, async move |_, respond| {
        wait.said().await;
        say(respond, "held");
    });
    let more = "protocol: h2, timeouts: { connect: 400ms }, outlier_detection: { consecutive_failures: 2 }, panic_threshold: 0%";
    let gateway = config().pool("shared", &[origin.address()], more).start();
    let mut held: Vec<_> = (0..64)
        .map(|_| {
            let mut client = gateway.connect();
            client.send(get(ACME, "/").bytes());
            client
        })
        .collect();
    eventually("all streams are taken", || origin.requests() == held.len());
    for _ in 0..4 {
        gateway.ask(&get(ACME, "/")).assert_refused(502, "upstream_connect");
    }
    assert_eq!(gateway.metric("tollgate_endpoint_ejected", &[]), 0.0);
    held.iter().for_each(|_| word.say());
    held.iter_mut().for_each(|client| client.answer().assert_status(200));
    word.say();
    gateway.ask(&get(GLOBEX, "/")).assert_status(200);
}

#[test]
fn an_upload_that_the_endpoint_does_not_take_ends() {
    let origin = Origin::on_connection(|_, mut peer| {
        let _ = peer.request_head();
        std::thread::park();
    });
    let gateway = config().pool("shared", &[origin.address()], "timeouts: { idle: 200ms }").start();
    let mut client = gateway.connect();
    client.send(post(ACME, "/", vec![0; 64 << 20]).bytes().get(..1024).unwrap());
    client.flood(64 << 20, Duration::from_millis(500));
    client.patience(Duration::from_secs(5));
    client.answer().assert_refused(504, "upstream_timeout");
}

#[test]
fn a_thousand_endpoints_that_fail_at_once_hold_up_no_operator() {
    let (dead, _held) = refused_address();
    let at = |nth: u16| SocketAddr::from(([127, 1, (nth / 250) as u8, (nth % 250) as u8 + 1], dead.port()));
    let endpoints: Vec<_> = (0..1000).map(at).collect();
    let more = "load_balancing: { consistent_hash: tenant }, health_check: { interval: 1s, timeout: 1s }";
    let gateway = config().pool("shared", &endpoints, more).start();
    eventually("all are found ill", || gateway.metric("tollgate_endpoint_up", &[]) == 0.0);
}

#[test]
fn an_ejected_endpoint_that_was_removed_spares_no_other() {
    let gate = Gate::shut();
    let waits = gate.clone();
    let gone = Origin::serving(move |request, peer| {
        if request.target == "/hold" {
            waits.pass();
        }
        peer.send("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
    });
    let broken = Origin::answering("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
    let fine = Origin::saying("fine");
    let more = "load_balancing: round_robin, panic_threshold: 0%, \
                outlier_detection: { consecutive_failures: 2, min_tenants: 1, max_ejected_percent: 50 }";
    let mut gateway = config().pool("shared", &[gone.address()], more).start();
    let mut held = gateway.connect();
    held.send(get(ACME, "/hold").bytes());
    eventually("it is held", || gate.waiting() == 1);
    (0..2).for_each(|_| gateway.ask(&get(ACME, "/")).assert_status(500));
    eventually("it is ejected", || gateway.metric("tollgate_endpoint_ejected", &[]) == 1.0);
    gateway.reload(|config| config.pool("shared", &[broken.address(), fine.address()], more)).unwrap();
    (0..4).for_each(|_| drop(gateway.ask(&get(ACME, "/"))));
    eventually("the broken one is ejected", || gateway.metric("tollgate_endpoint_ejected", &[]) == 1.0);
    gate.throw_open();
    held.answer().assert_status(500);
}

#[test]
fn requests_that_are_left_at_any_moment_leave_nothing_behind() {
    let origins = [
        Origin::serving(|_, peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n");
            peer.send([b'x'; 65536]);
        })
        .address(),
        H2Origin::serving(Builder::new(), async |request, respond| {
            read_request(&mut request.into_body()).await;
            pour(respond).await;
        })
        .address(),
    ];
    for (origin, more) in origins.into_iter().zip(["retries: {}", "protocol: h2, retries: {}"]) {
        let more = format!("{more}, concurrency: {{ limit: 50 }}");
        let gateway = config().pool("shared", &[origin], &more).start();
        let message = post(ACME, "/", vec![b'x'; 100_000]).bytes();
        for nth in 0..200 {
            let mut client = gateway.connect();
            client.send(&message[..message.len() * (nth % 11) / 10]);
            if nth % 11 == 10 {
                let _ = client.fill();
            }
            if nth % 2 == 0 {
                client.reset();
            }
        }
        for name in [
            "tollgate_requests_in_flight",
            "tollgate_pool_seats_in_use",
            "tollgate_endpoint_requests_in_flight",
        ] {
            eventually(name, || gateway.metric(name, &[]) == 0.0);
        }
    }
}

#[test]
fn clients_that_take_no_events_break_nobody_elses_request_on_the_connection() {
    const CLIENTS: usize = 30;
    let (word, sent) = (Word::unsaid(), Arc::new(AtomicUsize::new(0)));
    let (wait, counted) = (word.clone(), Arc::clone(&sent));
    let origin = H2Origin::serving(Builder::new(), async move |request, mut respond| {
        if request.uri().path() == "/hold" {
            wait.said().await;
            return say(respond, "held");
        }
        let Ok(mut body) = respond.send_response(Head::new(()), false) else { return };
        loop {
            body.reserve_capacity(64);
            match std::future::poll_fn(|cx| body.poll_capacity(cx)).await {
                Some(Ok(64)) if body.send_data(Bytes::from_static(&[b'x'; 64]), false).is_ok() => {
                    counted.fetch_add(64, Ordering::SeqCst);
                }
                Some(Ok(_)) => {}
                _ => return,
            }
            tokio::task::yield_now().await;
        }
    });
    let gateway = config().pool("shared", &[origin.address()], H2).start();
    let mut other = gateway.connect();
    other.send(get(GLOBEX, "/hold").bytes());
    eventually("it is at the endpoint", || origin.requests() == 1);
    block_on(async {
        let io = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
        let mut terms = h2::client::Builder::new();
        let (client, connection) = terms.initial_window_size(64).handshake::<_, Bytes>(io).await.unwrap();
        tokio::spawn(connection);
        let mut held = Vec::new();
        for _ in 0..CLIENTS {
            let request = http::Request::get(format!("http://{ACME}/events")).body(()).unwrap();
            let (response, _) = client.clone().ready().await.unwrap().send_request(request, true).unwrap();
            held.push(response.await.unwrap());
        }
        eventually_async("all windows are full", || sent.load(Ordering::SeqCst) >= CLIENTS * 256 * 1024)
            .await;
    });
    word.say();
    assert_eq!(other.answer().text(), "held");
}
