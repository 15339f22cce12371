//! Identity, metrics, the audit log and the access log.

use std::time::Duration;

use http::HeaderName;

use super::Builder;
use crate::config::decode::Spanned;
use crate::config::document::{AccessLog, AccessLogPath, Audit, Identity, Metrics};
use crate::config::written::{self, Retain, Text};

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

/// The usual field of the tenant's id.
const TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");

/// The fields that tell the application about the tenant.
pub(super) fn identity_headers(written: Option<&written::Identity>) -> Vec<HeaderName> {
    let id = written.and_then(|identity| identity.header.as_ref());
    let features = written.and_then(|identity| identity.features_header.as_ref());
    let others = [features].into_iter().flatten().map(|header| header.value.0.clone());
    [id.map_or(TENANT_ID, |header| header.value.0.clone())].into_iter().chain(others).collect()
}

impl Builder<'_> {
    pub(super) fn identity(&self, written: Option<&written::Identity>) -> Identity {
        let id = written.and_then(|identity| identity.header.as_ref());
        let features = written.and_then(|identity| identity.features_header.as_ref());
        let mut seen: Vec<&Spanned<Text<HeaderName>>> = Vec::new();
        for (header, what, like) in
            [(id, "the tenant's id", "X-Tenant-Id"), (features, "its features", "X-Tenant-Features")]
        {
            let Some(header) = header else { continue };
            self.identity_header(header, what, like);
            let name = &header.value.0;
            let same = seen.iter().find(|other| other.value.0 == *name);
            if let Some(first) = same {
                self.findings
                    .error(
                        "duplicate-header",
                        header.mark,
                        format!("the header `{name}` is there for two things"),
                    )
                    .hint(format!("write another name here, like {like}"))
                    .see(first.mark, "the other one is");
            } else if id.is_none() && *name == TENANT_ID {
                self.findings
                    .error(
                        "duplicate-header",
                        header.mark,
                        format!("the header `{name}` carries the tenant's id"),
                    )
                    .hint(format!("write another name here, like {like}"));
            }
            seen.push(header);
        }
        Identity {
            header: id.map_or(TENANT_ID, |header| header.value.0.clone()),
            features_header: features.map(|header| header.value.0.clone()),
        }
    }

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
