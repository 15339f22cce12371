//! Pools.

mod circuit;
mod endpoint;
mod failover;
mod health;
mod retries;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Builder;
use crate::config::decode::{Entries, List, Spanned};
use crate::config::document::{Endpoint, EndpointTarget, LoadBalancing, Pool, Timeouts};
use crate::config::source::Mark;
use crate::config::written;
use crate::types::{Percent, TimeSpan, WebHost};

impl Builder<'_> {
    pub(super) fn pools(&mut self, written: &Entries<written::Pool>) -> BTreeMap<String, Pool> {
        let mut pools = BTreeMap::new();
        for (name, pool) in written.iter() {
            self.check_name(name, "pool");
            pools.insert(name.value.clone(), self.pool(name, pool));
        }
        self.failover_ends(written);
        pools
    }

    fn pool(&mut self, name: &Spanned<String>, written: &written::Pool) -> Pool {
        let endpoints = self.endpoints(written);
        let balancing = written.load_balancing.as_ref().map(|way| (&way.value).into());
        Pool {
            name: name.value.clone(),
            tls: self.tls(written.tls.as_ref(), &endpoints),
            endpoints,
            load_balancing: balancing.unwrap_or(LoadBalancing::DEFAULT),
            slow_start: self.maybe_deadline(written.slow_start.as_ref()),
            seats: self.seats(written.concurrency.as_ref()),
            health_check: written.health_check.as_ref().map(|check| self.health_check(&check.value)),
            outlier_detection: written.outlier_detection.as_ref().map(|of| self.outliers(&of.value)),
            panic_threshold: written.panic_threshold.map_or(Percent::new(50), |part| part.value),
            circuit_breaker: self.circuit_breaker(written.circuit_breaker.as_ref()),
            retries: written.retries.as_ref().map(|retries| self.retries(&retries.value)),
            timeouts: self.timeouts(&written.timeouts),
            max_idle: written.max_idle.map_or(256, |max| max.value),
            failover: written.failover.as_ref().and_then(|other| self.failover(name, written, other)),
            protocol: written.protocol.map(|protocol| protocol.value.into()).unwrap_or_default(),
            isolate_connections: written.isolate_connections.is_some_and(|isolate| isolate.value),
            host: own_host(written).map(WebHost::authority),
            internal_hosts: self.internal_hosts(written),
            drain: written.drain.map_or(Duration::from_secs(30), |drain| drain.value.0),
            origin: self.findings.sources.origin(name.mark),
        }
    }

    fn endpoints(&self, written: &written::Pool) -> Vec<Endpoint> {
        if written.endpoints.value.0.is_empty() && self.findings.errors_in(written.endpoints.mark.file) == 0 {
            self.findings
                .error("empty-pool", written.endpoints.key, "a pool needs at least one endpoint")
                .hint("add one, like http://127.0.0.1:9001");
        }
        let mut seen: HashMap<EndpointTarget, (bool, Mark)> = HashMap::new();
        let mut endpoints = Vec::new();
        for written in &written.endpoints.value.0 {
            let url = &written.url;
            let weight = self.between(written.weight.as_ref(), 1, 1..=u32::from(Endpoint::WEIGHT_MAX));
            let weight = u16::try_from(weight).unwrap_or(Endpoint::WEIGHT_MAX);
            match endpoint::parse(&url.value) {
                Ok(target) => {
                    let is_tls = target.is_tls();
                    if let Some((first_is_tls, first)) =
                        seen.insert(target.in_clear_text(), (is_tls, url.mark))
                    {
                        let (twice, hint) = if first_is_tls == is_tls {
                            (
                                "twice",
                                "remove one of the two; `{ url, weight }` gives an endpoint a greater part",
                            )
                        } else {
                            ("with TLS and without", "keep the one that the server speaks at this port")
                        };
                        self.findings
                            .error("duplicate-endpoint", url.mark, format!("`{target}` is there {twice}"))
                            .hint(hint)
                            .see(first, "the other one is");
                    } else {
                        endpoints.push(Endpoint { target, weight });
                    }
                }
                Err(message) => {
                    self.findings.error("invalid-value", url.mark, message);
                }
            }
        }
        endpoints
    }

    fn internal_hosts(&self, written: &written::Pool) -> Vec<WebHost> {
        match &written.internal_hosts {
            Some(hosts) => self.each_once(hosts),
            None => own_host(written).cloned().into_iter().collect(),
        }
    }

    /// The hosts of a list, of which none is there twice.
    pub(in crate::config::build) fn each_once(
        &self,
        hosts: &List<Spanned<written::Text<WebHost>>>,
    ) -> Vec<WebHost> {
        let mut seen: HashMap<&WebHost, Mark> = HashMap::new();
        for host in &hosts.0 {
            if let Some(first) = seen.insert(&host.value.0, host.mark) {
                self.findings
                    .error("duplicate-host", host.mark, format!("the host `{}` is there twice", host.value.0))
                    .hint("remove one of the two")
                    .see(first, "the other one is");
            }
        }
        hosts.0.iter().map(|host| host.value.0.clone()).collect()
    }

    fn timeouts(&self, written: &written::Timeouts) -> Timeouts {
        Timeouts {
            connect: self.deadline(written.connect.as_ref(), 1),
            tls: self.deadline(written.tls.as_ref(), 5),
            response_header: self.deadline(written.response_header.as_ref(), 30),
            idle: self.deadline(written.idle.as_ref(), 60),
            keep_alive: self.deadline(written.keep_alive.as_ref(), 50),
            request: self.maybe_deadline(written.request.as_ref()),
        }
    }

    /// A duration above zero, where one is written.
    fn maybe_deadline(&self, written: Option<&Spanned<TimeSpan>>) -> Option<Duration> {
        let span = written?;
        if span.value.0.is_zero() {
            self.findings
                .error("invalid-value", span.mark, "a duration of zero means nothing here")
                .hint("leave it out, or write a duration above zero");
        }
        Some(span.value.0)
    }

    /// A number within bounds.
    fn between(&self, written: Option<&Spanned<u32>>, default: u32, bounds: RangeInclusive<u32>) -> u32 {
        let Some(number) = written else { return default };
        if !bounds.contains(&number.value) {
            let (min, max) = (bounds.start(), bounds.end());
            let message = match *max {
                u32::MAX => format!("`{}` is less than {min}", number.value),
                _ => format!("`{}` is not from {min} to {max}", number.value),
            };
            self.findings
                .error("invalid-value", number.mark, message)
                .hint(format!("leave it out for {default}"));
        }
        number.value
    }

    /// Reports that the lesser of two durations is the greater one.
    fn in_order(&self, lesser: (&str, Duration), greater: (&str, Duration), mark: Option<Mark>) {
        let Some(mark) = mark.filter(|_| lesser.1 > greater.1) else { return };
        let ((lesser, less), (greater, more)) = (lesser, greater);
        let message =
            format!("`{lesser}` ({}) is more than `{greater}` ({})", TimeSpan(less), TimeSpan(more));
        self.findings
            .error("invalid-value", mark, message)
            .hint(format!("lower `{lesser}`, or raise `{greater}`"));
    }
}

/// The host that endpoints are told, where it is not the client's.
fn own_host(written: &written::Pool) -> Option<&WebHost> {
    match written.host.as_ref().map(|host| &host.value.0)? {
        written::PoolHost::Preserve => None,
        written::PoolHost::Name(host) => Some(host),
    }
}

/// The place of the first of two that is written.
fn either<A, B>(first: Option<&Spanned<A>>, second: Option<&Spanned<B>>) -> Option<Mark> {
    first.map(|first| first.mark).or(second.map(|second| second.mark))
}
