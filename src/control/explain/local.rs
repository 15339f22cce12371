//! A configuration that nobody runs: loaded and compiled as a gateway would, with nothing bound, opened or looked up.

use std::path::Path;
use std::sync::Arc;

use super::super::compile::{Foundation, Previous, compile};
use super::super::pool_dns::FirstAddresses;
use super::super::pool_set::PoolSet;
use super::super::pool_tls::{PoolTls, PoolTlsError};
use super::super::tenants::TenantSet;
use super::Ground;
use crate::config::{self, Loaded, Report};
use crate::telemetry::Metrics;
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
        let foundation = Arc::new(Foundation::new(Arc::new(metrics), Clock::system()));
        let (none, nobody) = (PoolSet::default(), TenantSet::default());
        let previous = Previous { pools: &none, tenants: &nobody };
        let tls = PoolTls::of(&document, &none)?;
        let compiled = compile(&document, 0, &previous, &tls, &FirstAddresses::default(), &foundation);
        let (snapshot, document) = (Arc::new(compiled.snapshot), Arc::new(document));
        let ground = Ground { snapshot, document, file: Some(path.to_owned()), registry: None, live: None };
        Ok(Self { ground, findings })
    }
}
