//! An endpoint's live numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::latency::{Decay, Latency};

/// What is known of one endpoint: its requests in flight, its latency, its weight, and since when it has been in.
/// Shared by all workers, atomics only; on cache lines of its own, since every request writes to it.
#[derive(Debug)]
#[repr(align(64))]
pub struct Gauge {
    in_flight: AtomicU32,
    weight: AtomicU32,
    latency: Latency,
    since_ns: AtomicU64,
    decay: Decay,
    crowd: Arc<Crowd>,
}

/// The requests in flight at all endpoints of a pool: what bounds of load are a part of.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Crowd(AtomicUsize);

/// A request that is in flight at an endpoint, until it is dropped.
#[derive(Debug)]
#[must_use = "the request ends when this is dropped"]
pub struct Running {
    gauge: Arc<Gauge>,
    began_ns: u64,
}

impl Gauge {
    /// The numbers of an endpoint that comes in now.
    pub(super) fn new(weight: u32, now_ns: u64, decay: Decay, crowd: Arc<Crowd>) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            weight: AtomicU32::new(weight),
            latency: Latency::default(),
            since_ns: AtomicU64::new(now_ns),
            decay,
            crowd,
        }
    }

    /// A request goes to the endpoint.
    pub fn begin(self: &Arc<Self>, now_ns: u64) -> Running {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.crowd.0.fetch_add(1, Ordering::Relaxed);
        Running { gauge: Arc::clone(self), began_ns: now_ns }
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Its part of the requests, beside the others' weights. With 0 it takes no new ones.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Changes its weight: holds from the next roster on.
    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    /// The endpoint comes in again, as after it was unhealthy: its slow start begins anew, from the next roster on.
    pub fn enter(&self, now_ns: u64) {
        self.since_ns.store(now_ns, Ordering::Relaxed);
    }

    /// Since when it has been in, in nanoseconds of the clock that its owner uses.
    #[must_use]
    pub fn since_ns(&self) -> u64 {
        self.since_ns.load(Ordering::Relaxed)
    }

    /// Its average latency, when it last answered; none if it has not yet.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.latency.last()
    }

    /// What it costs to send it one more request: its latency times the requests that would then be in flight,
    /// each counted as `per_request` (1 for an endpoint of the usual weight).
    pub(super) fn cost(&self, now_ns: u64, per_request: f32) -> f32 {
        self.latency.now(now_ns, &self.decay) * (self.in_flight() as f32).mul_add(per_request, 1.0)
    }
}

impl Crowd {
    /// Requests in flight in the pool.
    pub(super) fn in_flight(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Running {
    /// The endpoint has taken this long to answer, from the request's beginning here. A request that failed should be
    /// observed with what it cost (a deadline that passed, say) or not at all: who fails fast would seem fast.
    pub fn observe(&self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.gauge.latency.observe(self.began_ns.saturating_add(ns), ns, &self.gauge.decay);
    }

    /// Whose request it is.
    #[must_use]
    pub fn gauge(&self) -> &Arc<Gauge> {
        &self.gauge
    }

    /// When it began, in nanoseconds of the clock that its owner uses.
    #[must_use]
    pub fn began_ns(&self) -> u64 {
        self.began_ns
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gauge.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.gauge.crowd.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use proptest::prelude::*;

    use super::*;

    fn gauge(crowd: &Arc<Crowd>) -> Arc<Gauge> {
        Arc::new(Gauge::new(1, 0, Decay::default(), Arc::clone(crowd)))
    }

    #[test]
    fn cost_is_latency_times_what_would_be_in_flight() {
        let gauge = gauge(&Arc::default());
        assert_eq!(gauge.cost(0, 1.0), 1e6);
        let held = [gauge.begin(0), gauge.begin(0), gauge.begin(0)];
        held[0].observe(Duration::from_millis(5));
        assert_eq!(gauge.latency(), Some(Duration::from_millis(5)));
        assert_eq!(gauge.cost(5_000_000, 1.0), 4.0 * 5e6);
        assert_eq!(gauge.cost(5_000_000, 0.5), 2.5 * 5e6);
        assert_eq!((held[1].began_ns(), held[1].gauge().in_flight()), (0, 3));
    }

    #[test]
    fn a_panic_and_another_thread_end_a_request_too() {
        let crowd = Arc::default();
        let gauge = gauge(&crowd);
        let running = gauge.begin(1);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _running = running;
            panic!("a request that panics");
        }));
        assert!(caught.is_err());
        let running = gauge.begin(2);
        std::thread::spawn(move || drop(running)).join().unwrap();
        assert_eq!((gauge.in_flight(), crowd.in_flight()), (0, 0));
    }

    proptest! {
        /// Against a list of what runs.
        #[test]
        fn in_flight_is_what_has_not_been_dropped(steps in prop::collection::vec((0..3usize, any::<bool>(), 0..9usize), 0..60)) {
            let crowd = Arc::default();
            let gauges: Vec<_> = (0..3).map(|_| gauge(&crowd)).collect();
            let mut running: Vec<Vec<Running>> = (0..3).map(|_| Vec::new()).collect();
            for (at, begins, which) in steps {
                if begins {
                    running[at].push(gauges[at].begin(0));
                } else if !running[at].is_empty() {
                    let which = which % running[at].len();
                    drop(running[at].swap_remove(which));
                }
                prop_assert!((0..3).all(|at| gauges[at].in_flight() as usize == running[at].len()));
                prop_assert_eq!(crowd.in_flight(), running.iter().map(Vec::len).sum::<usize>());
            }
            drop(running);
            prop_assert!(gauges.iter().all(|gauge| gauge.in_flight() == 0));
            prop_assert_eq!(crowd.in_flight(), 0);
        }
    }
}
