//! What is metered of quotas and of the store that keeps them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec};

use super::families::{self, Family, Source};
use super::histogram::{LATENCY, StripedHistogram};

/// A quota as its series see it, read when metrics are asked for.
pub trait QuotaGauge: fmt::Debug + Send + Sync {
    /// Its name, which the configuration bounds.
    fn name(&self) -> &str;
    /// The share of the limit that is used: 1 is all of it, and there can be more.
    fn used_ratio(&self) -> f64;
    /// Whether the soft threshold is passed; `None` where there is none.
    fn soft_exceeded(&self) -> Option<bool>;
}

/// What all quotas count together.
#[derive(Debug, Clone)]
pub struct QuotaMeter(pub(super) IntCounterVec);

/// What the store counts of itself.
#[derive(Debug, Clone)]
pub struct StoreMeter {
    pub(super) commits: Arc<Commits>,
    pub(super) errors: IntCounter,
}

/// How long the store's transactions take.
#[derive(Debug, Default)]
pub(super) struct Commits(StripedHistogram);

impl QuotaMeter {
    /// A request was decided without the store, by this policy: `local` or `deny`.
    pub fn decided_without(&self, policy: &'static str) {
        super::metrics::bump(&self.0, policy);
    }
}

impl StoreMeter {
    /// A transaction was committed: the time from its first statement.
    pub fn committed(&self, took: Duration) {
        self.commits.0.observe(&LATENCY, took);
    }

    /// A transaction failed.
    pub fn failed(&self) {
        self.errors.inc();
    }
}

impl Source for Commits {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 1] = [&families::STORE_COMMIT_DURATION];
        &FAMILIES
    }

    fn collect(&self) -> Vec<prometheus::proto::MetricFamily> {
        let metric = families::STORE_COMMIT_DURATION.histogram(&[], &LATENCY, &self.0.read());
        vec![families::STORE_COMMIT_DURATION.of(vec![metric])]
    }
}
