//! Whatever goes wrong around it, a response belongs to the request it answers, and a request to
//! its tenant.

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
