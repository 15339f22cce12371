//! The addresses behind a name, looked up again whenever their time to live has passed (RFC 1035 §3.2.1).
//!
//! A task a name sends what has changed. While the name can't be resolved the last good answer stays: an
//! outage of the resolver is none of the endpoints.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// An answer is used for at least this long, whatever its time to live: 0 would be a loop.
const TTL_MIN: Duration = Duration::from_secs(1);
/// And for at most this long: a change is noticed within five minutes.
const TTL_MAX: Duration = Duration::from_secs(300);
/// From the first failure to the next try; doubled with each that follows.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait between two tries.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// For one look-up, with all of its tries.
const LOOKUP_MAX: Duration = Duration::from_secs(10);
/// For one try.
const TRY_MAX: Duration = Duration::from_secs(2);
/// Addresses of one name that are used.
const ADDRESSES_MAX: usize = 1024;
/// Texts of one name that are looked at.
const TEXTS_MAX: usize = 256;

/// Why a name can't be resolved, or none can.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ResolverError(#[from] NetError);

impl ResolverError {
    /// Whether there was an answer: that there is nothing of what was asked for.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        self.0.is_no_records_found()
    }
}

/// Who is asked for addresses.
#[derive(Debug, Clone, Default)]
pub enum Resolve {
    /// Whom the system asks: `/etc/hosts`, `/etc/resolv.conf`.
    #[default]
    System,
    /// These servers alone.
    Servers(Vec<SocketAddr>),
}

impl Resolve {
    /// A resolver, for the current runtime.
    ///
    /// # Errors
    /// When the system's configuration, or the servers, can't be used.
    pub fn resolver(&self) -> Result<Resolver, ResolverError> {
        match self {
            Self::System => Resolver::system(),
            Self::Servers(servers) => Resolver::of_servers(servers),
        }
    }
}

/// Looks names up.
#[derive(Debug, Clone)]
pub struct Resolver(Arc<TokioResolver>);

/// What became of a set of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// New ones, sorted.
    pub added: Vec<SocketAddr>,
    /// Those that are gone, sorted.
    pub removed: Vec<SocketAddr>,
}

impl Changes {
    /// What leads from one set to the other; both sorted, as [`Resolver::watch`] sends them.
    #[must_use]
    pub fn between(before: &[SocketAddr], after: &[SocketAddr]) -> Self {
        let missing = |from: &[SocketAddr], of: &[SocketAddr]| {
            of.iter().filter(|address| from.binary_search(address).is_err()).copied().collect()
        };
        Self { added: missing(before, after), removed: missing(after, before) }
    }
}

impl Resolver {
    /// As the system resolves names: `/etc/hosts`, `/etc/resolv.conf`.
    ///
    /// # Errors
    /// When the system's configuration can't be read.
    pub fn system() -> Result<Self, ResolverError> {
        let mut builder = TokioResolver::builder_tokio()?;
        tune(builder.options_mut());
        Ok(Self(Arc::new(builder.build()?)))
    }

    /// By these servers alone, over UDP, and TCP where an answer is too long for it.
    ///
    /// # Errors
    /// When they can't be used.
    pub fn of_servers(servers: &[SocketAddr]) -> Result<Self, ResolverError> {
        let servers = servers.iter().map(|server| {
            let at_port = |mut connection: ConnectionConfig| {
                connection.port = server.port();
                connection
            };
            let ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(at_port);
            NameServerConfig::new(server.ip(), true, ways.into())
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        tune(builder.options_mut());
        Ok(Self(Arc::new(builder.build()?)))
    }

    /// The addresses of a name, sorted, with this port: none until the first answer, then each set that
    /// differs from the one before. A task of the current runtime looks them up; it ends when the last receiver
    /// is dropped.
    #[must_use]
    pub fn watch(&self, name: &str, port: u16) -> watch::Receiver<Vec<SocketAddr>> {
        let (sender, receiver) = watch::channel(Vec::new());
        let (resolver, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = resolver.keep_current(&name, port, &sender) => {}
            }
        });
        receiver
    }

