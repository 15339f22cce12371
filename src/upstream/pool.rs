//! Pools as they run: their terms never change; their endpoints come, go, fail and recover.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::time::Instant;

use super::balancing::{Balancing, Choice, Lineup, moment_of, ns_of};
use super::discovery::{Source, follow};
use super::endpoint::Endpoint;
use super::probe::HealthChecks;
use super::retries::RetryTerms;
use super::vitals::Vitals;
use crate::admission::fair_share::{Seats, Share};
use crate::balance::Key;
use crate::breaker::{Circuit, CircuitTerms};
use crate::health::{Failover, panics};
use crate::telemetry::PoolMeter;
use crate::types::TenantId;
use crate::types::WebHosts;

/// A set of interchangeable endpoints.
#[derive(Debug)]
pub struct Pool {
    terms: PoolTerms,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    lineup: ArcSwap<Lineup>,
    /// What copies of requests have of its seats, if there are any.
    mirrors: OnceLock<Arc<Share>>,
}

/// What a pool is made of.
#[derive(Debug)]
pub struct PoolTerms {
    /// Its name.
    pub name: Arc<str>,
    /// How its requests are spread.
    pub balancing: Balancing,
    /// The names whose addresses are endpoints of it.
    pub sources: Vec<Source>,
    /// How its endpoints are checked, if they are.
    pub checks: Option<Arc<HealthChecks>>,
    /// With a smaller part of its endpoints usable than these hundredths, all are used. 0: never.
    pub panic_percent: u32,
    /// The pool that its requests go to while fewer than half of its endpoints are usable.
    pub failover: Option<Arc<str>>,
    /// How long they have to have been usable again before its requests come back.
    pub failover_hold: Duration,
    /// How its requests are sent again, if they are.
    pub retries: Option<RetryTerms>,
    /// What is in use of it. It outlives its configuration, and counts connections also where nothing is bounded.
    pub circuit: Arc<Circuit>,
    /// What may be in use of it, if that is bounded.
    pub circuit_terms: Option<CircuitTerms>,
    /// Its deadlines.
    pub timeouts: Timeouts,
    /// Idle connections that a worker keeps to each endpoint.
    pub idle_max: usize,
    /// Whether its connections are used for one tenant each.
    pub isolates: bool,
    /// How long requests may finish at an endpoint that was removed.
    pub drain: Duration,
    /// Its seats.
    pub seats: Arc<Seats>,
    /// Its meter.
    pub meter: Arc<PoolMeter>,
    /// What its endpoints are told as `Host`; `None`: what the client asked for.
    pub host: Option<HeaderValue>,
    /// The hosts by which its application knows itself, if it has any of its own.
    pub internal_hosts: Option<Arc<WebHosts>>,
    /// What outlives its configuration.
    pub vitals: Arc<Vitals>,
}

/// Deadlines of a pool's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To resolve the name and connect.
    pub connect: Duration,
    /// From the whole request's having been sent to the response's head.
    pub response_header: Duration,
    /// Between two pieces of a body, in either direction, and for a tunnel without traffic.
    pub idle: Duration,
    /// How long a connection without a request is kept.
    pub keep_alive: Duration,
    /// From a request's head to its response's end, retries and waiting included.
    pub request: Option<Duration>,
}

impl Pool {
    /// A pool of these endpoints, each with its weight.
    #[must_use]
    pub fn new(terms: PoolTerms, endpoints: Vec<(Arc<Endpoint>, u32)>) -> Self {
        let outliers = terms.vitals.outliers();
        for (endpoint, weight) in &endpoints {
            terms.balancing.admit(endpoint, *weight);
            endpoint.be_watched_by(outliers.as_ref());
            endpoint.be_checked(terms.checks.is_some());
        }
        let endpoints: Vec<_> = endpoints.into_iter().map(|(endpoint, _)| endpoint).collect();
        let lineup = ArcSwap::from_pointee(terms.balancing.lineup(&[]));
        let pool =
            Self { terms, endpoints: ArcSwap::from_pointee(endpoints), lineup, mirrors: OnceLock::new() };
        pool.line_up();
        pool
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.terms.name
    }

