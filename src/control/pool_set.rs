//! The pools that run: made from a document, and from those that ran before where they still fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashSet;
use http::HeaderValue;

use super::compile::Foundation;
use super::pool_dns::FirstAddresses;
use super::pool_health::{checks, failover_hold, outliers};
use super::pool_terms::{balancing, circuit_terms, internal_hosts, retries};
use super::pool_tls::PoolTls;
use crate::admission::fair_share::{SeatLimit, StreamTerms};
use crate::config::{self, Document, EndpointHost, EndpointTarget};
use crate::telemetry::PoolMeter;
use crate::upstream::{
    Address, ClientTls, Endpoint, EndpointId, Pool, PoolTerms, Protocol, Source, Timeouts,
};

/// The pools of a configuration, and what each was made from.
#[derive(Debug, Default)]
pub struct PoolSet(BTreeMap<String, Made>);

/// A pool that runs, and what it was made from.
#[derive(Debug)]
struct Made {
    written: config::Pool,
    tls: Option<Arc<ClientTls>>,
    pool: Arc<Pool>,
}

impl PoolSet {
    /// The pools of the next document. Those that have not changed are these, so they keep their connections; endpoints
    /// that have not changed are, too.
    pub(super) fn next(
        &self,
        document: &Document,
        tls: &PoolTls,
        addresses: &FirstAddresses,
        foundation: &Foundation,
    ) -> Self {
        let compiled = document.pools.iter().map(|(name, written)| {
            let before = self.0.get(name);
            let tls = tls.of_pool(name);
            let pool = match before {
                Some(made) if made.written == *written => Arc::clone(&made.pool),
                _ => Arc::new(pool(written, tls, addresses, before.map(|made| &*made.pool), foundation)),
            };
            seat(&pool, &written.seats);
            pool.circuit().set_terms(pool.circuit_terms().copied());
            (name.clone(), Made { written: written.clone(), tls: tls.cloned(), pool })
        });
        Self(compiled.collect())
    }

    /// The TLS of the pool of the same name, if it was made on the terms of this one: the contents of files included.
    pub(super) fn tls_as(&self, written: &config::Pool) -> Option<&Arc<ClientTls>> {
        let made = self.0.get(&written.name)?;
        let same = made.written.tls == written.tls && made.written.timeouts.tls == written.timeouts.tls;
        made.tls.as_ref().filter(|_| same)
    }

    /// All pools.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.0.values().map(|made| &made.pool)
    }

    /// The endpoints that the next pools have no more retire: what runs there may finish for a while.
    pub fn retire_all_but(&self, next: &Self) {
        let stay: HashSet<_> = next.pools().flat_map(|pool| ids(pool)).collect();
        for (name, Made { written, pool, .. }) in &self.0 {
            let drain = next.0.get(name).map_or(written.drain, |made| made.written.drain);
            let endpoints = pool.endpoints();
            let gone = endpoints.iter().filter(|endpoint| !stay.contains(&endpoint.id()));
            gone.for_each(|endpoint| endpoint.retire(drain));
        }
    }

    /// Whether there is a pool of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

fn ids(pool: &Pool) -> Vec<EndpointId> {
    pool.endpoints().iter().map(|endpoint| endpoint.id()).collect()
}

fn pool(
    written: &config::Pool,
    tls: Option<&Arc<ClientTls>>,
    addresses: &FirstAddresses,
    before: Option<&Pool>,
    foundation: &Foundation,
) -> Pool {
    let meter = foundation.metrics.pool(&written.name);
    let seats = foundation.seats.open(&written.name, &foundation.seat_clock);
    meter.show_seats(Arc::downgrade(&seats) as _);
    let vitals = before.map_or_else(Arc::default, |before| Arc::clone(before.vitals()));
    vitals.set_outliers(outliers(written));
    let circuit = before.map(|before| Arc::clone(before.circuit())).unwrap_or_default();
    meter.show_circuit(Arc::downgrade(&circuit) as _);
    let (endpoints, sources) = endpoints(written, tls, before, &meter);
    let retries_before = before.and_then(Pool::retries);
    let terms = PoolTerms {
        name: written.name.as_str().into(),
        balancing: balancing(written, before.map(Pool::balancing)),
        sources,
        checks: checks(written),
        panic_percent: written.panic_threshold.get().into(),
        failover: written.failover.as_deref().map(Into::into),
        failover_hold: failover_hold(written),
        retries: written.retries.as_ref().map(|written| retries(written, retries_before)),
        circuit,
        circuit_terms: circuit_terms(&written.circuit_breaker),
        timeouts: Timeouts {
            connect: written.timeouts.connect,
            response_header: written.timeouts.response_header,
            idle: written.timeouts.idle,
            keep_alive: written.timeouts.keep_alive,
            request: written.timeouts.request,
        },
        idle_max: written.max_idle,
        isolates: written.isolate_connections,
        drain: written.drain,
        seats,
        meter,
        host: written.host.as_deref().and_then(|host| HeaderValue::from_str(host).ok()),
        internal_hosts: internal_hosts(&written.internal_hosts),
        vitals,
    };
    let pool = Pool::new(terms, endpoints);
    let endpoints = pool.endpoints();
    let is_new = |source: &&Source| !endpoints.iter().any(|endpoint| source.has(endpoint));
    let first = |source: &Source| addresses.of_name(&source.name, source.port);
    let found = pool.sources().iter().filter(is_new).map(|source: &Source| (source, first(source)));
    let found: Vec<_> = found.filter(|(_, first)| !first.is_empty()).collect();
    if !found.is_empty() {
        pool.found(&found);
    }
    pool
}

