//! A histogram of durations in two atomic additions, and what a reader sees of it.
//!
//! The count is not stored: it is the sum of the buckets, so that `_count` and the `+Inf` bucket
//! can't disagree. The sum of durations may lag a concurrent reader by the requests being
//! recorded at that moment. That is the price of never making a recorder wait for a reader.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::stripe::{Padded, STRIPES, stripe_of_thread};

/// How many bounded buckets each histogram has; one more takes what is above them all.
pub(super) const BOUNDS: usize = 19;

/// Upper bounds of a histogram's buckets in nanoseconds, ascending, inclusive.
pub(super) type Bounds = [u64; BOUNDS];

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const S: u64 = 1_000 * MS;

/// 50 µs to 60 s: whole requests and upstreams.
pub(super) const LATENCY: Bounds = [
    50 * US,
    100 * US,
    250 * US,
    500 * US,
    MS,
    2_500 * US,
    5 * MS,
    10 * MS,
    25 * MS,
    50 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    S,
    2_500 * MS,
    5 * S,
    10 * S,
    30 * S,
    60 * S,
];

/// 1 µs to 100 ms, finest around the tens of microseconds where the gateway's own work lies.
pub(super) const OVERHEAD: Bounds = [
    US,
    2_500,
    5 * US,
    10 * US,
    15 * US,
    20 * US,
    25 * US,
    35 * US,
    50 * US,
    75 * US,
    100 * US,
    150 * US,
    250 * US,
    500 * US,
    MS,
    2_500 * US,
    5 * MS,
    10 * MS,
    100 * MS,
];

/// A histogram that one thread at a time mostly writes.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS],
    above: AtomicU64,
    // Microseconds: nanoseconds of ten thousand concurrent long-lived streams would overflow in weeks.
    sum_us: AtomicU64,
}

/// A histogram that every worker writes for every request.
#[derive(Debug, Default)]
pub(super) struct StripedHistogram {
    stripes: [Padded<Histogram>; STRIPES],
}

/// A histogram as it stood at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HistogramReading {
    /// Observations in each bucket alone, not cumulated; the last is above all bounds.
    pub(super) buckets: [u64; BOUNDS],
    pub(super) above: u64,
    pub(super) sum_us: u64,
}

impl Histogram {
    pub(super) fn observe(&self, bounds: &Bounds, duration: Duration) {
        let nanos = duration.as_secs().saturating_mul(S).saturating_add(u64::from(duration.subsec_nanos()));
        let at = bounds.partition_point(|bound| *bound < nanos);
        self.buckets.get(at).unwrap_or(&self.above).fetch_add(1, Ordering::Relaxed);
        // Rounded to the nearest, so that many short durations don't add up to a bias.
        self.sum_us.fetch_add(nanos.saturating_add(US / 2) / US, Ordering::Relaxed);
    }

    pub(super) fn add(&self, reading: &HistogramReading) {
        for (bucket, count) in self.buckets.iter().zip(&reading.buckets) {
            bucket.fetch_add(*count, Ordering::Relaxed);
        }
        self.above.fetch_add(reading.above, Ordering::Relaxed);
        self.sum_us.fetch_add(reading.sum_us, Ordering::Relaxed);
    }

    pub(super) fn read_into(&self, reading: &mut HistogramReading) {
        for (count, bucket) in reading.buckets.iter_mut().zip(&self.buckets) {
            *count += bucket.load(Ordering::Relaxed);
        }
        reading.above += self.above.load(Ordering::Relaxed);
        reading.sum_us += self.sum_us.load(Ordering::Relaxed);
    }
}

impl StripedHistogram {
    pub(super) fn observe(&self, bounds: &Bounds, duration: Duration) {
        if let Some(stripe) = self.stripes.get(stripe_of_thread()) {
            stripe.0.observe(bounds, duration);
        }
    }

    pub(super) fn read(&self) -> HistogramReading {
        let mut reading = HistogramReading::default();
        for stripe in &self.stripes {
            stripe.0.read_into(&mut reading);
        }
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_ascend_and_belong_to_their_bucket() {
        for bounds in [&LATENCY, &OVERHEAD] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
            for (at, bound) in bounds.iter().enumerate() {
                let histogram = Histogram::default();
                histogram.observe(bounds, Duration::from_nanos(*bound));
                let mut reading = HistogramReading::default();
                histogram.read_into(&mut reading);
                assert_eq!(reading.buckets[at], 1, "{bound}");
            }
        }
    }

    #[test]
    fn zero_falls_in_the_first_bucket_and_ages_above_the_last() {
        let histogram = Histogram::default();
        histogram.observe(&LATENCY, Duration::ZERO);
        histogram.observe(&LATENCY, Duration::from_secs(61));
        histogram.observe(&LATENCY, Duration::from_nanos(1_500));
        let mut reading = HistogramReading::default();
        histogram.read_into(&mut reading);
        assert_eq!((reading.buckets[0], reading.above, reading.sum_us), (2, 1, 61_000_002));
    }
}
