//! Endpoints under TLS: whom they are believed, what they are shown, and how a handshake fails.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, ServerConfig};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;
use tollgate::upstream::{
    Address, ClientTls, IdentityPem, SendFailure, TlsTerms, TlsTermsError, Trust, roots_from_pem,
};

use super::{Scene, assert_tunnels, endpoint, on_a_worker, serve};

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for the name, and its key: PEM.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::Roots(roots_from_pem(self.pem.as_bytes()).unwrap())
    }
}

/// What an origin saw of the handshakes: the name that it was asked for, and the kind.
type Seen = Arc<Mutex<Vec<(Option<String>, HandshakeKind)>>>;

/// What an origin serves with.
pub(crate) fn acceptor(authority: &Authority, name: &str, clients_of: Option<&Authority>) -> TlsAcceptor {
    let (certificate, key) = authority.issue(name);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = match clients_of {
        None => builder.unwrap().with_no_client_auth(),
        Some(clients) => {
            let roots = roots_from_pem(clients.pem.as_bytes()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap();
            builder.unwrap().with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

/// The same, which offers these protocols.
pub(crate) fn offering(acceptor: &TlsAcceptor, protocols: &[&[u8]]) -> TlsAcceptor {
    let mut config = ServerConfig::clone(acceptor.config());
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// Serves over TLS; returns where, and what it sees.
async fn origin(acceptor: TlsAcceptor) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    spawn_local(async move {
        while let Ok((io, _)) = listener.accept().await {
            let (acceptor, noted) = (acceptor.clone(), Arc::clone(&noted));
            spawn_local(async move {
                let Ok(io) = acceptor.accept(io).await else { return };
                let session = io.get_ref().1;
                let name = session.server_name().map(str::to_owned);
                noted.lock().unwrap().push((name, session.handshake_kind().unwrap()));
                serve(io, "in secret").await;
            });
        }
    });
    (address, seen)
}

pub(crate) fn terms(trust: Trust) -> TlsTerms<'static> {
    TlsTerms { trust, identity: None, server_name: None, within: Duration::from_secs(2) }
}

fn secure(address: SocketAddr, terms: &TlsTerms<'_>) -> Scene {
    Scene::to(endpoint(Address::Ip(address)).secure(Arc::new(ClientTls::new(terms).unwrap())))
}

#[test]
fn a_trusted_endpoint_serves_requests_over_one_kept_connection() {
    on_a_worker(async {
        let authority = Authority::new();
        let (address, seen) = origin(acceptor(&authority, "127.0.0.1", None)).await;
        let scene = secure(address, &terms(authority.trust()));
        for _ in 0..3 {
            assert_eq!(scene.get().await.unwrap(), "in secret");
        }
        assert_eq!(seen.lock().unwrap().len(), 1, "the connection is kept");
    });
}

#[test]
fn a_name_is_asked_for_and_may_be_overridden() {
    on_a_worker(async {
        let authority = Authority::new();
        let (address, seen) = origin(acceptor(&authority, "acme.internal", None)).await;
        let named = TlsTerms { server_name: Some("acme.internal"), ..terms(authority.trust()) };
        assert_eq!(secure(address, &named).get().await.unwrap(), "in secret");
        let name = seen.lock().unwrap().first().unwrap().0.clone();
        assert_eq!(name.as_deref(), Some("acme.internal"));
        let (local, _) = origin(acceptor(&authority, "localhost", None)).await;
        let tls = Arc::new(ClientTls::new(&terms(authority.trust())).unwrap());
        let scene = Scene::to(endpoint(Address::Name("localhost".into(), local.port())).secure(tls));
        assert_eq!(scene.get().await.unwrap(), "in secret");
    });
}

#[test]
fn a_stranger_and_a_wrong_name_are_refused_unless_anyone_will_do() {
    on_a_worker(async {
        let (authority, other) = (Authority::new(), Authority::new());
        let (address, _) = origin(acceptor(&authority, "elsewhere.test", None)).await;
        let refusals = [terms(other.trust()), terms(authority.trust())];
        for terms in &refusals {
            assert_eq!(secure(address, terms).refusal().await, "tls_certificate_error");
        }
        assert_eq!(secure(address, &terms(Trust::Anyone)).get().await.unwrap(), "in secret");
    });
}

#[test]
fn the_gateway_shows_its_certificate_to_those_who_ask() {
    on_a_worker(async {
        let (authority, clients) = (Authority::new(), Authority::new());
        let (address, _) = origin(acceptor(&authority, "127.0.0.1", Some(&clients))).await;
        let (chain, key) = clients.issue("gateway.test");
        let identity = Some(IdentityPem { chain: chain.as_bytes(), key: key.as_bytes() });
        let shown = TlsTerms { identity, ..terms(authority.trust()) };
        assert_eq!(secure(address, &shown).get().await.unwrap(), "in secret");
        let failure = secure(address, &terms(authority.trust())).failure().await;
        assert!(matches!(failure, SendFailure::Alert), "{failure:?}");
    });
}

#[test]
fn a_new_connection_resumes_the_session() {
    on_a_worker(async {
        let authority = Authority::new();
        let (address, seen) = origin(acceptor(&authority, "127.0.0.1", None)).await;
        let scene = secure(address, &terms(authority.trust()));
        for _ in 0..2 {
            scene.get().await.unwrap();
            scene.client.close_idle();
        }
        let kinds: Vec<_> = seen.lock().unwrap().iter().map(|(_, kind)| *kind).collect();
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
    });
}

#[test]
fn a_tunnel_runs_under_tls_also_over_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    on_a_worker(async {
        let authority = Authority::new();
        let (address, _) = origin(acceptor(&authority, "127.0.0.1", None)).await;
        assert_tunnels(&secure(address, &terms(authority.trust()))).await;

        let listener = UnixListener::bind(&path).unwrap();
        let acceptor = acceptor(&authority, "localhost", None);
        spawn_local(async move {
            let (io, _) = listener.accept().await.unwrap();
            serve(acceptor.accept(io).await.unwrap(), "").await;
        });
        let tls = Arc::new(ClientTls::new(&terms(authority.trust())).unwrap());
        assert_tunnels(&Scene::to(endpoint(Address::Unix(path.clone())).secure(tls))).await;
    });
}

#[test]
fn an_endpoint_that_does_not_speak_tls_is_no_connection() {
    on_a_worker(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let origin = std::thread::spawn(move || {
            let (mut plain, _) = listener.accept().unwrap();
            plain.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            let (gone, _) = listener.accept().unwrap();
            drop(gone);
            listener.accept().unwrap()
        });
        let scene = secure(address, &TlsTerms { within: Duration::from_millis(200), ..terms(Trust::Anyone) });
        assert_eq!(scene.refusal().await, "tls_protocol_error");
        assert_eq!(scene.refusal().await, "connection_terminated");
        let begun = Instant::now();
        assert_eq!(scene.refusal().await, "connection_timeout", "one that says nothing");
        assert!(begun.elapsed() >= Duration::from_millis(200));
        drop(origin.join().unwrap());
    });
}

#[test]
fn terms_that_cannot_be_used_are_refused() {
    let authority = Authority::new();
    assert!(matches!(roots_from_pem(b"no PEM at all"), Err(TlsTermsError::Empty)));
    let name = TlsTerms { server_name: Some("not a name"), ..terms(authority.trust()) };
    assert!(matches!(ClientTls::new(&name), Err(TlsTermsError::Name(_))));
    let ((chain, _), (_, key)) = (authority.issue("a.test"), authority.issue("b.test"));
    let identity = Some(IdentityPem { chain: chain.as_bytes(), key: key.as_bytes() });
    let mixed = TlsTerms { identity, ..terms(authority.trust()) };
    assert!(matches!(ClientTls::new(&mixed), Err(TlsTermsError::Tls(_))), "the key is another's");
}
