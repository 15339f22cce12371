//! A configuration that nobody runs: loaded and compiled as a gateway would, with nothing bound, opened or looked up.

use std::path::Path;
use std::sync::Arc;

use super::super::compile::{Foundation, Previous, compile};
use super::super::listeners::ListenerSet;
use super::super::pool_dns::FirstAddresses;
use super::super::pool_set::PoolSet;
use super::super::pool_tls::{PoolTls, PoolTlsError};
use super::super::stored::GlancedTenants;
use super::super::tenants::TenantSet;
use super::{Ground, Kept};
use crate::config::{self, Document, Loaded, Report};
use crate::store::Glance;
use crate::telemetry::Metrics;
use crate::tenant::{CacheTerms, TenantCache};
use crate::time::Clock;

/// A configuration to ask of.
#[derive(Debug)]
pub struct Local {
    /// What is asked of.
    pub ground: Ground,
    /// What was found in it that keeps nobody from asking.
    pub findings: Report,
}

/// Why a configuration can't be asked of.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// It has errors.
    #[error("the configuration is not valid")]
    Invalid(Report),
    /// A pool's certificates can't be used.
    #[error(transparent)]
    Tls(#[from] PoolTlsError),
    /// Metrics, which nobody reads, can't be made.
    #[error("metrics: {0}")]
    Metrics(String),
}

impl Local {
    /// The configuration in a file.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn of_file(path: &Path) -> Result<Self, LocalError> {
        let loaded = config::load(path).map_err(LocalError::Invalid)?;
        let findings = loaded.findings();
        let Loaded { document, .. } = loaded;
        let metrics =
            Metrics::new(document.metrics.tenants).map_err(|error| LocalError::Metrics(error.to_string()))?;
        let foundation = Foundation::new(Arc::new(metrics), Clock::system());
        let kept = kept(&document);
        if let Kept::Glance(glance) = &kept {
            let source = Arc::new(GlancedTenants { glance: Arc::clone(glance) });
            let config::TenantCache { capacity, ttl, negative_ttl, stale_while_revalidate } =
                document.tenancy.cache;
            let terms = CacheTerms { capacity, ttl, negative_ttl, stale_while_revalidate };
            let (accounts, clock) = (&foundation.accounts, foundation.clock.clone());
            let cache = TenantCache::new(source, terms, accounts, clock, foundation.metrics.cache());
            // Nobody else has set it.
            let _ = foundation.cache.set(cache);
        }
        let foundation = Arc::new(foundation);
        let (none, nobody) = (PoolSet::default(), TenantSet::default());
        let previous = Previous { pools: &none, tenants: &nobody };
        let tls = PoolTls::of(&document, &none)?;
        let compiled = compile(
            &document,
            0,
            &previous,
            &tls,
            &ListenerSet::default(),
            &FirstAddresses::default(),
            &foundation,
        );
        let (snapshot, document) = (Arc::new(compiled.snapshot), Arc::new(document));
        let ground = Ground { snapshot, document, file: Some(path.to_owned()), kept, live: None };
        Ok(Self { ground, findings })
    }
}

/// The tenants of the store, where the configuration has one and it can be read.
fn kept(document: &Document) -> Kept {
    if !document.stores_tenants {
        return Kept::Nowhere;
    }
    match Glance::at(&document.store) {
        Ok(Some(glance)) => Kept::Glance(Arc::new(glance)),
        Ok(None) => Kept::Unread("its file is not there".to_owned()),
        Err(error) => Kept::Unread(error.to_string()),
    }
}
