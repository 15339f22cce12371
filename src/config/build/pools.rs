//! Pools.

use std::collections::{BTreeMap, HashMap};

use super::Builder;
use super::endpoint::{self, InvalidEndpoint};
use crate::config::decode::{Entries, Spanned};
use crate::config::document::{Endpoint, Pool, Timeouts};
use crate::config::source::Mark;
use crate::config::written::{self, LoadBalancing, Protocol};

impl Builder<'_> {
    pub(super) fn pools(&self, written: &Entries<written::Pool>) -> BTreeMap<String, Pool> {
        let mut pools = BTreeMap::new();
        for (name, pool) in written.iter() {
            self.check_name(name, "pool");
            pools.insert(name.value.clone(), self.pool(name, pool));
        }
        pools
    }

    fn pool(&self, name: &Spanned<String>, written: &written::Pool) -> Pool {
        self.later(written);
        let timeouts = &written.timeouts;
        Pool {
            name: name.value.clone(),
            endpoints: self.endpoints(written),
            seats: self.seats(written.concurrency.as_ref()),
            timeouts: Timeouts {
                connect: self.deadline(timeouts.connect.as_ref(), 1),
                response_header: self.deadline(timeouts.response_header.as_ref(), 30),
                idle: self.deadline(timeouts.idle.as_ref(), 60),
                keep_alive: self.deadline(timeouts.keep_alive.as_ref(), 50),
            },
            max_idle: written.max_idle.map_or(256, |max| max.value),
            origin: self.findings.sources.origin(name.mark),
        }
    }

    fn endpoints(&self, written: &written::Pool) -> Vec<Endpoint> {
        if written.endpoints.value.0.is_empty() && self.findings.errors_in(written.endpoints.mark.file) == 0 {
            self.findings
                .error("empty-pool", written.endpoints.key, "a pool needs at least one endpoint")
                .hint("add one, like http://127.0.0.1:9001");
        }
        let mut seen: HashMap<Endpoint, Mark> = HashMap::new();
        let mut endpoints = Vec::new();
        for text in &written.endpoints.value.0 {
            match endpoint::parse(&text.value) {
                Ok(endpoint) => {
                    if let Some(first) = seen.insert(endpoint.clone(), text.mark) {
                        self.findings
                            .error("duplicate-endpoint", text.mark, format!("`{endpoint}` is there twice"))
                            .hint("remove one of the two: an endpoint has the same weight as every other")
                            .see(first, "the other one is");
                    } else {
                        endpoints.push(endpoint);
                    }
                }
                Err(InvalidEndpoint::NotSupported(what)) => {
                    self.findings.not_supported_but(text.mark, &what, "write http://HOST:PORT for now");
                }
                Err(InvalidEndpoint::Invalid(message)) => {
                    self.findings.error("invalid-value", text.mark, message);
                }
            }
        }
        endpoints
    }

    /// Refuses values that later versions give a meaning.
    fn later(&self, written: &written::Pool) {
        if let Some(way) = &written.load_balancing {
            let name = match way.value {
                LoadBalancing::RoundRobin => None,
                LoadBalancing::LeastRequest => Some("least_request"),
                LoadBalancing::PeakEwma => Some("peak_ewma"),
                LoadBalancing::ConsistentHash(_) => Some("consistent_hash"),
            };
            if let Some(name) = name {
                let what = format!("`load_balancing: {name}`");
                self.findings.not_supported_but(way.mark, &what, "write `round_robin`, or leave it out");
            }
        }
        if let Some(protocol) = &written.protocol {
            let name = match protocol.value {
                Protocol::Http1 => return,
                Protocol::H2 => "`protocol: h2`",
                Protocol::Auto => "`protocol: auto`",
            };
            self.findings.not_supported_but(protocol.mark, name, "write `http1`, or leave it out");
        }
    }
}
