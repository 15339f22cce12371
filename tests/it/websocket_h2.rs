//! WebSocket over HTTP/2 (RFC 8441) to an endpoint that speaks HTTP/1.1.

use futures_util::{SinkExt, StreamExt};
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::{Method, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::harness::{
    ACME, Farewell, H2Client, Origin, Request, TestGateway, block_on, config, read, send_body, websocket_echo,
};

type Stream = SendStream<bytes::Bytes>;

/// Asks for a protocol by extended CONNECT.
pub(crate) async fn connect(
    gateway: &TestGateway,
    protocol: Option<&'static str>,
) -> (ResponseFuture, Stream) {
    let client = H2Client::connect(gateway.address()).await;
    client.extended_connect().await;
    let mut request = http::Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://{ACME}/socket?q=1"))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat")
        .body(())
        .unwrap();
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(h2::ext::Protocol::from_static(protocol));
    } else {
        *request.uri_mut() = format!("{ACME}:80").parse().unwrap();
    }
    client.open(request, false).await.unwrap()
}

/// The bytes of an open stream.
pub(crate) fn pumped(body: RecvStream, up: Stream) -> DuplexStream {
    let (near, far) = duplex(64 * 1024);
    let (heard, said) = split(far);
    tokio::spawn(pump_up(heard, up));
    tokio::spawn(pump_down(body, said));
    near
}

async fn pump_up(mut from: ReadHalf<DuplexStream>, mut to: Stream) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        to.reserve_capacity(len);
        let mut rest = &buffer[..len];
        while !rest.is_empty() {
            to.reserve_capacity(rest.len());
            let Some(Ok(room)) = futures_util::future::poll_fn(|cx| to.poll_capacity(cx)).await else {
                return;
            };
            let (now, later) = rest.split_at(room.min(rest.len()));
            to.send_data(bytes::Bytes::copy_from_slice(now), false).unwrap();
            rest = later;
        }
    }
    let _ = to.send_data(bytes::Bytes::new(), true);
}

async fn pump_down(mut from: RecvStream, mut to: WriteHalf<DuplexStream>) {
    while let Some(Ok(data)) = from.data().await {
        from.flow_control().release_capacity(data.len()).unwrap();
        if to.write_all(&data).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// An endpoint's agreement.
fn agreement(request: &Request) -> String {
    let accept = derive_accept_key(request.header("sec-websocket-key").unwrap().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    )
}

#[test]
fn a_websocket_echoes_over_http_2() {
    let gateway = block_on(async {
        let (address, mut farewells) = websocket_echo().await;
        let gateway = config().pool("shared", &[address], "").start();
        let (response, up) = connect(&gateway, Some("websocket")).await;
        let head = response.await.unwrap();
        assert_eq!(head.status(), 200);
        let mut socket =
            WebSocketStream::from_raw_socket(pumped(head.into_body(), up), Role::Client, None).await;
        for message in [Message::text("hello"), Message::binary(vec![7_u8; 4 << 20]), Message::text("")] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
        assert_eq!(farewells.recv().await, Some(Farewell::Closed), "the close is passed on");
        gateway
    });
    let log = &gateway.access_log(1)[0];
    assert_eq!((&log["method"], &log["status"]), (&"GET".into(), &200.into()), "{log}");
    assert!(log["bytes_in"].as_u64() > Some(4 << 20) && log["bytes_out"].as_u64() > Some(4 << 20), "{log}");
}

#[test]
fn the_endpoint_sees_an_upgrade_and_each_side_ends_by_itself() {
    let origin = Origin::on_request(|request, mut peer| {
        peer.send(agreement(&request));
        while peer.fill().is_ok() {
            let length = peer.unread().len();
            let heard = peer.take(length).unwrap();
            peer.send(heard);
        }
        peer.send("bye");
    });
    let gateway = config().to(&origin).start();
    block_on(async {
        let (response, mut up) = connect(&gateway, Some("websocket")).await;
        let head = response.await.unwrap();
        assert_eq!(
            (head.status().as_u16(), &head.headers()["sec-websocket-protocol"]),
            (200, &"chat".parse().unwrap())
        );
        for hop in ["sec-websocket-accept", "upgrade", "connection", "transfer-encoding", "content-length"] {
            assert!(!head.headers().contains_key(hop), "{hop}: {head:?}");
        }
        send_body(&mut up, b"hello").await.unwrap();
        let mut heard = String::new();
        pumped_read(head, &mut heard).await;
        assert_eq!(heard, "hellobye", "the endpoint speaks on after the client's end");
    });
    let seen = origin.last_request();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/socket?q=1"));
    assert_eq!((seen.header("host"), seen.header("x-tenant-id")), (Some(ACME), Some("acme")));
    assert_eq!((seen.header("upgrade"), seen.header("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!(seen.header("sec-websocket-key").map(str::len), Some(24));
    assert_eq!(seen.header("sec-websocket-version"), Some("13"));
}

async fn pumped_read(head: Response<RecvStream>, heard: &mut String) {
    let mut body = head.into_body();
    while let Some(data) = body.data().await {
        heard.push_str(std::str::from_utf8(&data.unwrap()).unwrap());
    }
}

/// What the client gets when this is the endpoint's answer.
fn answer_to(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> (u16, String) {
    let origin = Origin::serving(move |request, peer| {
        peer.send(answer(request));
    });
    let gateway = config().to(&origin).start();
    block_on(async {
        let (response, _up) = connect(&gateway, Some("websocket")).await;
        let answer = read(response).await.unwrap();
        (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned())
    })
}

#[test]
fn an_endpoint_may_decline() {
    let declined = answer_to(|_| "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".into());
    assert_eq!(declined, (403, "no".into()));
}

#[test]
fn an_endpoint_that_did_not_understand_has_not_agreed() {
    let is_502 = |answer: (u16, String)| {
        assert_eq!(answer.0, 502, "{answer:?}");
        assert!(answer.1.contains("upstream_protocol"), "{answer:?}");
    };
    is_502(answer_to(|_| "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()));
    is_502(answer_to(|request| agreement(request).replace("Accept: ", "Accept: A")));
    is_502(answer_to(|request| agreement(request).replace("Sec-WebSocket-Accept", "X")));
}

#[test]
fn no_other_connect_passes() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    block_on(async {
        for protocol in [Some("connect-udp"), None] {
            let (response, _up) = connect(&gateway, protocol).await;
            let answer = read(response).await.unwrap();
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (405, "bad_request"),
                "{protocol:?}"
            );
        }
    });
    origin.assert_untouched();
}
