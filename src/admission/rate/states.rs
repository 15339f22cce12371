//! What a tenant has used of all its rate limits: what outlives their configuration.

use std::sync::{Arc, Mutex, PoisonError};

use super::cell::Cell;
use super::gcra::Pace;
use super::keys::{KeyTable, RateKey};
use super::limits::RateLimits;
use super::rule::{RateRule, RateRules};
use crate::types::prefetch;

/// What a tenant's limits are now: whatever they are next goes on from there.
#[derive(Debug, Default)]
pub struct RateStates(Mutex<Option<Arc<RateLimits>>>);

/// The state of one limit.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// All requests together.
    One(Arc<Cell>),
    /// Each key on its own.
    Keyed(Arc<KeyTable>),
}

/// A limit that is configured no longer, and its time, which goes on.
#[derive(Debug, Clone)]
pub(super) struct Former {
    pub(super) name: Arc<str>,
    pub(super) by: Option<RateKey>,
    pub(super) state: State,
    pub(super) pace: Pace,
}

impl RateStates {
    /// These rules over what the tenant has used. Limits that are configured no longer are forgotten once nothing of them is
    /// in use: one that is removed and added again goes on where it was.
    #[must_use]
    pub fn open(&self, rules: &Arc<RateRules>) -> Arc<RateLimits> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = current.as_ref().filter(|current| current.is_of(rules)) {
            return Arc::clone(same);
        }
        let next = Arc::new(RateLimits::following(current.as_deref(), Arc::clone(rules)));
        *current = Some(Arc::clone(&next));
        next
    }

    /// Whether nothing is in use of any limit, so that forgetting all of them changes nothing.
    #[must_use]
    pub fn is_rested(&self, now_ns: u64) -> bool {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().is_none_or(|limits| limits.is_rested(now_ns))
    }
}

impl State {
    /// Of a limit of which nothing has been used.
    pub(super) fn new(rule: &RateRule) -> Self {
        match rule.by {
            None => Self::One(Arc::default()),
            Some(_) => Self::Keyed(Arc::new(KeyTable::new(rule.keys_max))),
        }
    }

    /// Has it fetched.
    pub(super) fn prefetch(&self) {
        match self {
            Self::One(cell) => prefetch(&**cell),
            Self::Keyed(keys) => prefetch(&**keys),
        }
    }

    /// Whether nothing is in use at that moment of the limit's time.
    pub(super) fn is_rested(&self, now: u64) -> bool {
        match self {
            Self::One(cell) => cell.debt(now) == 0,
            Self::Keyed(keys) => keys.is_rested(now),
        }
    }
}

impl Former {
    /// Whether a rule goes on where this was.
    pub(super) fn is_of(&self, rule: &RateRule) -> bool {
        self.name == *rule.label.name() && self.by == rule.by
    }
}
