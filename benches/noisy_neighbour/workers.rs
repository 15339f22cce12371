//! The origin's worker threads, without threads: so many requests at a time, the others first come first
//! served, as an application server's thread pool does it. Pure: the caller says what time it is.
//!
//! A worker that ends a request begins the next in the same call, before any answer is written. So it is
//! idle only while nothing waits, and what it is used is the gateway's doing.

use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Tenants told apart; requests of any more share a count.
const TENANTS_MAX: usize = 10_000;

/// `T` is what the caller gets back when a request's work is done.
pub struct Workers<T> {
    size: usize,
    running: BinaryHeap<Running<T>>,
    waiting: VecDeque<Waiting<T>>,
    tenants: HashMap<String, Served>,
    started: u64,
    // Integrals over time, up to `counted`.
    busy: Duration,
    queued: Duration,
    counted: Instant,
    epoch: Instant,
}

struct Waiting<T> {
    tenant: String,
    work: Duration,
    token: T,
}

struct Running<T> {
    until: Instant,
    /// Breaks ties first come first served.
    number: u64,
    since: Instant,
    tenant: String,
    token: T,
}

#[derive(Clone, Copy, Default)]
struct Served {
    requests: u64,
    held: Duration,
}

/// What has been done since the start. The difference between two of them is what was done between.
#[derive(Serialize)]
pub struct Counters {
    at_ns: u128,
    workers: usize,
    /// Sum over workers of the time that they were at work.
    busy_ns: u128,
    /// Sum over requests of the time that they waited for a worker.
    queued_ns: u128,
    tenants: BTreeMap<String, TenantCounters>,
}

#[derive(Default, Serialize)]
struct TenantCounters {
    requests: u64,
    /// Workers' time held, what is running included.
    seat_ns: u128,
}

impl<T> Workers<T> {
    /// `size` idle workers.
    pub fn new(size: usize, now: Instant) -> Self {
        Self {
            size,
            running: BinaryHeap::with_capacity(size),
            waiting: VecDeque::new(),
            tenants: HashMap::new(),
            started: 0,
            busy: Duration::ZERO,
            queued: Duration::ZERO,
            counted: now,
            epoch: now,
        }
    }

    /// Takes a request in: it runs at once or waits its turn.
    pub fn arrive(&mut self, now: Instant, tenant: &str, work: Duration, token: T) {
        self.count(now);
        let known = self.tenants.len() < TENANTS_MAX || self.tenants.contains_key(tenant);
        let tenant = if known { tenant } else { "_other" };
        self.waiting.push_back(Waiting { tenant: tenant.to_owned(), work, token });
        self.fill(now);
    }

    /// Ends what is due and begins what waited; returns the tokens of what has ended, in order.
    pub fn end_due(&mut self, now: Instant) -> Vec<T> {
        self.count(now);
        let mut ended = Vec::new();
        while self.running.peek().is_some_and(|first| first.until <= now) {
            let Some(done) = self.running.pop() else { break };
            let served = self.tenants.entry(done.tenant).or_default();
            served.requests += 1;
            served.held += now.saturating_duration_since(done.since);
            ended.push(done.token);
            self.fill(now);
        }
        ended
    }

    /// When `end_due` has something to do next.
    pub fn next_due(&self) -> Option<Instant> {
        self.running.peek().map(|first| first.until)
    }

    /// The counters at `now`.
    pub fn counters(&mut self, now: Instant) -> Counters {
        self.count(now);
        let mut tenants: BTreeMap<String, TenantCounters> = BTreeMap::new();
        for (tenant, served) in &self.tenants {
            let counters = TenantCounters { requests: served.requests, seat_ns: served.held.as_nanos() };
            tenants.insert(tenant.clone(), counters);
        }
        for running in &self.running {
            tenants.entry(running.tenant.clone()).or_default().seat_ns +=
                now.saturating_duration_since(running.since).as_nanos();
        }
        Counters {
            at_ns: now.saturating_duration_since(self.epoch).as_nanos(),
            workers: self.size,
            busy_ns: self.busy.as_nanos(),
            queued_ns: self.queued.as_nanos(),
            tenants,
        }
    }

    fn fill(&mut self, now: Instant) {
        while self.running.len() < self.size {
            let Some(Waiting { tenant, work, token }) = self.waiting.pop_front() else { return };
            self.started += 1;
            self.running.push(Running { until: now + work, number: self.started, since: now, tenant, token });
        }
    }

    fn count(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted);
        self.busy += passed * u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        self.queued += passed * u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        self.counted = now;
    }
}

// The heap is a max-heap: what ends first has to be the greatest.
impl<T> Ord for Running<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.until, other.number).cmp(&(self.until, self.number))
    }
}

impl<T> PartialOrd for Running<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Running<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Running<T> {}
