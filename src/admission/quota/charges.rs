//! All quotas of a tenant, and what a request has been charged of them until it is certain that it is let in.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::limit::{Charged, Exceeded, Quota, QuotaDescription, Verdict};
use super::spec::Meter;
use crate::admission::few::Few;
use crate::admission::{Label, Standing, StandingList, Violation};
use crate::telemetry::QuotaGauge;

/// Quotas that a tenant may have.
pub const QUOTAS_MAX: usize = 8;

/// A tenant's quotas.
#[derive(Debug, Default)]
pub struct Quotas(Box<[Arc<Quota>]>);

/// The charges of one request. Dropped, they are given back, unless they were [kept](Self::keep).
#[derive(Debug)]
#[must_use = "charges that are dropped are given back"]
pub struct QuotaCharges {
    quotas: Arc<Quotas>,
    cost: NonZeroU32,
    /// Of each quota that has decided, in their order.
    outcomes: Few<Outcome>,
    kept: bool,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Charged(Charged),
    /// Given back, or never charged.
    Free,
    Refused {
        wait_s: u64,
    },
}

/// What an exchange has used of what is known in the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Octets of the request's body.
    pub request_bytes: u64,
    /// Octets of the response's body.
    pub response_bytes: u64,
    /// Microseconds spent upstream.
    pub upstream_us: u64,
}

/// Why quotas refuse a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaRefusal {
    /// Some are used up.
    Exceeded(Violation),
    /// What is used up can't be told in time, and the policy is to refuse.
    Unavailable,
}

impl Quotas {
    /// These quotas, in the order in which they are charged and told; no more than [`QUOTAS_MAX`].
    #[must_use]
    pub fn new(quotas: Vec<Quota>) -> Self {
        debug_assert!(quotas.len() <= QUOTAS_MAX, "the configuration allows no more");
        Self(quotas.into_iter().map(Arc::new).collect())
    }

    /// The quotas.
    #[must_use]
    pub fn list(&self) -> &[Arc<Quota>] {
        &self.0
    }

    /// What clients are told of them whatever they ask.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.0.iter().map(|quota| &quota.spec().label)
    }

    /// The quotas as metrics show them.
    #[must_use]
    pub fn gauges(&self) -> Vec<Arc<dyn QuotaGauge>> {
        self.0.iter().map(|quota| Arc::clone(quota) as Arc<dyn QuotaGauge>).collect()
    }

    /// Opens the charges of a request; nothing is charged yet. `None` where there is no quota.
    #[must_use]
    pub fn open(self: &Arc<Self>, cost: NonZeroU32) -> Option<QuotaCharges> {
        let open = || QuotaCharges { quotas: Arc::clone(self), cost, outcomes: Few::default(), kept: false };
        (!self.0.is_empty()).then(open)
    }

    /// Which of them would refuse a request, as far as that is known without the store. Nothing is charged.
    #[must_use]
    pub fn look(&self, cost: NonZeroU32) -> Option<Violation> {
        let standing = |quota: &Arc<Quota>| {
            let reset_s = quota.seems_exceeded(cost)?;
            Some(Standing { allowed: false, remaining: 0, reset_s })
        };
        let refusing = self.0.iter().filter_map(|quota| Some((&quota.spec().label, standing(quota)?)));
        Violation::of(refusing)
    }

    /// Adds how the tenant stands, for a request that was not charged.
    pub fn tell(&self, list: &mut StandingList<'_>) {
        self.0.iter().for_each(|quota| list.push(&quota.spec().label, quota.standing()));
    }

    /// The state of each, for people.
    #[must_use]
    pub fn describe(&self) -> Vec<QuotaDescription> {
        self.0.iter().map(|quota| quota.describe()).collect()
    }
}

impl QuotaCharges {
    /// Charges one quota after the other, without waiting. `Ok(false)`: the store has to be asked, see
    /// [`decide`](Self::decide).
    ///
    /// # Errors
    /// [`QuotaRefusal`]: then nothing was charged.
    pub fn charge(&mut self) -> Result<bool, QuotaRefusal> {
        while let Some(quota) = self.quotas.0.get(self.outcomes.len()) {
            match quota.charge(self.cost) {
                Verdict::Undecided => return Ok(false),
                verdict => self.enter(verdict)?,
            }
        }
        Ok(true)
    }

