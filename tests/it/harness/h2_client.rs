//! An HTTP/2 client with prior knowledge, and the runtime that it needs.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::poll_fn;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, StatusCode};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::wait::{DEADLINE, eventually_async};

/// Runs a test's asynchronous part, within the deadline.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bounded = runtime.block_on(async { tokio::time::timeout(2 * DEADLINE, future).await });
    bounded.unwrap_or_else(|_| panic!("nothing within {:?}", 2 * DEADLINE))
}

/// One HTTP/2 connection.
pub struct H2Client {
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// A response that came whole.
#[derive(Debug)]
pub struct H2Response {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers, empty if there were none.
    pub trailers: HeaderMap,
}

impl H2Response {
    /// The `code` of a problem, empty when this is none.
    pub fn code(&self) -> String {
        let problem: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        problem.and_then(|problem| Some(problem.get("code")?.as_str()?.to_owned())).unwrap_or_default()
    }
}

impl H2Client {
    /// Connects with prior knowledge.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        Self { sender, connection: tokio::spawn(connection) }
    }

    /// Sends a request without a body.
    pub async fn get(&self, host: &str, path: &str) -> Result<H2Response, h2::Error> {
        let uri = format!("http://{host}{path}");
        self.send(http::Request::get(uri).body(()).unwrap(), &[]).await
    }

    /// Sends a request with its body, whole.
    pub async fn send(&self, request: http::Request<()>, body: &[u8]) -> Result<H2Response, h2::Error> {
        let (response, mut stream) = self.open(request, body.is_empty()).await?;
        if !body.is_empty() {
            // The gateway may answer, or reset, before it has read everything.
            let (sent, received) = tokio::join!(send_body(&mut stream, body), read(response));
            return received.or_else(|error| sent.and(Err(error)));
        }
        read(response).await
    }

    /// Sends a request's head and leaves the rest to the test.
    pub async fn open(
        &self,
        request: http::Request<()>,
        end: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        sender.send_request(request, end)
    }

    /// Waits until the gateway has offered extended CONNECT (RFC 8441).
    pub async fn extended_connect(&self) {
        let offered = || self.sender.is_extended_connect_protocol_enabled();
        eventually_async("extended CONNECT is offered", offered).await;
    }

    /// Waits until the gateway has ended the connection.
    pub async fn closed(self) -> Result<(), h2::Error> {
        drop(self.sender);
        self.connection.await.unwrap()
    }

    /// Waits until the gateway takes no new stream: a sender that isn't ready any more has been
    /// sent a GOAWAY.
    pub async fn told_to_go_away(&self) {
        let deadline = Instant::now() + DEADLINE;
        while self.sender.clone().ready().await.is_ok() {
            assert!(Instant::now() < deadline, "no GOAWAY within {DEADLINE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Sends a body as its window allows.
pub async fn send_body(stream: &mut SendStream<Bytes>, body: &[u8]) -> Result<(), h2::Error> {
    let mut rest = Bytes::copy_from_slice(body);
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let Some(capacity) = poll_fn(|cx| stream.poll_capacity(cx)).await else { return Ok(()) };
        let part = rest.split_to(capacity?.min(rest.len()));
        stream.send_data(part, rest.is_empty())?;
    }
    Ok(())
}

/// Reads a response to its end.
pub async fn read(response: ResponseFuture) -> Result<H2Response, h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    let body = read_body(&mut stream).await?;
    let trailers = stream.trailers().await?.unwrap_or_default();
    Ok(H2Response { status: head.status, headers: head.headers, body, trailers })
}

async fn read_body(stream: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok(body)
}
