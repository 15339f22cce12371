//! Connections, on time that stands still until it is waited for.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{advance, timeout};

use crate::http::conn::{ConnState, LifeLimits};
use crate::http::http2::Http2Limits;
use crate::http::incoming::Incoming;
use crate::http::server::{self, ConnDeadlines, Connections, Handler, ServerSettings};
use crate::http::wire::HeadLimits;
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
            "/hints" => {
                for _ in 0..6 {
                    let hint = Response::builder().status(103).header("link", "x".repeat(7_000));
                    conn.pass_interim(&hint.body(()).unwrap());
                    tokio::task::yield_now().await;
                }
                path
            }
            "/echo" => {
                let mut said = String::new();
                let mut body = request.into_body();
                while let Some(frame) = body.frame().await {
                    match frame.map(Frame::into_data) {
                        Ok(Ok(data)) => said.push_str(&String::from_utf8_lossy(&data)),
                        Ok(Err(frame)) => said.push_str(&format!("{:?}", frame.into_trailers().unwrap())),
                        Err(fault) => {
                            said = format!("{fault:?}");
                            break;
                        }
                    }
                }
                said
            }
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
            server::serve(served, known, Arc::new(settings), Rc::new(Echo::default()), entered, opened).await;
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
fn a_quiet_connection_goes_on() {
    run(async || {
        let mut peer = Peer::new();
        for round in 0..3 {
            peer.ask(&format!("/{round}/a")).await;
            pass(6).await;
        }
        // What comes may come in pieces, and pipelined.
        peer.send("GET /x HTTP/1.1\r\nHo").await;
        pass(1).await;
        peer.send("st: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n").await;
        peer.answer("/y").await;
        assert_eq!(peer.state.requests(), 5);
        assert!(!peer.server.is_finished());
    });
}

#[test]
fn what_a_client_is_slow_to_take_is_not_cut_by_the_time_between_requests() {
    run(async || {
        let mut peer = Peer::new();
        peer.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        pass(50).await;
        peer.answer(&"x".repeat(LARGE)).await;
        pass(70).await;
        peer.ask("/next").await;
    });
}

