//! How long an endpoint takes: an average that believes bad news at once and good news slowly.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How an endpoint's latency is remembered.
#[derive(Debug, Clone, Copy)]
pub struct Decay {
    tau_ns: f32,
    unknown_ns: f32,
}

/// Peak-EWMA, as in Finagle and Linkerd: an observation above the average becomes the average; one below moves it
/// by the time that has passed, `average·w + observed·(1−w)` with `w = exp(−elapsed/τ)`. So the average depends on time, not
/// on how many requests there were. Without observations it decays by the same law, so that an endpoint that was
/// slow once is tried again, but not below what is assumed of one that is unknown: at zero, requests in flight would
/// no longer count, and everybody would run to the endpoint that never answers.
///
/// One word, so that average and moment can't be of two observations: `f32` nanoseconds above, below it the moment in
/// ticks of 2²⁰ ns (1.05 ms; wraps after 52 days, which at worst keeps an average from decaying). 0 is unknown. Of
/// lower observations within one tick only the first one counts.
#[derive(Debug, Default)]
pub(super) struct Latency(AtomicU64);

const TICK_BITS: u32 = 20;

impl Decay {
    /// τ of 10 s, Finagle's and Linkerd's.
    const TAU: Duration = Duration::from_secs(10);
    /// Less than most answers take: who is unknown gets requests soon.
    const UNKNOWN: Duration = Duration::from_millis(1);

    /// Averages that forget within a few `tau`, and what is assumed of an endpoint that has not answered yet.
    #[must_use]
    pub fn new(tau: Duration, unknown: Duration) -> Self {
        let ns = |duration: Duration| (duration.as_nanos() as f32).max(1.0);
        Self { tau_ns: ns(tau), unknown_ns: ns(unknown) }
    }

    /// What is left of an average after this many ticks: 1 to 0.
    fn left(&self, ticks: u32) -> f32 {
        (-(ticks as f32) * (1u32 << TICK_BITS) as f32 / self.tau_ns).exp()
    }
}

impl Default for Decay {
    fn default() -> Self {
        Self::new(Self::TAU, Self::UNKNOWN)
    }
}

impl Latency {
    /// A request took this long, and ended now.
    pub(super) fn observe(&self, now_ns: u64, latency_ns: u64, decay: &Decay) {
        // Zero is unknown.
        let (observed, now) = ((latency_ns as f32).max(1.0), tick(now_ns));
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let next = match unpack(word) {
                None => pack(observed, now),
                Some((average, _)) if observed >= average => pack(observed, now),
                Some((average, at)) => {
                    let elapsed = elapsed(at, now);
                    if elapsed == 0 {
                        return;
                    }
                    let left = decay.left(elapsed);
                    pack(average.mul_add(left, observed * (1.0 - left)).max(1.0), now)
                }
            };
            match self.0.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    /// The average now, in nanoseconds; above 0.
    pub(super) fn now(&self, now_ns: u64, decay: &Decay) -> f32 {
        let Some((average, at)) = unpack(self.0.load(Ordering::Relaxed)) else { return decay.unknown_ns };
        let elapsed = elapsed(at, tick(now_ns));
        if average <= decay.unknown_ns || elapsed == 0 {
            return average;
        }
        (average * decay.left(elapsed)).max(decay.unknown_ns)
    }

    /// The average as it was when something was last observed; none before that.
    pub(super) fn last(&self) -> Option<Duration> {
        let (average, _) = unpack(self.0.load(Ordering::Relaxed))?;
        Some(Duration::from_nanos(average as u64))
    }
}

fn tick(ns: u64) -> u32 {
    (ns >> TICK_BITS) as u32
}

/// Ticks between two moments; 0 if another worker's clock was read later than ours.
fn elapsed(from: u32, to: u32) -> u32 {
    let elapsed = to.wrapping_sub(from);
    if elapsed > u32::MAX / 2 { 0 } else { elapsed }
}

fn pack(average: f32, at: u32) -> u64 {
    (u64::from(average.to_bits()) << 32) | u64::from(at)
}

fn unpack(word: u64) -> Option<(f32, u32)> {
    let average = f32::from_bits((word >> 32) as u32);
    (average > 0.0).then_some((average, word as u32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_peak_counts_at_once_and_fades_by_time() {
        let (latency, decay) = (Latency::default(), Decay::default());
        assert_eq!(latency.now(0, &decay), 1e6, "unknown");
        assert_eq!(latency.last(), None);
        latency.observe(0, 10 * MS, &decay);
        latency.observe(1, 500 * MS, &decay);
        assert_eq!(latency.now(2, &decay), 5e8);
        let later = latency.now(10_000 * MS, &decay);
        assert!((later / 5e8 - (-1f32).exp()).abs() < 1e-3, "{later}");
        assert_eq!(latency.now(3_600_000 * MS, &decay), 1e6, "no lower than what is unknown");
        latency.observe(10_000 * MS, 10 * MS, &decay);
        let blended = latency.now(10_000 * MS, &decay);
        let expected = 5e8 * (-1f32).exp() + 1e7 * (1.0 - (-1f32).exp());
        assert!((blended / expected - 1.0).abs() < 1e-3, "{blended} {expected}");
    }

    #[test]
    fn a_clock_read_too_early_changes_nothing() {
        let (latency, decay) = (Latency::default(), Decay::default());
        latency.observe(9_000 * MS, 50 * MS, &decay);
        latency.observe(8_000 * MS, 10 * MS, &decay);
        assert_eq!(latency.now(8_000 * MS, &decay), 5e7);
    }

    proptest! {
        /// Against the formula, in `f64` and without ticks.
        #[test]
        fn it_is_the_formula(
            start in 0..5_000_000 * MS, steps in prop::collection::vec((2..5_000u64, 1..10_000u64), 1..40),
        ) {
            let (latency, decay) = (Latency::default(), Decay::default());
            let (mut now, mut average, mut at) = (start, 0.0, start);
            for (wait_ms, took_ms) in steps {
                now += wait_ms * MS;
                let took = (took_ms * MS) as f64;
                let left = (-((now - at) as f64) / 1e10).exp();
                average = if took >= average { took } else { average * left + took * (1.0 - left) };
                at = now;
                latency.observe(now, took_ms * MS, &decay);
                let got = f64::from(latency.now(now, &decay));
                prop_assert!((got / average - 1.0).abs() < 0.01, "{got} {average}");
            }
        }
    }
}
