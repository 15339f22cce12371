//! The handshake of one connection.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::server::{Acceptor, ClientHello};
use rustls::{CipherSuite, HandshakeKind, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::certificates::Names;
use super::failure::HandshakeFailure;
use super::on_demand::ACME_TLS;
use super::server::{Alpn, ServerTls, challenged};
use super::turns::{PendingHandshakes, Turns};
use crate::types::{Arrivals, Certificate};

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
    /// What is to be spoken over it; `None`: the client offered nothing, and speaks HTTP/1.1.
    pub alpn: Option<Alpn>,
    /// What the certificate is for that was shown.
    pub names: Names,
    /// The certificate that the client has shown, and that was found to be good.
    pub client: Option<Box<Certificate>>,
}

/// A fatal alert, unrecognized_name, in a record of its own: nothing is encrypted yet (RFC 8446 §6).
const UNRECOGNIZED_NAME: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 112];

/// What a client's first message is answered with.
enum Answer {
    Serve,
    /// An authority looks whether a name leads here: no request will come.
    Challenge(Arc<ServerConfig>),
    /// There is no certificate for the name.
    Refuse,
}

impl ServerTls {
    /// Sees that the certificate is at hand that the client wants.
    async fn answer_for(&self, hello: &ClientHello<'_>) -> Result<Answer, rustls::Error> {
        let name = hello.server_name();
        if let Some((on_demand, name)) = self.certificates.on_demand.as_ref().zip(name) {
            if hello.alpn().is_some_and(|offered| offered.eq([ACME_TLS]))
                && let Some(certified) = on_demand.challenge(name).await
            {
                return challenged(certified).map(|config| Answer::Challenge(Arc::new(config)));
            }
            if !self.certificates.has_file(name) && on_demand.at_hand(name).is_none() {
                // Whatever comes of it: the resolver finds it at hand, or shows the default.
                on_demand.fetch(name).await;
            }
        }
        Ok(if self.certificates.refuses(name) { Answer::Refuse } else { Answer::Serve })
    }

    /// Shakes hands with a client; `None`: it was an authority that has seen what it wanted, and the connection has ended (RFC 8737 §3).
    ///
    /// # Errors
    /// [`HandshakeFailure`]; the client was told by an alert where TLS has one for it.
    pub async fn accept<S>(
        &self,
        io: S,
        pending: &PendingHandshakes,
        turns: &impl Turns,
    ) -> Result<Option<(TlsStream<S>, Session)>, HandshakeFailure>
    where
        S: AsyncRead + AsyncWrite + Arrivals + Unpin,
    {
        let shaking = async {
            let mut start = turns.take(LazyConfigAcceptor::new(Acceptor::default(), io)).await?;
            let hello = start.client_hello();
            let answer = self.answer_for(&hello).await;
            let config = self.config_for(hello.cipher_suites());
            let names = self.certificates.names(hello.server_name(), hello.signature_schemes());
            match answer.map_err(io::Error::other)? {
                Answer::Serve => Ok(Some((in_turns(start, config, pending, turns).await?, names))),
                Answer::Challenge(config) => {
                    // Nothing of what the listener asks of its clients was asked here: no request may come of it.
                    let _ = in_turns(start, config, pending, turns).await?.shutdown().await;
                    Ok(None)
                }
                Answer::Refuse => {
                    // Whether it still arrives is the client's affair.
                    let _ = start.io.write_all(&UNRECOGNIZED_NAME).await;
                    let _ = start.io.shutdown().await;
                    Err(HandshakeFailure::UnrecognizedName)
                }
            }
        };
        let shaken = timeout(self.within, shaking).await.map_err(|_| HandshakeFailure::Timeout)??;
        let Some((stream, names)) = shaken else { return Ok(None) };
        let (_, connection) = stream.get_ref();
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        let shown = connection.peer_certificates().and_then(<[_]>::first);
        let client = shown.and_then(|certificate| Certificate::read(certificate)).map(Box::new);
        if resumed && client.as_ref().is_some_and(|client| client.not_after < now_s()) {
            // A session that is resumed is not checked again.
            return Err(HandshakeFailure::ExpiredSince);
        }
        let session = Session {
            server_name: connection.server_name().map(Into::into),
            version: connection.protocol_version().map_or("TLS", version),
            cipher: connection.negotiated_cipher_suite().map_or("", |suite| cipher(suite.suite())),
            resumed,
            alpn: connection.alpn_protocol().and_then(Alpn::of),
            names,
            client,
        };
        Ok(Some((stream, session)))
    }
}

/// Answers a hello and goes on, a turn for each step of it: a client may have its hello answered twice (HelloRetryRequest, RFC 8446
/// §4.1.4).
async fn in_turns<S>(
    start: StartHandshake<S>,
    config: Arc<ServerConfig>,
    pending: &PendingHandshakes,
    turns: &impl Turns,
) -> Result<TlsStream<S>, HandshakeFailure>
where
    S: AsyncRead + AsyncWrite + Arrivals + Unpin,
{
    let place = pending.enter().map_err(|_| HandshakeFailure::Full)?;
    // rustls exchanges keys and signs as soon as it has the configuration, before anything is polled.
    let answering = turns.take(async {
        let mut shaking = start.into_stream(config);
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut shaking).poll(cx))).await;
        (shaking, polled)
    });
    let (mut shaking, mut polled) = answering.await;
    drop(place);
    loop {
        if let Poll::Ready(done) = polled {
            return Ok(done?);
        }
        // What follows is the client's turn. A first answer always finds room in the socket.
        poll_fn(|cx| shaking.get_ref().map_or(Poll::Ready(()), |io| io.poll_arrival(cx))).await;
        let place = pending.enter().map_err(|_| HandshakeFailure::Full)?;
        polled = turns.take(poll_fn(|cx| Poll::Ready(Pin::new(&mut shaking).poll(cx)))).await;
        drop(place);
    }
}

/// As OpenSSL and the logs of others have it.
fn version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        other => other.as_str().unwrap_or("TLS"),
    }
}

/// As the IANA's registry has it: rustls has names of its own for those of TLS 1.3.
fn cipher(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or_default(),
    }
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
