//! WebSockets to endpoints over HTTP/2 (RFC 8441).

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use h2::server::Builder;
use http::Response;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::before;
use crate::harness::{ACME, H2Origin, Respond, block_on, eventually, get, say, websocket};
use crate::websocket_h2::{connect, pumped};

/// Opens a stream for each WebSocket, and says back what comes; declines at `/decline`.
fn websockets(offers: bool) -> H2Origin {
    let mut terms = Builder::new();
    if offers {
        terms.enable_connect_protocol();
    }
    H2Origin::serving(terms, async |request, mut respond: Respond| {
        let protocol = request.extensions().get::<h2::ext::Protocol>().map(|name| name.as_str().to_owned());
        if protocol.is_none() {
            return say(respond, "no websocket");
        }
        assert_eq!((request.method(), protocol.as_deref()), (&http::Method::CONNECT, Some("websocket")));
        assert!(!request.headers().contains_key("sec-websocket-key"), "HTTP/2 has none");
        assert_eq!(request.headers()["x-tenant-id"], "acme");
        if request.uri().query() == Some("decline") {
            let no = Response::builder().status(403).body(()).unwrap();
            respond.send_response(no, false).unwrap().send_data("no".into(), true).unwrap();
            return;
        }
        let up = respond.send_response(Response::new(()), false).unwrap();
        let io = pumped(request.into_body(), up);
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        while let Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) = socket.next().await {
            socket.send(message).await.unwrap();
        }
    })
}

#[test]
fn websockets_share_a_connection_where_the_endpoint_opens_streams_for_them() {
    let origin = websockets(true);
    let gateway = before(&[&origin]);
    block_on(async {
        let mut sockets = join_all((0..3).map(|_| websocket(gateway.address(), ACME))).await;
        for socket in &mut sockets {
            for message in [Message::text("hello"), Message::binary(vec![7_u8; 1 << 20])] {
                socket.send(message.clone()).await.unwrap();
                assert_eq!(socket.next().await.unwrap().unwrap(), message);
            }
        }
        // And over HTTP/2 all the way.
        let (response, up) = connect(&gateway, Some("websocket")).await;
        let head = response.await.unwrap();
        assert_eq!(head.status(), 200);
        assert!(!head.headers().contains_key("sec-websocket-accept"));
        let io = pumped(head.into_body(), up);
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
        for mut socket in sockets {
            socket.close(None).await.unwrap();
        }
    });
    assert_eq!(origin.connections(), 1);
    let in_flight = || gateway.metric("tollgate_endpoint_requests_in_flight", &[("pool", "shared")]);
    eventually("nothing is in flight", || in_flight() == 0.0);
}

#[test]
fn an_endpoint_may_decline_a_websocket_or_know_none() {
    let origin = websockets(true);
    let gateway = before(&[&origin]);
    let handshake = |path| {
        get(ACME, path)
            .header("Connection", "upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let declined = gateway.ask(&handshake("/?decline"));
    assert_eq!((declined.status, declined.text().as_str()), (403, "no"));
    let origin = websockets(false);
    let refused = before(&[&origin]).ask(&handshake("/"));
    refused.assert_refused(502, "upstream_protocol");
    assert!(refused.header("proxy-status").unwrap().contains("http_upgrade_failed"));
    assert_eq!(origin.requests(), 0);
}
