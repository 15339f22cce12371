//! The handshake of one connection.

use std::io;
use std::sync::Arc;

use rustls::server::{Acceptor, ClientHello};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::on_demand::ACME_TLS;
use super::server::{ServerTls, challenged};

/// What a handshake has settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The host that the client asked for, as it wrote it.
    pub server_name: Option<Box<str>>,
    /// The version, like `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite by its name in the IANA's registry.
    pub cipher: &'static str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeFailure {
    /// It took too long.
    #[error("the handshake took too long")]
    Timeout,
    /// What the client sent, or that it went away.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl HandshakeFailure {
    /// Its name in metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout => "tls_timeout",
            Self::Io(_) => "tls_handshake",
        }
    }
}

/// What a client's first message is answered with.
enum Answer {
    Serve,
    /// An authority looks whether a name leads here: no request will come.
    Challenge(Arc<ServerConfig>),
}

impl ServerTls {
    /// Sees that the certificate is at hand that the client wants.
    async fn config_for(&self, hello: &ClientHello<'_>) -> Result<Answer, rustls::Error> {
        let Some(on_demand) = &self.certificates.on_demand else { return Ok(Answer::Serve) };
        let Some(name) = hello.server_name() else { return Ok(Answer::Serve) };
        if hello.alpn().is_some_and(|mut offered| offered.any(|protocol| protocol == ACME_TLS))
            && let Some(certified) = on_demand.challenge(name)
        {
            return challenged(certified).map(|config| Answer::Challenge(Arc::new(config)));
        }
        if self.certificates.of_file(name).is_none() && on_demand.at_hand(name).is_none() {
            // Whatever comes of it: the resolver finds it at hand, or shows the first one.
            on_demand.fetch(name).await;
        }
        Ok(Answer::Serve)
    }

    /// Shakes hands with a client.
    ///
    /// # Errors
    /// [`HandshakeFailure`]; the client was told by an alert where TLS has one for it.
    pub async fn accept<S>(&self, io: S) -> Result<(TlsStream<S>, Session), HandshakeFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shaking = async {
            let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
            let config = self.config_for(&start.client_hello()).await;
            match config.map_err(io::Error::other)? {
                Answer::Serve => start.into_stream(Arc::clone(&self.config)).await,
                Answer::Challenge(config) => start.into_stream(config).await,
            }
        };
        let stream = timeout(self.within, shaking).await.map_err(|_| HandshakeFailure::Timeout)??;
        let (_, connection) = stream.get_ref();
        let session = Session {
            server_name: connection.server_name().map(Into::into),
            version: connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS"),
            cipher: connection
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or_default(),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        };
        Ok((stream, session))
    }
}
