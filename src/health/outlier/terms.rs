//! When a pool's own traffic speaks against an endpoint, and for how long it is believed.

use std::time::Duration;

/// The most that [`OutlierTerms::min_tenants`] can ask for: tenants beyond are not told apart.
pub const TENANTS_MAX: usize = 4;

/// A pool's outlier detection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlierTerms {
    /// Failures in a row that eject an endpoint; 0 for never.
    pub consecutive_failures: u32,
    /// Ejection by comparison with the pool's other endpoints.
    pub success_rate: Option<SuccessRate>,
    /// Different tenants that an endpoint has to fail; from 1, which tells no tenants apart, to [`TENANTS_MAX`].
    pub min_tenants: usize,
    /// How long the first ejection lasts; the second in short order twice as long, and so on.
    pub base_ejection: Duration,
    /// How long an ejection lasts at most.
    pub max_ejection: Duration,
    /// The part of the pool's endpoints that may be ejected at a time. One always may, unless this is 0.
    pub max_ejected_percent: u32,
    /// The window in which success rates are taken and tenants are seen; at least a millisecond.
    pub interval: Duration,
}

/// When an endpoint's success rate is too far below the others'.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SuccessRate {
    /// So many standard deviations below the mean.
    pub stdev_factor: f64,
    /// Endpoints that must have had enough requests, for a comparison to mean something.
    pub min_endpoints: usize,
    /// Requests in a window that are enough.
    pub min_requests: u64,
}

impl Default for OutlierTerms {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            success_rate: Some(SuccessRate::default()),
            min_tenants: 2,
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            max_ejected_percent: 50,
            interval: Duration::from_secs(10),
        }
    }
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self { stdev_factor: 1.9, min_endpoints: 5, min_requests: 100 }
    }
}

impl OutlierTerms {
    pub(super) fn interval_ns(&self) -> u64 {
        ns(self.interval).max(1_000_000)
    }

    /// How long the `times`-th ejection lasts.
    pub(super) fn ejection_ns(&self, times: u32) -> u64 {
        ns(self.base_ejection).saturating_mul(u64::from(times)).min(ns(self.max_ejection))
    }

    /// Whether another of `total` endpoints may be ejected beside `ejected`.
    pub(super) fn has_room(&self, ejected: usize, total: usize) -> bool {
        let percent = u128::from(self.max_ejected_percent.min(100));
        let within = (ejected as u128 + 1) * 100 <= percent * total as u128;
        percent > 0 && (ejected == 0 || within)
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
