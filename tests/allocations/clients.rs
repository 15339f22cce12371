//! Clients that ask one request after another over one connection. Each answer is read to its end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::world::BODY;

/// No answer takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever asks.
pub trait Client {
    /// Asks for `/` at a host, and takes the answer.
    fn ask(&mut self, host: &str);
}

/// Over HTTP/1.1.
pub struct Http1<S> {
    stream: S,
    fields: String,
    read: Vec<u8>,
}

/// In the clear, with these lines behind the host's.
pub fn http1(address: SocketAddr, fields: &str) -> Http1<TcpStream> {
    Http1 { stream: connect(address), fields: fields.to_owned(), read: vec![0; 16 * 1024] }
}

/// Over TLS.
pub fn https(
    address: SocketAddr,
    certificate: &CertificateDer<'static>,
) -> Http1<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("acme.app.test").unwrap();
    let tls = ClientConnection::new(trusting(certificate, b"http/1.1"), name).unwrap();
    let stream = StreamOwned::new(tls, connect(address));
    Http1 { stream, fields: String::new(), read: vec![0; 16 * 1024] }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn trusting(certificate: &CertificateDer<'static>, alpn: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

impl<S: Read + Write> Client for Http1<S> {
    fn ask(&mut self, host: &str) {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{}\r\n", self.fields);
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut len = 0;
        let end = loop {
            let more = self.stream.read(&mut self.read[len..]).unwrap();
            assert!(more > 0, "the connection has ended");
            len += more;
            if let Some(head) = self.read[..len].windows(4).position(|end| end == b"\r\n\r\n") {
                break head + 4;
            }
        };
        let head = std::str::from_utf8(&self.read[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        while len < end + BODY.len() {
            let more = self.stream.read(&mut self.read[len..]).unwrap();
            assert!(more > 0, "the connection has ended");
            len += more;
        }
        assert_eq!(len, end + BODY.len());
    }
}

/// Over HTTP/2, over TLS.
pub struct Http2 {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
}

/// Opens a connection.
pub fn http2(address: SocketAddr, certificate: &CertificateDer<'static>) -> Http2 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sender = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("acme.app.test").unwrap();
        let tls = TlsConnector::from(trusting(certificate, b"h2"));
        let stream = tls.connect(name, stream).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender
    });
    Http2 { runtime, sender }
}

impl Client for Http2 {
    fn ask(&mut self, host: &str) {
        let Self { runtime, sender } = self;
        let request = http::Request::get(format!("https://{host}/")).body(()).unwrap();
        let asked = async {
            let mut ready = sender.clone().ready().await.unwrap();
            let (response, _) = ready.send_request(request, true).unwrap();
            let response = response.await.unwrap();
            assert_eq!(response.status(), 200);
            let mut body = response.into_body();
            let mut len = 0;
            while let Some(piece) = body.data().await {
                let piece = piece.unwrap();
                body.flow_control().release_capacity(piece.len()).unwrap();
                len += piece.len();
            }
            assert_eq!(len, BODY.len());
        };
        runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await }).unwrap();
    }
}
