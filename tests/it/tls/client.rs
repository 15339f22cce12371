//! A client over TLS that offers exactly what a test wants offered.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::authority::Issued;
use crate::harness::{DEADLINE, Message};

/// What clients offer; connections of the same share sessions.
#[derive(Clone)]
pub struct Dialer {
    pub config: ClientConfig,
}

/// A connection.
pub struct TlsClient {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
}

/// A response over it: its head as text, and its body.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Believes every certificate; offers these signatures.
#[derive(Debug)]
pub struct Credulous(pub Vec<SignatureScheme>);

impl Dialer {
    /// All that rustls offers, and ALPN as given.
    pub fn new(alpn: &[&str]) -> Self {
        let schemes = aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes();
        Self::of(schemes, rustls::ALL_VERSIONS, alpn)
    }

    pub fn of(
        schemes: Vec<SignatureScheme>,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[&str],
    ) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let verifier = Arc::new(Credulous(schemes));
        let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|id| id.as_bytes().to_vec()).collect();
        config.resumption = Resumption::in_memory_sessions(64);
        Self { config }
    }

    /// Offers what a provider has, in its order.
    pub fn set_provider(
        &mut self,
        provider: CryptoProvider,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) {
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        let builder =
            ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions);
        let verifier = Arc::new(Credulous(schemes));
        let builder = builder.unwrap().dangerous().with_custom_certificate_verifier(verifier);
        self.config = builder.with_no_client_auth();
    }

    /// Shows this certificate.
    pub fn showing(issued: &Issued) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let verifier = Arc::new(Credulous(schemes));
        let builder = builder.unwrap().dangerous().with_custom_certificate_verifier(verifier);
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let config = builder.with_client_auth_cert(vec![issued.der.clone()], key).unwrap();
        Self { config }
    }

    /// Connects, with this name asked for (none for an address).
    pub fn dial(&self, address: SocketAddr, name: &str) -> io::Result<TlsClient> {
        self.dial_behind(address, name, b"", b"")
    }

    /// The same, behind what is said before: `first`, and the rest in one piece with the first words of the handshake.
    pub fn dial_behind(
        &self,
        address: SocketAddr,
        name: &str,
        first: &[u8],
        rest: &[u8],
    ) -> io::Result<TlsClient> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(self.config.clone()), name).unwrap();
        let mut socket = TcpStream::connect_timeout(&address, DEADLINE)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_nodelay(true)?;
        socket.write_all(first)?;
        let mut hello = rest.to_vec();
        connection.write_tls(&mut hello)?;
        socket.write_all(&hello)?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(TlsClient { stream })
    }

    /// What a client says first.
    pub fn hello(&self, name: &str) -> Vec<u8> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(self.config.clone()), name).unwrap();
        let mut hello = Vec::new();
        connection.write_tls(&mut hello).unwrap();
        hello
    }

    #[track_caller]
    pub fn connect(&self, address: SocketAddr, name: &str) -> TlsClient {
        self.dial(address, name).unwrap_or_else(|error| panic!("{name} at {address}: {error}"))
    }
}

impl TlsClient {
    /// The certificate that was shown.
    pub fn shown(&self) -> CertificateDer<'static> {
        self.stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }

    pub fn is_resumed(&self) -> bool {
        self.stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    #[track_caller]
    pub fn ask(&mut self, message: &Message) -> Said {
        self.try_ask(message).unwrap()
    }

    /// Sends a request, and reads the response by its length.
    pub fn try_ask(&mut self, message: &Message) -> io::Result<Said> {
        self.stream.write_all(&message.bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Said { status, head, body: String::from_utf8(body).unwrap() })
    }

    /// Whether the other side ends the connection with nothing more said, in order (close_notify).
    pub fn is_closed_in_order(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 16]), Ok(0))
    }
}

impl Said {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// The alert that a connection was refused by, as rustls names it.
#[track_caller]
pub fn alert(dialed: io::Result<TlsClient>) -> String {
    let error = match dialed {
        Err(error) => error,
        // With TLS 1.3 a client has finished before its certificate is looked at.
        Ok(mut client) => client.stream.read(&mut [0; 16]).map(drop).expect_err("it was let in"),
    };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) => format!("{alert:?}"),
        _ => panic!("no alert: {error:?}"),
    }
}

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
