//! How a listener speaks TLS.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::server::ProducesTickets;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ServerConfig};

use super::certificates::{CertificatePem, Certificates, Unusable};
use super::client_auth::{ClientAuthError, ClientAuthTerms};
use super::on_demand::{ACME_TLS, OnDemand};

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    V12,
    /// TLS 1.3 (RFC 8446).
    V13,
}

/// A protocol that a client and we settle on in the handshake (ALPN, RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2.
    H2,
    /// HTTP/1.1.
    Http11,
}

/// What a listener's TLS is made of.
#[derive(Debug)]
pub struct ServerTerms<'t> {
    /// The first, with others of its first name, is for whoever names no host, or one that none is for. Where there is none, one is
    /// made that nobody believes.
    pub certificates: Vec<CertificatePem<'t>>,
    /// A name of the certificates that are for those instead.
    pub default: Option<&'t str>,
    /// Whether those are turned away instead, by the alert unrecognized_name (RFC 6066 §3).
    pub strict_sni: bool,
    /// Who has certificates that no file has.
    pub on_demand: Option<Arc<dyn OnDemand>>,
    /// The lowest version.
    pub min_version: TlsVersion,
    /// What is spoken over it, the best first.
    pub alpn: &'t [Alpn],
    /// Whose certificates clients may show, or must.
    pub client_auth: Option<ClientAuthTerms<'t>>,
    /// Those of a listener whose sessions may be resumed here: it asks the same of its clients.
    pub tickets: Option<Tickets>,
    /// How long a handshake may take.
    pub within: Duration,
}

/// What seals sessions for clients to keep (RFC 5077, RFC 8446 §4.6.1). Its keys change every six hours, and are forgotten after
/// twelve.
#[derive(Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

/// Why a listener can't speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    /// One of its certificates.
    #[error("a certificate can't be used")]
    Certificate(#[from] Unusable),
    /// Whom clients' certificates are to be from.
    #[error("certificates of clients can't be checked")]
    ClientAuth(#[from] ClientAuthError),
    /// What was asked for together does not fit.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// How a listener speaks TLS; shared by all workers, so that sessions are resumed wherever a client comes back to.
#[derive(Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// The same, and the client's order of ciphers counts.
    by_client: Arc<ServerConfig>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) within: Duration,
    tickets: Tickets,
}

/// A configuration that shows an authority that a name leads here, and nothing else (RFC 8737 §3).
pub(super) fn challenged(certified: Arc<CertifiedKey>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(config)
}

impl ServerTls {
    /// Checks the terms and prepares what every handshake needs.
    ///
    /// # Errors
    /// [`ServerTlsError`].
    pub fn new(terms: ServerTerms<'_>) -> Result<Self, ServerTlsError> {
        // Key exchange goes by the client's order: X25519MLKEM768 with those that put it first, which costs some 0.1 ms a handshake.
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites.sort_by_key(|suite| match suite.suite().as_str() {
            Some(name) if name.contains("AES_128") => 0,
            Some(name) if name.contains("AES_256") => 1,
            _ => 2,
        });
        let provider = Arc::new(provider);
        let ServerTerms { default, strict_sni, on_demand, .. } = terms;
        let certificates = Certificates::new(&terms.certificates, default, strict_sni, on_demand, &provider)?;
        let certificates = Arc::new(certificates);
        let versions: &[_] = match terms.min_version {
            TlsVersion::V12 => &[&TLS13, &TLS12],
            TlsVersion::V13 => &[&TLS13],
        };
        let verifier = terms.client_auth.map(|terms| terms.verifier(&provider)).transpose()?;
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&certificates) as _);
        // All of them are good; the cheapest for us comes first.
        config.ignore_client_order = true;
        config.alpn_protocols = terms.alpn.iter().map(|protocol| protocol.id().to_vec()).collect();
        if terms.alpn.contains(&Alpn::Http11) {
            // For old clients that offer nothing else; they are spoken to as ever.
            config.alpn_protocols.push(b"http/1.0".to_vec());
        }
        let tickets = match terms.tickets {
            Some(tickets) => tickets,
            None => Tickets(aws_lc_rs::Ticketer::new()?),
        };
        config.ticketer = Arc::clone(&tickets.0);
        // As many as browsers open connections for at once.
        config.send_tls13_tickets = 2;
        let mut by_client = config.clone();
        by_client.ignore_client_order = false;
        let (config, by_client) = (Arc::new(config), Arc::new(by_client));
        Ok(Self { config, by_client, certificates, within: terms.within, tickets })
    }

    /// What a client is answered by that offers these ciphers. Who puts ChaCha20 first has no hardware for AES, and gets it (OpenSSL
    /// calls the same PrioritizeChaCha).
    pub(super) fn config_for(&self, offered: &[CipherSuite]) -> Arc<ServerConfig> {
        // Chromium begins with one that means nothing (RFC 8701).
        let is_grease = |suite: &CipherSuite| u16::from(*suite) & 0x0f0f == 0x0a0a;
        let first = offered.iter().find(|suite| !is_grease(suite));
        Arc::clone(match first {
            Some(
                CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            ) => &self.by_client,
            _ => &self.config,
        })
    }

    /// What seals its sessions.
    #[must_use]
    pub fn tickets(&self) -> Tickets {
        self.tickets.clone()
    }
}

impl Alpn {
    /// Its name in the IANA's registry.
    #[must_use]
    pub const fn id(self) -> &'static [u8] {
        match self {
            Self::H2 => b"h2",
            Self::Http11 => b"http/1.1",
        }
    }

    pub(super) fn of(id: &[u8]) -> Option<Self> {
        [Self::H2, Self::Http11].into_iter().find(|protocol| protocol.id() == id)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}
