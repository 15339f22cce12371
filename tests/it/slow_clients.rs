//! Clients that are slow on purpose, and those that are not.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{
    ACME, Client, Gate, H2Client, Origin, TestGateway, block_on, config, eventually, get, post, request,
};

/// More than all buffers on the way hold.
const LARGE: usize = 32 << 20;

/// Streams as much as anybody takes.
fn generous() -> Origin {
    Origin::serving(|_, peer| {
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
        let piece = vec![b'x'; 64 << 10];
        for _ in 0..LARGE / piece.len() {
            if !peer.send(&piece) {
                return;
            }
        }
    })
}

fn cut(gateway: &TestGateway, reason: &str) -> f64 {
    gateway.metric("tollgate_connections_cut_total", &[("reason", reason)])
}

/// A client whose socket holds next to nothing, and which has asked.
fn sipping(gateway: &TestGateway) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&gateway.address().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    std::io::Write::write_all(&mut stream, &get(ACME, "/").bytes()).unwrap();
    stream
}

#[test]
fn who_sips_a_response_is_cut() {
    let origin = generous();
    let limits = "{ min_response_rate: { per_second: 100KiB, grace: 400ms } }";
    let gateway = config().to(&origin).set("limits", limits).start();
    let mut client = sipping(&gateway);
    client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    // Something all the time: nobody could say that it takes nothing.
    eventually("it is cut", || {
        let mut sip = [0; 16];
        let _ = client.read(&mut sip);
        cut(&gateway, "slow_response") == 1.0
    });
    eventually("what it held is free", || origin.open_connections() == 0);
    assert_eq!(gateway.access_log(1)[0]["code"], "slow_response");
    // Nor does the kernel go on offering it what is left.
    let is_reset = |client: &mut TcpStream| {
        client.read(&mut [0; 4096]).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
    };
    eventually("it is told by a reset", || is_reset(&mut client));
}

#[test]
fn who_takes_a_response_at_the_rate_gets_it_all() {
    let origin = generous();
    let limits = "{ min_response_rate: { per_second: 4KiB, grace: 400ms }, write_timeout: 1s }";
    let gateway = config().to(&origin).set("limits", limits).start();
    let mut client = sipping(&gateway);
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let start = Instant::now();
    let (mut took, mut buffer) = (0, vec![0; 64 << 10]);
    // Far below what the line has, for longer than any of the deadlines; then all.
    while took < LARGE {
        let len = client.read(&mut buffer).unwrap();
        assert!(len > 0, "cut after {took}");
        took += len;
        if start.elapsed() < Duration::from_secs(3) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
    assert_eq!(cut(&gateway, "slow_response") + cut(&gateway, "write_timeout"), 0.0);
}

#[test]
fn who_sips_over_http2_is_cut() {
    let origin = generous();
    let limits = "{ min_response_rate: { per_second: 100KiB, grace: 300ms }, write_timeout: 800ms }";
    let gateway = config().to(&origin).set("limits", limits).start();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let request = http::Request::get(format!("http://{ACME}/")).body(()).unwrap();
        let (response, _) = client.open(request, true).await.unwrap();
        let mut body = response.await.unwrap().into_body();
        // A window that opens by little, now and then: in no more frames than an honest client sends.
        loop {
            match body.data().await {
                Some(Ok(data)) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let _ = body.flow_control().release_capacity(data.len().min(512));
                }
                Some(Err(_)) => break,
                None => panic!("it came to its end"),
            }
        }
    });
    eventually("it is counted, once", || {
        cut(&gateway, "slow_response") + cut(&gateway, "write_timeout") == 1.0
    });
    let code = gateway.access_log(1)[0]["code"].clone();
    assert!(code == "slow_response" || code == "write_timeout", "{code}");
}

