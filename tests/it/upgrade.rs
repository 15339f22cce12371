//! WebSocket and other upgrades: tunnels through the gateway.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{
    ACME, Client, Farewell, Origin, Silence, block_on, config, eventually, get, websocket, websocket_echo,
};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: echo\r\n";

/// Switches to a protocol that says back what it hears, until it hears no more; then says bye.
fn echo_protocol() -> Origin {
    Origin::on_request(|request, mut peer| {
        assert_eq!(request.header("upgrade"), Some("echo"));
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        while peer.fill().is_ok() {
            let length = peer.unread().len();
            let heard = peer.take(length).unwrap();
            peer.send(heard);
        }
        peer.send("bye");
    })
}

#[test]
fn a_websocket_echoes_through_the_gateway() {
    block_on(async {
        let (address, mut farewells) = websocket_echo().await;
        let gateway = config().pool("shared", &[address], "").start();
        let mut socket = websocket(gateway.address(), ACME).await;
        let large = Message::binary(vec![7_u8; 4 << 20]);
        for message in [Message::text("hello"), Message::binary(vec![0, 1, 2]), large, Message::text("")] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
        assert_eq!(farewells.recv().await, Some(Farewell::Closed), "the close is passed on");
    });
}

/// Another library on both sides, with frames of a mebibyte, alone and as parts of one message, plain and compressed.
#[test]
fn the_websockets_library_exchanges_frames_of_a_mebibyte() {
    const EXCHANGE: &str = r#"
import asyncio, os, sys, websockets
async def echo(socket, *_):
    async for message in socket:
        await socket.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        gateway = int(sys.stdin.readline())
        frame = os.urandom(1 << 20)
        for compression in (None, "deflate"):
            options = dict(host="127.0.0.1", port=gateway, max_size=None, compression=compression)
            async with websockets.connect("ws://" + sys.argv[1] + "/socket", **options) as socket:
                for sent, expected in [(frame, frame)] * 4 + [([frame] * 2, frame * 2)]:
                    await socket.send(sent)
                    assert await asyncio.wait_for(socket.recv(), 10) == expected
            print(socket.close_code, flush=True)
asyncio.run(main())
"#;
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", EXCHANGE, ACME])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(python.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port: u16 = said.next().unwrap().parse().unwrap();
    let gateway = config().pool("shared", &[([127, 0, 0, 1], port).into()], "").start();
    writeln!(python.stdin.take().unwrap(), "{}", gateway.address().port()).unwrap();
    assert_eq!(said.collect::<Vec<_>>(), ["1000", "1000"]);
    assert!(python.wait().unwrap().success());
}

#[test]
fn many_websockets_are_kept_apart() {
    block_on(async {
        let (address, _farewells) = websocket_echo().await;
        let gateway = config().pool("shared", &[address], "").start();
        let mut sockets = Vec::new();
        for nth in 0..20 {
            let mut socket = websocket(gateway.address(), ACME).await;
            socket.send(Message::text(nth.to_string())).await.unwrap();
            sockets.push(socket);
        }
        for (nth, socket) in sockets.iter_mut().enumerate() {
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(nth.to_string()));
        }
    });
}

#[test]
fn a_client_that_vanishes_ends_the_tunnel() {
    block_on(async {
        let (address, mut farewells) = websocket_echo().await;
        let gateway = config().pool("shared", &[address], "").start();
        let mut socket = websocket(gateway.address(), ACME).await;
        socket.send(Message::text("hello")).await.unwrap();
        socket.next().await.unwrap().unwrap();
        drop(socket);
        assert_eq!(farewells.recv().await, Some(Farewell::Broken));
    });
}

#[test]
fn any_protocol_that_both_sides_agree_on_is_tunnelled() {
    let origin = echo_protocol();
    let gateway = config().to(&origin).start();
    let mut client = switched(&gateway, UPGRADE);
    client.send("one");
    assert_eq!(client.take(3).unwrap(), b"one");
    let seen = origin.last_request();
    assert_eq!(seen.header("x-tenant-id"), Some("acme"));
    assert!(seen.all("connection").join(",").to_lowercase().contains("upgrade"));
}

#[track_caller]
fn switched(gateway: &crate::harness::TestGateway, lines: &str) -> Client {
    let mut client = gateway.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: {ACME}\r\n{lines}\r\n"));
    let answer = client.answer();
    assert_eq!(answer.status, 101, "{answer:?}");
    assert!(answer.header("upgrade").is_some(), "{answer:?}");
    client
}