    /// Its endpoints at present.
    #[must_use]
    pub fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// The endpoint of that name.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<Arc<Endpoint>> {
        self.endpoints.load().iter().find(|endpoint| **endpoint.name() == *name).cloned()
    }

    /// How its requests are spread.
    #[must_use]
    pub fn balancing(&self) -> &Balancing {
        &self.terms.balancing
    }

    /// The endpoints for a request, and for its retries: of those that may be chosen now.
    #[must_use]
    pub fn choose(&self, key: Option<Key>) -> Choice {
        Choice::new(self.lineup.load_full(), key)
    }

    /// The names whose addresses are endpoints of it.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.terms.sources
    }

    /// The addresses of these sources are these now. Endpoints at others are gone: they get no new requests, and those that they have may finish for a while.
    pub fn found(&self, found: &[(&Source, &[SocketAddr])]) {
        let terms = &self.terms;
        {
            let _alone = terms.vitals.stock();
            let outliers = terms.vitals.outliers();
            let new = |source: &Source, address| {
                let endpoint = Arc::new(source.endpoint(&terms.name, address, &terms.meter));
                terms.balancing.admit(&endpoint, source.weight);
                endpoint.be_watched_by(outliers.as_ref());
                endpoint.be_checked(self.terms.checks.is_some());
                endpoint
            };
            let before = self.endpoints.load_full();
            let mut endpoints = Vec::clone(&before);
            for (source, addresses) in found {
                endpoints = follow(&endpoints, source, addresses, |address| new(source, address));
            }
            let gone = before.iter().filter(|old| !endpoints.iter().any(|one| one.id() == old.id()));
            gone.for_each(|gone| gone.retire(terms.drain));
            self.endpoints.store(Arc::new(endpoints));
        }
        self.forget_meters();
        self.line_up();
    }

    /// Shows the meters of its own endpoints only.
    pub fn forget_meters(&self) {
        let endpoints = self.endpoints.load();
        self.terms.meter.retain_endpoints(|name| endpoints.iter().any(|own| **own.name() == *name));
    }

    /// Looks anew which endpoints may be chosen, and whether they are enough. Computes tables: for whoever changes
    /// something, not for requests. When to look again though nothing changes.
    pub fn line_up(&self) -> Option<Instant> {
        let (terms, began) = (&self.terms, Instant::now());
        let mut failover = terms.vitals.stock();
        let endpoints = self.endpoints.load();
        let open: Vec<_> = endpoints.iter().filter(|endpoint| endpoint.is_open()).cloned().collect();
        let usable: Vec<_> = open.iter().filter(|endpoint| endpoint.is_usable()).cloned().collect();
        let panicking = panics(usable.len(), open.len(), terms.panic_percent);
        self.lineup.store(Arc::new(terms.balancing.lineup(if panicking { &open } else { &usable })));
        terms.vitals.lined_up(began);
        // Those that are used because too many are ejected already count for nothing here.
        let well = open.iter().filter(|endpoint| endpoint.is_well()).count();
        let (usable, open) = (usable.len(), open.len());
        terms.vitals.set_ill(open == 0 || well * 2 < open);
        let pool = &*terms.name;
        if terms.meter.set_panicking(panicking) {
            match panicking {
                true => tracing::warn!(pool, usable, open, "pool panics: all endpoints are used"),
                false => tracing::info!(pool, usable, open, "pool panics no more"),
            }
        }
        if terms.failover.is_none() {
            *failover = Failover::default();
        } else {
            failover.observe(ns_of(Instant::now()), well, open, terms.failover_hold);
        }
        if terms.meter.set_failed_over(failover.is_active()) {
            let to = terms.failover.as_deref();
            match failover.is_active() {
                true => tracing::warn!(pool, well, open, to, "pool failed over"),
                false => tracing::info!(pool, well, open, "pool back from its failover"),
            }
        }
        let due_ns = failover.next_due(terms.failover_hold)?;
        Some(moment_of(due_ns))
    }

    /// Whether fewer than half of its endpoints are usable.
    #[must_use]
    pub fn is_ill(&self) -> bool {
        self.terms.vitals.is_ill()
    }

    /// The pool that its requests go to now, if it is not itself.
    #[must_use]
    pub fn stand_in(&self) -> Option<&Arc<str>> {
        self.terms.failover.as_ref().filter(|_| self.terms.meter.is_failed_over())
    }

    /// What outlives its configuration.
    #[must_use]
    pub fn vitals(&self) -> &Arc<Vitals> {
        &self.terms.vitals
    }

    /// Something has changed of its endpoints that its warden should see to.
    pub fn tell(&self) {
        self.terms.vitals.tell();
    }

    /// How its endpoints are checked, if they are.
    #[must_use]
    pub fn checks(&self) -> Option<&Arc<HealthChecks>> {
        self.terms.checks.as_ref()
    }

    /// How its requests are sent again, if they are.
    #[must_use]
    pub fn retries(&self) -> Option<&RetryTerms> {
        self.terms.retries.as_ref()
    }

    /// What is in use of it. It outlives its configuration, and counts connections also where nothing is bounded.
    #[must_use]
    pub fn circuit(&self) -> &Arc<Circuit> {
        &self.terms.circuit
    }

    /// What may be in use of it, if that is bounded.
    #[must_use]
    pub fn circuit_terms(&self) -> Option<&CircuitTerms> {
        self.terms.circuit_terms.as_ref()
    }

    /// What its endpoints are told as `Host`; `None`: what the client asked for.
    #[must_use]
    pub fn host(&self) -> Option<&HeaderValue> {
        self.terms.host.as_ref()
    }

    /// The hosts by which its application knows itself, if it has any of its own.
    #[must_use]
    pub fn internal_hosts(&self) -> Option<&Arc<WebHosts>> {
        self.terms.internal_hosts.as_ref()
    }

    /// Its deadlines.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.terms.timeouts
    }

    /// Idle connections that a worker keeps to each endpoint.
    #[must_use]
    pub fn idle_max(&self) -> usize {
        self.terms.idle_max
    }

    /// Whether each of its connections is used for one tenant only.
    #[must_use]
    pub fn isolates(&self) -> bool {
        self.terms.isolates
    }

    /// Its seats.
    #[must_use]
    pub fn seats(&self) -> &Arc<Seats> {
        &self.terms.seats
    }

    /// What copies of requests have of its seats, which are no tenant's: free ones. They never wait for one.
    #[must_use]
    pub fn mirrors_share(&self) -> &Arc<Share> {
        self.mirrors.get_or_init(|| self.seats().share(TenantId::nobody()))
    }

    /// Its meter.
    #[must_use]
    pub fn meter(&self) -> &Arc<PoolMeter> {
        &self.terms.meter
    }
}
