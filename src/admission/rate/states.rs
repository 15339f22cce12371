//! What a tenant has used of all its rate limits: what outlives their configuration.

use std::sync::{Arc, Mutex, PoisonError};

use super::cell::RateState;
use super::gcra::Pace;
use super::keys::{KeyTable, RateKey};
use super::rule::RateRule;

/// The states of a tenant's limits, by their names and what they count by.
#[derive(Debug, Default)]
pub struct RateStates(Mutex<Vec<Kept>>);

#[derive(Debug)]
struct Kept {
    name: Arc<str>,
    by: Option<RateKey>,
    state: State,
}

/// The state of one limit.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// All requests together.
    One(Arc<RateState>),
    /// Each key on its own.
    Keyed(Arc<KeyTable>),
}

impl RateStates {
    /// The state of a limit, the same for as long as it is kept, and the pace at which it goes on.
    pub(super) fn open(&self, rule: &RateRule, now_ns: u64) -> (State, Pace) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = states.iter().find(|kept| kept.name == *rule.label.name() && kept.by == rule.by);
        let state = match found {
            Some(kept) => kept.state.clone(),
            None => {
                let state = match rule.by {
                    None => State::One(Arc::default()),
                    Some(_) => State::Keyed(Arc::new(KeyTable::new())),
                };
                let name = Arc::clone(rule.label.name());
                // Most tenants have one: a vector's usual four places would be the larger part of what they cost.
                states.reserve_exact(1);
                states.push(Kept { name, by: rule.by.clone(), state: state.clone() });
                state
            }
        };
        let pace = match &state {
            State::One(cell) => cell.adopt(&rule.policy, now_ns),
            State::Keyed(keys) => keys.adopt(&rule.policy, rule.keys_max, now_ns),
        };
        (state, pace)
    }

    /// Forgets the states of limits that are configured no longer, once nothing is in use of them: a limit that is
    /// removed and added again goes on where it was.
    pub(super) fn retain(&self, now_ns: u64, rules: &[RateRule]) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(|kept| {
            let configured = |rule: &RateRule| *rule.label.name() == kept.name && rule.by == kept.by;
            rules.iter().any(configured) || !kept.state.is_rested(now_ns)
        });
    }

    /// Whether nothing is in use of any limit.
    #[must_use]
    pub fn is_rested(&self, now_ns: u64) -> bool {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.iter().all(|kept| kept.state.is_rested(now_ns))
    }
}

impl State {
    fn is_rested(&self, now_ns: u64) -> bool {
        match self {
            Self::One(cell) => cell.is_rested(now_ns),
            Self::Keyed(keys) => keys.is_rested(now_ns),
        }
    }
}
