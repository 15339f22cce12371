//! Bodies that take their time: passed on as they come, held back when nobody reads.

use std::time::Duration;

use crate::harness::{ACME, Client, DEADLINE, Ending, Gate, Origin, Silence, config, eventually, get};

const MIB: usize = 1 << 20;

/// More than sockets and a bounded gateway may hold between two ends that don't read.
const FAR_TOO_MUCH: usize = 64 * MIB;

#[test]
fn a_stream_arrives_as_it_is_sent() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
            peer.send_chunk(event);
            held.pass();
        }
        peer.send("0\r\n\r\n");
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(get(ACME, "/").bytes());
    client.response_head().unwrap();
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        // The origin says the next one only once this one has arrived.
        assert_eq!(client.chunk().unwrap(), event.as_bytes());
        gate.open();
    }
    assert_eq!(client.chunk().unwrap(), b"");
}

#[test]
fn an_upload_arrives_as_it_is_sent() {
    let origin = Origin::on_connection(|_, mut peer| {
        let mut request = peer.request_head().unwrap();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        // Each part is acknowledged before the client sends the next.
        for _ in 0..3 {
            let part = peer.chunk().unwrap();
            peer.send_chunk(part);
        }
        let _ = peer.request_body(&mut request);
        peer.send("0\r\n\r\n");
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    client.response_head().unwrap();
    for part in ["one", "two", "three"] {
        client.send_chunk(part);
        assert_eq!(client.chunk().unwrap(), part.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.chunk().unwrap(), b"");
}

#[test]
fn a_client_that_does_not_read_holds_the_origin_back() {
    let (written, gate) = (std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)), Gate::shut());
    let (count, held) = (written.clone(), gate.clone());
    let origin = Origin::on_request(move |_, mut peer| {
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {FAR_TOO_MUCH}\r\n\r\n"));
        let sent = peer.flood(FAR_TOO_MUCH, Duration::from_millis(500));
        count.store(sent, std::sync::atomic::Ordering::SeqCst);
        held.pass();
        peer.flood(FAR_TOO_MUCH - sent, DEADLINE);
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    let message = get(ACME, "/");
    client.send(message.bytes());
    eventually("the origin is held back", || gate.waiting() == 1);
    let accepted = written.load(std::sync::atomic::Ordering::SeqCst);
    assert!(accepted < 24 * MIB, "{accepted} bytes were taken for a client that reads none");
    gate.throw_open();
    let response = client.answer_to(&message);
    assert_eq!((response.body.len(), response.ending), (FAR_TOO_MUCH, Ending::Complete));
}

#[test]
fn an_origin_that_does_not_read_holds_the_client_back() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::on_connection(move |_, mut peer| {
        let mut request = peer.request_head().unwrap();
        held.pass();
        peer.request_body(&mut request).unwrap();
        peer.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len().to_string().len()
        ));
        peer.send(request.body.len().to_string());
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: {FAR_TOO_MUCH}\r\n\r\n"));
    let accepted = client.flood(FAR_TOO_MUCH, Duration::from_millis(500));
    assert!(accepted < 24 * MIB, "{accepted} bytes were taken for an origin that reads none");
    gate.throw_open();
    client.flood(FAR_TOO_MUCH - accepted, DEADLINE);
    assert_eq!(client.answer().text(), FAR_TOO_MUCH.to_string());
}

#[test]
fn a_client_that_goes_away_frees_the_origin() {
    let origin = Origin::on_request(|_, mut peer| {
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.send_chunk("first");
        assert_ne!(peer.drain(), Silence::Deadline, "the gateway held on to a response nobody reads");
    });
    let gateway = config().to(&origin).start();
    let mut client: Client = gateway.connect();
    client.send(get(ACME, "/").bytes());
    client.response_head().unwrap();
    drop(client);
    eventually("the upstream connection ends", || origin.open_connections() == 0);
}
