//! What the operator is told.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::decode::{Spanned, Unsupported};
use crate::types::TimeSpan;

/// Usage records.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Metering {
    /// How often what was used is written down, from 100ms to 60s. Default 1s.
    pub flush: Option<Spanned<TimeSpan>>,
    /// For how long records are kept. Not supported yet.
    pub retain: Option<Unsupported<TimeSpan>>,
    /// Where records are sent. Not supported yet.
    pub export: Option<Unsupported<Export>>,
}

/// Where usage records are sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Export {
    /// The URL.
    url: String,
    /// The format.
    format: Option<ExportFormat>,
}

/// The format of exported usage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ExportFormat {
    /// CloudEvents.
    Cloudevents,
}

/// Bounds on metric series.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Metrics {
    /// How many of the busiest tenants get series of their own; the rest share `_other`. Default 1000.
    pub tenants: Option<Spanned<usize>>,
}

/// Where requests are logged; without this section they are not.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AccessLog {
    /// "-" for standard output, or a file. Default "-".
    pub path: Option<Spanned<String>>,
    /// The format. Default json.
    pub format: Option<LogFormat>,
    /// The share of requests that are logged, from 0 to 1. Default 1.
    #[schemars(range(min = 0, max = 1))]
    pub sample: Option<Spanned<f64>>,
}

/// The format of the access log.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum LogFormat {
    /// One JSON object a line.
    Json,
}

/// Export of traces.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Tracing {
    /// The URL of an OTLP collector.
    otlp: String,
    /// The share of requests that are traced, from 0 to 1.
    sample: Option<f64>,
}
