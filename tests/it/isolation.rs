//! Whatever goes wrong around it, a response belongs to the request it answers, and a request to
//! its tenant.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::harness::{ACME, Client, GLOBEX, Origin, TestGateway, config, eventually, get, post};

const THREADS: usize = 8;
const ROUNDS: usize = 60;

/// Says which tenant and target it was asked for; cuts some answers, and some connections.
fn unreliable() -> Origin {
    Origin::serving(|request, peer| {
        let said = format!("{} {}", request.header("x-tenant-id").unwrap_or("nobody"), request.target);
        let framing = if request.target.contains("chunked") {
            let mut chunk = format!("{:x}\r\n{said}\r\n0\r\n\r\n", said.len());
            chunk.insert_str(0, "Transfer-Encoding: chunked\r\n\r\n");
            chunk
        } else {
            format!("Content-Length: {}\r\n\r\n{said}", said.len())
        };
        let cut = if request.target.contains("cut") { framing.len() - 3 } else { framing.len() };
        peer.send(format!("HTTP/1.1 200 OK\r\n{}", &framing[..cut]));
        if request.target.contains("cut") {
            peer.finish_sending();
        }
    })
}

/// One client's rounds: most ask and check, some leave in the middle of something.
fn rounds(gateway: &TestGateway, nth: usize) {
    let (host, tenant) = if nth.is_multiple_of(2) { (ACME, "acme") } else { (GLOBEX, "globex") };
    let mut random = fastrand::Rng::with_seed(nth as u64);
    let mut client = gateway.connect();
    for round in 0..ROUNDS {
        let kind = ["plain", "chunked", "cut", "upload"][random.usize(..4)];
        let target = format!("/{kind}/{nth}/{round}");
        let message =
            if kind == "upload" { post(host, &target, vec![b'x'; 3000]) } else { get(host, &target) };
        let bytes = message.bytes();
        if random.usize(..5) == 0 {
            leave_in_the_middle(client, &bytes[..random.usize(1..=bytes.len())]);
            client = gateway.connect();
            continue;
        }
        if kind == "cut" {
            client.send(bytes);
            // How much of it comes is upstream_failures' concern; here, that it harms no other.
            let _ = client.response(false);
            client = gateway.connect();
            continue;
        }
        let answer = client.ask(&message);
        assert_eq!(answer.text(), format!("{tenant} {target}"), "{answer:?}");
    }
}

fn leave_in_the_middle(mut client: Client, said: &[u8]) {
    client.send(said);
    client.reset();
}

#[test]
fn answers_are_never_mixed_up() {
    let origin = unreliable();
    let gateway = config().to(&origin).set("workers", "2").start();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..THREADS)
            .map(|nth| {
                scope.spawn({
                    let gateway = &gateway;
                    move || rounds(gateway, nth)
                })
            })
            .collect();
        drop(clients);
    });
    eventually("nothing is left", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
}

/// Says which of its connections a request came by, and notes whose requests each has seen.
fn telling_connections_apart() -> (Origin, Arc<Mutex<Vec<BTreeSet<String>>>>) {
    let seen: Arc<Mutex<Vec<BTreeSet<String>>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let origin = Origin::on_connection(move |_, mut peer| {
        let number = {
            let mut noted = noted.lock().unwrap();
            noted.push(BTreeSet::new());
            noted.len() - 1
        };
        while let Some(request) = peer.request() {
            let tenant = request.header("x-tenant-id").unwrap_or("nobody").to_owned();
            noted.lock().unwrap()[number].insert(tenant);
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (origin, seen)
}

#[test]
fn no_connection_to_an_endpoint_is_used_for_two_tenants_where_that_is_asked_for() {
    let (origin, seen) = telling_connections_apart();
    let mut gateway = config().pool("shared", &[origin.address()], "max_idle: 9").start();
    let ask = |gateway: &TestGateway| {
        for host in [ACME, GLOBEX, ACME, GLOBEX] {
            gateway.ask(&get(host, "/")).assert_status(200);
            gateway.ask(&post(host, "/", b"body")).assert_status(200);
        }
    };
    ask(&gateway);
    assert_eq!(seen.lock().unwrap().len(), 1, "otherwise they share it");

    gateway.reload(|c| c.pool("shared", &[origin.address()], "isolate_connections: true")).unwrap();
    ask(&gateway);
    let expected = [vec!["acme", "globex"], vec!["acme"], vec!["globex"]];
    assert_eq!(
        *seen.lock().unwrap(),
        expected.map(|tenants| tenants.into_iter().map(str::to_owned).collect())
    );

    let failing = AtomicBool::new(false);
    thread::scope(|scope| {
        for nth in 0..THREADS {
            let (gateway, failing) = (&gateway, &failing);
            scope.spawn(move || {
                let host = if nth.is_multiple_of(2) { ACME } else { GLOBEX };
                let mut client = gateway.connect();
                for _ in 0..ROUNDS {
                    client.send(get(host, "/").bytes());
                    failing.fetch_or(client.answer().status != 200, Ordering::SeqCst);
                }
            });
        }
    });
    assert!(!failing.into_inner());
    assert!(seen.lock().unwrap()[1..].iter().all(|tenants| tenants.len() <= 1), "{:?}", seen.lock());
}
