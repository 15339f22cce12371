//! The rate limits of one tenant: its rules over what it has used.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::charges::RateCharges;
use super::gcra::{Pace, UNIT};
use super::report::{KeysReport, RateLook, RateReport};
use super::rule::{RateRule, RateRules, UNROUTED};
use super::shard::KeyCharge;
use super::states::{Former, State};
use crate::admission::{Standing, StandingList};
use crate::telemetry::LimitSlot;

/// A tenant's rate limits. Most tenants have one, whose policy was never changed while it was in use: that takes no place for
/// more. Made by [`RateStates::open`](super::RateStates::open).
#[derive(Debug)]
pub struct RateLimits {
    rules: Arc<RateRules>,
    /// What is used of the first rule.
    first: Option<State>,
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    /// What is used of the other rules, one for each.
    others: Box<[State]>,
    /// The time of limits whose policies were changed, by their places.
    changed: Box<[(usize, Pace)]>,
    /// What is still used of limits that were configured before.
    former: Box<[Former]>,
}

/// What limits look at of a request.
#[derive(Debug, Clone, Copy)]
pub struct RateRequest<'r> {
    /// Its route's place in file order.
    pub route: usize,
    /// The units that it uses.
    pub cost: NonZeroU32,
    /// Who asks.
    pub client: IpAddr,
    /// Its fields, as the client sent them.
    pub fields: &'r HeaderMap,
}

/// One limit and what is used of it.
#[derive(Clone, Copy)]
pub(super) struct RateLimit<'l> {
    pub(super) rule: &'l RateRule,
    state: &'l State,
    pace: &'l Pace,
}

/// What a limit said of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// Whether the request's cost is in use and can be given back.
    pub(super) held: bool,
    /// The cell; 0 where there is only one.
    key: u64,
    /// Grains in use.
    debt: u64,
}

impl RateLimits {
    /// These rules, each of which goes on where the one of its name was that counted by the same.
    pub(super) fn following(before: Option<&Self>, rules: Arc<RateRules>) -> Self {
        let now_ns = rules.now_ns();
        let known: Vec<Former> = before.into_iter().flat_map(Self::known).collect();
        let mut changed = Vec::new();
        let mut open = |(at, rule): (usize, &RateRule)| {
            let Some(known) = known.iter().find(|known| known.is_of(rule)) else { return State::new(rule) };
            let pace = known.pace.changed(&rule.policy, now_ns);
            if let State::Keyed(keys) = &known.state {
                keys.set_keys_max(rule.keys_max, pace.at(now_ns));
            }
            if rules.pace(at) != Some(&pace) {
                changed.push((at, pace));
            }
            known.state.clone()
        };
        let mut all = rules.all().iter().enumerate();
        let first = all.next().map(&mut open);
        let others = all.map(open).collect();
        let is_owed = |former: &Former| {
            !rules.all().iter().any(|rule| former.is_of(rule))
                && !former.state.is_rested(former.pace.at(now_ns))
        };
        let former = known.iter().filter(|known| is_owed(known)).cloned().collect();
        let more = More { others, changed: changed.into(), former };
        let is_needed = !(more.others.is_empty() && more.changed.is_empty() && more.former.is_empty());
        Self { rules, first, more: is_needed.then(|| Box::new(more)) }
    }

    /// What is known of all limits, as they would be remembered.
    fn known(&self) -> impl Iterator<Item = Former> {
        let own = self.limits().map(|RateLimit { rule, state, pace }| Former {
            name: Arc::clone(rule.label.name()),
            by: rule.by.clone(),
            state: state.clone(),
            pace: *pace,
        });
        own.chain(self.former().iter().cloned())
    }

    fn former(&self) -> &[Former] {
        self.more.as_ref().map_or(&[], |more| &more.former)
    }

    /// Has fetched what is used of the first rule.
    pub fn prefetch_first(&self) {
        self.first.iter().for_each(State::prefetch);
    }

    pub(super) fn is_of(&self, rules: &Arc<RateRules>) -> bool {
        Arc::ptr_eq(&self.rules, rules)
    }

    /// Whether nothing is in use of any limit, also of those that were configured before.
    pub(super) fn is_rested(&self, now_ns: u64) -> bool {
        self.limits().all(|limit| limit.state.is_rested(limit.pace.at(now_ns)))
            && self.former().iter().all(|former| former.state.is_rested(former.pace.at(now_ns)))
    }

    /// Charges a request to every limit that applies to it. If one refuses, what was charged to the others is given
    /// back. `shadowed` is told of each limit that only counts and would have refused. `None` where no limit applies.
    #[must_use]
    pub fn charge(
        self: &Arc<Self>,
        request: &RateRequest<'_>,
        mut shadowed: impl FnMut(LimitSlot),
    ) -> Option<RateCharges> {
        let set = self.rules.set_of(request.route);
        if self.rules.set(set)?.applying.is_empty() {
            return None;
        }
        let mut charges = RateCharges::new(Arc::clone(self), set, request.cost);
        let now_ns = self.now_ns();
        let mut refused = false;
        for limit in self.applying(set) {
            let verdict = match (limit.rule.shadow, refused) {
                // What is refused anyway is nothing to a limit that only counts.
                (Some(_), true) => limit.verdict(true, 0, 0),
                (None, true) => limit.look(now_ns, request),
                (_, false) => limit.charge(now_ns, request),
            };
            match limit.rule.shadow {
                Some(slot) if !verdict.allowed => shadowed(slot),
                Some(_) => {}
                None => refused |= !verdict.allowed,
            }
            charges.push(verdict);
        }
        if refused {
            charges.refund();
        }
        Some(charges)
    }