    /// The addresses of a name at this moment, sorted, with this port.
    ///
    /// # Errors
    /// When there is no answer, or none with an address.
    pub async fn addresses(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, ResolverError> {
        Ok(self.look_up(name, port).await?.0)
    }

    /// What a name's TXT records say at this moment, each with its strings joined; nothing where it has none, or where there is
    /// no such name. Aliases (CNAME) are followed.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, ResolverError> {
        let found = match timeout(LOOKUP_MAX, self.0.txt_lookup(name)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) if error.is_no_records_found() => return Ok(Vec::new()),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return Err(NetError::Timeout.into()),
        };
        let texts = found.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        });
        Ok(texts.take(TEXTS_MAX).collect())
    }

    async fn keep_current(&self, name: &str, port: u16, sender: &watch::Sender<Vec<SocketAddr>>) {
        let mut failures = 0;
        loop {
            let wait = match self.look_up(name, port).await {
                Ok((addresses, ttl)) => {
                    failures = 0;
                    publish(name, addresses, sender);
                    ttl.clamp(TTL_MIN, TTL_MAX)
                }
                Err(why) => {
                    if failures == 0 && sender.borrow().is_empty() {
                        tracing::warn!(name, port, %why, "name not resolved");
                    } else if failures == 0 {
                        tracing::warn!(name, port, %why, "name not resolved: its last addresses stay");
                    }
                    failures += 1;
                    retry_after(failures)
                }
            };
            sleep(wait).await;
        }
    }

    async fn look_up(&self, name: &str, port: u16) -> Result<(Vec<SocketAddr>, Duration), NetError> {
        let found = timeout(LOOKUP_MAX, self.0.lookup_ip(name)).await.map_err(|_| NetError::Timeout)??;
        let mut addresses: Vec<_> = found.iter().map(|ip| SocketAddr::new(ip, port)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        let ttl = found.valid_until().saturating_duration_since(Instant::now().into_std());
        Ok((addresses, ttl))
    }
}

/// Sends what differs. No addresses are no answer: the last ones stay.
fn publish(name: &str, addresses: Vec<SocketAddr>, sender: &watch::Sender<Vec<SocketAddr>>) {
    sender.send_if_modified(|before| {
        if addresses.is_empty() || *before == addresses {
            return false;
        }
        let Changes { added, removed } = Changes::between(before, &addresses);
        tracing::info!(name, ?added, ?removed, "addresses of a name changed");
        *before = addresses;
        true
    });
}

/// The wait after so many failures in a row.
fn retry_after(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    RETRY_FIRST.saturating_mul(doubled).min(RETRY_MAX)
}

fn tune(options: &mut ResolverOpts) {
    // What has a time to live is kept by whoever watches it.
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = TRY_MAX;
    options.attempts = 2;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn failures_are_waited_out_ever_longer_up_to_a_bound() {
        let waits: Vec<_> = [1, 2, 3, 5, 6, 7, u32::MAX].map(|n| retry_after(n).as_secs()).into();
        assert_eq!(waits, [1, 2, 4, 16, 30, 30, 30]);
    }

    proptest! {
        #[test]
        fn changes_lead_from_one_set_to_the_other(
            before in prop::collection::btree_set(0_u16..20, 0..10),
            after in prop::collection::btree_set(0_u16..20, 0..10),
        ) {
            let set = |ports: &std::collections::BTreeSet<u16>| -> Vec<SocketAddr> {
                ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
            };
            let changes = Changes::between(&set(&before), &set(&after));
            prop_assert_eq!(changes.added, set(&after.difference(&before).copied().collect()));
            prop_assert_eq!(changes.removed, set(&before.difference(&after).copied().collect()));
        }
    }
}
