//! Pools and their endpoints.

use std::borrow::Cow;
use std::fmt;

use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::concurrency::Seats;
use super::text::Text;
use crate::config::decode::{List, Spanned, Unsupported};
use crate::types::TimeSpan;

/// A set of interchangeable endpoints.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Pool {
    /// Where its endpoints listen: http://HOST:PORT. Others (https, unix:, dns+http) are not supported yet.
    #[schemars(length(min = 1))]
    pub endpoints: Spanned<List<Spanned<String>>>,
    /// How an endpoint is chosen. Default for now: round_robin; the others are not supported yet.
    pub load_balancing: Option<Spanned<LoadBalancing>>,
    /// Seats shared fairly among tenants. Default: as many as are wanted.
    pub concurrency: Option<Spanned<Seats>>,
    /// Active health checks. Not supported yet.
    pub health_check: Option<Unsupported<HealthCheck>>,
    /// Ejection of endpoints that fail. Not supported yet.
    pub outlier_detection: Option<Unsupported<OutlierDetection>>,
    /// Retries. Not supported yet.
    pub retries: Option<Unsupported<Retries>>,
    /// Deadlines.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How many idle connections each worker keeps to each endpoint. Default 256.
    pub max_idle: Option<Spanned<usize>>,
    /// A pool that is used while fewer than half of the endpoints are healthy. Not supported yet.
    pub failover: Option<Unsupported<String>>,
    /// TLS to the endpoints. Not supported yet.
    pub tls: Option<Unsupported<UpstreamTls>>,
    /// The protocol. Default for now: http1; the others are not supported yet.
    pub protocol: Option<Spanned<Protocol>>,
    /// Never share a connection between tenants. Not supported yet.
    pub isolate_connections: Option<Unsupported<bool>>,
}

/// Deadlines of a pool.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Timeouts {
    /// For a connection to be made. Default 1s.
    pub connect: Option<Spanned<TimeSpan>>,
    /// From the request's end to the response's head. Default 30s.
    pub response_header: Option<Spanned<TimeSpan>>,
    /// Between two reads or writes of a body. Default 60s.
    pub idle: Option<Spanned<TimeSpan>>,
    /// How long an unused connection is kept: less than the endpoint keeps it. Default 50s.
    pub keep_alive: Option<Spanned<TimeSpan>>,
}

/// How an endpoint is chosen.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum LoadBalancing {
    /// In turn.
    RoundRobin,
    /// The less busy of two at random. Not supported yet.
    LeastRequest,
    /// The one with the lowest recent latency. Not supported yet.
    PeakEwma,
    /// By a hash of the request. Not supported yet.
    ConsistentHash(HashKey),
}

/// What a consistent hash is of.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum HashKey {
    /// A header.
    Header(Text<HeaderName>),
    /// A cookie.
    Cookie(String),
    /// The client's address.
    ClientIp,
}

/// The protocol of a pool's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2. Not supported yet.
    H2,
    /// By ALPN. Not supported yet.
    Auto,
}

/// Active health checks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HealthCheck {
    /// The path that is asked for.
    path: Option<String>,
    /// How often.
    interval: Option<TimeSpan>,
    /// How long an answer may take.
    timeout: Option<TimeSpan>,
    /// After how many successes an endpoint is healthy.
    healthy: Option<u32>,
    /// After how many failures it is not.
    unhealthy: Option<u32>,
}

/// Ejection of endpoints that fail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct OutlierDetection {
    /// After how many failures in a row.
    consecutive_failures: Option<u32>,
    /// For how long, the first time.
    base_ejection: Option<TimeSpan>,
    /// The largest share of endpoints that may be out.
    max_ejected_percent: Option<u8>,
}

/// Retries of requests that had no effect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Retries {
    /// The most for one request.
    max: Option<u32>,
    /// After what.
    on: Option<List<RetryOn>>,
    /// The largest share of requests that may be retries, like 20%.
    budget: Option<String>,
}

/// What a retry follows: connect_failure, reset, or a status.
#[derive(Debug)]
pub(in crate::config) struct RetryOn;

impl<'de> Deserialize<'de> for RetryOn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RetryVisitor;

        impl Visitor<'_> for RetryVisitor {
            type Value = RetryOn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`connect_failure`, `reset` or a status from 500 to 599")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RetryOn, E> {
                match word {
                    "connect_failure" | "reset" => Ok(RetryOn),
                    _ => Err(E::unknown_variant(word, &["connect_failure", "reset"])),
                }
            }

            fn visit_u64<E: de::Error>(self, status: u64) -> Result<RetryOn, E> {
                match status {
                    500..=599 => Ok(RetryOn),
                    _ => Err(E::invalid_type(de::Unexpected::Unsigned(status), &self)),
                }
            }
        }

        deserializer.deserialize_any(RetryVisitor)
    }
}

impl JsonSchema for RetryOn {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RetryOn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "enum": ["connect_failure", "reset"] },
                { "type": "integer", "minimum": 500, "maximum": 599 }
            ]
        })
    }
}

/// TLS to endpoints.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct UpstreamTls {
    /// The file of the authorities that are believed, in PEM.
    ca: Option<String>,
    /// The file of the gateway's certificate, in PEM.
    client_cert: Option<String>,
    /// The file of the gateway's key, in PEM.
    client_key: Option<String>,
    /// The name that the endpoint must prove.
    server_name: Option<String>,
}