    /// `RateLimit-Policy` for a request that was refused before its limits were asked: of those that apply to all
    /// of the tenant's requests.
    #[must_use]
    pub fn policy_field(&self) -> Option<&HeaderValue> {
        self.policy_field_of(UNROUTED)
    }

    /// Adds how the tenant stands with those, with nothing charged.
    pub fn tell(&self, list: &mut StandingList<'_>) {
        let now_ns = self.now_ns();
        for limit in self.applying(UNROUTED) {
            let verdict = limit.verdict(true, 0, limit.debt(now_ns, 0));
            list.push(&limit.rule.label, limit.standing(&verdict, NonZeroU32::MIN));
        }
    }

    /// How a request stands with each limit that applies to it, with nothing charged.
    #[must_use]
    pub fn look(&self, request: &RateRequest<'_>) -> Vec<RateLook> {
        let now_ns = self.now_ns();
        let looked = self.applying(self.rules.set_of(request.route)).map(|limit| RateLook {
            label: limit.rule.label.clone(),
            standing: limit.standing(&limit.look(now_ns, request), request.cost),
            shadow: limit.rule.shadow.is_some(),
        });
        looked.collect()
    }

    /// The present state of each limit. Counts keys one by one: for whoever asks, not for requests.
    #[must_use]
    pub fn report(&self) -> Vec<RateReport> {
        let now_ns = self.now_ns();
        self.limits().map(|limit| limit.report(now_ns)).collect()
    }

    pub(super) fn policy_field_of(&self, set: u16) -> Option<&HeaderValue> {
        self.rules.set(set)?.policy_field.as_ref()
    }

    pub(super) fn applying(&self, set: u16) -> impl Iterator<Item = RateLimit<'_>> {
        let applying = self.rules.set(set).into_iter().flat_map(|set| set.applying.iter());
        applying.filter_map(move |at| self.limit(usize::from(*at)))
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.rules.now_ns()
    }

    fn limits(&self) -> impl Iterator<Item = RateLimit<'_>> {
        (0..self.rules.all().len()).filter_map(|at| self.limit(at))
    }

    fn limit(&self, at: usize) -> Option<RateLimit<'_>> {
        let more = self.more.as_deref();
        let state = match at.checked_sub(1) {
            None => self.first.as_ref(),
            Some(other) => more.and_then(|more| more.others.get(other)),
        };
        let changed = more.and_then(|more| more.changed.iter().find(|(of, _)| *of == at));
        let pace = changed.map_or_else(|| self.rules.pace(at), |(_, pace)| Some(pace));
        Some(RateLimit { rule: self.rules.all().get(at)?, state: state?, pace: pace? })
    }
}

impl RateLimit<'_> {
    /// Uses the request's cost if all of it is there.
    fn charge(&self, now_ns: u64, request: &RateRequest<'_>) -> Verdict {
        let (now, cost, burst) = (self.pace.at(now_ns), grains(request.cost), self.burst());
        let key = self.key(request);
        let (allowed, held, debt) = match self.state {
            State::One(cell) => match cell.charge(now, cost, burst) {
                Ok(debt) => (true, true, debt),
                Err(debt) => (false, false, debt),
            },
            State::Keyed(keys) => match keys.charge(key, now, cost, burst) {
                KeyCharge::Own(debt) => (true, true, debt),
                KeyCharge::Shared(debt) => (true, false, debt),
                KeyCharge::Refused(debt) => (false, false, debt),
            },
        };
        Verdict { allowed, held, key, debt }
    }

    /// What [`charge`](Self::charge) would say, with nothing used.
    fn look(&self, now_ns: u64, request: &RateRequest<'_>) -> Verdict {
        let key = self.key(request);
        let debt = self.debt(now_ns, key);
        self.verdict(debt.saturating_add(grains(request.cost)) <= self.burst(), key, debt)
    }

    /// Gives back what was charged.
    pub(super) fn refund(&self, now_ns: u64, verdict: &Verdict, cost: NonZeroU32) -> Verdict {
        let (now, key) = (self.pace.at(now_ns), verdict.key);
        let debt = match self.state {
            State::One(cell) => cell.refund(now, grains(cost)),
            State::Keyed(keys) => keys.refund(key, now, grains(cost)),
        };
        self.verdict(true, key, debt)
    }

    /// A verdict in the words of clients.
    pub(super) fn standing(&self, verdict: &Verdict, cost: NonZeroU32) -> Standing {
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

    fn verdict(&self, allowed: bool, key: u64, debt: u64) -> Verdict {
        Verdict { allowed, held: false, key, debt }
    }

    fn key(&self, request: &RateRequest<'_>) -> u64 {
        match (self.state, &self.rule.by) {
            (State::Keyed(keys), Some(by)) => keys.key(by, request.client, request.fields),
            _ => 0,
        }
    }

    fn debt(&self, now_ns: u64, key: u64) -> u64 {
        let now = self.pace.at(now_ns);
        match self.state {
            State::One(cell) => cell.debt(now),
            State::Keyed(keys) => keys.debt(key, now),
        }
    }

    fn burst(&self) -> u64 {
        u64::from(self.rule.policy.burst.get()) * UNIT
    }

    fn report(&self, now_ns: u64) -> RateReport {
        let now = self.pace.at(now_ns);
        let (standing, keys) = match self.state {
            State::One(cell) => {
                let verdict = self.verdict(true, 0, cell.debt(now));
                (Some(self.standing(&verdict, NonZeroU32::MIN)), None)
            }
            State::Keyed(keys) => {
                (None, Some(KeysReport { in_use: keys.keys_in_use(now), max: self.rule.keys_max }))
            }
        };
        RateReport::new(self.rule, standing, keys)
    }
}

fn grains(cost: NonZeroU32) -> u64 {
    u64::from(cost.get()) * UNIT
}
