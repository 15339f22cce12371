//! Metrics, the audit log and the access log.

use std::time::Duration;

use super::Builder;
use crate::config::document::{AccessLog, AccessLogPath, Audit, Metrics};
use crate::config::written::{self, Retain};

/// Long enough to compare a year with the one before it.
const RETAIN: Duration = Duration::from_secs(400 * 86_400);

pub(super) fn audit(written: Option<&written::Audit>) -> Audit {
    let retain = match written.and_then(|audit| audit.retain) {
        None => Some(RETAIN),
        Some(Retain::For(retain)) => Some(retain),
        Some(Retain::Forever) => None,
    };
    Audit { retain }
}

impl Builder<'_> {
    pub(super) fn metrics(&self, written: Option<&written::Metrics>) -> Metrics {
        let tenants = written.and_then(|metrics| metrics.tenants.as_ref());
        Metrics { tenants: tenants.map_or(1_000, |tenants| tenants.value) }
    }

    /// Without the section there is no log: what is written is asked for.
    pub(super) fn access_log(&self, written: Option<&written::AccessLog>) -> Option<AccessLog> {
        let written = written?;
        let path = written.path.as_ref();
        let path = match path.map(|path| path.value.as_str()) {
            None | Some("-") => AccessLogPath::Stdout,
            Some(file) => AccessLogPath::File(self.path(file)),
        };
        let sample = written.sample.as_ref();
        if let Some(sample) = sample.filter(|sample| !(0.0..=1.0).contains(&sample.value)) {
            self.findings
                .error("invalid-value", sample.mark, format!("`{}` is not from 0 to 1", sample.value))
                .hint("write the share of requests to log: 1 for all, 0.01 for one in a hundred");
        }
        Some(AccessLog { path, sample: sample.map_or(1.0, |sample| sample.value) })
    }
}
