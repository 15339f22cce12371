//! The seam between a quota and where its units are kept durably.
//!
//! A quota sends *orders*: what was used meanwhile, what is given back, and how many units it would like to
//! have reserved. It never waits for the answer itself, and there is at most one order of a quota under way.

use std::fmt;
use std::sync::Arc;

use super::state::QuotaState;
use crate::types::TenantId;

/// Where units are kept: an embedded store, or one that a fleet shares.
///
/// An order is carried out whole or not at all, durably before it is answered, and orders that touch the same
/// series one after another.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Takes an order, to be answered on another thread. Never waits: what can't be taken is answered with
    /// [`BackendError::Full`] or dropped, which says the same as [`BackendError::Gone`].
    fn submit(&self, order: Order, lane: Lane);
}

/// How urgent an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A request waits for it, or soon will.
    Urgent,
    /// Nobody waits for it.
    Background,
}

/// Whose units, of which quota, counted how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series {
    /// The tenant.
    pub tenant: TenantId,
    /// The quota's name.
    pub quota: Arc<str>,
    /// Its meter and window, as [`super::QuotaSpec::series`] writes them.
    pub series: Arc<str>,
}

/// What a store held of a series when it was opened: units by the start of their period, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// Whose units.
    pub series: Series,
    /// Units of each period, by its start in milliseconds since 1970.
    pub periods: Vec<(i64, u64)>,
}

/// A change of what a period holds: units that were used without a reservation, or, below zero, that are given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The period's start, in milliseconds since 1970.
    pub start_ms: i64,
    /// Units.
    pub units: i64,
}

/// What a quota asks its backend for.
#[derive(Debug)]
pub struct Order {
    /// The period that units are reserved in: its start, in milliseconds since 1970.
    pub start_ms: i64,
    /// The start of the oldest period that counts in the same window.
    pub counts_from_ms: i64,
    /// Whether later periods than this one count, too: in a rolling window, after the clock was put back.
    pub counts_later: bool,
    /// How many units there may be in the window.
    pub limit: u64,
    /// Units to reserve; fewer where fewer are left under the limit, after the changes.
    pub want: u64,
    /// Units of the period that were used without a reservation.
    pub spent: u64,
    /// Changes of this and other periods. A period never holds less than nothing.
    pub changes: Vec<Change>,
    /// How many of the newest periods are to be kept; older ones may be forgotten.
    pub keep: u32,
    // Taken by the answer.
    state: Option<Arc<QuotaState>>,
    pub(super) epoch: u32,
}

/// A backend's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Units that are reserved now.
    pub granted: u64,
    /// Units in the window, these among them.
    pub used: u64,
    /// The start of the oldest period in the window that holds any.
    pub oldest_ms: Option<i64>,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// Too many orders wait already.
    #[error("too many orders wait for the store")]
    Full,
    /// Another process holds the store.
    #[error("the store is locked by another process")]
    Locked,
    /// There is no room for it.
    #[error("the store's disk is full")]
    NoSpace,
    /// It could not be read or written.
    #[error("the store can't be read or written")]
    Failed,
    /// Nobody answers.
    #[error("the store is closed")]
    Gone,
}

impl Order {
    pub(super) fn new(state: Arc<QuotaState>, epoch: u32, start_ms: i64, limit: u64, want: u64) -> Self {
        Self {
            start_ms,
            counts_from_ms: start_ms,
            counts_later: false,
            limit,
            want,
            spent: 0,
            changes: Vec::new(),
            keep: 1,
            state: Some(state),
            epoch,
        }
    }

    /// Whose units it is about. `None` only once it was answered.
    #[must_use]
    pub fn series(&self) -> Option<&Series> {
        self.state.as_ref().map(|state| state.series())
    }

    /// Tells the quota the answer.
    pub fn answer(mut self, answer: Result<Grant, BackendError>) {
        if let Some(state) = self.state.take() {
            state.answered(&mut self, answer);
        }
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            state.answered(self, Err(BackendError::Gone));
        }
    }
}
