//! The harness, tested without a gateway: a client that talks to its origins directly must see
//! what each of them is said to do.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{
    Client, Ending, Farewell, Gate, Origin, Silence, block_on, eventually, fingerprint, get, post,
    refused_address, request, websocket, websocket_echo,
};

#[test]
fn an_echo_says_what_it_was_asked_and_keeps_the_connection() {
    let origin = Origin::echo();
    let mut client = Client::connect(origin.address());
    let answer = client.ask(&post("a.test", "/x?y=1", b"body").header("X-One", "1"));
    answer.assert_status(200);
    let echo = answer.json();
    assert_eq!(echo["method"], "POST");
    assert_eq!(echo["target"], "/x?y=1");
    assert_eq!(echo["headers"][0], serde_json::json!(["Host", "a.test"]));
    assert_eq!(echo["body"], fingerprint(b"body"));
    client.ask(&get("a.test", "/again")).assert_status(200);
    assert_eq!(origin.connections(), 1);
    assert_eq!(origin.requests().len(), 2);
    assert!(origin.received()[0].starts_with(b"POST /x?y=1 HTTP/1.1\r\nHost: a.test\r\n"));
}

#[test]
fn chunks_and_trailers_are_read_in_both_directions() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n",
    );
    let mut client = Client::connect(origin.address());
    let message = request("PUT", "a.test", "/").chunks_and_trailers(&[b"one", b"two"], "X-End: yes\r\n");
    let answer = client.ask(&message);
    assert_eq!(answer.text(), "abcde");
    assert_eq!(answer.trailers, [("X-Sum".to_owned(), "5".to_owned())]);
    assert_eq!(origin.last_request().body, b"onetwo");
    assert_eq!(origin.last_request().trailers, [("X-End".to_owned(), "yes".to_owned())]);
}

#[test]
fn a_head_has_no_body_and_continues_are_skipped() {
    let origin =
        Origin::answering("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    let answer = Client::connect(origin.address()).ask(&request("HEAD", "a.test", "/"));
    answer.assert_status(200);
    assert_eq!(answer.header("content-length"), Some("7"));
}

#[test]
fn a_body_cut_short_is_broken_and_one_without_framing_is_closed() {
    let cut = Origin::answering_once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    let answer = Client::connect(cut.address()).ask(&get("a.test", "/"));
    assert_eq!((answer.ending, answer.body), (Ending::Broken, b"half".to_vec()));
    let unframed = Origin::answering_once("HTTP/1.1 200 OK\r\n\r\nall of it");
    let answer = Client::connect(unframed.address()).ask(&get("a.test", "/"));
    assert_eq!((answer.ending, answer.body), (Ending::Closed, b"all of it".to_vec()));
}

#[test]
fn a_reset_is_a_reset_and_not_an_orderly_end() {
    let origin = Origin::on_request(|_, peer| peer.reset());
    let mut client = Client::connect(origin.address());
    client.send(get("a.test", "/").bytes());
    assert_eq!(client.drain(), Silence::Reset);
    eventually("the origin lets go", || origin.open_connections() == 0);
}

#[test]
fn a_refused_address_refuses() {
    let (address, _held) = refused_address();
    assert!(Client::try_connect(address).is_err());
}

#[test]
fn a_gate_holds_an_origin_until_it_is_opened() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        held.pass();
        peer.send("HTTP/1.1 204 No Content\r\n\r\n");
    });
    let mut client = Client::connect(origin.address());
    client.patience(Duration::from_millis(30));
    let message = get("a.test", "/");
    client.send(message.bytes());
    assert_eq!(client.fill(), Err(Silence::Deadline));
    eventually("the origin waits", || gate.waiting() == 1);
    gate.open();
    client.patience(Duration::from_secs(10));
    client.answer_to(&message).assert_status(204);
}

#[test]
fn a_client_can_come_from_another_address() {
    let origin = Origin::saying("hello");
    let mut client = Client::connect_from("127.0.0.77", origin.address());
    assert_eq!(client.local().ip().to_string(), "127.0.0.77");
    assert_eq!(client.ask(&get("a.test", "/")).text(), "hello");
}

#[test]
fn a_flood_stops_when_nobody_reads() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::on_connection(move |_, _unread| {
        held.pass();
    });
    let mut client = Client::connect(origin.address());
    let taken = client.flood(64 << 20, Duration::from_millis(100));
    assert!(taken > 0 && taken < 64 << 20, "{taken}");
    gate.throw_open();
}

#[test]
fn a_websocket_echoes_and_says_how_it_ended() {
    block_on(async {
        let (address, mut farewells) = websocket_echo().await;
        let mut socket = websocket(address, "a.test").await;
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
        assert_eq!(farewells.recv().await, Some(Farewell::Closed));
        drop(websocket(address, "a.test").await);
        assert_eq!(farewells.recv().await, Some(Farewell::Broken));
    });
}
