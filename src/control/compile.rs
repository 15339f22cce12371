//! From a document to a snapshot: every name resolved, everything shared that can be, and what
//! lived before the reload (connections, limiter states, meters) taken over.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use hashbrown::HashMap;

use super::identity::key_set;
use super::listeners::ListenerSet;
use super::mold::Mold;
use super::pool_dns::FirstAddresses;
use super::pool_set::PoolSet;
use super::pool_tls::PoolTls;
use super::tenants::{TenantDifference, TenantSet};
use crate::admission::fair_share::SeatTable;
use crate::admission::quota::Roster;
use crate::certificates::Certificates;
use crate::config::{self, Document, IdentifyRule, UnknownTenant};
use crate::http::client_addr::TrustedProxies;
use crate::http::conn::LifeLimits;
use crate::http::hop_by_hop::Reserved;
use crate::http::http2::Http2Limits;
use crate::http::pace::MinRate;
use crate::http::server::ConnDeadlines;
use crate::http::server::ServerSettings;
use crate::http::wire::HeadLimits;
use crate::proxy::Snapshot;
use crate::telemetry::{MeteredTenants, Metrics};
use crate::tenant::{
    Accounts, CertPart, ClientCertRule, Directory, HostPattern, Identify, KeptTenants, Rule, TenantCache,
};
use crate::time::Clock;

/// What outlives every configuration.
#[derive(Debug)]
pub struct Foundation {
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// Certificates of tenants' own domains.
    pub certificates: Arc<Certificates>,
    /// All tenants' accounts.
    pub accounts: Arc<Accounts>,
    /// All pools' seats.
    pub seats: SeatTable,
    /// Tenants that the configuration doesn't have, once there is a store.
    pub cache: OnceLock<Arc<TenantCache>>,
    /// All quotas, and the way to the store.
    pub roster: Arc<Roster>,
    /// The clock of limits.
    pub clock: Clock,
    /// The clock of seat-time: what a request takes of a server is not a matter of limits.
    pub seat_clock: Clock,
}

impl Foundation {
    /// Nothing running yet, and the clock of limits.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, clock: Clock) -> Self {
        let (accounts, seats) = (Arc::<Accounts>::default(), SeatTable::default());
        let tenants: Weak<dyn MeteredTenants> = Arc::downgrade(&accounts) as _;
        metrics.ask_tenants(tenants);
        let roster = Roster::new(clock.clone(), metrics.quotas());
        let certificates = Certificates::new(metrics.acme());
        Self {
            metrics,
            certificates,
            accounts,
            seats,
            cache: OnceLock::new(),
            roster,
            clock,
            seat_clock: Clock::system(),
        }
    }

    /// The way to the tenants of the store, under a configuration.
    fn kept(&self, mold: &Arc<Mold>) -> Option<KeptTenants> {
        let cache = Arc::clone(self.cache.get()?);
        Some(KeptTenants { cache, cast: Arc::clone(mold) as _ })
    }

    /// As [`Foundation::new`], where requests wait so long for the store before an outage is declared.
    #[must_use]
    pub fn with_patience(metrics: Arc<Metrics>, clock: Clock, patience: Duration) -> Self {
        let roster = Roster::with_patience(clock.clone(), metrics.quotas(), patience);
        Self { roster, ..Self::new(metrics, clock) }
    }
}

/// A document, compiled.
#[derive(Debug)]
pub struct Compiled {
    /// What requests run on.
    pub snapshot: Snapshot,
    /// Its pools, for the next compilation.
    pub pools: PoolSet,
    /// Its tenants, likewise.
    pub tenants: TenantSet,
    /// How these differ from the previous ones.
    pub difference: TenantDifference,
}

/// What ran before.
#[derive(Debug)]
pub struct Previous<'p> {
    /// Its pools.
    pub pools: &'p PoolSet,
    /// Its tenants.
    pub tenants: &'p TenantSet,
}

