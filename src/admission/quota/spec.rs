//! A quota as it is configured: what is counted, how much there may be of it, and what happens then.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::window::Window;
use crate::admission::Label;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meter {
    /// Requests, each as many units as its route costs.
    Requests,
    /// Octets of request bodies.
    RequestBytes,
    /// Octets of response bodies.
    ResponseBytes,
    /// The time that requests spend upstream, from their departure to the end of the response. A unit is a
    /// microsecond; limits are written and shown in seconds.
    UpstreamSeconds,
}

/// What happens to requests past the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExceed {
    /// They are refused until the window ends.
    Reject,
    /// They pass at a rate, and are refused beyond it.
    Throttle(Throttle),
    /// They pass, and are counted.
    Allow,
}

/// A rate of requests: GCRA with a burst of the rate's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Nanoseconds between two requests.
    pub(super) interval_ns: u64,
    /// Requests that may come at once, after a rest.
    pub(super) burst: u64,
}

/// What becomes of a request that the store would have to decide on, and doesn't in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OnOutage {
    /// It is decided by what this process knows, and told to the store later.
    #[default]
    Local,
    /// It is refused.
    Deny,
}

/// A quota as it is configured; the tenants of a plan share one.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaSpec {
    /// Its name: unique among a tenant's quotas.
    pub name: Arc<str>,
    /// What clients are told of it: see [`QuotaSpec::label`].
    pub label: Label,
    /// What is counted.
    pub meter: Meter,
    /// How many units there may be in a window; at most [`LIMIT_MAX`].
    pub limit: u64,
    /// The window.
    pub window: Window,
    /// What happens past the limit.
    pub on_exceed: OnExceed,
    /// The number of units from which on it is warned.
    pub soft: Option<u64>,
    /// What happens while the store doesn't answer.
    pub on_outage: OnOutage,
}

/// The highest limit: what a block and its neighbours can be added to without a thought of overflow, and what a
/// JSON number holds exactly.
pub const LIMIT_MAX: u64 = 1 << 53;

impl Meter {
    /// The word for it in configurations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::RequestBytes => "request_bytes",
            Self::ResponseBytes => "response_bytes",
            Self::UpstreamSeconds => "upstream_seconds",
        }
    }

    /// Units in one of what limits are written in.
    #[must_use]
    pub fn scale(self) -> u64 {
        match self {
            Self::UpstreamSeconds => 1_000_000,
            _ => 1,
        }
    }
}

impl OnExceed {
    /// The word for it in configurations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Throttle(_) => "throttle",
            Self::Allow => "allow",
        }
    }
}

impl OnOutage {
    /// The word for it in configurations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Deny => "deny",
        }
    }
}

impl Throttle {
    /// So many requests a period.
    #[must_use]
    pub fn new(count: NonZeroU32, period: Duration) -> Self {
        let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        Self { interval_ns: (period_ns / u64::from(count.get())).max(1), burst: u64::from(count.get()) }
    }
}

impl QuotaSpec {
    /// Whether units are reserved before they are used, so that the limit is exact. The others are counted when
    /// they are known, which is when the exchange is over.
    #[must_use]
    pub fn reserves(&self) -> bool {
        self.meter == Meter::Requests && self.on_exceed != OnExceed::Allow
    }

    /// What tells its count from others of the same name: another meter or window is another count.
    #[must_use]
    pub fn series(&self) -> String {
        format!("{} per {}", self.meter.as_str(), self.window.key())
    }

    /// What clients are told of a quota whatever they ask.
    #[must_use]
    pub fn label(name: &str, meter: Meter, limit: u64, window: &Window) -> Label {
        let label = Label::new(name, limit / meter.scale(), window.nominal_s());
        match meter {
            Meter::Requests => label,
            Meter::RequestBytes | Meter::ResponseBytes => label.in_unit("content-bytes"),
            // Not registered; the draft lets a client ignore what it does not know.
            Meter::UpstreamSeconds => label.in_unit("upstream-seconds"),
        }
    }
}
