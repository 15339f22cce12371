//! Endpoints that die, restart and stall under load, each a process of its own: what clients notice of it. The long
//! versions, with rates and percentiles, are `make bench-resilience`.

// Addresses of the loopback network beside 127.0.0.1, and signals.
#![cfg(target_os = "linux")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{ACME, Message, TestGateway, config, eventually, get, post, tollgate};

/// Connections that ask as soon as they are answered.
const CLIENTS: usize = 8;
/// Answers to see after each thing that is done to an endpoint.
const ANSWERS: usize = 150;
/// What tells a request that met the endpoint which stalls from all others.
const PER_TRY: Duration = Duration::from_secs(1);

/// A sample application at an address that it keeps over its restarts.
struct Endpoint {
    address: SocketAddr,
    child: Child,
}

impl Endpoint {
    fn start() -> Self {
        // Of its own network, so that nobody takes its port while it is dead.
        static COUNT: AtomicU8 = AtomicU8::new(1);
        let nth = COUNT.fetch_add(1, Ordering::SeqCst);
        let network = std::process::id().to_be_bytes()[3];
        let address =
            TcpListener::bind((format!("127.77.{network}.{nth}"), 0)).unwrap().local_addr().unwrap();
        Self { address, child: Self::spawn(address) }
    }

    fn spawn(address: SocketAddr) -> Child {
        let bind = address.to_string();
        let mut command = tollgate(&["sample-app", "--bind", &bind, "--name", &bind, "--pool", "shared"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eventually("an endpoint listens", || TcpStream::connect(address).is_ok());
        child
    }

    /// Without a word, as a crash does it.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::spawn(self.address);
    }

    /// It answers nothing any more, and closes nothing.
    fn stall(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "STOP", &pid]).status().unwrap().success());
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn three() -> [Endpoint; 3] {
    std::array::from_fn(|_| Endpoint::start())
}

/// When one of three dies, what it had has to be retried at once: more than the default's part.
fn before(endpoints: &[Endpoint], more: &str) -> TestGateway {
    let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address).collect();
    let retries = format!("retries: {{ budget: 100%, tenant_budget: 100%{more} }}");
    config().pool("shared", &addresses, &retries).start()
}

/// What the clients have seen so far.
#[derive(Default)]
struct Seen {
    answers: AtomicUsize,
    slow: AtomicUsize,
    wrong: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Seen {
    fn wait_for_more(&self) {
        let goal = self.answers.load(Ordering::SeqCst) + ANSWERS;
        eventually("clients are answered", || {
            self.answers.load(Ordering::SeqCst) >= goal || !self.wrong.lock().unwrap().is_empty()
        });
    }

    /// One client: every answer has to be whole and a 200.
    fn ask(&self, gateway: &TestGateway, messages: &[Message]) {
        let mut client = gateway.connect();
        for message in messages.iter().cycle() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let since = Instant::now();
            client.send(message.bytes());
            match client.response(false) {
                Ok(answer) if answer.status == 200 => {}
                other => {
                    self.wrong.lock().unwrap().push(format!("{other:?}"));
                    return;
                }
            }
            self.slow.fetch_add(usize::from(since.elapsed() >= PER_TRY), Ordering::SeqCst);
            self.answers.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Ends the clients, also when what is done to the endpoints panics.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Does something to endpoints while clients ask; what they saw.
fn under_load(gateway: &TestGateway, messages: &[Message], work: impl FnOnce(&Seen)) -> Seen {
    let seen = Seen::default();
    thread::scope(|scope| {
        let _stop = Stop(&seen.stop);
        for _ in 0..CLIENTS {
            scope.spawn(|| seen.ask(gateway, messages));
        }
        seen.wait_for_more();
        work(&seen);
    });
    assert_eq!(*seen.wrong.lock().unwrap(), Vec::<String>::new());
    seen
}

fn endpoint_of(gateway: &TestGateway, endpoint: &Endpoint) -> Value {
    let pool = gateway.admin("/api/v1/pools/shared").json();
    let name = endpoint.address.to_string();
    pool["endpoints"].as_array().unwrap().iter().find(|one| one["name"] == *name).unwrap().clone()
}

fn steer(gateway: &TestGateway, what: &str, endpoint: &Endpoint) {
    let body = format!(r#"{{"endpoint": "{}"}}"#, endpoint.address);
    gateway.admin_post(&format!("/api/v1/pools/shared/{what}"), &body).assert_status(200);
}

#[test]
fn nobody_notices_that_an_endpoint_dies_and_returns() {
    let mut endpoints = three();
    let gateway = before(&endpoints, "");
    under_load(&gateway, &[get(ACME, "/slow?ms=2")], |seen| {
        for nth in 0..9 {
            let endpoint = &mut endpoints[nth % 3];
            endpoint.kill();
            seen.wait_for_more();
            endpoint.restart();
            seen.wait_for_more();
        }
    });
    assert!(gateway.metric("tollgate_endpoint_failures_total", &[]) > 0.0, "they were dead");
}

#[test]
fn nobody_notices_that_drained_endpoints_are_restarted() {
    let mut endpoints = three();
    let gateway = before(&endpoints, "");
    let messages = [get(ACME, "/slow?ms=2"), post(ACME, "/slow?ms=2", b"once")];
    under_load(&gateway, &messages, |seen| {
        for endpoint in &mut endpoints {
            steer(&gateway, "drain", endpoint);
            eventually("it has nothing in flight", || endpoint_of(&gateway, endpoint)["in_flight"] == 0);
            endpoint.kill();
            endpoint.restart();
            seen.wait_for_more();
            steer(&gateway, "undrain", endpoint);
            let before = endpoint_of(&gateway, endpoint)["requests"].as_u64();
            eventually("it serves again", || endpoint_of(&gateway, endpoint)["requests"].as_u64() > before);
        }
    });
    assert_eq!(gateway.metric("tollgate_endpoint_failures_total", &[]), 0.0);
}

#[test]
fn an_endpoint_that_stalls_delays_only_what_is_sent_to_it() {
    let endpoints = three();
    let gateway = before(&endpoints, &format!(", per_try_timeout: {}ms", PER_TRY.as_millis()));
    let mut sent = 0;
    let seen = under_load(&gateway, &[get(ACME, "/slow?ms=2")], |seen| {
        endpoints[0].stall();
        let of = |what| endpoint_of(&gateway, &endpoints[0])[what].as_u64().unwrap_or_default();
        let before = of("requests") - of("in_flight");
        for _ in 0..6 {
            seen.wait_for_more();
        }
        sent = of("requests") - before;
    });
    let (slow, answers) = (seen.slow.into_inner() as u64, seen.answers.into_inner() as u64);
    assert!(slow <= sent && sent < answers / 4, "{slow} slow, {sent} sent there, of {answers}");
}
