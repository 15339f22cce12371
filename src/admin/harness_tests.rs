//! A gateway that a test steers, behind a real admin listener.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::server::{Patience, serve_patiently};
use super::*;
use crate::control::EndpointChange;
use crate::listen::Acceptor;

pub(super) const TOKEN: &str = "correct-horse";

/// Longer than any test.
pub(super) const LONG: Patience = Patience {
    head: Duration::from_secs(60),
    stall: Duration::from_secs(60),
    age: Duration::from_secs(60),
    grace: Duration::from_secs(60),
};

/// A gateway that a test steers.
pub(super) struct Gateway {
    pub(super) ready: Mutex<Result<(), String>>,
    pub(super) reloads: AtomicUsize,
    // Those that came to their end.
    pub(super) reloaded: AtomicUsize,
    pub(super) registry: Arc<Registry>,
    pub(super) reload: Mutex<Result<Value, Value>>,
    // A reload waits for this where the test asks for it.
    pub(super) gate: Option<Notify>,
}

impl Control for Gateway {
    fn ready(&self) -> Result<(), String> {
        self.ready.lock().expect("a lock").clone()
    }

    fn key_set(&self) -> Option<Arc<str>> {
        Some(r#"{"keys":[]}"#.into())
    }

    fn status(&self) -> Value {
        json!({ "version": "0.1.0" })
    }

    fn tenant_limits(&self, id: &str) -> Limits<'_> {
        let document = (id == "acme").then(|| json!({ "tenant": id }));
        Box::pin(async { Ok(document) })
    }

    fn explain(&self, _: Question) -> Explained<'_> {
        Box::pin(async { json!({ "verdict": { "action": "forward" } }) })
    }

    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    fn pools(&self) -> Value {
        json!({ "pools": [{ "name": "shared" }] })
    }

    fn pool(&self, name: &str) -> Result<Value, Value> {
        match name {
            "shared" => Ok(json!({ "name": name })),
            _ => Err(json!({ "status": 404, "code": "unknown_pool" })),
        }
    }

    fn change_endpoint(&self, pool: &str, endpoint: &str, change: EndpointChange) -> Result<Value, Value> {
        self.pool(pool)?;
        Ok(json!({ "endpoint": endpoint, "drained": change == EndpointChange::Drain }))
    }

    fn reload(&self) -> Reload<'_> {
        Box::pin(async {
            self.reloads.fetch_add(1, Ordering::SeqCst);
            if let Some(gate) = &self.gate {
                gate.notified().await;
            }
            self.reloaded.fetch_add(1, Ordering::SeqCst);
            self.reload.lock().expect("a lock").clone()
        })
    }
}

/// That of a configuration with a tenant, and no store.
pub(super) fn registry() -> Arc<Registry> {
    let text = "{ listeners: [{ bind: 127.0.0.1:0 }], tenants: [{ id: acme }], pools: { all: { endpoints: ['http://127.0.0.1:1'] } }, default_pool: all }";
    let loaded = crate::config::load_str(text, "test.yaml").expect("a configuration");
    Arc::new(Registry::new(Arc::new(loaded.document), Arc::new(|_: &[_], _: &[Box<str>], _: &[_]| {})))
}

pub(super) struct Admin {
    pub(super) address: SocketAddr,
    pub(super) gateway: Arc<Gateway>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) server: JoinHandle<std::io::Result<()>>,
}

impl Admin {
    pub(super) async fn start(token: Option<&str>) -> Self {
        Self::start_with(token, None, LONG).await
    }

    pub(super) async fn start_with(token: Option<&str>, gate: Option<Notify>, patience: Patience) -> Self {
        Self::start_over(registry(), token, gate, patience).await
    }

    pub(super) async fn start_over(
        registry: Arc<Registry>,
        token: Option<&str>,
        gate: Option<Notify>,
        patience: Patience,
    ) -> Self {
        let gateway = Arc::new(Gateway {
            ready: Mutex::new(Ok(())),
            reloads: AtomicUsize::new(0),
            reloaded: AtomicUsize::new(0),
            registry,
            reload: Mutex::new(Ok(json!({ "tenants": 3 }))),
            gate,
        });
        let metrics = Arc::new(Metrics::new(10).expect("metrics"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let listener = Acceptor::Tcp(listener);
        let state = AdminState {
            metrics: Arc::clone(&metrics),
            control: Arc::clone(&gateway) as Arc<dyn Control>,
            token: token.and_then(Token::new),
        };
        let (stop, stopped) = oneshot::channel();
        let ended = async {
            let _ = stopped.await;
        };
        let server = tokio::spawn(serve_patiently(listener, state, ended, patience));
        Self { address, gateway, metrics, stop: Some(stop), server }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for header in headers {
            head += &format!("{header}\r\n");
        }
        self.send(&(head + "\r\n")).await
    }

    pub(super) async fn send(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("a request");
        read_answer(&mut stream).await
    }
}

pub(super) async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("an end in time").expect("an answer");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Answer { head: head.to_ascii_lowercase(), body: body.to_owned() }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(super) fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line == header)
    }

    /// The body as a problem document, which it must be.
    pub(super) fn problem(&self) -> Value {
        assert!(self.has("content-type: application/problem+json"), "{self:?}");
        let problem: Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!(problem["status"], self.status());
        assert!(problem["type"].is_string() && problem["title"].is_string(), "{problem}");
        problem
    }
}

pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}
