//! What a document means to those that take its terms anew with each reload.

use crate::config::{self, Document, Limits};
use crate::listen::ClientLimits;
use crate::telemetry::access_log::AccessLogSettings;

pub(super) fn client_limits(limits: &Limits) -> ClientLimits {
    ClientLimits {
        max: limits.max_connections,
        per_client_max: limits.max_connections_per_client,
        ipv6_prefix: limits.client_ipv6_prefix,
    }
}

pub(super) fn access_log_settings(document: &Document) -> AccessLogSettings {
    match &document.access_log {
        Some(log) => AccessLogSettings {
            path: match &log.path {
                config::AccessLogPath::Stdout => "-".to_owned(),
                config::AccessLogPath::File(path) => path.to_string_lossy().into_owned(),
            },
            sample: log.sample,
        },
        None => AccessLogSettings { path: "-".to_owned(), sample: 0.0 },
    }
}
