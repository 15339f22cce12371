//! The first addresses of the names that endpoints are found by: looked up before a pool takes requests, so that it
//! does not begin empty.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::pool_set::PoolSet;
use crate::config::{Document, EndpointTarget};
use crate::upstream::dns::Resolve;
use crate::upstream::{Address, Source};

/// How long a start or a reload waits for the addresses of names. Those that take longer follow when they are there.
const WITHIN: Duration = Duration::from_secs(3);

/// The addresses of names: of those that pools have used before, what these know; of others, what was looked up.
#[derive(Debug, Default)]
pub struct FirstAddresses(BTreeMap<(String, u16), Vec<SocketAddr>>);

impl FirstAddresses {
    /// Looks up the names in a document that `before` does not know. Blocks the thread for some seconds at most; one that can't be
    /// looked up is logged.
    #[must_use]
    pub fn of(document: &Document, before: &PoolSet, resolve: &Resolve) -> Self {
        let targets = document.pools.values().flat_map(|pool| &pool.endpoints);
        let names = targets.filter_map(|endpoint| match &endpoint.target {
            EndpointTarget::Dns { name, port, .. } => Some((name.clone(), *port)),
            _ => None,
        });
        let mut known = known(before);
        let is_known = |(name, port): &(String, u16)| {
            let mut sources = before.pools().flat_map(|pool| pool.sources());
            sources.any(|source: &Source| *source.name == **name && source.port == *port)
        };
        let mut names: Vec<_> = names.filter(|name| !is_known(name)).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Self(known);
        }
        // A thread of its own: whoever asks may be one that drives a runtime.
        let looking = thread::scope(|scope| scope.spawn(|| look_up(names, resolve)).join());
        known.extend(looking.unwrap_or_default());
        Self(known)
    }

    pub(super) fn of_name(&self, name: &str, port: u16) -> &[SocketAddr] {
        self.0.get(&(name.to_owned(), port)).map_or(&[], Vec::as_slice)
    }
}

/// The addresses at which pools have endpoints by names: what another pool of a name, or the same on other terms, begins with.
fn known(before: &PoolSet) -> BTreeMap<(String, u16), Vec<SocketAddr>> {
    let mut known = BTreeMap::<_, Vec<_>>::new();
    for endpoint in before.pools().flat_map(|pool| pool.endpoints().to_vec()) {
        if let Address::Found(address, name) = endpoint.address() {
            let addresses = known.entry((name.to_string(), address.port())).or_default();
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
    }
    known
}

fn look_up(names: Vec<(String, u16)>, resolve: &Resolve) -> BTreeMap<(String, u16), Vec<SocketAddr>> {
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return BTreeMap::new() };
    runtime.block_on(async {
        let resolver = match resolve.resolver() {
            Ok(resolver) => resolver,
            Err(why) => {
                tracing::error!(%why, "names of endpoints can't be looked up");
                return BTreeMap::new();
            }
        };
        let mut looking = JoinSet::new();
        for (name, port) in names {
            let resolver = resolver.clone();
            looking.spawn(async move {
                let found = timeout(WITHIN, resolver.addresses(&name, port)).await;
                ((name, port), found)
            });
        }
        let mut addresses = BTreeMap::new();
        while let Some(found) = looking.join_next().await {
            match found {
                Ok((key, Ok(Ok(found)))) => drop(addresses.insert(key, found)),
                Ok(((name, _), Ok(Err(why)))) => tracing::warn!(name, %why, "name not resolved"),
                Ok(((name, _), Err(_))) => tracing::warn!(name, "name not resolved in time: it follows"),
                Err(_) => {}
            }
        }
        addresses
    })
}