#[test]
fn half_a_close_leaves_the_other_half_open() {
    let origin = echo_protocol();
    let gateway = config().to(&origin).start();
    let mut client = switched(&gateway, UPGRADE);
    client.send("last words");
    client.finish_sending();
    assert_eq!(client.take(13).unwrap(), b"last wordsbye");
    client.assert_closed();
    eventually("the tunnel is gone", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
}

#[test]
fn bytes_sent_with_the_switch_are_not_lost() {
    let origin = Origin::on_request(|_, mut peer| {
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst");
        peer.drain();
    });
    let gateway = config().to(&origin).start();
    let mut client = switched(&gateway, UPGRADE);
    assert_eq!(client.take(5).unwrap(), b"first");
}

#[test]
fn an_upgrade_that_connection_does_not_name_is_not_passed_on() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let message = get(ACME, "/").header("Upgrade", "websocket").header("Sec-WebSocket-Key", "eA==");
    gateway.ask(&message).assert_status(200);
    assert_eq!(origin.last_request().all("upgrade"), [""; 0]);
}

#[test]
fn an_upgrade_to_h2c_is_not_passed_on() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    for upgrade in ["h2c", "H2C", "h2c, websocket", "websocket, h2c"] {
        let message = get(ACME, "/")
            .header("Connection", "Upgrade, HTTP2-Settings")
            .header("Upgrade", upgrade)
            .header("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA");
        // It may be ignored or refused, but no origin may hear of it.
        gateway.ask(&message);
        for request in origin.requests() {
            let lines = format!("{:?}", request.headers).to_lowercase();
            assert!(!lines.contains("h2c") && !lines.contains("http2-settings"), "{upgrade}: {lines}");
        }
    }
}

#[test]
fn what_comes_behind_an_upgrade_that_is_declined_is_the_next_request() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    let next = String::from_utf8(get(ACME, "/next").bytes()).unwrap();
    client.send(format!("GET / HTTP/1.1\r\nHost: {ACME}\r\n{UPGRADE}\r\n{next}"));
    assert_eq!((client.answer().text(), client.answer().text()), ("ok".to_owned(), "ok".to_owned()));
    assert_eq!(origin.last_request().target, "/next");
    client.send(format!("GET / HTTP/1.1\r\nHost: {ACME}\r\n{UPGRADE}\r\n\0\x01 of another protocol"));
    assert_eq!((client.answer().status, client.answer().status), (200, 400));
}

#[test]
fn an_origin_may_decline_an_upgrade() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: {ACME}\r\n{UPGRADE}\r\n"));
    assert_eq!(client.answer().text(), "ok");
    client.ask(&get(ACME, "/next")).assert_status(200);
}

#[test]
fn a_tunnel_that_nothing_comes_through_is_cut_and_logged_as_that() {
    let origin = echo_protocol();
    let gateway = config().pool("shared", &[origin.address()], "timeouts: { idle: 200ms }").start();
    let mut client = gateway.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: {ACME}\r\n{UPGRADE}\r\n"));
    let entry = gateway.access_log(1).remove(0);
    assert_eq!((&entry["status"], &entry["code"]), (&101.into(), &"tunnel_idle".into()));
    assert_eq!(gateway.metric("tollgate_connections_cut_total", &[("reason", "tunnel_idle")]), 1.0);
}

#[test]
fn a_switch_to_another_protocol_than_asked_for_is_502() {
    let origin = Origin::on_request(|_, mut peer| {
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n");
        peer.drain();
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: {ACME}\r\n{UPGRADE}\r\n"));
    client.answer().assert_refused(502, "upstream_protocol");
}

#[test]
fn an_origin_that_ends_its_side_ends_the_clients() {
    let origin = Origin::on_request(|_, mut peer| {
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        peer.send("bye");
    });
    let gateway = config().to(&origin).start();
    let mut client = switched(&gateway, UPGRADE);
    assert_eq!(client.take(3).unwrap(), b"bye");
    assert_ne!(client.drain(), Silence::Deadline);
}

#[test]
fn a_tunnel_outlives_a_reload() {
    let (origin, other) = (echo_protocol(), Origin::echo());
    let mut gateway = config().to(&origin).start();
    let mut client = switched(&gateway, UPGRADE);
    gateway.reload(|c| c.to(&other)).unwrap();
    client.send("still");
    assert_eq!(client.take(5).unwrap(), b"still");
}
