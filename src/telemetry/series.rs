//! What is counted of requests under one value of the `tenant` label.
//!
//! A tenant with series of its own has a [`Series`] to itself; all others share one. Which it is can
//! change while requests are being recorded, see [`super::tenants`].

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::{Histogram, HistogramReading, LATENCY};
use super::reasons::{REASONS, reason_index};
use super::stripe::{Padded, STRIPES, stripe_of_thread};
use super::tenants::{LIMITS_MAX, LimitSlot};

/// The status classes of `code`, in order.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What a finished request adds to its tenant's metrics.
#[derive(Debug, Clone, Copy)]
pub struct RequestRecord {
    /// The status that the client received.
    pub status: u16,
    /// The `code` of the refusal, where the gateway itself answered with one.
    pub refusal: Option<&'static str>,
    /// From the request's head to the last byte of its response.
    pub duration: Duration,
    /// How long it waited for a seat, if it had to.
    pub queue_wait: Option<Duration>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
}

/// The counters behind one value of `tenant`.
#[derive(Debug)]
pub(super) struct Series {
    // One cell for a tenant of its own, one a stripe for what all workers share.
    cells: Box<[Padded<Counts>]>,
}

/// A series as it stood at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SeriesReading {
    pub(super) classes: [u64; CLASSES.len()],
    pub(super) rejected: [u64; REASONS.len()],
    /// By slot; empty where no limit has been passed in its shadow.
    pub(super) shadow_rejected: Vec<u64>,
    pub(super) duration: HistogramReading,
    pub(super) queue_wait: HistogramReading,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
}

#[derive(Debug, Default)]
struct Counts {
    classes: [AtomicU64; CLASSES.len()],
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    duration: Histogram,
    queue_wait: Histogram,
    rejected: [AtomicU64; REASONS.len()],
    /// By slot. Made for the first count: most tenants have no such limit.
    shadow_rejected: OnceLock<Box<[AtomicU64]>>,
}

impl Series {
    /// For one tenant.
    pub(super) fn own() -> Self {
        Self { cells: Box::new([Padded::default()]) }
    }

    /// For all that have none of their own.
    pub(super) fn shared() -> Self {
        Self { cells: (0..STRIPES).map(|_| Padded::default()).collect() }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.cells.len() > 1
    }

    pub(super) fn record(&self, record: &RequestRecord) {
        if let Some(counts) = self.counts() {
            counts.record(record);
        }
    }

    /// A limit that only counts would have refused a request.
    pub(super) fn shadow_rejected(&self, limit: LimitSlot) {
        if let Some(counts) = self.counts() {
            bump(counts.shadow_rejected().get(usize::from(limit.0)), 1);
        }
    }

    fn counts(&self) -> Option<&Counts> {
        let at = if self.is_shared() { stripe_of_thread() } else { 0 };
        self.cells.get(at).map(|cell| &cell.0)
    }

    /// Adds what another series counted, once and for all.
    pub(super) fn fold(&self, reading: &SeriesReading) {
        if let Some(cell) = self.cells.first() {
            cell.0.add(reading);
        }
    }

    pub(super) fn read_into(&self, reading: &mut SeriesReading) {
        for cell in &self.cells {
            cell.0.read_into(reading);
        }
    }

    pub(super) fn read(&self) -> SeriesReading {
        let mut reading = SeriesReading::default();
        self.read_into(&mut reading);
        reading
    }
}

impl Counts {
    fn record(&self, record: &RequestRecord) {
        // A status outside 100 to 599 is no HTTP status; it counts as the nearest class.
        let class = usize::from(record.status / 100).clamp(1, CLASSES.len()) - 1;
        bump(self.classes.get(class), 1);
        self.duration.observe(&LATENCY, record.duration);
        if let Some(wait) = record.queue_wait {
            self.queue_wait.observe(&LATENCY, wait);
        }
        if record.request_bytes > 0 {
            bump(Some(&self.request_bytes), record.request_bytes);
        }
        if record.response_bytes > 0 {
            bump(Some(&self.response_bytes), record.response_bytes);
        }
        if let Some(code) = record.refusal {
            bump(self.rejected.get(reason_index(code)), 1);
        }
    }

    fn add(&self, reading: &SeriesReading) {
        for (count, by) in self.classes.iter().zip(&reading.classes) {
            bump(Some(count), *by);
        }
        for (count, by) in self.rejected.iter().zip(&reading.rejected) {
            bump(Some(count), *by);
        }
        if !reading.shadow_rejected.is_empty() {
            for (count, by) in self.shadow_rejected().iter().zip(&reading.shadow_rejected) {
                bump(Some(count), *by);
            }
        }
        bump(Some(&self.request_bytes), reading.request_bytes);
        bump(Some(&self.response_bytes), reading.response_bytes);
        self.duration.add(&reading.duration);
        self.queue_wait.add(&reading.queue_wait);
    }

    fn shadow_rejected(&self) -> &[AtomicU64] {
        self.shadow_rejected.get_or_init(|| (0..LIMITS_MAX).map(|_| AtomicU64::new(0)).collect())
    }

    fn read_into(&self, reading: &mut SeriesReading) {
        for (sum, count) in reading.classes.iter_mut().zip(&self.classes) {
            *sum += count.load(Ordering::Relaxed);
        }
        for (sum, count) in reading.rejected.iter_mut().zip(&self.rejected) {
            *sum += count.load(Ordering::Relaxed);
        }
        if let Some(counts) = self.shadow_rejected.get() {
            reading.shadow_rejected.resize(LIMITS_MAX, 0);
            for (sum, count) in reading.shadow_rejected.iter_mut().zip(counts) {
                *sum += count.load(Ordering::Relaxed);
            }
        }
        reading.request_bytes += self.request_bytes.load(Ordering::Relaxed);
        reading.response_bytes += self.response_bytes.load(Ordering::Relaxed);
        self.duration.read_into(&mut reading.duration);
        self.queue_wait.read_into(&mut reading.queue_wait);
    }
}

fn bump(count: Option<&AtomicU64>, by: u64) {
    if let Some(count) = count {
        count.fetch_add(by, Ordering::Relaxed);
    }
}
