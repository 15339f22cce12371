//! How many seats a pool has, found from its latency: Gradient2 of Netflix's concurrency-limits
//! (`Gradient2Limit.java`, with its constants), fed by windows as its `WindowedLimit` does. A window lasts a tenth of
//! a second, not a second: growing by one seat a second would take minutes to find a pool's limit.
//!
//! While the latency of now stays within `TOLERANCE` of the latency in the long run, the limit grows by
//! `QUEUE` at a time; as it rises beyond, the limit shrinks in proportion, at most to half. Each step
//! is smoothed. A limit that is not even half used does not move: nothing was learnt about it. Errors and
//! timeouts count as congestion: a window in which a tenth of the requests failed shrinks as if the latency
//! had grown by as much.
//!
//! Pure: moments are given.

/// How far latency may rise before it counts.
const TOLERANCE: f64 = 1.5;
/// What part of the way to the new limit is gone.
const SMOOTHING: f64 = 0.2;
/// Requests that may queue at the endpoints: what the limit is tried above what is known to be good.
const QUEUE: f64 = 4.0;
/// Windows over which latency in the long run is averaged, and those until that average is settled.
const LONG: f64 = 600.0;
const WARM_UP: u32 = 10;
/// A window lasts for so long, and has so many samples at least.
const WINDOW_NS: u64 = 100_000_000;
const SAMPLES_MIN: u32 = 10;
/// Where a limit starts that nothing is known of.
const INITIAL: f64 = 20.0;

/// A limit that follows latency.
#[derive(Debug, Clone, PartialEq)]
pub struct Adaptive {
    min: f64,
    max: f64,
    limit: f64,
    long_ns: f64,
    windows: u32,
    window: Window,
}

/// One answer of an endpoint, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// From sending the request to the response's head, in nanoseconds.
    pub latency_ns: u64,
    /// The seats in use meanwhile.
    pub in_use: u32,
    /// Whether it was a timeout, a failed connection or the like.
    pub failed: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Window {
    since_ns: Option<u64>,
    sum_ns: f64,
    count: u32,
    failed: u32,
    in_use_max: u32,
}

impl Adaptive {
    /// A limit within these bounds.
    #[must_use]
    pub fn new(min: u32, max: u32) -> Self {
        let (min, max) = (f64::from(min.max(1)), f64::from(max.max(min).max(1)));
        let limit = INITIAL.clamp(min, max);
        Self { min, max, limit, long_ns: 0.0, windows: 0, window: Window::default() }
    }

    /// Within other bounds from now on; what was learnt stays.
    pub fn set_bounds(&mut self, min: u32, max: u32) {
        (self.min, self.max) = (f64::from(min.max(1)), f64::from(max.max(min).max(1)));
        self.limit = self.limit.clamp(self.min, self.max);
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// Takes a sample. The new limit, when a window is complete.
    pub fn observe(&mut self, now_ns: u64, sample: Sample) -> Option<u32> {
        let window = &mut self.window;
        let since_ns = *window.since_ns.get_or_insert(now_ns);
        window.count += 1;
        window.sum_ns += sample.latency_ns as f64;
        window.failed += u32::from(sample.failed);
        window.in_use_max = window.in_use_max.max(sample.in_use);
        if now_ns.saturating_sub(since_ns) < WINDOW_NS || window.count < SAMPLES_MIN {
            return None;
        }
        let window = std::mem::take(window);
        self.step(&window);
        Some(self.limit())
    }

    fn step(&mut self, window: &Window) {
        let short_ns = (window.sum_ns / f64::from(window.count.max(1))).max(1.0);
        self.average(short_ns);
        if f64::from(window.in_use_max) < self.limit / 2.0 {
            return;
        }
        let failed = f64::from(window.failed) / f64::from(window.count.max(1));
        let gradient = (TOLERANCE * self.long_ns / short_ns).min(1.0 - failed).clamp(0.5, 1.0);
        let queue = if window.failed > 0 { 0.0 } else { QUEUE };
        let next = self.limit * gradient + queue;
        self.limit = (self.limit * (1.0 - SMOOTHING) + next * SMOOTHING).clamp(self.min, self.max);
    }

    /// Latency in the long run: the mean of the first windows, then an exponential average.
    fn average(&mut self, short_ns: f64) {
        self.windows = self.windows.saturating_add(1);
        let part = if self.windows <= WARM_UP { 1.0 / f64::from(self.windows) } else { 2.0 / (LONG + 1.0) };
        self.long_ns += (short_ns - self.long_ns) * part;
        // Load has gone: what was learnt under it is forgotten faster than it was learnt.
        if self.long_ns / short_ns > 2.0 {
            self.long_ns *= 0.95;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// An origin that works on `workers` requests at once for 10 ms each and lets the rest queue.
    fn latency_ns(in_use: u32, workers: u32) -> u64 {
        10 * MS * u64::from(in_use.max(workers)) / u64::from(workers)
    }

    /// Runs for so many windows with so much demand; the limits on the way.
    fn run(
        adaptive: &mut Adaptive,
        windows: u32,
        demand: u32,
        workers: u32,
        failed_every: Option<u32>,
    ) -> Vec<u32> {
        let mut now_ns = 0;
        let mut limits = Vec::new();
        let mut asked = 0;
        while limits.len() < windows as usize {
            now_ns += 10 * MS;
            asked += 1;
            let in_use = demand.min(adaptive.limit());
            let failed = failed_every.is_some_and(|every| asked % every == 0);
            let sample = Sample { latency_ns: latency_ns(in_use, workers), in_use, failed };
            limits.extend(adaptive.observe(now_ns, sample));
        }
        limits
    }

    #[test]
    fn it_grows_to_what_the_pool_can_do_and_not_far_beyond() {
        let mut adaptive = Adaptive::new(8, 1024);
        let limits = run(&mut adaptive, 300, 2000, 64, None);
        let settled = &limits[200..];
        assert!(settled.iter().all(|limit| (64..=160).contains(limit)), "{settled:?}");
    }

    #[test]
    fn it_does_not_grow_while_less_than_half_is_used() {
        let mut adaptive = Adaptive::new(1, 1024);
        let limits = run(&mut adaptive, 50, 9, 64, None);
        assert_eq!(limits.iter().max(), Some(&20));
    }

    #[test]
    fn slower_endpoints_shrink_it_and_bounds_hold() {
        let mut adaptive = Adaptive::new(16, 80);
        assert_eq!(run(&mut adaptive, 200, 2000, 1000, None).last(), Some(&80));
        let limits = run(&mut adaptive, 20, 2000, 4, None);
        assert_eq!(limits.last(), Some(&16), "{limits:?}");
    }

    #[test]
    fn failures_are_congestion_whatever_the_latency() {
        let mut adaptive = Adaptive::new(8, 1024);
        run(&mut adaptive, 100, 2000, 1000, None);
        let before = adaptive.limit();
        let limits = run(&mut adaptive, 20, 2000, 1000, Some(2));
        assert!(limits.is_sorted_by(|a, b| a >= b) && adaptive.limit() < before / 2, "{before} {limits:?}");
    }

    #[test]
    fn it_recovers_when_latency_falls_back() {
        let mut adaptive = Adaptive::new(8, 200);
        run(&mut adaptive, 100, 2000, 1000, None);
        run(&mut adaptive, 30, 2000, 4, None);
        let limits = run(&mut adaptive, 200, 2000, 1000, None);
        assert!(limits.is_sorted() && *limits.last().unwrap() > 150, "{limits:?}");
    }
}
