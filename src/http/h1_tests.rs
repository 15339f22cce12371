//! Connections that are parked, on time that stands still until it is waited for.

use std::cell::RefCell;
use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{advance, timeout};

use super::super::conn::LifeLimits;
use super::super::guard::ConnDeadlines;
use super::super::http2::Http2Limits;
use super::super::incoming::Incoming;
use super::super::server::{self, Connections};
use super::super::wire::HeadLimits;
use super::*;
use crate::telemetry::Metrics;

const SECOND: Duration = Duration::from_secs(1);

/// More than the connection takes at once.
const LARGE: usize = 400_000;

/// Answers with what was asked for.
#[derive(Default)]
struct Echo(RefCell<Vec<String>>);

impl Handler for Echo {
    type Body = Full<Bytes>;

    async fn handle(
        self: Rc<Self>,
        conn: Rc<ConnState>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (_in_flight, malformed) = conn.begin();
        let path = request.uri().path().to_owned();
        self.0.borrow_mut().push(path.clone());
        let body = match path.as_str() {
            _ if malformed.is_some() => "malformed".to_owned(),
            "/large" => "x".repeat(LARGE),
            _ => path,
        };
        Ok(Response::new(Full::new(Bytes::from(body))))
    }
}

struct Peer {
    io: DuplexStream,
    state: Rc<ConnState>,
    connections: Rc<Connections>,
    server: JoinHandle<()>,
}

impl Peer {
    fn new() -> Self {
        let (io, served) = duplex(64 * 1024);
        let address = ([127, 0, 0, 1], 80).into();
        let state = Rc::new(ConnState::new(address, address));
        let deadlines = ConnDeadlines {
            header_read: 10 * SECOND,
            keep_alive: 75 * SECOND,
            write_stall: 60 * SECOND,
            response_rate: None,
        };
        let head = HeadLimits::default();
        let (http2, life) = (Http2Limits::default(), LifeLimits::default());
        let settings = ServerSettings { head, deadlines, http2, request_rate: None, life };
        let connections = Rc::new(Connections::default());
        let (known, entered) = (Rc::clone(&state), connections.enter());
        let server = spawn_local(async move {
            let meter = Metrics::new(1).unwrap().listener("test");
            let opened = move |protocol| meter.opened(protocol);
            server::serve(served, known, settings, Rc::new(Echo::default()), entered, opened).await;
        });
        Self { io, state, connections, server }
    }

    async fn send(&mut self, text: &str) {
        self.io.write_all(text.as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        self.answer(path).await;
    }

    async fn answer(&mut self, body: &str) {
        let mut seen = Vec::new();
        while !seen.ends_with(format!("\r\n\r\n{body}").as_bytes()) {
            let read =
                timeout(SECOND, self.io.read_buf(&mut seen)).await.expect("an answer in time").unwrap();
            assert_ne!(read, 0, "closed after {}", String::from_utf8_lossy(&seen));
        }
    }

    async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(timeout(SECOND / 10, self.io.read(&mut byte)).await, Ok(Ok(0)))
    }
}

/// Lets time pass as it would: in steps, so that all that is due happens in its order.
async fn pass(seconds: u32) {
    for _ in 0..seconds * 10 {
        advance(SECOND / 10).await;
        tokio::task::yield_now().await;
    }
}

fn run(test: impl AsyncFnOnce()) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(test());
}

#[test]
fn a_quiet_connection_is_parked_and_goes_on() {
    run(async || {
        let mut peer = Peer::new();
        for round in 0..3 {
            peer.ask(&format!("/{round}/a")).await;
            pass(1).await;
            peer.ask(&format!("/{round}/b")).await;
            assert_eq!(peer.state.parked.get(), round, "not while requests come");
            pass(6).await;
            assert_eq!(peer.state.parked.get(), round + 1);
        }
        // What comes to a parked connection may come in pieces, and pipelined.
        peer.send("GET /x HTTP/1.1\r\nHo").await;
        pass(1).await;
        peer.send("st: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n").await;
        peer.answer("/y").await;
        assert_eq!(peer.state.requests(), 8);
        assert!(!peer.server.is_finished());
    });
}

#[test]
fn what_a_client_is_slow_to_take_is_not_cut_by_parking() {
    run(async || {
        let mut peer = Peer::new();
        peer.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        pass(12).await;
        peer.answer(&"x".repeat(LARGE)).await;
        pass(1).await;
        assert_eq!(peer.state.parked.get(), 1, "when all was taken");
        peer.ask("/next").await;
    });
}

#[test]
fn a_parked_connection_ends_with_its_time_its_peer_or_the_gateway() {
    run(async || {
        let mut peer = Peer::new();
        peer.ask("/").await;
        pass(70).await;
        assert!(peer.state.parked.get() == 1 && !peer.is_closed().await);
        pass(6).await;
        assert!(peer.is_closed().await && peer.server.is_finished(), "no request for 75 s");

        let mut peer = Peer::new();
        peer.ask("/").await;
        pass(6).await;
        let Peer { io, connections, server, .. } = peer;
        drop(io);
        pass(1).await;
        assert!(server.is_finished() && connections.open() == 0);

        let mut peer = Peer::new();
        peer.ask("/").await;
        pass(6).await;
        peer.connections.drain();
        assert!(peer.is_closed().await && peer.connections.open() == 0);
    });
}

#[test]
fn a_head_that_comes_too_slowly_to_a_parked_connection_is_refused() {
    run(async || {
        let mut peer = Peer::new();
        peer.ask("/").await;
        pass(6).await;
        peer.send("GET /slow HTTP/1.1\r\n").await;
        pass(9).await;
        assert!(!peer.is_closed().await);
        pass(2).await;
        peer.answer("malformed").await;
        assert!(peer.is_closed().await);
    });
}
