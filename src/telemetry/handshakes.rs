//! What is metered of the handshakes of TLS, by listener.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::proto::{Metric, MetricFamily};

use super::families;
use super::histogram::{Histogram, HistogramReading, LATENCY};

/// The versions of TLS, as sessions name them; the last stands for any other.
const VERSIONS: [&str; 3] = ["TLSv1.2", "TLSv1.3", "other"];

/// Why handshakes come to nothing: a fixed set, so that no client ever grows the series. The last stands for any other.
pub const HANDSHAKE_FAILURES: [&str; 20] = [
    "timeout",
    "max_pending_handshakes",
    "unrecognized_name",
    "closed",
    "not_tls",
    "malformed",
    "no_common_version",
    "no_common_cipher",
    "no_application_protocol",
    "client_certificate_missing",
    "client_certificate_expired",
    "client_certificate_revoked",
    "client_certificate_untrusted",
    "client_certificate_invalid",
    "client_crl_expired",
    "client_crl_missing",
    "certificate_rejected",
    "alert",
    "misbehaved",
    "other",
];

/// A listener's handshakes.
#[derive(Debug, Default)]
pub(super) struct HandshakeMeter {
    /// By version, anew and resumed.
    done: [[AtomicU64; 2]; VERSIONS.len()],
    failed: [AtomicU64; HANDSHAKE_FAILURES.len()],
    duration: Histogram,
}

impl HandshakeMeter {
    pub(super) fn done(&self, version: &str, resumed: bool, took: Duration) {
        let at = VERSIONS.iter().position(|known| *known == version).unwrap_or(VERSIONS.len() - 1);
        if let Some(count) = self.done.get(at).and_then(|counts| counts.get(usize::from(resumed))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.duration.observe(&LATENCY, took);
    }

    pub(super) fn failed(&self, reason: &str) {
        let at = HANDSHAKE_FAILURES.iter().position(|known| *known == reason);
        if let Some(count) = self.failed.get(at.unwrap_or(HANDSHAKE_FAILURES.len() - 1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds its series: what never happened has none, so that listeners without TLS have none at all.
    pub(super) fn collect(&self, listener: &str, series: &mut HandshakeSeries) {
        for (version, counts) in VERSIONS.iter().zip(&self.done) {
            for (resumed, count) in ["false", "true"].iter().zip(counts) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [listener, version, resumed];
                    series.done.push(families::TLS_HANDSHAKES.value(&labels, count as f64));
                }
            }
        }
        for (reason, count) in HANDSHAKE_FAILURES.iter().zip(&self.failed) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                series.failed.push(families::TLS_FAILURES.value(&[listener, reason], count as f64));
            }
        }
        let mut reading = HistogramReading::default();
        self.duration.read_into(&mut reading);
        if reading != HistogramReading::default() {
            series.duration.push(families::TLS_DURATION.histogram(&[listener], &LATENCY, &reading));
        }
    }
}

/// The series of all listeners.
#[derive(Debug, Default)]
pub(super) struct HandshakeSeries {
    done: Vec<Metric>,
    failed: Vec<Metric>,
    duration: Vec<Metric>,
}

impl HandshakeSeries {
    pub(super) fn families(self) -> [MetricFamily; 3] {
        [
            families::TLS_HANDSHAKES.of(self.done),
            families::TLS_FAILURES.of(self.failed),
            families::TLS_DURATION.of(self.duration),
        ]
    }
}
