//! What pools believe and show over TLS: read and checked before anything changes, since it can fail.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::pool_set::PoolSet;
use crate::config::{self, Document, EndpointHost, UpstreamTls};
use crate::upstream::{
    ClientTls, IdentityPem, Roots, TlsTerms, TlsTermsError, Trust, roots_from_pem, system_roots,
};

/// TLS of those pools of a document that have endpoints over TLS.
#[derive(Debug, Default)]
pub struct PoolTls(BTreeMap<String, Arc<ClientTls>>);

/// Why a pool's endpoints can't be spoken to over TLS.
#[derive(Debug, thiserror::Error)]
#[error("the TLS of the pool `{pool}` can't be used")]
pub struct PoolTlsError {
    /// The pool's name.
    pub pool: String,
    /// What is wrong with its terms.
    #[source]
    pub why: TlsTermsError,
}

impl PoolTls {
    /// Prepares the TLS of a document's pools. A pool whose terms have not changed has that of before, and so its
    /// connections and sessions. Reads the system's authorities, once, if a pool needs them that didn't before.
    ///
    /// # Errors
    /// The first pool whose terms can't be used. `config` finds what is wrong in files; the system may have no authorities.
    pub fn of(document: &Document, before: &PoolSet) -> Result<Self, PoolTlsError> {
        let system = OnceCell::new();
        let secure = document.pools.iter().filter(|(_, pool)| {
            let mut endpoints = pool.endpoints.iter();
            endpoints.any(|endpoint| endpoint.target.is_tls())
        });
        let made = secure.map(|(name, written)| match before.tls_as(written) {
            Some(tls) => Ok((name.clone(), Arc::clone(tls))),
            None => match client_tls(written, &system) {
                Ok(tls) => Ok((name.clone(), Arc::new(tls))),
                Err(why) => Err(PoolTlsError { pool: name.clone(), why }),
            },
        });
        made.collect::<Result<_, _>>().map(Self)
    }

    /// That of the pool of this name.
    pub(super) fn of_pool(&self, name: &str) -> Option<&Arc<ClientTls>> {
        self.0.get(name)
    }
}

fn client_tls(written: &config::Pool, system: &OnceCell<Roots>) -> Result<ClientTls, TlsTermsError> {
    let defaults = UpstreamTls::default();
    let tls = written.tls.as_ref().unwrap_or(&defaults);
    let trust = match &tls.ca {
        _ if tls.insecure => Trust::Anyone,
        Some(ca) => Trust::Roots(roots_from_pem(ca.text.as_bytes())?),
        None => Trust::Roots(of_the_system(system)?),
    };
    let identity = tls.client.as_ref().map(|client| IdentityPem {
        chain: client.chain.text.as_bytes(),
        key: client.key.expose().as_bytes(),
    });
    let server_name = tls.server_name.as_ref().map(|name| match name {
        // Without the brackets that an address has in a URL.
        EndpointHost::Ip(ip) => ip.to_string(),
        EndpointHost::Name(name) => name.clone(),
    });
    let server_name = server_name.as_deref();
    ClientTls::new(&TlsTerms { trust, identity, server_name, within: written.timeouts.tls })
}

fn of_the_system(system: &OnceCell<Roots>) -> Result<Roots, TlsTermsError> {
    if let Some(roots) = system.get() {
        return Ok(Arc::clone(roots));
    }
    let roots = system_roots()?;
    Ok(Arc::clone(system.get_or_init(|| roots)))
}
