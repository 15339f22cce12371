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
    /// Of a request that would have to come by another kind of listener than there are.
    note: Option<&'static str>,
}

impl<'d> Entrance<'d> {
    /// The one with the URL's port, else the first that speaks what the URL wants; of several, one that asks for a certificate, where
    /// one is shown. Where none speaks TLS, a request for https comes in the clear.
    pub(super) fn of(document: &'d Document, is_https: bool, port: Option<u16>, shows: bool) -> Self {
        let is_fit = |listener: &&Listener| listener.tls.is_some() == is_https;
        let asks = |listener: &Listener| listener.tls.as_ref().is_some_and(|tls| tls.client_auth.is_some());
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        let has_port =
            |listener: &Listener| listener.bind.inet().is_some_and(|address| address.port() == port);
        // Stable: of those that are as fit, the first.
        let mut fit: Vec<&Listener> = document.listeners.iter().filter(is_fit).collect();
        fit.sort_by_key(|listener| (shows && !asks(listener), !has_port(listener)));
        let listener = fit.first().copied().or(document.listeners.first().filter(|_| is_https));
        let must_show = listener
            .and_then(|listener| listener.tls.as_ref()?.client_auth.as_ref())
            .is_some_and(|auth| auth.required);
        let note = match listener {
            _ if is_https && fit.is_empty() => Some("no listener speaks TLS: taken to come in the clear"),
            None => Some("every listener speaks TLS: no request would come in the clear"),
            Some(_) if must_show && !shows => {
                Some("it asks every client for a certificate, and none is shown: the handshake would fail")
            }
            Some(listener) if shows && !asks(listener) => {
                Some("it asks no client for a certificate: none would be shown")
            }
            Some(_) => None,
        };
        Self { listener, note }
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
