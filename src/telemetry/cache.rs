//! What is metered of the cache of tenants.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use prometheus::Registry;
use prometheus::proto::MetricFamily;

use super::families::{self, Family, Source};
use super::histogram::{LATENCY, StripedHistogram};
use super::metrics::{Metrics, MetricsError, source};
use super::stripe::StripedSum;

/// How full a cache is, read when metrics are asked for.
pub trait CacheReading: fmt::Debug + Send + Sync {
    /// Tenants in it.
    fn entries(&self) -> u64;
    /// Keys that are known to be nobody's.
    fn absent(&self) -> u64;
}

/// What the cache of tenants counts. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct CacheMeter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    hits: StripedSum,
    misses: StripedSum,
    stale: StripedSum,
    errors: StripedSum,
    evictions: StripedSum,
    loads: StripedHistogram,
    reading: Mutex<Option<Weak<dyn CacheReading>>>,
}

impl Metrics {
    /// What the cache of tenants counts.
    #[must_use]
    pub fn cache(&self) -> CacheMeter {
        self.cache.clone()
    }
}

impl CacheMeter {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        let meter = Self::default();
        source(registry, CacheSource(meter.clone()))?;
        Ok(meter)
    }

    /// A lookup was answered from the cache.
    pub fn hit(&self) {
        self.0.hits.add(1);
    }

    /// A lookup had to go to the store.
    pub fn missed(&self) {
        self.0.misses.add(1);
    }

    /// An old answer was given.
    pub fn stale(&self) {
        self.0.stale.add(1);
    }

    /// The store had no answer.
    pub fn failed(&self) {
        self.0.errors.add(1);
    }

    /// A tenant had to make room.
    pub fn evicted(&self) {
        self.0.evictions.add(1);
    }

    /// The store has answered, after this time.
    pub fn loaded(&self, took: Duration) {
        self.0.loads.observe(&LATENCY, took);
    }

    /// This cache is shown from now on.
    pub fn show(&self, reading: Weak<dyn CacheReading>) {
        *self.0.reading.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }
}

struct CacheSource(CacheMeter);

impl Source for CacheSource {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 8] = [
            &families::CACHE_HITS,
            &families::CACHE_MISSES,
            &families::CACHE_STALE,
            &families::CACHE_LOAD_ERRORS,
            &families::CACHE_EVICTIONS,
            &families::CACHE_LOAD_DURATION,
            &families::CACHE_ENTRIES,
            &families::CACHE_ABSENT,
        ];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let counts = &*self.0.0;
        let reading = counts.reading.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let reading = reading.and_then(|reading| reading.upgrade());
        let count =
            |family: &'static Family, sum: &StripedSum| family.of(vec![family.value(&[], sum.sum() as f64)]);
        let level = |family: &'static Family, of: fn(&dyn CacheReading) -> u64| {
            let level = reading.as_deref().map_or(0, of);
            family.of(vec![family.value(&[], level as f64)])
        };
        let loads = families::CACHE_LOAD_DURATION.histogram(&[], &LATENCY, &counts.loads.read());
        vec![
            count(&families::CACHE_HITS, &counts.hits),
            count(&families::CACHE_MISSES, &counts.misses),
            count(&families::CACHE_STALE, &counts.stale),
            count(&families::CACHE_LOAD_ERRORS, &counts.errors),
            count(&families::CACHE_EVICTIONS, &counts.evictions),
            families::CACHE_LOAD_DURATION.of(vec![loads]),
            level(&families::CACHE_ENTRIES, |reading| reading.entries()),
            level(&families::CACHE_ABSENT, |reading| reading.absent()),
        ]
    }
}
