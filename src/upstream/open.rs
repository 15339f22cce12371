//! An open connection, as its pool counts it.

use std::sync::Arc;

use tokio::time::Instant;

use crate::breaker::{Breaker, Permit};
use crate::telemetry::OpenConnection;

/// A connection counts, by the pool's meter and by its circuit breaker, until this is dropped.
#[derive(Debug)]
pub struct Open {
    _metered: OpenConnection,
    /// None, if it was opened although there was no room, for what nothing refuses: it is not kept.
    place: Option<Permit>,
    /// Of the tenant whose request uses it alone now.
    user: Option<Permit>,
}

impl Open {
    pub(super) fn new(metered: OpenConnection, place: Option<Permit>) -> Self {
        Self { _metered: metered, place, user: None }
    }

    /// A tenant's request uses it alone from now on.
    pub(super) fn used_by(&mut self, tenant: Option<Permit>) {
        self.user = tenant;
    }

    /// Nobody uses it any more.
    pub(super) fn unused(&mut self) {
        self.user = None;
    }

    /// Whether its pool has better things to do than to keep it idle.
    pub(super) fn is_wanted(&self) -> bool {
        self.place.as_ref().is_none_or(|place| place.breaker().is_wanted())
    }

    /// Whether its pool has more connections than it may.
    pub(super) fn is_exceeding(&self) -> bool {
        self.place.as_ref().is_none_or(|place| place.breaker().is_exceeded())
    }

    /// Whether it is one of this breaker's.
    pub(super) fn is_of(&self, breaker: &Arc<Breaker>) -> bool {
        self.place.as_ref().is_some_and(|place| Arc::ptr_eq(place.breaker(), breaker))
    }

    /// Since when anybody has waited for a connection of its pool.
    pub(super) fn awaited_since(&self) -> Option<Instant> {
        self.place.as_ref()?.breaker().first_since()
    }

    /// All workers are to look whether connections that nobody uses are in the way.
    pub(super) fn ring(&self) {
        self.place.iter().for_each(|place| place.breaker().ring());
    }
}
