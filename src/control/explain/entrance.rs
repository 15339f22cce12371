//! Where a request is taken to come in: nobody says by which listener, so it is the one that its URL would lead to.

use serde_json::{Value, json};

use crate::config::{Document, Listener};
use crate::control::listeners::{hsts, https_redirect, tells_client};
use crate::http::conn::HttpsRedirect;
use crate::http::secured::{Secured, client_lines};
use crate::types::{Certificate, HostName};

/// The listener, and what its handshake would have settled.
#[derive(Debug)]
pub(super) struct Entrance<'d> {
    listener: Option<&'d Listener>,
    /// What is to be known of it: that the request would not get in there, or would have to come by another than there are.
    note: Option<String>,
}

impl<'d> Entrance<'d> {
    /// The one with the URL's port; where the URL names none, or one that is nobody's, the first that speaks what the URL wants: one at
    /// the scheme's own port before others, and one that asks for a certificate, where one is shown. Where none speaks TLS, a request
    /// for https comes in the clear.
    pub(super) fn of(document: &'d Document, is_https: bool, port: Option<u16>, shows: bool) -> Self {
        let is_fit = |listener: &&Listener| listener.tls.is_some() == is_https;
        let usual = if is_https { 443 } else { 80 };
        // Stable: of those that are as fit, the first.
        let mut fit: Vec<&Listener> = document.listeners.iter().filter(is_fit).collect();
        fit.sort_by_key(|listener| {
            let is_named = port.is_some_and(|port| has_port(listener, port));
            (!is_named, shows && !asks(listener), !has_port(listener, usual))
        });
        let listener = fit.first().copied().or(document.listeners.first().filter(|_| is_https));
        let elsewhere = listener.zip(port).and_then(|(found, port)| elsewhere(document, found, port));
        let of_tls = match listener {
            _ if is_https && fit.is_empty() => Some("no listener speaks TLS: taken to come in the clear"),
            None => Some("every listener speaks TLS: no request would come in the clear"),
            Some(listener) if !shows && must_show(listener) => {
                Some("it asks every client for a certificate, and none is shown: the handshake would fail")
            }
            Some(listener) if shows && !asks(listener) => {
                Some("it asks no client for a certificate: none would be shown")
            }
            Some(_) => None,
        };
        let of_proxies = listener.filter(|listener| listener.proxy_protocol).map(
            |_| "it takes connections from trusted proxies only, with a PROXY header: taken to come by one",
        );
        let notes: Vec<String> = elsewhere
            .into_iter()
            .chain([of_tls, of_proxies].into_iter().flatten().map(str::to_owned))
            .collect();
        Self { listener, note: (!notes.is_empty()).then(|| notes.join("; ")) }
    }

    /// Whether clients are asked to show a certificate there.
    pub(super) fn asks_for_certificates(&self) -> bool {
        self.listener.is_some_and(asks)
    }

    /// What the handshake would have settled, for a host and a client that shows a certificate, where it does.
    pub(super) fn secured(&self, host: Option<&str>, certificate: Option<&Certificate>) -> Option<Secured> {
        let tls = self.listener?.tls.as_ref()?;
        Some(Secured {
            server_name: host.and_then(|host| HostName::parse(host.as_bytes()).ok()),
            client: certificate.cloned().map(Box::new),
            client_lines: if tells_client(tls) { client_lines(certificate) } else { bytes::Bytes::new() },
            hsts: tls.hsts.as_ref().map(hsts),
            ..Secured::default()
        })
    }

    /// Where it leads requests that come in the clear.
    pub(super) fn https_redirect(&self) -> Option<HttpsRedirect> {
        https_redirect(self.listener?)
    }

    /// Which it is, for people.
    pub(super) fn told(&self) -> Value {
        json!({
            "name": self.listener.map(|listener| &*listener.name),
            "source": self.listener.map(|listener| listener.origin.to_string()),
            "tls": self.listener.is_some_and(|listener| listener.tls.is_some()),
            "leads_to_https": self.https_redirect().is_some(),
            "note": self.note,
        })
    }
}

fn has_port(listener: &Listener, port: u16) -> bool {
    listener.bind.inet().is_some_and(|address| address.port() == port)
}

fn asks(listener: &Listener) -> bool {
    listener.tls.as_ref().is_some_and(|tls| tls.client_auth.is_some())
}

fn must_show(listener: &Listener) -> bool {
    listener.tls.as_ref().and_then(|tls| tls.client_auth.as_ref()).is_some_and(|auth| auth.required)
}

/// Why it is not the listener at the port that the URL names.
fn elsewhere(document: &Document, found: &Listener, port: u16) -> Option<String> {
    if has_port(found, port) {
        return None;
    }
    let there = document.listeners.iter().find(|listener| has_port(listener, port));
    Some(match there {
        Some(there) if there.tls.is_some() => {
            format!("port {port} speaks TLS, and would not answer in the clear: taken to come by this one")
        }
        Some(_) => format!("port {port} speaks no TLS: taken to come by this one"),
        // What a socket was bound to that is handed over is not written here.
        None if document.listeners.iter().all(|listener| listener.bind.inet().is_some()) => {
            format!("no listener has port {port}: taken to come by this one")
        }
        None => return None,
    })
}
