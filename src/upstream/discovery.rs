//! Endpoints that are found by a name: one for each of its addresses.

use std::net::SocketAddr;
use std::sync::Arc;

use super::endpoint::{Address, Endpoint, Protocol};
use super::tls::ClientTls;
use crate::telemetry::PoolMeter;

/// A name whose addresses are endpoints of a pool.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name, in lower case.
    pub name: Arc<str>,
    /// The port of all of them.
    pub port: u16,
    /// The weight of each.
    pub weight: u32,
    /// How they are spoken to over TLS, if they are; each has to prove the name.
    pub tls: Option<Arc<ClientTls>>,
    /// What they are spoken to in.
    pub protocol: Protocol,
}

impl Source {
    /// Whether an endpoint is one of these.
    #[must_use]
    pub fn has(&self, endpoint: &Endpoint) -> bool {
        let same_place = matches!(endpoint.address(), Address::Found(address, name)
            if address.port() == self.port && **name == *self.name);
        same_place && endpoint.is_reached(self.tls.as_ref(), self.protocol)
    }

    /// The endpoint at an address.
    pub(super) fn endpoint(&self, pool: &str, address: SocketAddr, meter: &PoolMeter) -> Endpoint {
        let address = Address::Found(address, Arc::clone(&self.name));
        let endpoint = Endpoint::new(pool, address, |name| meter.endpoint(name)).speaking(self.protocol);
        match &self.tls {
            Some(tls) => endpoint.secure(Arc::clone(tls)),
            None => endpoint,
        }
    }
}

/// What becomes of endpoints when the addresses of a source are these: those that stay, in their order, then the new ones. An
/// address at which there is another endpoint already is that one's.
pub(super) fn follow(
    before: &[Arc<Endpoint>],
    source: &Source,
    addresses: &[SocketAddr],
    new: impl Fn(SocketAddr) -> Arc<Endpoint>,
) -> Vec<Arc<Endpoint>> {
    let at = |endpoint: &Endpoint| match endpoint.address() {
        Address::Ip(address) | Address::Found(address, _) => Some(*address),
        Address::Name(..) | Address::Unix(_) => None,
    };
    let stays = |endpoint: &&Arc<Endpoint>| {
        !source.has(endpoint) || at(endpoint).is_some_and(|at| addresses.contains(&at))
    };
    let mut endpoints: Vec<_> = before.iter().filter(stays).cloned().collect();
    for address in addresses {
        if !endpoints.iter().any(|endpoint| at(endpoint) == Some(*address)) {
            endpoints.push(new(*address));
        }
    }
    endpoints
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::telemetry::Metrics;

    fn at(port: u16, last: u8) -> SocketAddr {
        ([127, 0, 0, last], port).into()
    }

    proptest! {
        /// Two names at one port and some fixed endpoints, against sets of addresses: who stays is who was there, and nobody
        /// is there twice.
        #[test]
        fn endpoints_are_those_that_names_and_the_configuration_say(
            fixed in btree_set(0_u8..8, 0..3),
            steps in vec((any::<bool>(), btree_set(0_u8..8, 0..6)), 1..12),
        ) {
            let meter = Metrics::new(1).unwrap().pool("p");
            let source = |name: &str| Source {
                name: name.into(), port: 80, weight: 1, tls: None, protocol: Protocol::Http1,
            };
            let sources = [source("a.test"), source("b.test")];
            let fixed_endpoint = |last: &u8| {
                Arc::new(Endpoint::new("p", Address::Ip(at(80, *last)), |name| meter.endpoint(name)))
            };
            let mut endpoints: Vec<_> = fixed.iter().map(fixed_endpoint).collect();
            // What each source has, where nobody else had it before.
            let mut own: [BTreeSet<u8>; 2] = Default::default();
            for (second, addresses) in steps {
                let (mine, other) = (usize::from(second), usize::from(!second));
                let before: Vec<_> = endpoints.iter().map(|endpoint| endpoint.id()).collect();
                let sent: Vec<_> = addresses.iter().map(|last| at(80, *last)).collect();
                let new = |address| Arc::new(sources[mine].endpoint("p", address, &meter));
                endpoints = follow(&endpoints, &sources[mine], &sent, new);
                own[mine] = addresses.iter().filter(|last| !fixed.contains(last) && !own[other].contains(last)).copied().collect();
                let expected: BTreeSet<_> = fixed.iter().chain(&own[0]).chain(&own[1]).map(|last| at(80, *last).to_string()).collect();
                let names: Vec<_> = endpoints.iter().map(|endpoint| endpoint.name().to_string()).collect();
                prop_assert_eq!(names.len(), expected.len());
                prop_assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected);
                // In the order of before, the new ones behind.
                let kept: Vec<_> = endpoints.iter().map(|endpoint| endpoint.id()).filter(|id| before.contains(id)).collect();
                let in_order: Vec<_> = before.into_iter().filter(|id| kept.contains(id)).collect();
                prop_assert_eq!(kept, in_order);
            }
        }
    }
}
