//! A gateway with an authority, and clients that look at its certificates.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::front::Front;
use super::pebble::{Pebble, Terms, free_port, until};
use crate::harness::{ADMIN_TOKEN, Config, Origin, TestGateway, config, request};
use crate::tls::Credulous;

pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// An authority, and where a gateway is to listen.
pub struct World {
    pub pebble: Pebble,
    pub origin: Origin,
    front: Option<Front>,
    http: u16,
    tls: u16,
}

/// What a client was shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    pub issuer: String,
    pub names: Vec<String>,
    pub serial: String,
}

impl Shown {
    pub fn is_of_authority(&self) -> bool {
        self.issuer.contains("Pebble")
    }
}

impl World {
    pub fn new(terms: Terms) -> Self {
        let (http, tls) = (free_port(), free_port());
        Self { pebble: Pebble::start(http, tls, terms), origin: Origin::echo(), front: None, http, tls }
    }

    /// The same, with a server before the authority's that does what that doesn't.
    pub fn behind_a_front(terms: Terms) -> Self {
        let world = Self::new(terms);
        let (address, cert, key) = world.pebble.server();
        Self { front: Some(Front::before(address, cert, key)), ..world }
    }

    pub fn front(&self) -> &Front {
        self.front.as_ref().unwrap()
    }

    /// A configuration with the authority; `more` is YAML of further keys of `acme`.
    pub fn config(&self, more: &str) -> Config {
        self.configured(more, "")
    }

    /// A configuration with the authority; `more` is YAML of further keys of `tls`.
    pub fn config_with_file(&self, more: &str) -> Config {
        self.configured("", more)
    }

    /// A configuration with the authority, which does not reach its gateway: it listens elsewhere.
    pub fn config_elsewhere(&self, more: &str) -> Config {
        let World { http, tls, .. } = self;
        let text = format!("[{{ bind: '127.0.0.1:{http}' }}, {{ bind: '127.0.0.1:{tls}'");
        self.configured(more, "").with("listeners", |listeners| {
            assert!(listeners.starts_with(&text), "{listeners}");
            listeners.replace(&text, "[{ bind: '127.0.0.1:0' }, { bind: '127.0.0.1:0'")
        })
    }

    fn configured(&self, more: &str, of_tls: &str) -> Config {
        let directory =
            self.front.as_ref().map_or_else(|| self.pebble.directory().to_owned(), Front::directory);
        let acme = format!("{{ directory: '{directory}', ca: ca.pem, encryption_key_file: key.b64{more} }}");
        config()
            .to(&self.origin)
            .set(
                "listeners",
                &format!(
                    "[{{ bind: '127.0.0.1:{}' }}, {{ bind: '127.0.0.1:{}', tls: {{ acme: {acme}{of_tls} }} }}]",
                    self.http, self.tls
                ),
            )
            .set("tenants", "[{ id: acme, plan: free }]")
            .set("store", "'sqlite:{dir}/tollgate.db'")
            .file("ca.pem", self.pebble.ca())
            .file("key.b64", KEY)
    }

    /// What a client is shown that asks for this name; `None` where the handshake fails.
    pub fn show(&self, name: &str) -> Option<Shown> {
        show(SocketAddr::from(([127, 0, 0, 1], self.tls)), name)
    }

    /// Waits until a name has a certificate of the authority's.
    #[track_caller]
    pub fn wait_for(&self, name: &str) -> Shown {
        let mut shown = None;
        until(&format!("a certificate for {name}"), || {
            shown = self.show(name).filter(Shown::is_of_authority);
            shown.is_some()
        });
        shown.unwrap()
    }
}

/// Makes a tenant of the store with these domains.
#[track_caller]
pub fn put_tenant(gateway: &TestGateway, id: &str, state: &str, domains: &[String]) {
    let body = serde_json::json!({ "plan": "free", "state": state, "domains": domains }).to_string();
    let answer = tell(gateway, "PUT", &format!("/api/v1/tenants/{id}"), &body);
    assert!(answer.status < 300, "{}", answer.text());
}

#[track_caller]
pub fn tell(gateway: &TestGateway, method: &str, path: &str, body: &str) -> crate::harness::Response {
    let message = request(method, "admin.test", path)
        .header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
        .header("Content-Type", "application/json")
        .header("Connection", "close")
        .body(body);
    crate::harness::Client::connect(gateway.admin_address()).ask(&message)
}

/// How it stands with the certificate of a domain.
#[track_caller]
pub fn life(gateway: &TestGateway, name: &str) -> serde_json::Value {
    let answer = gateway.admin(&format!("/api/v1/domains/{name}"));
    answer.assert_status(200);
    answer.json()["certificate"].clone()
}

/// Orders that have ended so.
pub fn orders(gateway: &TestGateway, outcome: &str) -> u64 {
    gateway.metric("tollgate_acme_orders_total", &[("outcome", outcome)]) as u64
}

pub fn show(address: SocketAddr, name: &str) -> Option<Shown> {
    let provider = default_provider();
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(schemes)))
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).ok()?;
    }
    let leaf = connection.peer_certificates()?.first()?.clone();
    let (_, certificate) = X509Certificate::from_der(&leaf).unwrap();
    let names = certificate.subject_alternative_name().unwrap();
    let names = names.iter().flat_map(|names| names.value.general_names.iter()).map(ToString::to_string);
    Some(Shown {
        issuer: certificate.issuer().to_string(),
        names: names.collect(),
        serial: certificate.raw_serial_as_string(),
    })
}
