//! One rate limit of one tenant.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::cell::RateState;
use super::gcra::{Pace, RatePolicy, UNIT};
use crate::admission::{Label, Standing};

/// A limit as a plan or a tenant has it: shared by all tenants of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateDefinition {
    /// Its name and policy, as clients are told them.
    pub label: Label,
    /// How much it lets pass.
    pub policy: RatePolicy,
}

/// A limit over what one tenant has used of it.
#[derive(Debug)]
pub struct RateLimit {
    definition: Arc<RateDefinition>,
    state: Arc<RateState>,
    pace: Pace,
}

/// What a limit did with a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// Whether the request's cost is in use and can be given back.
    pub(super) held: bool,
    /// Grains in use.
    pub(super) debt: u64,
}

impl RateDefinition {
    /// A limit of this name.
    #[must_use]
    pub fn new(name: &str, policy: RatePolicy) -> Self {
        Self { label: Label::new(name, policy.burst.get().into(), policy.window_s()), policy }
    }
}

impl RateLimit {
    /// A limit that goes on where its state is.
    #[must_use]
    pub fn new(definition: Arc<RateDefinition>, state: Arc<RateState>, now_ns: u64) -> Self {
        let pace = state.adopt(&definition.policy, now_ns);
        Self { definition, state, pace }
    }

    /// Its name and policy, as clients are told them.
    #[must_use]
    pub fn label(&self) -> &Label {
        &self.definition.label
    }

    /// Uses the request's cost if all of it is there.
    pub(super) fn charge(&self, now_ns: u64, cost: NonZeroU32) -> Verdict {
        match self.state.charge(self.pace.at(now_ns), grains(cost), self.burst()) {
            Ok(debt) => Verdict { allowed: true, held: true, debt },
            Err(debt) => Verdict { allowed: false, held: false, debt },
        }
    }

    /// What [`charge`](Self::charge) would say, with nothing used.
    pub(super) fn look(&self, now_ns: u64, cost: NonZeroU32) -> Verdict {
        let debt = self.state.debt(self.pace.at(now_ns));
        Verdict { allowed: debt.saturating_add(grains(cost)) <= self.burst(), held: false, debt }
    }

    /// Gives back what was charged.
    pub(super) fn refund(&self, now_ns: u64, cost: NonZeroU32) -> Verdict {
        let debt = self.state.refund(self.pace.at(now_ns), grains(cost));
        Verdict { allowed: true, held: false, debt }
    }

    /// The verdict in the words of clients.
    pub(super) fn standing(&self, verdict: Verdict, cost: NonZeroU32) -> Standing {
        let (burst, debt) = (self.burst(), verdict.debt);
        let awaited = match (verdict.allowed, grains(cost)) {
            (true, _) => debt,
            // It never passes (the configuration refuses to load that): not before all is back, in any case.
            (false, cost) if cost > burst => burst,
            (false, cost) => debt.saturating_add(cost).saturating_sub(burst),
        };
        let reset_s = self.pace.wait_s(awaited);
        Standing {
            allowed: verdict.allowed,
            remaining: burst.saturating_sub(debt) / UNIT,
            reset_s: if verdict.allowed { reset_s } else { reset_s.max(1) },
        }
    }

    fn burst(&self) -> u64 {
        u64::from(self.definition.policy.burst.get()) * UNIT
    }
}

fn grains(cost: NonZeroU32) -> u64 {
    u64::from(cost.get()) * UNIT
}
