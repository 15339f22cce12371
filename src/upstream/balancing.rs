//! How a pool's requests are spread over its endpoints, and which of these may be chosen now.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use super::endpoint::Endpoint;
use crate::balance::{Ask, Balancer, Key, Member, Policy, Roster, Rules};
use crate::types::{TenantId, cookie};

/// The moment that gauges count nanoseconds from.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since a moment that is the same for the whole process.
pub(super) fn ns_of(moment: Instant) -> u64 {
    u64::try_from(moment.saturating_duration_since(*EPOCH).as_nanos()).unwrap_or(u64::MAX)
}

/// The moment of which that is the number.
pub(super) fn moment_of(ns: u64) -> Instant {
    *EPOCH + Duration::from_nanos(ns)
}

/// How a pool's requests are spread.
#[derive(Debug)]
pub struct Balancing {
    balancer: Balancer,
    hashed: Option<HashOf>,
}

/// What a consistent hash is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashOf {
    /// A field's value.
    Header(HeaderName),
    /// A cookie's value.
    Cookie(Box<str>),
    /// The client's address.
    Client,
    /// The tenant's id.
    Tenant,
}

impl Balancing {
    /// By these rules; `hashed` counts under consistent hashing. On from `before`, where the pool was there before, so that
    /// what its endpoints are working on is still counted.
    #[must_use]
    pub fn new(rules: Rules, hashed: Option<HashOf>, before: Option<&Self>) -> Self {
        let balancer = match before {
            Some(before) => before.balancer.with_rules(rules),
            None => Balancer::new(rules),
        };
        Self { balancer, hashed }
    }

    /// In turn.
    #[must_use]
    pub fn in_turn() -> Self {
        Self::new(Rules::of(Policy::RoundRobin), None, None)
    }

    /// What a request is kept together with others by; `None`: nothing.
    #[must_use]
    pub fn key(&self, fields: &HeaderMap, client: IpAddr, tenant: &TenantId) -> Option<Key> {
        match self.hashed.as_ref()? {
            HashOf::Header(name) => fields.get(name).map(|value| Key::of(value.as_bytes())),
            HashOf::Cookie(name) => cookie(fields, name).map(Key::of),
            HashOf::Client => Some(match client {
                IpAddr::V4(ip) => Key::of(&ip.octets()),
                IpAddr::V6(ip) => Key::of(&ip.octets()),
            }),
            HashOf::Tenant => Some(Key::of(tenant.as_str().as_bytes())),
        }
    }

    /// An endpoint comes in, with a weight.
    pub(super) fn admit(&self, endpoint: &Endpoint, weight: u32) {
        endpoint.join(weight, || self.balancer.gauge(weight, ns_of(Instant::now())));
    }

    /// The choice among these endpoints.
    pub(super) fn lineup(&self, endpoints: &[Arc<Endpoint>]) -> Lineup {
        let (endpoints, members): (Vec<_>, Vec<_>) = endpoints
            .iter()
            .filter_map(|endpoint| {
                Some((Arc::clone(endpoint), Member::new(endpoint.name(), Arc::clone(endpoint.gauge()?))))
            })
            .unzip();
        Lineup { roster: self.balancer.roster(&members), endpoints: endpoints.into() }
    }
}

/// The endpoints that may be chosen. Never changes: another takes its place.
#[derive(Debug)]
pub(super) struct Lineup {
    roster: Roster,
    endpoints: Box<[Arc<Endpoint>]>,
}

/// The endpoints for one request: one after another, none twice.
#[derive(Debug)]
pub struct Choice {
    lineup: Arc<Lineup>,
    key: Option<Key>,
    /// Those that were tried before the last one. Most requests try one only, and need no room for more.
    tried: Vec<usize>,
    last: Option<usize>,
}

impl Choice {
    pub(super) fn new(lineup: Arc<Lineup>, key: Option<Key>) -> Self {
        Self { lineup, key, tried: Vec::new(), last: None }
    }

    /// Whether there is no endpoint at all that may be chosen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lineup.endpoints.is_empty()
    }

    /// All endpoints that may be chosen.
    #[must_use]
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.lineup.endpoints
    }

    /// From now on those may be tried again that were tried before, where there are no others.
    pub fn forgive(&mut self) {
        self.tried.extend(self.last.take());
        if self.tried.len() >= self.lineup.endpoints.len() {
            self.tried.clear();
        }
    }

    /// The next endpoint to try; none when all were tried.
    pub fn next(&mut self, now: Instant) -> Option<Arc<Endpoint>> {
        self.tried.extend(self.last.take());
        let Lineup { roster, endpoints } = &*self.lineup;
        if self.tried.len() >= endpoints.len() {
            return None;
        }
        let ask = || Ask { now_ns: ns_of(now), random: fastrand::u64(..), key: self.key, tried: &self.tried };
        let at = roster.only().or_else(|| roster.pick(ask())).filter(|at| !self.tried.contains(at))?;
        self.last = Some(at);
        endpoints.get(at).cloned()
    }
}
