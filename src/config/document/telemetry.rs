//! What the operator is told.

use std::path::PathBuf;
use std::time::Duration;

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
