//! The gateway's client as it runs, over a socket to an endpoint that says what it is to say.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{ErrorKind, Read as _, Write as _};
use std::mem::ManuallyDrop;
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderValue, Request};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::time::Instant;
use tollgate::admission::fair_share::Seats;
use tollgate::breaker::Circuit;
use tollgate::http::body::RequestBody;
use tollgate::time::Clock;
use tollgate::upstream::{
    Address, Answer, Balancing, Endpoint, Outbox, Pool, PoolTerms, SendFailure, Terms, Timeouts,
    UpstreamClient,
};

use super::{End, Exchange, Reading};

/// A worker's client, and an endpoint.
struct Stage {
    // A thread that ends drops it after what it needs for that.
    runtime: ManuallyDrop<LocalRuntime>,
    client: UpstreamClient,
    pool: Pool,
    endpoint: Arc<Endpoint>,
    listener: UnixListener,
    /// Where the socket is.
    _folder: TempDir,
}

thread_local! {
    static STAGE: Stage = Stage::new();
}

/// What it makes of an answer.
pub(super) fn read(asked: &Exchange<'_>) -> Reading {
    STAGE.with(|stage| stage.runtime.block_on(stage.read(asked)))
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("endpoint");
        let listener = UnixListener::bind(&path).expect("a socket");
        listener.set_nonblocking(true).expect("a socket that doesn't block");
        let endpoint = Arc::new(Endpoint::new("p", Address::Unix(path), |_| Arc::default()));
        // Nothing here takes time: what waits is seen to wait.
        let patience = Duration::from_secs(60);
        let timeouts = Timeouts {
            connect: patience,
            response_header: patience,
            idle: patience,
            keep_alive: patience,
            request: None,
        };
        let terms = PoolTerms {
            name: "p".into(),
            balancing: Balancing::in_turn(),
            sources: Vec::new(),
            checks: None,
            panic_percent: 0,
            failover: None,
            failover_hold: patience,
            retries: None,
            circuit: Arc::new(Circuit::default()),
            circuit_terms: None,
            timeouts,
            idle_max: 8,
            isolates: false,
            drain: patience,
            seats: Seats::new(u32::MAX, Clock::system()),
            meter: Arc::default(),
            host: None,
            internal_hosts: None,
            vitals: Arc::default(),
        };
        let pool = Pool::new(terms, vec![(Arc::clone(&endpoint), 1)]);
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let runtime = ManuallyDrop::new(runtime.expect("a runtime"));
        Self { runtime, client: UpstreamClient::default(), pool, endpoint, listener, _folder: folder }
    }

    async fn read(&self, asked: &Exchange<'_>) -> Reading {
        // What an exchange that failed has left.
        self.client.close_idle();
        let seen = RefCell::new(Reading::new(End::Waits));
        let mut exchange = pin!(self.exchange(asked, &seen));
        let done = Cell::new(false);
        let mut turns = async |count: usize| {
            for _ in 0..count {
                turn(exchange.as_mut(), &done).await;
            }
        };
        let mut endpoint = loop {
            turns(1).await;
            match self.listener.accept() {
                Ok((endpoint, _)) => break endpoint,
                Err(why) => assert_eq!(why.kind(), ErrorKind::WouldBlock),
            }
        };
        endpoint.set_nonblocking(true).expect("a socket that doesn't block");
        let mut request = [0; 512];
        while !endpoint.read(&mut request).is_ok_and(|len| request[..len].ends_with(b"\r\n\r\n")) {
            turns(1).await;
        }
        let is_gone = || done.get() && self.client.idle() == 0;
        'pieces: for mut piece in asked.pieces() {
            while !piece.is_empty() && !is_gone() {
                let written = write(&mut endpoint, piece);
                if written == 0 && done.get() {
                    // Nobody reads what comes behind the response, and enough of it is there.
                    break 'pieces;
                }
                piece = &piece[written..];
                turns(2).await;
            }
        }
        if !asked.open {
            drop(endpoint);
        }
        turns(4).await;
        self.client.sweep(|_| true);
        let mut reading = seen.borrow().clone();
        reading.reusable = self.client.idle() > 0;
        self.client.close_idle();
        reading
    }

    async fn exchange(&self, asked: &Exchange<'_>, seen: &RefCell<Reading>) {
        let upgrade = asked.upgrade.then(|| HeaderValue::from_static("other"));
        let request = Request::builder().method(&asked.method).uri("/").header("host", "endpoint.test");
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let mut outgoing = Some(Outbox::new(&head, &[], RequestBody::empty(), self.client.text()));
        let terms = Terms {
            expires: None,
            flow: None,
            owner: None,
            since: Instant::now(),
            fresh: false,
            upgrade: upgrade.as_ref(),
            retry: None,
            interim: None,
            fuse: None,
        };
        let answer = self.client.send(&self.pool, &self.endpoint, &mut outgoing, terms).await;
        let (head, mut body) = match answer {
            Ok(Answer::Response(response)) => response.into_parts(),
            Ok(Answer::Switched(response, mut upgraded)) => {
                let (head, ()) = response.into_parts();
                seen.borrow_mut().head = Some((head.status, head.version, head.headers));
                seen.borrow_mut().end = End::Switched;
                let mut piece = upgraded.read.to_vec();
                while !piece.is_empty() || upgraded.io.read_buf(&mut piece).await.is_ok_and(|len| len > 0) {
                    seen.borrow_mut().body.append(&mut piece);
                }
                return;
            }
            Err(why) => {
                seen.borrow_mut().end = match why {
                    SendFailure::Protocol => End::Refused,
                    SendFailure::Broken { reused: false } => End::Silent,
                    other => panic!("no answer, but {other:?}"),
                };
                return;
            }
        };
        seen.borrow_mut().head = Some((head.status, head.version, head.headers));
        let length = body.size_hint().exact();
        while let Some(frame) = body.frame().await {
            let mut seen = seen.borrow_mut();
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => seen.body.extend_from_slice(&data),
                Ok(Err(last)) => seen.trailers = last.into_trailers().expect("trailers"),
                Err(_) => {
                    seen.end = End::Cut;
                    return;
                }
            }
        }
        let mut seen = seen.borrow_mut();
        assert!(
            length.is_none_or(|length| length == seen.body.len() as u64),
            "not as long as it was said to be"
        );
        seen.end = End::Complete;
    }
}

/// Lets an exchange go as far as it can, then has the runtime look what has come.
async fn turn(mut exchange: Pin<&mut impl Future<Output = ()>>, done: &Cell<bool>) {
    std::future::poll_fn(|cx| {
        if !done.get() {
            done.set(exchange.as_mut().poll(cx).is_ready());
        }
        Poll::Ready(())
    })
    .await;
    tokio::task::yield_now().await;
}

/// How much of it the socket takes now.
fn write(endpoint: &mut UnixStream, piece: &[u8]) -> usize {
    match endpoint.write(piece) {
        Ok(len) => len,
        Err(why) => {
            assert_eq!(why.kind(), ErrorKind::WouldBlock);
            0
        }
    }
}
