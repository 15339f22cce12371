//! What became of a group's requests in the window that is measured.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use serde::Serialize;

use crate::client::Failure;

pub struct Tally {
    window: Range<Instant>,
    intended: u64,
    statuses: BTreeMap<u16, u64>,
    errors: BTreeMap<&'static str, u64>,
    /// Of answers below 400, and all of them: percentiles are exact.
    latencies_ns: Vec<u64>,
}

#[derive(Serialize)]
pub struct Report {
    /// Requests that were to be sent in the window (open loop only).
    intended: u64,
    statuses: BTreeMap<u16, u64>,
    errors: BTreeMap<&'static str, u64>,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
}

impl Tally {
    pub fn new(window: Range<Instant>) -> Self {
        Self {
            window,
            intended: 0,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            latencies_ns: Vec::new(),
        }
    }

    /// A request is to be sent at `at`; whether it is one of the window's.
    pub fn intends(&mut self, at: Instant) -> bool {
        let counts = self.window.contains(&at);
        self.intended += u64::from(counts);
        counts
    }

    /// Takes down what became of a request that was (to be) sent at `sent`, if `at` is in the window. `at`
    /// is the moment that decides: the intended one of an open loop, the answer's of a closed one.
    pub fn ended(&mut self, at: Instant, sent: Instant, outcome: Result<u16, Failure>) {
        if !self.window.contains(&at) {
            return;
        }
        match outcome {
            Ok(status) => {
                *self.statuses.entry(status).or_default() += 1;
                if status < 400 {
                    let latency = Instant::now().saturating_duration_since(sent);
                    self.latencies_ns.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
                }
            }
            Err(failure) => *self.errors.entry(failure.name()).or_default() += 1,
        }
    }

    pub fn report(&mut self) -> Report {
        self.latencies_ns.sort_unstable();
        Report {
            intended: self.intended,
            statuses: self.statuses.clone(),
            errors: self.errors.clone(),
            p50_ms: self.percentile_ms(50),
            p90_ms: self.percentile_ms(90),
            p99_ms: self.percentile_ms(99),
            max_ms: self.percentile_ms(100),
        }
    }

    /// By nearest rank: the lowest latency that `percent` of all do not exceed.
    fn percentile_ms(&self, percent: usize) -> Option<f64> {
        let rank = (self.latencies_ns.len() * percent).div_ceil(100).max(1);
        let nanos = self.latencies_ns.get(rank - 1)?;
        #[expect(clippy::cast_precision_loss, reason = "below 2^53 ns, a hundred days, it is exact")]
        Some(*nanos as f64 / 1e6)
    }
}
