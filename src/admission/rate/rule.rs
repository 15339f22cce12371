//! Rate limits as they are configured, and which of them apply to which requests.

use std::sync::Arc;

use http::HeaderValue;

use super::gcra::{Pace, RatePolicy};
use super::keys::RateKey;
use crate::admission::Label;
use crate::telemetry::LimitSlot;
use crate::time::Clock;

/// Limits that may apply to one request, at most.
pub const RATES_APPLYING_MAX: usize = 8;

/// A rate limit as it is configured.
#[derive(Debug, Clone)]
pub struct RateRule {
    /// Its name and policy, as clients are told them.
    pub label: Label,
    /// How much it lets pass.
    pub policy: RatePolicy,
    /// What it counts by. `None`: all of a tenant's requests together.
    pub by: Option<RateKey>,
    /// Keys that may have a cell of their own, where it counts by something.
    pub keys_max: usize,
    /// The routes that it applies to. `None`: all.
    pub routes: Option<Vec<LimitedRoute>>,
    /// Where what it would have refused is counted. `None`: it refuses.
    pub shadow: Option<LimitSlot>,
}

/// A route that a limit names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitedRoute {
    /// Its place in file order.
    pub index: usize,
    /// Its name.
    pub name: Arc<str>,
}

/// All rate limits of a tenant as they are configured: shared by the tenants that differ in nothing from their plan.
#[derive(Debug)]
pub struct RateRules {
    rules: Box<[RateRule]>,
    /// The time of each limit whose policy was never another.
    paces: Box<[Pace]>,
    clock: Clock,
    /// The first is for requests of which no route is known.
    sets: Box<[Set]>,
    /// The set of each route; the last for all that come behind.
    of_route: Box<[u16]>,
}

/// The limits that apply to the requests of some routes.
#[derive(Debug, Default)]
pub(super) struct Set {
    /// Places in `rules`: those that refuse first, and of these, those without keys, which can be given back for sure.
    pub(super) applying: Box<[u16]>,
    pub(super) policy_field: Option<HeaderValue>,
}

impl RateRule {
    /// A limit on all requests together that refuses what is too much.
    #[must_use]
    pub fn new(name: &str, policy: RatePolicy) -> Self {
        let label = Label::new(name, policy.burst.get().into(), policy.window_s());
        Self { label, policy, by: None, keys_max: 0, routes: None, shadow: None }
    }

    fn applies_to(&self, route: usize) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.iter().any(|named| named.index == route))
    }
}

impl RateRules {
    /// These limits, in the order in which clients are told of them. `others` are the labels of limits of other kinds, which
    /// apply to every request: they stand behind these in `RateLimit-Policy`. Units come back by the clock.
    #[must_use]
    pub fn new(mut rules: Vec<RateRule>, others: &[Label], clock: Clock) -> Self {
        // Stable: among equals the order is the configuration's.
        rules.sort_by_key(|rule| (rule.shadow.is_some(), rule.by.is_some()));
        let set = |applies: &dyn Fn(&RateRule) -> bool| Set::new(&rules, others, applies);
        let unrouted = set(&|rule| rule.routes.is_none() && rule.by.is_none() && rule.shadow.is_none());
        let everywhere = set(&|rule| rule.routes.is_none());
        let mut sets = vec![unrouted, everywhere];
        let named = rules.iter().filter_map(|rule| rule.routes.as_ref()).flatten().map(|route| route.index);
        let of_route = (0..named.max().map_or(0, |last| last + 1)).map(|route| {
            let routed = set(&|rule| rule.applies_to(route));
            let known = sets.iter().skip(1).position(|known| known.applying == routed.applying);
            let at = known.map_or(sets.len(), |known| known + 1);
            if known.is_none() {
                sets.push(routed);
            }
            u16::try_from(at).unwrap_or(1)
        });
        let of_route: Vec<u16> = of_route.collect();
        let paces = rules.iter().map(|rule| Pace::new(&rule.policy)).collect();
        Self { rules: rules.into(), paces, clock, sets: sets.into(), of_route: of_route.into() }
    }

    pub(super) fn all(&self) -> &[RateRule] {
        &self.rules
    }

    /// The time of a limit whose policy was never another.
    pub(super) fn pace(&self, at: usize) -> Option<&Pace> {
        self.paces.get(at)
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// What applies to the requests of a route.
    pub(super) fn set_of(&self, route: usize) -> u16 {
        self.of_route.get(route).copied().unwrap_or(1)
    }

    pub(super) fn set(&self, set: u16) -> Option<&Set> {
        self.sets.get(usize::from(set))
    }
}

/// The set for requests of which no route is known: what applies to every request of the tenant, whoever asks.
pub(super) const UNROUTED: u16 = 0;

impl Set {
    fn new(rules: &[RateRule], others: &[Label], applies: &dyn Fn(&RateRule) -> bool) -> Self {
        let applying = rules.iter().enumerate().filter(|(_, rule)| applies(rule));
        let applying: Vec<u16> = applying.filter_map(|(at, _)| u16::try_from(at).ok()).collect();
        debug_assert!(applying.len() <= RATES_APPLYING_MAX, "the configuration allows no more");
        let told = applying.iter().filter_map(|at| rules.get(usize::from(*at)));
        let told = told.filter(|rule| rule.shadow.is_none()).map(|rule| &rule.label);
        let policy_field = Label::policy_field(told.chain(others));
        Self { applying: applying.into(), policy_field }
    }
}
