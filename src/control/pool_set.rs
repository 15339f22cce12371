//! The pools that run: made from a document, and from those that ran before where they still fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compile::Foundation;
use super::pool_terms::{balancing, retries};
use crate::admission::fair_share::{SeatLimit, StreamTerms};
use crate::config::{self, Document, EndpointHost, EndpointScheme, EndpointTarget};
use crate::upstream::{Address, Endpoint, Pool, Timeouts};

/// The pools of a configuration, and what each was made from.
#[derive(Debug, Default)]
pub struct PoolSet(BTreeMap<String, (config::Pool, Arc<Pool>)>);

impl PoolSet {
    /// The pools of the next document. Those that have not changed are these, so they keep their connections; endpoints
    /// that have not changed are, too.
    pub(super) fn next(&self, document: &Document, foundation: &Foundation) -> Self {
        let compiled = document.pools.iter().map(|(name, written)| {
            let before = self.0.get(name);
            let pool = match before {
                Some((unchanged, pool)) if unchanged == written => Arc::clone(pool),
                _ => Arc::new(pool(written, before.map(|(_, pool)| &**pool), foundation)),
            };
            seat(&pool, &written.seats);
            (name.clone(), (written.clone(), pool))
        });
        Self(compiled.collect())
    }

    /// The pool of that name.
    pub(super) fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.0.get(name).map(|(_, pool)| pool)
    }

    /// All pools.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.0.values().map(|(_, pool)| pool)
    }

    /// Whether there is a pool of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

fn pool(written: &config::Pool, before: Option<&Pool>, foundation: &Foundation) -> Pool {
    let meter = foundation.metrics.pool(&written.name);
    let endpoints = written.endpoints.iter().filter_map(|endpoint| {
        let address = address(&endpoint.target)?;
        let same = before.and_then(|pool| pool.endpoints().iter().find(|old| *old.address() == address));
        let new = |address| Endpoint::new(&written.name, address, |name| meter.endpoint(name));
        Some((same.cloned().unwrap_or_else(|| Arc::new(new(address))), u32::from(endpoint.weight)))
    });
    let timeouts = Timeouts {
        connect: written.timeouts.connect,
        response_header: written.timeouts.response_header,
        idle: written.timeouts.idle,
        keep_alive: written.timeouts.keep_alive,
    };
    let seats = foundation.seats.open(&written.name, &foundation.seat_clock);
    meter.show_seats(Arc::downgrade(&seats) as _);
    let endpoints = endpoints.collect();
    let balancing = balancing(written, before.map(Pool::balancing));
    let before = before.and_then(Pool::retries);
    let retries = written.retries.as_ref().map(|written| retries(written, before));
    Pool::new(&written.name, endpoints, balancing, timeouts, written.max_idle, seats, meter).retrying(retries)
}

/// Where to connect to; `None` for kinds of endpoints that a document with them does not load yet.
fn address(target: &EndpointTarget) -> Option<Address> {
    match target {
        EndpointTarget::Host { scheme: EndpointScheme::Http, host, port } => Some(match host {
            EndpointHost::Ip(ip) => Address::Ip((*ip, *port).into()),
            EndpointHost::Name(name) => Address::Name(name.clone(), *port),
        }),
        EndpointTarget::Host { .. } | EndpointTarget::Dns { .. } | EndpointTarget::Unix(_) => None,
    }
}

/// Sets how many seats a pool has. Those in use stay; its tenants' parts stay.
fn seat(pool: &Pool, written: &config::Seats) {
    pool.seats().set_streams(StreamTerms {
        max: written.streams_max,
        max_per_tenant: written.streams_max_per_tenant,
        after: written.stream_after,
    });
    pool.seats().set_limit(match written.limit {
        None => SeatLimit::None,
        Some(config::SeatLimit::Fixed(seats)) => SeatLimit::Fixed(seats),
        Some(config::SeatLimit::Adaptive { min, max }) => SeatLimit::Adaptive { min, max },
    });
}
