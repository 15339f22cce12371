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
        let same_tls = match (endpoint.tls(), &self.tls) {
            (Some(own), Some(tls)) => std::ptr::eq(own, &**tls),
            (None, None) => true,
            _ => false,
        };
        let same_place = matches!(endpoint.address(), Address::Found(address, name)
            if address.port() == self.port && **name == *self.name);
        same_place && same_tls && endpoint.speaks(self.protocol)
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
