//! What one client may hold: time, connections, and nothing after it has gone.

use std::time::Duration;

use crate::harness::{ACME, Client, GLOBEX, Gate, Origin, Silence, config, eventually, get};

#[test]
fn a_head_that_takes_too_long_is_408_and_closed() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("limits", "{ header_read_timeout: 200ms }").start();
    let mut client = gateway.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: {ACME}\r\nX-Slow: "));
    assert_eq!(client.answer().status, 408);
    client.assert_closed();
    origin.assert_untouched();
}

#[test]
fn dripping_bytes_does_not_buy_time() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("limits", "{ header_read_timeout: 300ms }").start();
    let mut client = gateway.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: {ACME}\r\nX-Slow: "));
    client.patience(Duration::from_millis(50));
    eventually("it is cut off", || {
        client.send("x");
        matches!(client.response_head(), Ok(_) | Err(Silence::Closed | Silence::Reset))
    });
    origin.assert_untouched();
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("limits", "{ header_read_timeout: 200ms }").start();
    let mut client = gateway.connect();
    assert_ne!(client.drain(), Silence::Deadline);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("limits", "{ keep_alive_timeout: 200ms }").start();
    let mut client = gateway.connect();
    client.ask(&get(ACME, "/")).assert_status(200);
    client.assert_closed();
}

#[test]
fn one_client_may_have_so_many_connections() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("limits", "{ max_connections_per_client: 3 }").start();
    let mut held: Vec<Client> = (0..3).map(|_| gateway.connect()).collect();
    for client in &mut held {
        client.ask(&get(ACME, "/")).assert_status(200);
    }
    let mut fourth = gateway.connect();
    fourth.send(get(ACME, "/").bytes());
    match fourth.response(false) {
        Ok(answer) => assert!(matches!(answer.status, 429 | 503), "{answer:?}"),
        Err(silence) => assert_ne!(silence, Silence::Deadline),
    }
    let mut neighbour = Client::connect_from("127.0.0.2", gateway.address());
    neighbour.ask(&get(ACME, "/")).assert_status(200);
    held.pop();
    eventually("a place is free again", || served(&mut gateway.connect()));
}

#[test]
fn all_clients_together_may_have_so_many_connections() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("limits", "{ max_connections: 3 }").start();
    let mut held: Vec<Client> = (0..3).map(|_| gateway.connect()).collect();
    for client in &mut held {
        client.ask(&get(ACME, "/")).assert_status(200);
    }
    let mut fourth = gateway.connect();
    fourth.patience(Duration::from_millis(200));
    assert!(!served(&mut fourth));
    drop(fourth);
    held.pop();
    eventually("a place is free again", || {
        let mut next = gateway.connect();
        next.patience(Duration::from_millis(200));
        served(&mut next)
    });
}

fn served(client: &mut Client) -> bool {
    client.send(get(ACME, "/").bytes());
    client.response(false).is_ok_and(|answer| answer.status == 200)
}

#[test]
fn nothing_is_left_of_clients_that_went_away() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |request, peer| {
        if request.target != "/ok" {
            held.pass();
        }
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = config().to(&origin).set("limits", "{ max_connections_per_client: 8 }").start();
    let clients: Vec<Client> = (0..7)
        .map(|nth| {
            let mut client = gateway.connect();
            let message = get(ACME, "/held").bytes();
            // Some leave in the middle of their request, some while it is served.
            let said = if nth % 2 == 0 { message.len() } else { message.len() / 2 };
            client.send(&message[..said]);
            client
        })
        .collect();
    eventually("four are being served", || gate.waiting() == 4);
    assert_eq!(gateway.metric("tollgate_requests_in_flight", &[]), 4.0);
    for (nth, client) in clients.into_iter().enumerate() {
        if nth % 3 == 0 { client.reset() } else { drop(client) }
    }
    eventually("nothing is in flight", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
    gate.throw_open();
    // Every place among the client's eight connections is free again.
    eventually("all connections are given back", || {
        let mut eight: Vec<Client> = (0..8).map(|_| gateway.connect()).collect();
        eight.iter_mut().all(|client| {
            client.send(get(ACME, "/ok").bytes());
            client.response(false).is_ok_and(|answer| answer.status == 200)
        })
    });
}

#[test]
fn an_upload_that_stalls_is_cut_off() {
    let origin = Origin::echo();
    let gateway = config().pool("shared", &[origin.address()], "timeouts: { idle: 200ms }").start();
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 10\r\n\r\nhalf"));
    assert_ne!(client.drain(), Silence::Deadline);
    assert!(origin.requests().is_empty());
    eventually("the upstream connection ends", || origin.open_connections() == 0);
}

#[test]
fn a_client_that_never_reads_is_cut_off_in_the_end() {
    let origin = Origin::on_request(|_, mut peer| {
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while peer.send_chunk([b'x'; 60_000]) {}
    });
    let gateway =
        config().pool("shared", &[origin.address()], "").set("limits", "{ write_timeout: 200ms }").start();
    let mut client = gateway.connect();
    client.send(get(ACME, "/").bytes());
    eventually("it is served", || origin.connections() == 1);
    eventually("it is cut off", || origin.open_connections() == 0);
}

#[test]
fn a_tenant_has_as_many_connections_as_it_may() {
    let origin = Origin::saying("hello");
    let gateway = config().to(&origin).set("limits", "{ max_connections_per_tenant: 2 }").start();
    let mut clients: Vec<_> = (0..2).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.ask(&get(ACME, "/")).assert_status(200);
        client.ask(&get(ACME, "/")).assert_status(200);
    }
    let mut third = gateway.connect();
    let refused = third.ask(&get(ACME, "/"));
    refused.assert_refused(429, "concurrency_exceeded");
    assert_eq!(refused.header("connection"), Some("close"), "it is not kept");
    // Other tenants have places of their own, also by the same connections.
    clients[0].ask(&get(GLOBEX, "/")).assert_status(200);
    gateway.ask(&get(GLOBEX, "/")).assert_status(200);
    clients.pop();
    eventually("a place is free", || {
        gateway.ask(&get(ACME, "/").header("Connection", "close")).status == 200
    });
}