#[test]
fn a_stream_that_has_nothing_to_say_is_not_cut() {
    let gate = Gate::shut();
    let pass = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.send_chunk("data: 1\n\n");
        pass.pass();
        peer.send_chunk("data: 2\n\n");
        peer.send("0\r\n\r\n");
    });
    let limits = "{ min_response_rate: { per_second: 1KiB, grace: 50ms }, min_request_rate: { per_second: 1KiB, grace: 50ms }, write_timeout: 100ms }";
    let gateway = config().to(&origin).set("limits", limits).start();
    let mut client = gateway.asking(&get(ACME, "/"));
    eventually("it waits", || gate.waiting() == 1);
    let since = Instant::now();
    eventually("far more than every grace has passed", || since.elapsed() > Duration::from_millis(600));
    gate.open();
    let answer = client.answer();
    answer.assert_status(200);
    assert_eq!(answer.text(), "data: 1\n\ndata: 2\n\n");
}

#[test]
fn who_drips_a_body_is_answered_408() {
    let origin = Origin::echo();
    let limits = "{ min_request_rate: { per_second: 10KiB, grace: 300ms } }";
    let gateway = config().to(&origin).set("limits", limits).start();
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 100000\r\n\r\n"));
    client.patience(Duration::from_millis(20));
    eventually("it is cut", || {
        client.send("x");
        match client.response(false) {
            Ok(answer) => {
                answer.assert_status(408);
                true
            }
            Err(_) => false,
        }
    });
    drop(client);
    eventually("it is counted", || cut(&gateway, "slow_request") == 1.0);
    // Fast enough is fast enough.
    gateway.ask(&post(ACME, "/", "x".repeat(100_000))).assert_status(200);
}

/// Calls of gRPC may be silent for long, and only HTTP/2 carries them.
#[test]
fn who_drips_over_http1_is_cut_whatever_it_calls_itself() {
    let origin = Origin::echo();
    let limits = "{ min_request_rate: { per_second: 10KiB, grace: 300ms } }";
    let gateway = config().to(&origin).set("limits", limits).start();
    let mut client = gateway.connect();
    let kind = "Content-Type: application/grpc\r\nContent-Length: 100000";
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\n{kind}\r\n\r\n"));
    eventually("it is cut", || {
        client.send("x");
        cut(&gateway, "slow_request") == 1.0
    });
}

#[test]
fn an_endpoint_that_takes_its_time_is_not_the_clients_fault() {
    let gate = Gate::shut();
    let pass = gate.clone();
    let origin = Origin::on_connection(move |_, mut peer| {
        // It lets the body wait in its socket.
        pass.pass();
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let limits = "{ min_request_rate: { per_second: 1MiB, grace: 100ms } }";
    let gateway = config().to(&origin).set("limits", limits).start();
    let message = post(ACME, "/", vec![b'x'; LARGE]);
    let asking = std::thread::scope(|scope| {
        let asked = scope.spawn(|| gateway.ask(&message));
        eventually("the endpoint has been connected to", || gate.waiting() == 1);
        let since = Instant::now();
        eventually("more than the grace has passed", || since.elapsed() > Duration::from_millis(600));
        gate.throw_open();
        asked.join().unwrap()
    });
    asking.assert_status(200);
    assert_eq!(cut(&gateway, "slow_request"), 0.0);
}

#[test]
fn a_connection_ends_in_order_when_it_has_brought_its_requests() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("limits", "{ max_requests_per_connection: 3 }").start();
    let mut client = gateway.connect();
    for _ in 0..2 {
        let answer = client.ask(&get(ACME, "/"));
        answer.assert_status(200);
        assert_eq!(answer.header("connection"), None);
    }
    let last = client.ask(&get(ACME, "/"));
    last.assert_status(200);
    assert_eq!(last.header("connection"), Some("close"));
    client.assert_closed();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        for _ in 0..3 {
            assert_eq!(client.get(ACME, "/").await.unwrap().status, 200);
        }
        client.told_to_go_away().await;
    });
}

#[test]
fn a_connection_ends_in_order_when_it_is_old() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("limits", "{ max_connection_age: 200ms }").start();
    let mut client = gateway.connect();
    let mut answers = 0;
    eventually("it is to end", || {
        answers += 1;
        let answer = client.ask(&request("GET", ACME, "/"));
        answer.assert_status(200);
        answer.header("connection") == Some("close")
    });
    assert!(answers > 1);
    client.assert_closed();
    Client::connect(gateway.address()).ask(&get(ACME, "/")).assert_status(200);
}
