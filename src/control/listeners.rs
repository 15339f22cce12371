//! How listeners receive connections: prepared before anything changes, since it can fail.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Document, ListenerTls};
use crate::proxy::{ListenerTerms, Listeners};
use crate::tls::{CertificatePem, ServerTerms, ServerTls, ServerTlsError};

/// How the listeners of a document receive connections, and what that was made of.
#[derive(Debug, Default)]
pub struct ListenerSet(Vec<Prepared>);

#[derive(Debug)]
struct Prepared {
    name: Arc<str>,
    tls: Option<(ListenerTls, Duration, Arc<ServerTls>)>,
}

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
    pub fn of(document: &Document, before: &Self) -> Result<Self, ListenerError> {
        let within = document.limits.tls_handshake_timeout;
        let prepared = document.listeners.iter().map(|listener| {
            let name = Arc::clone(&listener.name);
            let Some(written) = &listener.tls else { return Ok(Prepared { name, tls: None }) };
            let tls = match before.tls(&name, written, within) {
                Some(tls) => Arc::clone(tls),
                None => {
                    let failed = |why| ListenerError { listener: Arc::clone(&name), why };
                    Arc::new(server_tls(written, within).map_err(failed)?)
                }
            };
            Ok(Prepared { name, tls: Some((written.clone(), within, tls)) })
        });
        prepared.collect::<Result<_, _>>().map(Self)
    }

    fn tls(&self, name: &str, written: &ListenerTls, within: Duration) -> Option<&Arc<ServerTls>> {
        let before = self.0.iter().find(|prepared| *prepared.name == *name)?;
        let (of, with, tls) = before.tls.as_ref()?;
        (of == written && *with == within).then_some(tls)
    }

    /// For the snapshot.
    pub(super) fn terms(&self) -> Listeners {
        let terms = self.0.iter().map(|prepared| {
            let tls = prepared.tls.as_ref().map(|(_, _, tls)| Arc::clone(tls));
            (Arc::clone(&prepared.name), Arc::new(ListenerTerms { tls }))
        });
        terms.collect()
    }
}

fn server_tls(written: &ListenerTls, within: Duration) -> Result<ServerTls, ServerTlsError> {
    let certificates = written.certificates.iter().map(|certificate| CertificatePem {
        chain: certificate.chain.text.as_bytes(),
        key: certificate.key.expose().as_bytes(),
    });
    ServerTls::new(ServerTerms { certificates: certificates.collect(), on_demand: None, within })
}
