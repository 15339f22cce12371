//! What a pool's document says of health, as what runs.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;

use crate::config;
use crate::health::{OutlierTerms, RiseFall, SuccessRate};
use crate::upstream::{HealthChecks, HttpProbe, Probe};

/// How long a pool must be well before its requests come back to it, where nothing written says how often it is looked at.
const FAILOVER_HOLD: Duration = Duration::from_secs(10);

/// How endpoints are checked, if they are.
pub(super) fn checks(written: &config::Pool) -> Option<Arc<HealthChecks>> {
    let check = written.health_check.as_ref()?;
    let probe = match &check.probe {
        config::Probe::Connect => Probe::Connect,
        config::Probe::Http(probe) => Probe::Http(HttpProbe {
            method: probe.method.clone(),
            path: probe.path.parse().unwrap_or_else(|_| PathAndQuery::from_static("/")),
            host: probe.host.as_ref().and_then(|host| HeaderValue::from_str(host).ok()),
            expect: probe.expect.clone(),
        }),
    };
    let rules = RiseFall { healthy: check.healthy, unhealthy: check.unhealthy };
    Some(Arc::new(HealthChecks { probe, interval: check.interval, timeout: check.timeout, rules }))
}

/// When endpoints are ejected, if they are.
pub(super) fn outliers(written: &config::Pool) -> Option<OutlierTerms> {
    let written = written.outlier_detection.as_ref()?;
    Some(OutlierTerms {
        consecutive_failures: written.consecutive_failures,
        success_rate: written.success_rate.as_ref().map(|rate| SuccessRate {
            stdev_factor: f64::from(rate.stdev_factor_milli) / 1_000.0,
            min_endpoints: rate.min_hosts as usize,
            min_requests: rate.min_volume.into(),
        }),
        min_tenants: written.min_tenants as usize,
        base_ejection: written.base_ejection,
        max_ejection: written.max_ejection,
        max_ejected_percent: written.max_ejected.get().into(),
        interval: written.interval,
    })
}

/// How long a pool must be well before its requests come back to it: two of its checks, or one look at its traffic.
pub(super) fn failover_hold(written: &config::Pool) -> Duration {
    match (&written.health_check, &written.outlier_detection) {
        (Some(check), _) => check.interval.saturating_mul(2),
        (None, Some(outliers)) => outliers.interval,
        (None, None) => FAILOVER_HOLD,
    }
}
