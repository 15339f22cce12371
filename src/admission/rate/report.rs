//! A rate limit's present state, for operators.

use std::sync::Arc;
use std::time::Duration;

use super::rule::RateRule;
use crate::admission::{Label, Standing};

/// A rate limit of one tenant, as it is and as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateReport {
    /// Its name, as in `RateLimit-Policy`.
    pub name: Arc<str>,
    /// Units that come back in a period.
    pub units: u32,
    /// The period.
    pub period: Duration,
    /// Units that may be used at once.
    pub burst: u32,
    /// What it counts by, as it is written in a configuration. `None`: all requests together.
    pub by: Option<String>,
    /// The names of the routes that it applies to. `None`: all.
    pub routes: Option<Vec<Arc<str>>>,
    /// Whether it only counts what it would have refused.
    pub shadow: bool,
    /// Units left now. `None` where each key has its own.
    pub remaining: Option<u64>,
    /// Seconds until all units are back, rounded up. `None` where each key has its own.
    pub reset_s: Option<u64>,
    /// Its keys, where it counts by something.
    pub keys: Option<KeysReport>,
}

/// How a request would stand with a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLook {
    /// The limit.
    pub label: Label,
    /// How: what is left without this request.
    pub standing: Standing,
    /// Whether the limit only counts what it would have refused.
    pub shadow: bool,
}

/// The keys of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysReport {
    /// Keys that have used something that has not come back yet, among those with a cell of their own.
    pub in_use: usize,
    /// Keys that may have a cell of their own. Further ones share cells while all are in use.
    pub max: usize,
}

impl RateReport {
    pub(super) fn new(rule: &RateRule, standing: Option<Standing>, keys: Option<KeysReport>) -> Self {
        Self {
            name: Arc::clone(rule.label.name()),
            units: rule.policy.units.get(),
            period: rule.policy.period,
            burst: rule.policy.burst.get(),
            by: rule.by.as_ref().map(super::keys::RateKey::describe),
            routes: rule
                .routes
                .as_ref()
                .map(|routes| routes.iter().map(|route| Arc::clone(&route.name)).collect()),
            shadow: rule.shadow.is_some(),
            remaining: standing.map(|standing| standing.remaining),
            reset_s: standing.map(|standing| standing.reset_s),
            keys,
        }
    }
}
