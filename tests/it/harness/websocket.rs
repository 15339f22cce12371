//! An application that speaks WebSocket, and the client's side of it.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

/// What became of a connection of a WebSocket origin.
#[derive(Debug, PartialEq, Eq)]
pub enum Farewell {
    /// The client closed in order.
    Closed,
    /// The connection broke.
    Broken,
}

/// Says back every text and binary message, and reports how each connection ended. It lives as
/// long as the runtime it was made on.
pub async fn websocket_echo() -> (SocketAddr, mpsc::UnboundedReceiver<Farewell>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (farewells, farewell) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let farewells = farewells.clone();
            tokio::spawn(async move {
                let Ok(socket) = accept_async(stream).await else { return };
                let _ = farewells.send(echo(socket).await);
            });
        }
    });
    (address, farewell)
}

async fn echo(mut socket: WebSocketStream<TcpStream>) -> Farewell {
    while let Some(message) = socket.next().await {
        match message {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                if socket.send(message).await.is_err() {
                    return Farewell::Broken;
                }
            }
            Ok(Message::Close(_)) => {
                let _ = socket.flush().await;
                return Farewell::Closed;
            }
            Ok(_) => {}
            Err(_) => return Farewell::Broken,
        }
    }
    Farewell::Closed
}

/// Shakes hands through a gateway.
pub async fn websocket(gateway: SocketAddr, host: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(gateway).await.unwrap();
    let request = format!("ws://{host}/socket").into_client_request().unwrap();
    let (socket, _) = client_async(request, stream).await.unwrap();
    socket
}
