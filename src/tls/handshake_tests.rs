//! What an authority gets that looks whether a name leads here.

use std::cell::Cell;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use rcgen::generate_simple_self_signed;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, duplex};
use tokio_rustls::TlsConnector;

use super::*;
use crate::tls::{
    CertificatePem, ClientAuthTerms, Fetching, OnDemand, PendingHandshakes, ServerTerms, TlsVersion,
};

/// Has a challenge under way for one name.
#[derive(Debug)]
struct UnderWay {
    proof: Arc<CertifiedKey>,
    /// Whether a step of a handshake was being taken when it was asked for a certificate, each time.
    asked: Arc<Mutex<Vec<bool>>>,
}

thread_local! {
    static TAKES_A_STEP: Cell<bool> = const { Cell::new(false) };
}

impl OnDemand for UnderWay {
    fn at_hand(&self, _: &str) -> Option<Arc<CertifiedKey>> {
        self.asked.lock().unwrap().push(TAKES_A_STEP.get());
        None
    }

    fn fetch(&self, _: &str) -> Fetching {
        Box::pin(std::future::ready(None))
    }

    fn challenge(&self, name: &str) -> Fetching {
        Box::pin(std::future::ready((name == "new.test").then(|| Arc::clone(&self.proof))))
    }
}

/// A certificate and its key, in PEM.
fn made(name: &str) -> (String, String) {
    let made = generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A listener that asks every client for a certificate, while an authority looks for `new.test`; who believes what it shows.
fn listener() -> (ServerTls, RootCertStore, Arc<Mutex<Vec<bool>>>) {
    let (own, proof) = (made("acme.test"), made("new.test"));
    let mut roots = RootCertStore::empty();
    for (chain, _) in [&own, &proof] {
        roots.add(CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()).unwrap();
    }
    let key = PrivateKeyDer::from_pem_slice(proof.1.as_bytes()).unwrap();
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(key).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(proof.0.as_bytes()).unwrap()];
    let asked = Arc::default();
    let terms = ServerTerms {
        certificates: vec![CertificatePem { chain: own.0.as_bytes(), key: own.1.as_bytes() }],
        default: None,
        strict_sni: false,
        on_demand: Some(Arc::new(UnderWay {
            proof: Arc::new(CertifiedKey::new(chain, key)),
            asked: Arc::clone(&asked),
        })),
        min_version: TlsVersion::V13,
        alpn: &[Alpn::Http11],
        client_auth: Some(ClientAuthTerms { ca: own.0.as_bytes(), crl: Vec::new(), required: true }),
        tickets: None,
        within: Duration::from_secs(10),
    };
    (ServerTls::new(terms).unwrap(), roots, asked)
}

/// There is nothing else to do but what the other end does.
struct AtOnce;

impl Turns for AtOnce {
    async fn take<F: Future>(&self, step: F) -> F::Output {
        let mut step = pin!(step);
        let done = poll_fn(|cx| {
            TAKES_A_STEP.set(true);
            let polled = step.as_mut().poll(cx);
            TAKES_A_STEP.set(false);
            polled
        })
        .await;
        tokio::task::yield_now().await;
        done
    }
}

/// What comes of a handshake, on both sides: what the client reads to the end, and whether a request may follow.
async fn shake(name: &str, offered: &[&[u8]]) -> (std::io::Result<usize>, Option<bool>) {
    let (tls, roots, _) = listener();
    shake_with(&tls, roots, name, offered).await
}

async fn shake_with(
    tls: &ServerTls,
    roots: RootCertStore,
    name: &str,
    offered: &[&[u8]],
) -> (std::io::Result<usize>, Option<bool>) {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
    let (client, served) = duplex(64 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connecting = async {
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, client).await?;
        stream.read_to_end(&mut Vec::new()).await
    };
    let pending = PendingHandshakes::new(1);
    let accepting =
        async { tls.accept(served, &pending, &AtOnce).await.ok().map(|accepted| accepted.is_some()) };
    tokio::join!(connecting, accepting)
}

#[tokio::test]
async fn an_authority_sees_its_proof_and_the_connection_ends() {
    let (read, accepted) = shake("new.test", &[ACME_TLS]).await;
    assert_eq!(read.unwrap(), 0, "an end in order");
    assert_eq!(accepted, Some(false), "no request may follow: no certificate was asked for");
}

#[tokio::test]
async fn nobody_else_gets_in_by_it() {
    for (name, offered) in [("acme.test", &[ACME_TLS][..]), ("new.test", &[ACME_TLS, b"http/1.1"][..])] {
        let (_, accepted) = shake(name, offered).await;
        assert_eq!(accepted, None, "{name}: every client is asked for its certificate");
    }
}

#[tokio::test]
async fn keys_are_exchanged_when_it_is_its_turn() {
    let (tls, roots, asked) = listener();
    let (_, accepted) = shake_with(&tls, roots, "elsewhere.test", &[b"http/1.1"]).await;
    assert_eq!(accepted, None, "no certificate is for that name, and the client says so");
    let asked = asked.lock().unwrap();
    // First whether one has to be fetched; then rustls asks which to show, and signs with that.
    assert!(!asked[0] && asked.last() == Some(&true), "{asked:?}");
}