#[test]
fn a_connection_ends_with_its_time_its_peer_or_the_gateway() {
    run(async || {
        let mut peer = Peer::new();
        peer.ask("/").await;
        pass(70).await;
        assert!(!peer.is_closed().await);
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
fn a_head_that_comes_too_slowly_is_refused() {
    run(async || {
        for asked_before in [false, true] {
            let mut peer = Peer::new();
            if asked_before {
                peer.ask("/").await;
                pass(6).await;
            }
            peer.send("GET /slow HTTP/1.1\r\n").await;
            pass(9).await;
            assert!(!peer.is_closed().await);
            pass(2).await;
            peer.answer("malformed").await;
            assert!(peer.is_closed().await);
        }
    });
}

#[test]
fn hints_that_a_client_does_not_take_are_not_another_requests() {
    run(async || {
        let mut peer = Peer::new();
        let asked =
            ["/large", "/hints", "/next"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        peer.send(&asked.concat()).await;
        // So much that the rest of it is all that the connection takes: what is said then waits.
        let mut most = vec![0; LARGE - 60 * 1024];
        peer.io.read_exact(&mut most).await.unwrap();
        pass(1).await;
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n/next") {
            timeout(SECOND, peer.io.read_buf(&mut rest)).await.expect("an answer in time").unwrap();
        }
        let rest = String::from_utf8(rest).unwrap();
        let (before, behind) = rest.split_once("\r\n\r\n/hints").unwrap();
        assert!(before.contains(" 103 ") && behind.starts_with("HTTP/1.1 200 "), "{}", &behind[..60]);
    });
}

#[test]
fn empty_lines_are_no_request_that_could_be_late() {
    run(async || {
        let mut peer = Peer::new();
        peer.ask("/").await;
        peer.send("\r\n\r").await;
        pass(70).await;
        peer.send("\n").await;
        peer.ask("/next").await;
        peer.send("\r\n").await;
        pass(76).await;
        assert!(peer.is_closed().await && peer.state.requests() == 2);

        // Before the first one there is as long as for its head.
        let mut peer = Peer::new();
        peer.send("\r\n").await;
        pass(11).await;
        assert!(peer.is_closed().await && peer.state.requests() == 0);
    });
}

#[test]
fn a_connection_that_says_nothing_ends_without_a_word() {
    run(async || {
        let mut peer = Peer::new();
        pass(9).await;
        assert!(!peer.is_closed().await);
        pass(2).await;
        assert!(peer.is_closed().await && peer.server.is_finished());
    });
}

/// Messages, and what answers them.
const MESSAGES: &[(&str, &str)] = &[
    ("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "/a"),
    ("\r\nGET /b HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n", "/b"),
    ("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "/unread"),
    ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nT: v\r\n\r\n",
        "hello{\"t\": \"v\"}",
    ),
    ("GET /c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/c"),
];

/// How a connection ends.
const ENDS: &[(&str, &str)] = &[
    ("", ""),
    ("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\n", "/last"),
    ("GET /last HTTP/1.0\r\n\r\n", "/last"),
    ("GET /bad HTTP/1.1\nHost: a\n\n", "malformed"),
    ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\nx", "Malformed"),
];

/// What is answered to bytes that come in such pieces: the bodies, one after the other.
async fn answers(bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut peer = Peer::new();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let mut from = 0;
    for end in ends {
        // It may have ended.
        let _ = peer.io.write_all(&bytes[from..end]).await;
        from = end;
        tokio::task::yield_now().await;
    }
    let mut seen = Vec::new();
    while let Ok(Ok(1..)) = timeout(SECOND / 10, peer.io.read_buf(&mut seen)).await {}
    let text = String::from_utf8(seen).unwrap();
    let heads = text.split("HTTP/1.").skip(1);
    heads.map(|answer| answer.split_once("\r\n\r\n").expect("a whole head").1.to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// However bytes are cut, each message has its answer, and behind one that ends the connection there is none.
    #[test]
    fn a_connection_is_read_alike_however_it_is_cut(
        picks in proptest::collection::vec(0..MESSAGES.len(), 0..6),
        end in 0..ENDS.len(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let mut messages: Vec<_> = picks.iter().map(|pick| MESSAGES[*pick]).collect();
        messages.push(ENDS[end]);
        let bytes: String = messages.iter().map(|(message, _)| *message).collect();
        let expected: Vec<_> = messages.iter().map(|(_, answer)| *answer).filter(|answer| !answer.is_empty()).collect();
        run(async || assert_eq!(answers(bytes.as_bytes(), &cuts).await, expected));
    }
}

#[test]
fn what_a_client_asks_for_at_once_is_bounded() {
    run(async || {
        let mut peer = Peer::new();
        // Nothing is taken while nothing of the answer is.
        let flood = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10_000);
        assert!(timeout(SECOND, peer.io.write_all(flood.as_bytes())).await.is_err());
        assert_eq!(peer.state.requests(), 1);
    });
}

#[test]
fn a_client_that_waits_for_it_is_told_that_its_body_is_wanted() {
    run(async || {
        let head = |path| {
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        };
        let mut peer = Peer::new();
        peer.send(&head("/echo")).await;
        peer.answer("").await;
        peer.send("hello").await;
        peer.answer("hello").await;
        // Who does not wait has what nobody wants read, if it comes.
        peer.send("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe").await;
        peer.answer("/unread").await;
        pass(1).await;
        peer.send("llo").await;
        peer.ask("/next").await;
        // Whose body nobody wants is not asked for it; what it would send could be another request, so that is the end.
        peer.send(&head("/unread")).await;
        let mut answer = Vec::new();
        timeout(SECOND, peer.io.read_to_end(&mut answer)).await.expect("an end in time").unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("\r\nconnection: close\r\n"));
    });
}
