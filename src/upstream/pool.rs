//! Pools as they run: immutable but for which of their endpoints may be chosen.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::balancing::{Balancing, Choice, Lineup};
use super::endpoint::Endpoint;
use super::retries::RetryTerms;
use crate::admission::fair_share::Seats;
use crate::balance::Key;
use crate::telemetry::PoolMeter;

/// A set of interchangeable endpoints.
#[derive(Debug)]
pub struct Pool {
    name: Arc<str>,
    endpoints: Box<[Arc<Endpoint>]>,
    balancing: Balancing,
    lineup: ArcSwap<Lineup>,
    retries: Option<RetryTerms>,
    timeouts: Timeouts,
    idle_max: usize,
    seats: Arc<Seats>,
    meter: Arc<PoolMeter>,
}

/// Deadlines of a pool's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To resolve the name and connect.
    pub connect: Duration,
    /// From the whole request's having been sent to the response's head.
    pub response_header: Duration,
    /// Between two pieces of a body, in either direction, and for a tunnel without traffic.
    pub idle: Duration,
    /// How long a connection without a request is kept.
    pub keep_alive: Duration,
}

impl Pool {
    /// A pool of these endpoints, each with its weight.
    #[must_use]
    pub fn new(
        name: &str,
        endpoints: Vec<(Arc<Endpoint>, u32)>,
        balancing: Balancing,
        timeouts: Timeouts,
        idle_max: usize,
        seats: Arc<Seats>,
        meter: Arc<PoolMeter>,
    ) -> Self {
        endpoints.iter().for_each(|(endpoint, weight)| balancing.admit(endpoint, *weight));
        let endpoints: Box<[_]> = endpoints.into_iter().map(|(endpoint, _)| endpoint).collect();
        let lineup = ArcSwap::from_pointee(balancing.lineup(&endpoints));
        Self {
            name: name.into(),
            endpoints,
            balancing,
            lineup,
            retries: None,
            timeouts,
            idle_max,
            seats,
            meter,
        }
    }

    /// The same, which sends requests again.
    #[must_use]
    pub fn retrying(self, retries: Option<RetryTerms>) -> Self {
        Self { retries, ..self }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its endpoints.
    #[must_use]
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// How its requests are spread.
    #[must_use]
    pub fn balancing(&self) -> &Balancing {
        &self.balancing
    }

    /// The endpoints for a request, and for its retries: of those that may be chosen now.
    #[must_use]
    pub fn choose(&self, key: Option<Key>) -> Choice {
        Choice::new(self.lineup.load_full(), key)
    }

    /// Looks anew which endpoints may be chosen. Computes tables: for whoever changes something, not for requests.
    pub fn line_up(&self) {
        self.lineup.store(Arc::new(self.balancing.lineup(&self.endpoints)));
    }

    /// The endpoint of that name.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints.iter().find(|endpoint| **endpoint.name() == *name)
    }

    /// How its requests are sent again, if they are.
    #[must_use]
    pub fn retries(&self) -> Option<&RetryTerms> {
        self.retries.as_ref()
    }

    /// Its deadlines.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Idle connections that a worker keeps to each endpoint.
    #[must_use]
    pub fn idle_max(&self) -> usize {
        self.idle_max
    }

    /// Its seats.
    #[must_use]
    pub fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    /// Its meter.
    #[must_use]
    pub fn meter(&self) -> &Arc<PoolMeter> {
        &self.meter
    }
}
