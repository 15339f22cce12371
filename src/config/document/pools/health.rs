//! Health: what is asked of endpoints, and what their failures lead to.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::Method;

use crate::types::Percent;

/// Active health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// From one check of an endpoint to the next; above zero.
    pub interval: Duration,
    /// How long an answer may take; above zero and at most `interval`.
    pub timeout: Duration,
    /// After how many successes in a row an endpoint is healthy; at least 1.
    pub healthy: u32,
    /// After how many failures in a row it is not; at least 1.
    pub unhealthy: u32,
}

/// What a health check asks of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// That it takes a connection.
    Connect,
    /// That it answers a request.
    Http(HttpProbe),
}

/// The request of a health check, and the answers that mean health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// `GET`, `HEAD` or `OPTIONS`.
    pub method: Method,
    /// The path, and a query where one was written.
    pub path: String,
    /// What it sends as `Host`; `None`: the endpoint's own.
    pub host: Option<String>,
    /// The statuses of healthy endpoints; at least one range, none empty.
    pub expect: Vec<RangeInclusive<u16>>,
}

/// Ejection of endpoints that fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// After how many failures in a row; at least 1.
    pub consecutive_failures: u32,
    /// How often ejections end and success rates are compared; above zero.
    pub interval: Duration,
    /// For how long, the first time; above zero.
    pub base_ejection: Duration,
    /// For how long at most; at least `base_ejection`.
    pub max_ejection: Duration,
    /// The largest part of endpoints that may be out; above zero.
    pub max_ejected: Percent,
    /// Whether and how success rates are compared.
    pub success_rate: Option<SuccessRate>,
    /// Of how many tenants' requests the failures must be; at least 1.
    pub min_tenants: u32,
}

/// Ejection of endpoints whose success rate is far below that of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessRate {
    /// How many endpoints must have had enough requests to be compared; at least 1.
    pub min_hosts: u32,
    /// How many requests in an interval are enough; at least 1.
    pub min_volume: u32,
    /// How many thousandths of the standard deviation below the mean are too many; above zero.
    pub stdev_factor_milli: u32,
}
