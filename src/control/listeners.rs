//! How listeners receive connections: prepared before anything changes, since it can fail.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};

use crate::certificates::{AtHandshakes, Certificates};
use crate::config::{AlpnProtocol, Document, Hsts, Listener, ListenerTls};
use crate::http::conn::HttpsRedirect;
use crate::proxy::{ListenerTerms, Listeners};
use crate::tls::{
    Alpn, CertificatePem, ClientAuthTerms, OnDemand, ServerTerms, ServerTls, ServerTlsError, Tickets,
    TlsVersion,
};

/// How the listeners of a document receive connections, and what that was made of.
#[derive(Debug, Default)]
pub struct ListenerSet(Vec<Prepared>);

#[derive(Debug)]
struct Prepared {
    name: Arc<str>,
    announced_within: Option<Duration>,
    tls: Option<Spoken>,
    https_redirect: Option<HttpsRedirect>,
}

/// TLS, and what it was made of.
type Spoken = (ListenerTls, Duration, Arc<ServerTls>);

/// Why a listener can't receive connections as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("the listener `{listener}` can't speak TLS")]
pub struct ListenerError {
    /// The listener's name.
    pub listener: Arc<str>,
    /// What is wrong.
    #[source]
    pub why: ServerTlsError,
}

impl ListenerSet {
    /// Prepares the listeners of a document. One whose TLS has not changed keeps that of before, and so its clients' sessions.
    ///
    /// # Errors
    /// The first listener that can't be prepared. `config` finds what is wrong in files.
    pub fn of(
        document: &Document,
        before: &Self,
        on_demand: &Arc<Certificates>,
    ) -> Result<Self, ListenerError> {
        let within = document.limits.tls_handshake_timeout;
        let mut set = Self::default();
        for listener in &document.listeners {
            let name = Arc::clone(&listener.name);
            let https_redirect = https_redirect(listener);
            let announced_within = listener.proxy_protocol.then_some(document.limits.proxy_header_timeout);
            let tls = match &listener.tls {
                None => None,
                Some(written) => {
                    let is_same = |(of, with, _): &&Spoken| of == written && *with == within;
                    // Several addresses of a listener, and listeners that are alike, speak the same: a session of one is one of all.
                    let same = set.spoken().find(is_same).or_else(|| before.spoken().find(is_same));
                    let tls = match same {
                        Some((_, _, tls)) => Arc::clone(tls),
                        None => {
                            let asks_the_same = |(of, _, _): &&Spoken| of.client_auth == written.client_auth;
                            let tickets =
                                before.tls(&name).filter(asks_the_same).map(|(_, _, tls)| tls.tickets());
                            let failed = |why| ListenerError { listener: Arc::clone(&name), why };
                            Arc::new(server_tls(written, within, tickets, on_demand).map_err(failed)?)
                        }
                    };
                    Some((written.clone(), within, tls))
                }
            };
            set.0.push(Prepared { name, announced_within, tls, https_redirect });
        }
        Ok(set)
    }

    fn tls(&self, name: &str) -> Option<&Spoken> {
        self.0.iter().find(|prepared| *prepared.name == *name)?.tls.as_ref()
    }

    fn spoken(&self) -> impl Iterator<Item = &Spoken> {
        self.0.iter().filter_map(|prepared| prepared.tls.as_ref())
    }

    /// For the snapshot.
    pub(super) fn terms(&self) -> Listeners {
        let terms = self.0.iter().map(|prepared| {
            let written = prepared.tls.as_ref().map(|(written, _, _)| written);
            let terms = ListenerTerms {
                tls: prepared.tls.as_ref().map(|(_, _, tls)| Arc::clone(tls)),
                tells_client: written.is_some_and(tells_client),
                https_redirect: prepared.https_redirect,
                announced_within: prepared.announced_within,
                hsts: written.and_then(|tls| tls.hsts.as_ref()).map(hsts),
            };
            (Arc::clone(&prepared.name), Arc::new(terms))
        });
        terms.collect()
    }
}

/// Where a listener leads requests that come in the clear.
pub(super) fn https_redirect(listener: &Listener) -> Option<HttpsRedirect> {
    let (port, status) = listener.https_redirect?;
    Some(HttpsRedirect { port, status: StatusCode::from_u16(status).ok()? })
}

/// Whether applications are told of the certificates that clients show.
pub(super) fn tells_client(tls: &ListenerTls) -> bool {
    tls.client_auth.as_ref().is_some_and(|auth| auth.forward)
}

/// How a listener speaks TLS. What is sealed for clients holds on from before, as long as the same is asked of them.
fn server_tls(
    written: &ListenerTls,
    within: Duration,
    tickets: Option<Tickets>,
    on_demand: &Arc<Certificates>,
) -> Result<ServerTls, ServerTlsError> {
    let certificates = written.certificates.iter().map(|certificate| CertificatePem {
        chain: certificate.chain.text.as_bytes(),
        key: certificate.key.expose().as_bytes(),
    });
    let on_demand =
        written.on_demand.then(|| Arc::new(AtHandshakes(Arc::clone(on_demand))) as Arc<dyn OnDemand>);
    let alpn: Vec<Alpn> = written.alpn.iter().map(alpn).collect();
    ServerTls::new(ServerTerms {
        certificates: certificates.collect(),
        default: written.default_certificate.as_deref(),
        strict_sni: written.strict_sni,
        on_demand,
        min_version: if written.tls13_only { TlsVersion::V13 } else { TlsVersion::V12 },
        alpn: &alpn,
        client_auth: written.client_auth.as_ref().map(|auth| ClientAuthTerms {
            ca: auth.ca.text.as_bytes(),
            crl: auth.crl.iter().map(|list| list.text.as_bytes()).collect(),
            required: auth.required,
        }),
        tickets,
        within,
    })
}

/// What Strict-Transport-Security says (RFC 6797 §6.1).
pub(super) fn hsts(written: &Hsts) -> HeaderValue {
    let mut text = format!("max-age={}", written.max_age.as_secs());
    for (is, directive) in
        [(written.include_subdomains, "; includeSubDomains"), (written.preload, "; preload")]
    {
        text.push_str(if is { directive } else { "" });
    }
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("max-age=0"))
}

fn alpn(written: &AlpnProtocol) -> Alpn {
    match written {
        AlpnProtocol::H2 => Alpn::H2,
        AlpnProtocol::Http11 => Alpn::Http11,
    }
}
