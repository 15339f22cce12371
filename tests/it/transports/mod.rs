//! The upstream client over each transport, against origins of the test's own; and a whole gateway over them.

mod alpn;
mod bounds;
pub(crate) mod cover;
mod dns;
mod front;
mod gateway;
mod http2;
mod isolated;
pub(crate) mod tls;
mod unix;

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::Instant;
use tollgate::admission::fair_share::Seats;
use tollgate::breaker::{Circuit, CircuitTerms, Fuse};
use tollgate::http::body::RequestBody;
use tollgate::telemetry::Metrics;
use tollgate::time::Clock;
use tollgate::types::TenantId;
use tollgate::upstream::{
    Address, Answer, Balancing, Endpoint, Outbox, Pool, PoolTerms, SendFailure, Terms, Timeouts,
    UpstreamClient,
};

use crate::harness::DEADLINE;

/// Runs a test as a worker runs requests, within the deadline.
fn on_a_worker<F: Future>(test: F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await.expect("nothing in time") })
}

/// A worker's client, and a pool of one endpoint.
struct Scene {
    client: UpstreamClient,
    pool: Pool,
    endpoint: Arc<Endpoint>,
}

impl Scene {
    fn to(endpoint: Endpoint) -> Self {
        Self::connecting_within(Duration::from_secs(2), endpoint)
    }

    fn connecting_within(connect: Duration, endpoint: Endpoint) -> Self {
        Self::bounded(connect, None, endpoint)
    }

    fn bounded(connect: Duration, circuit_terms: Option<CircuitTerms>, endpoint: Endpoint) -> Self {
        let circuit = Arc::new(Circuit::default());
        circuit.set_terms(circuit_terms);
        let endpoint = Arc::new(endpoint);
        let patience = Duration::from_secs(2);
        let timeouts = Timeouts {
            connect,
            response_header: patience,
            idle: patience,
            keep_alive: patience,
            request: None,
        };
        let seats = Seats::new(u32::MAX, Clock::system());
        let meter = Metrics::new(1).unwrap().pool("p");
        let terms = PoolTerms {
            name: "p".into(),
            balancing: Balancing::in_turn(),
            sources: Vec::new(),
            checks: None,
            panic_percent: 0,
            failover: None,
            failover_hold: patience,
            retries: None,
            circuit,
            circuit_terms,
            timeouts,
            idle_max: 8,
            isolates: false,
            drain: patience,
            seats,
            meter,
            host: None,
            internal_hosts: None,
            vitals: Arc::default(),
        };
        let pool = Pool::new(terms, vec![(Arc::clone(&endpoint), 1)]);
        Self { client: UpstreamClient::default(), pool, endpoint }
    }

    async fn send(&self, request: http::Request<()>) -> Result<Answer, SendFailure> {
        self.send_of(None, request).await
    }

    async fn send_of(
        &self,
        owner: Option<&TenantId>,
        request: http::Request<()>,
    ) -> Result<Answer, SendFailure> {
        self.send_by(&self.client, owner, request).await
    }

    /// Sends a request by a worker's client, through the pool's circuit breaker where it has one.
    async fn send_by(
        &self,
        client: &UpstreamClient,
        owner: Option<&TenantId>,
        request: http::Request<()>,
    ) -> Result<Answer, SendFailure> {
        let fuse = self.pool.circuit_terms().map(|_| Fuse::new(self.pool.circuit(), None));
        let upgrade = request.headers().get("upgrade").cloned();
        let (head, ()) = request.into_parts();
        let mut outgoing =
            Some(Outbox::new(&head, &[b"via: 1.1 test\r\n"], RequestBody::empty(), client.text()));
        let terms = Terms {
            expires: None,
            flow: None,
            owner,
            since: Instant::now(),
            fresh: false,
            upgrade: upgrade.as_ref(),
            retry: None,
            interim: None,
            fuse: fuse.as_ref(),
        };
        client.send(&self.pool, &self.endpoint, &mut outgoing, terms).await
    }

    /// The body that a GET brings.
    async fn get(&self) -> Result<String, SendFailure> {
        self.get_of(None).await
    }

    /// The body that a tenant's GET brings, over connections that are its alone.
    async fn get_of(&self, owner: Option<&TenantId>) -> Result<String, SendFailure> {
        body_of(self.send_of(owner, get()).await?).await
    }

    /// Why a GET fails.
    async fn failure(&self) -> SendFailure {
        self.get().await.expect_err("expected no answer")
    }

    /// Why a GET has no connection, as `Proxy-Status` says it.
    async fn refusal(&self) -> &'static str {
        match self.get().await {
            Err(SendFailure::Connect(why)) => why.proxy_status(),
            other => panic!("expected no connection, got {other:?}"),
        }
    }
}

async fn body_of(answer: Answer) -> Result<String, SendFailure> {
    match answer {
        Answer::Response(response) => {
            let body = response.into_body().collect().await.expect("a whole body");
            Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
        }
        Answer::Switched(..) => panic!("nobody asked for it"),
    }
}

fn get() -> http::Request<()> {
    http::Request::get("http://origin.test/hello").header("host", "origin.test").body(()).unwrap()
}

/// Serves HTTP/1.1 on a connection: answers each request with `text`, and one that asks for another
/// protocol with a 101, then with whatever comes, upper-cased.
async fn serve(mut io: impl AsyncRead + AsyncWrite + Unpin, text: &str) {
    let mut read = Vec::new();
    loop {
        while !read.ends_with(b"\r\n\r\n") {
            if io.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = String::from_utf8(std::mem::take(&mut read)).unwrap();
        if head.contains("upgrade: shout") {
            break;
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        io.write_all(answer.as_bytes()).await.unwrap();
        io.flush().await.unwrap();
    }
    io.write_all(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\n").await.unwrap();
    io.flush().await.unwrap();
    while io.read_buf(&mut read).await.is_ok_and(|read| read > 0) {
        io.write_all(&read.to_ascii_uppercase()).await.unwrap();
        io.flush().await.unwrap();
        read.clear();
    }
    io.write_all(b" BYE").await.unwrap();
    let _ = io.shutdown().await;
}

/// Asserts that a connection that has switched protocols carries bytes both ways, also after one side's end.
async fn assert_tunnels(scene: &Scene) {
    let mut request = get();
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "shout".parse().unwrap());
    let Answer::Switched(_, mut upgraded) = scene.send(request).await.unwrap() else { panic!("no switch") };
    upgraded.io.write_all(b"hello").await.unwrap();
    upgraded.io.shutdown().await.unwrap();
    let mut heard = upgraded.read.to_vec();
    upgraded.io.read_to_end(&mut heard).await.unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), "HELLO BYE");
}

/// Counts.
#[derive(Clone, Default)]
struct Count(Rc<Cell<usize>>);

impl Count {
    fn one_more(&self) {
        self.0.set(self.0.get() + 1);
    }

    fn get(&self) -> usize {
        self.0.get()
    }
}

fn endpoint(address: Address) -> Endpoint {
    Endpoint::new("p", address, |_| Arc::default())
}
