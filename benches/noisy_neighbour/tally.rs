//! What became of a group's requests in the window that is measured.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::client::Failure;

pub struct Tally {
    window: Range<Instant>,
    intended: u64,
    statuses: BTreeMap<u16, u64>,
    errors: BTreeMap<&'static str, u64>,
    /// Of answers below 400, and all of them: percentiles are exact.
    latencies_ns: Vec<u64>,
    /// The largest of those that each `SLICE` of the window decided.
    worst_ns: Vec<u64>,
}

/// So long is what the report tells the largest latency of.
const SLICE: Duration = Duration::from_millis(100);

#[derive(Serialize)]
pub struct Report {
    /// Requests that were to be sent in the window (open loop only).
    intended: u64,
    statuses: BTreeMap<u16, u64>,
    errors: BTreeMap<&'static str, u64>,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p99_ms: Option<f64>,
    p999_ms: Option<f64>,
    max_ms: Option<f64>,
    /// For each tenth of a second of the window, by the moment that decides; 0 where nothing was answered.
    worst_ms: Vec<f64>,
}

impl Tally {
    pub fn new(window: Range<Instant>) -> Self {
        Self {
            window,
            intended: 0,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            latencies_ns: Vec::new(),
            worst_ns: Vec::new(),
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
                    let latency_ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
                    self.latencies_ns.push(latency_ns);
                    self.slice(at, latency_ns);
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
            p50_ms: self.permille_ms(500),
            p90_ms: self.permille_ms(900),
            p99_ms: self.permille_ms(990),
            p999_ms: self.permille_ms(999),
            max_ms: self.permille_ms(1000),
            worst_ms: self.worst_ns.iter().copied().map(milliseconds).collect(),
        }
    }

    fn slice(&mut self, at: Instant, latency_ns: u64) {
        let slice = at.saturating_duration_since(self.window.start).as_millis() / SLICE.as_millis();
        let slice = usize::try_from(slice).unwrap_or(usize::MAX - 1);
        // `at` is in the window, so this is as long as that at most.
        if slice >= self.worst_ns.len() {
            self.worst_ns.resize(slice + 1, 0);
        }
        if let Some(worst) = self.worst_ns.get_mut(slice) {
            *worst = latency_ns.max(*worst);
        }
    }

    /// By nearest rank: the lowest latency that so many of a thousand do not exceed.
    fn permille_ms(&self, permille: usize) -> Option<f64> {
        let rank = (self.latencies_ns.len() * permille).div_ceil(1000).max(1);
        self.latencies_ns.get(rank - 1).copied().map(milliseconds)
    }
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53 ns, a hundred days, it is exact")]
fn milliseconds(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}