/// Compiles a document. Pools that have not changed are the previous ones, so they keep their
/// connections; endpoints and tenants that have not changed are, too. `tls`, `listeners` and `addresses` are those of the same document and the same
/// previous pools.
#[must_use]
pub fn compile(
    document: &Document,
    generation: u64,
    previous: &Previous<'_>,
    tls: &PoolTls,
    listeners: &ListenerSet,
    addresses: &FirstAddresses,
    foundation: &Arc<Foundation>,
) -> Compiled {
    let pools = previous.pools.next(document, tls, addresses, foundation);
    let by_name: HashMap<_, _> =
        pools.pools().map(|pool| (Arc::clone(pool.name()), Arc::clone(pool))).collect();
    let mold = Mold::next(document, by_name.clone(), previous.tenants.mold(), foundation);
    let (tenants, difference) = previous.tenants.next(document, &mold);
    let unknown = match &document.tenancy.unknown {
        UnknownTenant::Reject => None,
        UnknownTenant::Tenant(id) => tenants.configured().by_id(id.as_str()).cloned(),
    };
    let limits = &document.limits;
    let snapshot = Snapshot {
        generation,
        trusted: TrustedProxies::new(document.trusted_proxies.clone()).and_unix(document.trusts_unix),
        identify: Identify::new(document.tenancy.identify.iter().map(rule).collect(), unknown),
        directory: Directory::new(tenants.configured().clone(), foundation.kept(&mold)),
        routes: Arc::clone(mold.routes()),
        pools: by_name,
        brand: Arc::clone(mold.brand()),
        reserved: Arc::new(reserved(document)),
        server: Arc::new(ServerSettings {
            head: HeadLimits {
                head_bytes_max: limits.max_header_bytes,
                target_bytes_max: limits.max_request_target_bytes,
                fields_max: limits.max_headers,
            },
            deadlines: ConnDeadlines {
                header_read: limits.header_read_timeout,
                keep_alive: limits.keep_alive_timeout,
                write_stall: limits.write_timeout,
                response_rate: limits.min_response_rate.as_ref().map(min_rate),
            },
            request_rate: limits.min_request_rate.as_ref().map(min_rate),
            life: LifeLimits {
                requests_max: limits.max_requests_per_connection.map_or(u64::MAX, |max| max as u64),
                age_max: limits.max_connection_age,
            },
            http2: Http2Limits { streams_max: limits.max_streams_per_connection },
        }),
        tenant_streams_max: limits.max_streams_per_tenant,
        tenant_connections_max: limits.max_connections_per_tenant,
        listeners: listeners.terms(),
        challenges: Arc::clone(foundation.certificates.challenges()),
        access_log: document.access_log.is_some(),
        key_set: key_set(&document.identity),
    };
    Compiled { snapshot, pools, tenants, difference }
}

fn min_rate(written: &config::MinRate) -> MinRate {
    MinRate { octets: written.per_second, grace: written.grace }
}

fn reserved(document: &Document) -> Reserved {
    let claims = document.tenancy.identify.iter().filter_map(|rule| match rule {
        IdentifyRule::Header(name) => Some(name.clone()),
        _ => None,
    });
    let keys = document.tenancy.identify.iter().filter_map(|rule| match rule {
        IdentifyRule::ApiKey(name) => Some(name.clone()),
        _ => None,
    });
    Reserved::new(document.identity.headers().cloned().collect(), claims.collect()).with_keys(keys.collect())
}

fn rule(written: &IdentifyRule) -> Rule {
    match written {
        IdentifyRule::Host(pattern) => {
            Rule::Host(HostPattern { before: pattern.before().into(), after: pattern.after().into() })
        }
        IdentifyRule::Domain => Rule::Domain,
        IdentifyRule::Header(name) => Rule::Header(name.clone()),
        IdentifyRule::ApiKey(name) => Rule::ApiKey(name.clone()),
        IdentifyRule::ClientCert(pattern) => Rule::ClientCert(ClientCertRule {
            part: match pattern.part {
                config::CertPart::SanDns => CertPart::SanDns,
                config::CertPart::SanUri => CertPart::SanUri,
                config::CertPart::SanEmail => CertPart::SanEmail,
                config::CertPart::SubjectCn => CertPart::SubjectCn,
            },
            before: pattern.before.as_str().into(),
            after: pattern.after.as_str().into(),
        }),
    }
}
