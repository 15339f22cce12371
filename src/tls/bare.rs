//! What is under TLS is no bare socket.

use tokio_rustls::server::TlsStream;

use crate::net::{Bare, TcpSocket};

impl<S> Bare for TlsStream<S> {
    fn bare(&mut self) -> Option<&mut TcpSocket> {
        None
    }
}
