//! Pools as they run: immutable but for a turn.

use std::sync::Arc;
use std::time::Duration;

use super::endpoint::Endpoint;
use crate::admission::fair_share::Seats;
use crate::balance::Turn;
use crate::telemetry::PoolMeter;

/// A set of interchangeable endpoints.
#[derive(Debug)]
pub struct Pool {
    name: Arc<str>,
    endpoints: Box<[Arc<Endpoint>]>,
    turn: Turn,
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
    /// A pool of these endpoints.
    #[must_use]
    pub fn new(
        name: &str,
        endpoints: Vec<Arc<Endpoint>>,
        timeouts: Timeouts,
        idle_max: usize,
        seats: Arc<Seats>,
        meter: Arc<PoolMeter>,
    ) -> Self {
        let endpoints = endpoints.into();
        Self { name: name.into(), endpoints, turn: Turn::default(), timeouts, idle_max, seats, meter }
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

    /// The endpoints in the order in which to try them for one request: the next in turn, then the rest. Those that
    /// drain take none.
    pub fn candidates(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        let len = self.endpoints.len();
        let first = self.turn.next(len);
        let endpoints = (0..len).filter_map(move |step| self.endpoints.get((first + step) % len));
        endpoints.filter(|endpoint| !endpoint.meter().is_draining())
    }

    /// The endpoint of that name.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints.iter().find(|endpoint| **endpoint.name() == *name)
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