    /// As [`charge`](Self::charge), but waits for the store where it has to: a few milliseconds for all of them together.
    /// Dropped meanwhile, it has charged nothing.
    ///
    /// # Errors
    /// [`QuotaRefusal`].
    pub async fn decide(&mut self) -> Result<(), QuotaRefusal> {
        let Some(deadline) = self.quotas.0.first().map(|quota| quota.deadline()) else { return Ok(()) };
        while let Some(quota) = self.quotas.0.get(self.outcomes.len()) {
            let verdict = match quota.charge(self.cost) {
                Verdict::Undecided => quota.decide(self.cost, deadline).await,
                verdict => verdict,
            };
            self.enter(verdict)?;
        }
        Ok(())
    }

    /// Whether every quota has decided.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.outcomes.len() >= self.quotas.0.len()
    }

    /// The request is let in for good: what it was charged stays charged.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Gives everything back that isn't kept.
    pub fn refund(&mut self) {
        if self.kept {
            return;
        }
        for (quota, outcome) in self.quotas.0.iter().zip(self.outcomes.iter_mut()) {
            if let Outcome::Charged(charged) = *outcome {
                quota.refund(charged);
                *outcome = Outcome::Free;
            }
        }
    }

    /// Counts what the exchange has used, once it is over. What was not let in uses nothing.
    pub fn count(&self, used: Used) {
        if !self.kept {
            return;
        }
        for quota in &self.quotas.0 {
            quota.count(match quota.spec().meter {
                Meter::Requests => 0,
                Meter::RequestBytes => used.request_bytes,
                Meter::ResponseBytes => used.response_bytes,
                Meter::UpstreamSeconds => used.upstream_us,
            });
        }
    }

    /// Adds how the request stands with each quota.
    pub fn tell(&self, list: &mut StandingList<'_>) {
        let Some(now_ms) = self.quotas.0.first().map(|quota| quota.now_ms()) else { return };
        for (at, quota) in self.quotas.0.iter().enumerate() {
            let standing = quota.standing_at(now_ms);
            let standing = match self.outcomes.get(at) {
                Some(Outcome::Refused { wait_s }) => {
                    Standing { allowed: false, reset_s: *wait_s, ..standing }
                }
                _ => standing,
            };
            list.push(&quota.spec().label, standing);
        }
    }

    /// The quotas whose soft threshold is passed, as a list like `"monthly";u=83`, with the percentage that is used.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let mut text = String::new();
        for quota in &self.quotas.0 {
            if let Some(percent) = quota.warning() {
                let separator = if text.is_empty() { "" } else { ", " };
                text.push_str(&format!("{separator}{};u={percent}", quota.spec().label.item()));
            }
        }
        (!text.is_empty()).then_some(text)
    }

    fn enter(&mut self, verdict: Verdict) -> Result<(), QuotaRefusal> {
        let outcome = match verdict {
            Verdict::Admitted(charged) => Outcome::Charged(charged),
            Verdict::Refused(Exceeded::UsedUp { wait_s }) => Outcome::Refused { wait_s },
            Verdict::Refused(Exceeded::Unknown) | Verdict::Undecided => {
                self.refund();
                return Err(QuotaRefusal::Unavailable);
            }
        };
        self.outcomes.push(outcome);
        match outcome {
            Outcome::Refused { wait_s } => Err(self.refused(wait_s)),
            _ => Ok(()),
        }
    }

    /// One has refused: which others would, too, so that the client is told of the longest wait.
    fn refused(&mut self, wait_s: u64) -> QuotaRefusal {
        self.refund();
        let mut violation = Violation { retry_after_s: wait_s, policies: Vec::new() };
        for (at, quota) in self.quotas.0.iter().enumerate() {
            let wait_s = match self.outcomes.get(at) {
                Some(Outcome::Refused { wait_s }) => Some(*wait_s),
                Some(_) => None,
                None => {
                    let wait_s = match quota.charge(self.cost) {
                        Verdict::Admitted(charged) => {
                            quota.refund(charged);
                            None
                        }
                        Verdict::Refused(Exceeded::UsedUp { wait_s }) => Some(wait_s),
                        Verdict::Refused(Exceeded::Unknown) | Verdict::Undecided => {
                            quota.seems_used_up(self.cost)
                        }
                    };
                    let outcome = wait_s.map_or(Outcome::Free, |wait_s| Outcome::Refused { wait_s });
                    self.outcomes.push(outcome);
                    wait_s
                }
            };
            if let Some(wait_s) = wait_s {
                violation.retry_after_s = violation.retry_after_s.max(wait_s);
                violation.policies.push(Arc::clone(quota.spec().label.name()));
            }
        }
        QuotaRefusal::Exceeded(violation)
    }
}

impl Drop for QuotaCharges {
    fn drop(&mut self) {
        self.refund();
    }
}
