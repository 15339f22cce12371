//! What the application and the operator are told.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

/// What the application is told about a request's tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The field that carries the tenant's id.
    pub header: HeaderName,
    /// The field that carries its features, if any does.
    pub features_header: Option<HeaderName>,
}

impl Identity {
    /// Every field that nobody but the gateway may send to the application.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.header].into_iter().chain(&self.features_header)
    }
}

/// The audit log of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// For how long entries are kept; `None`: for ever.
    pub retain: Option<Duration>,
}

/// Bounds on metric series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// How many tenants get series of their own.
    pub tenants: usize,
}

/// Where requests are logged, as JSON lines.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// Where to.
    pub path: AccessLogPath,
    /// The share of requests that are logged, from 0 to 1.
    pub sample: f64,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogPath {
    /// Standard output (`-`).
    Stdout,
    /// A file, to be appended to.
    File(PathBuf),
}
