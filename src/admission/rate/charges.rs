//! What a request has been charged, until it is certain that it is let in.

use std::num::NonZeroU32;
use std::sync::Arc;

use http::HeaderValue;

use super::limits::{RateLimit, RateLimits, Verdict};
use crate::admission::few::Few;
use crate::admission::{StandingList, Violation};

/// The charges of one request. Dropped, they are given back: a later gate refused the request, or its client went away
/// while it waited there. [`keep`](Self::keep) makes them final.
#[derive(Debug)]
#[must_use = "charges that are dropped are given back"]
pub struct RateCharges {
    limits: Arc<RateLimits>,
    set: u16,
    cost: NonZeroU32,
    /// One for each limit of the set, in its order.
    verdicts: Few<Verdict>,
}

impl RateCharges {
    pub(super) fn new(limits: Arc<RateLimits>, set: u16, cost: NonZeroU32) -> Self {
        Self { limits, set, cost, verdicts: Few::default() }
    }

    /// The next limit's verdict, in the order of its set.
    pub(super) fn push(&mut self, verdict: Verdict) {
        self.verdicts.push(verdict);
    }

    /// The request is let in for good: what it was charged stays charged.
    pub fn keep(&mut self) {
        self.verdicts.iter_mut().for_each(|verdict| verdict.held = false);
    }

    /// Gives everything back that isn't kept, and sees how the request stands then.
    pub fn refund(&mut self) {
        if !self.verdicts.iter().any(|verdict| verdict.held) {
            return;
        }
        let now_ns = self.limits.now_ns();
        for (limit, verdict) in self.limits.applying(self.set).zip(self.verdicts.iter_mut()) {
            if verdict.held {
                *verdict = limit.refund(now_ns, verdict, self.cost);
            }
        }
    }

    /// Which limits refuse the request, if any does.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        if self.verdicts.iter().all(|verdict| verdict.allowed) {
            return None;
        }
        let told = self.told();
        Violation::of(told.map(|(limit, verdict)| (&limit.rule.label, limit.standing(verdict, self.cost))))
    }

    /// `RateLimit-Policy` of the limits that apply.
    #[must_use]
    pub fn policy_field(&self) -> Option<&HeaderValue> {
        self.limits.policy_field_of(self.set)
    }

    /// Adds how the request stands with each limit.
    pub fn tell(&self, list: &mut StandingList<'_>) {
        for (limit, verdict) in self.told() {
            list.push(&limit.rule.label, limit.standing(verdict, self.cost));
        }
    }

    /// The limits that refuse: of those that only count nobody is told.
    fn told(&self) -> impl Iterator<Item = (RateLimit<'_>, &Verdict)> {
        let verdicts = self.limits.applying(self.set).zip(self.verdicts.iter());
        verdicts.filter(|(limit, _)| limit.rule.shadow.is_none())
    }
}

impl Drop for RateCharges {
    fn drop(&mut self) {
        self.refund();
    }
}
