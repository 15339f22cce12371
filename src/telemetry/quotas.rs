//! What is metered of quotas and of the store that keeps them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec, Registry};

use super::families::{self, Family, Source};
use super::histogram::{LATENCY, StripedHistogram};
use super::metrics::{Metrics, MetricsError, counter, counters, source};

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
pub struct QuotaMeter(IntCounterVec);

/// What the store counts of itself.
#[derive(Debug, Clone)]
pub struct StoreMeter {
    commits: Arc<Commits>,
    errors: IntCounter,
    reads: Arc<Reads>,
    read_errors: IntCounter,
}

/// The meters of what is kept durably.
#[derive(Debug)]
pub(super) struct KeptMeters {
    quotas: QuotaMeter,
    store: StoreMeter,
}

/// How long the store's transactions take.
#[derive(Debug, Default)]
pub(super) struct Commits(StripedHistogram);

/// How long its reads take.
#[derive(Debug, Default)]
pub(super) struct Reads(StripedHistogram);

impl Metrics {
    /// What all quotas count together.
    #[must_use]
    pub fn quotas(&self) -> QuotaMeter {
        self.kept.quotas.clone()
    }

    /// What the store counts of itself.
    #[must_use]
    pub fn store(&self) -> StoreMeter {
        self.kept.store.clone()
    }
}

impl KeptMeters {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        let outages = counters(registry, &families::QUOTA_OUTAGES)?;
        // Both from the start: a rate can't see the step from no series to 1.
        for policy in ["local", "deny"] {
            outages.get_metric_with_label_values(&[policy])?;
        }
        let commits = source(registry, Commits::default())?;
        let errors = counter(registry, &families::STORE_ERRORS)?;
        let reads = source(registry, Reads::default())?;
        let read_errors = counter(registry, &families::STORE_READ_ERRORS)?;
        Ok(Self { quotas: QuotaMeter(outages), store: StoreMeter { commits, errors, reads, read_errors } })
    }
}

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

    /// A lookup or a search was answered: the time since it was asked for.
    pub fn read(&self, took: Duration) {
        self.reads.0.observe(&LATENCY, took);
    }

    /// One of them failed.
    pub fn read_failed(&self) {
        self.read_errors.inc();
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

impl Source for Reads {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 1] = [&families::STORE_READ_DURATION];
        &FAMILIES
    }

    fn collect(&self) -> Vec<prometheus::proto::MetricFamily> {
        let metric = families::STORE_READ_DURATION.histogram(&[], &LATENCY, &self.0.read());
        vec![families::STORE_READ_DURATION.of(vec![metric])]
    }
}

/// A quota for the tests of metrics.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct HalfUsed;

#[cfg(test)]
impl QuotaGauge for HalfUsed {
    fn name(&self) -> &str {
        "monthly"
    }

    fn used_ratio(&self) -> f64 {
        0.5
    }

    fn soft_exceeded(&self) -> Option<bool> {
        Some(false)
    }
}