/// A pool's endpoints with their weights: those of before that have not changed are these. And the names by which others are found.
fn endpoints(
    written: &config::Pool,
    tls: Option<&Arc<ClientTls>>,
    before: Option<&Pool>,
    meter: &PoolMeter,
) -> (Vec<(Arc<Endpoint>, u32)>, Vec<Source>) {
    let old = before.map(Pool::endpoints).unwrap_or_default();
    let (mut endpoints, mut sources) = (Vec::new(), Vec::new());
    for config::Endpoint { target, weight } in &written.endpoints {
        let tls = tls.filter(|_| target.is_tls());
        let (weight, protocol) = (u32::from(*weight), protocol(written.protocol, target.is_tls()));
        match place(target) {
            Place::At(address) => {
                let same = old.iter().find(|old| *old.address() == address && old.is_reached(tls, protocol));
                let endpoint = same.cloned().unwrap_or_else(|| {
                    let new =
                        Endpoint::new(&written.name, address, |name| meter.endpoint(name)).speaking(protocol);
                    Arc::new(match tls {
                        Some(tls) => new.secure(Arc::clone(tls)),
                        None => new,
                    })
                });
                endpoints.push((endpoint, weight));
            }
            Place::Behind(name, port) => {
                let source = Source { name, port, weight, tls: tls.cloned(), protocol };
                let found = old.iter().filter(|old| source.has(old));
                endpoints.extend(found.map(|found| (Arc::clone(found), weight)));
                sources.push(source);
            }
        }
    }
    (endpoints, sources)
}

/// Where endpoints are.
enum Place {
    /// One, there.
    At(Address),
    /// One at each address of a name, at that port.
    Behind(Arc<str>, u16),
}

fn place(target: &EndpointTarget) -> Place {
    match target {
        EndpointTarget::Host { host, port, .. } => Place::At(match host {
            EndpointHost::Ip(ip) => Address::Ip((*ip, *port).into()),
            EndpointHost::Name(name) => Address::Name(name.clone(), *port),
        }),
        EndpointTarget::Unix(path) => Place::At(Address::Unix(path.clone())),
        EndpointTarget::Dns { name, port, .. } => Place::Behind(name.as_str().into(), *port),
    }
}

/// What an endpoint is spoken to in: without TLS there is nothing to agree by.
fn protocol(written: config::Protocol, is_tls: bool) -> Protocol {
    match written {
        config::Protocol::H2 => Protocol::Http2,
        config::Protocol::Auto if is_tls => Protocol::Auto,
        config::Protocol::Http1 | config::Protocol::Auto => Protocol::Http1,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;
    use crate::time::Clock;

    fn ids(set: &PoolSet) -> Vec<EndpointId> {
        let ids =
            |pool: &Arc<Pool>| pool.endpoints().iter().map(|endpoint| endpoint.id()).collect::<Vec<_>>();
        set.pools().flat_map(ids).collect()
    }

    #[test]
    fn an_endpoint_stays_while_its_place_and_the_terms_of_its_trust_do() {
        let foundation = Foundation::new(Arc::new(Metrics::new(1).unwrap()), Clock::system());
        let next = |before: &PoolSet, pool: &str| {
            let text = format!(
                "listeners: [{{ bind: 127.0.0.1:0 }}]\ntenancy: {{ identify: [domain] }}\nplans: {{ free: {{}} }}\n\
                 routes: [{{ match: {{ path_prefix: / }}, pool: a }}]\npools: {{ a: {pool} }}\n"
            );
            let document = config::load_str(&text, "test.yaml").unwrap().document;
            let tls = PoolTls::of(&document, before).unwrap();
            before.next(&document, &tls, &FirstAddresses::default(), &foundation)
        };
        let (unix, tls) = ("unix:/run/a.sock", "tls: { insecure: true }");
        let first = next(
            &PoolSet::default(),
            &format!("{{ endpoints: ['https://127.0.0.1:1', 'http://127.0.0.1:2', '{unix}'], {tls} }}"),
        );
        let [secure, plain, socket] = ids(&first)[..] else { panic!("three endpoints") };

        let more = format!(
            "{{ endpoints: ['{unix}', 'https://127.0.0.1:1', 'https://127.0.0.1:3'], {tls}, max_idle: 7 }}"
        );
        let [same_socket, same_secure, _] = ids(&next(&first, &more))[..] else { panic!("three endpoints") };
        assert_eq!((same_socket, same_secure), (socket, secure));

        for changed in [
            format!("{{ endpoints: ['https://127.0.0.1:1', 'http://127.0.0.1:2'], {tls}, timeouts: {{ tls: 1s }} }}"),
            "{ endpoints: ['https://127.0.0.1:1', 'http://127.0.0.1:2'], tls: { insecure: true, server_name: b.test } }"
                .to_owned(),
            "{ endpoints: ['http://127.0.0.1:1', 'http://127.0.0.1:2'] }".to_owned(),
            // In clear text `auto` is HTTP/1.1 already.
            format!("{{ endpoints: ['https://127.0.0.1:1', 'http://127.0.0.1:2'], {tls}, protocol: http1 }}"),
        ] {
            let [changed_secure, same_plain] = ids(&next(&first, &changed))[..] else { panic!("two endpoints") };
            assert_ne!(changed_secure, secure, "{changed}");
            assert_eq!(same_plain, plain, "{changed}");
        }
        let in_two =
            format!("{{ endpoints: ['https://127.0.0.1:1', 'http://127.0.0.1:2'], {tls}, protocol: h2 }}");
        assert!(
            ids(&next(&first, &in_two)).iter().all(|id| ![secure, plain].contains(id)),
            "another protocol"
        );
    }
}
