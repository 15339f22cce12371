//! What of a pool's balancing outlives its endpoints.

use std::sync::Arc;
use std::time::Duration;

use super::gauge::{Crowd, Gauge};
use super::latency::Decay;
use super::roster::{Member, Roster};
use super::round_robin::Turn;
use super::slow_start::SlowStart;

/// How endpoints are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Each in turn.
    RoundRobin,
    /// The one of two with fewer requests in flight.
    #[default]
    LeastRequest,
    /// The one of two with less latency times requests in flight.
    PeakEwma,
    /// The one that the request's key belongs to; without a key as [`Policy::LeastRequest`].
    ConsistentHash,
}

/// What a pool's balancing goes by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// How endpoints are chosen.
    pub policy: Policy,
    /// How they are warmed up; none gives them all of their weight at once.
    pub slow_start: Option<SlowStart>,
    /// How their latency is remembered. Holds for gauges that are made under these rules.
    pub decay: Decay,
}

/// A pool's balancing. Makes its gauges and rosters, and keeps what these share.
#[derive(Debug, Default)]
pub struct Balancer {
    rules: Rules,
    turn: Arc<Turn>,
    crowd: Arc<Crowd>,
}

impl Balancer {
    /// The balancing of a new pool.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// The same pool's under other rules: its gauges stay good.
    #[must_use]
    pub fn with_rules(&self, rules: Rules) -> Self {
        Self { rules, turn: Arc::clone(&self.turn), crowd: Arc::clone(&self.crowd) }
    }

    /// What it goes by.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The gauge of an endpoint that comes in now.
    #[must_use]
    pub fn gauge(&self, weight: u32, now_ns: u64) -> Arc<Gauge> {
        Arc::new(Gauge::new(weight, now_ns, self.rules.decay, Arc::clone(&self.crowd)))
    }

    /// The endpoints that may be chosen from now on: those whose weight is not 0. Computes all tables, so not for
    /// a request's way: up to some milliseconds, and tens of them for consistent hashing among more than 655.
    #[must_use]
    pub fn roster(&self, members: &[Member]) -> Roster {
        Roster::new(&self.rules, members, &self.turn, &self.crowd)
    }
}

impl Rules {
    /// Rules with this policy and nothing special.
    #[must_use]
    pub fn of(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// The same with a slow start over this time.
    #[must_use]
    pub fn slow_start(self, window: Duration) -> Self {
        Self { slow_start: Some(SlowStart::new(window)), ..self }
    }
}
