//! From a document to a snapshot: every name resolved, everything shared that can be, and what
//! lived before the reload (connections, limiter states, meters) taken over.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use super::pool_dns::FirstAddresses;
use super::pool_set::PoolSet;
use super::pool_tls::PoolTls;
use super::quotas::QuotaSpecs;
use super::rates::Rates;
use crate::admission::Access;
use crate::admission::fair_share::{SeatTable, SeatTerms};
use crate::admission::quota::{Quotas, Roster};
use crate::config::{self, Document, Domain, IdentifyRule, PathMatch, RoutePool, UnknownTenant};
use crate::http::client_addr::TrustedProxies;
use crate::http::guard::ConnDeadlines;
use crate::http::hop_by_hop::Reserved;
use crate::http::server::ServerSettings;
use crate::http::wire::HeadLimits;
use crate::proxy::{RouteTarget, Snapshot};
use crate::routing::{HeaderRules, MatchRule, PathRule, Route, RouteTable, Target};
use crate::telemetry::Metrics;
use crate::tenant::{Accounts, Directory, HostPattern, Identify, Rule, State, Tenant};
use crate::time::Clock;

/// What outlives every configuration.
#[derive(Debug)]
pub struct Foundation {
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// All tenants' accounts.
    pub accounts: Accounts,
    /// All pools' seats.
    pub seats: SeatTable,
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
        let (accounts, seats) = (Accounts::default(), SeatTable::default());
        let roster = Roster::new(clock.clone(), metrics.quotas());
        Self { metrics, accounts, seats, roster, clock, seat_clock: Clock::system() }
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
}

/// A plan's share of its tenants, made once.
struct SharedPlan {
    features: Arc<[Arc<str>]>,
    request_headers: Arc<[Arc<HeaderRules>]>,
    response_headers: Arc<[Arc<HeaderRules>]>,
}

/// Compiles a document. Pools that have not changed are the previous ones, so they keep their
/// connections; endpoints that have not changed are, too. `tls` and `addresses` are those of the same document and the same previous pools.
#[must_use]
pub fn compile(
    document: &Document,
    generation: u64,
    previous: &PoolSet,
    tls: &PoolTls,
    addresses: &FirstAddresses,
    foundation: &Foundation,
) -> Compiled {
    let pools = previous.next(document, tls, addresses, foundation);
    let pool = |name: &str| pools.pool(name).cloned();
    let directory = directory(document, &pool, foundation);
    let unknown = match &document.tenancy.unknown {
        UnknownTenant::Reject => None,
        UnknownTenant::Tenant(id) => directory.by_id(id.as_str()).cloned(),
    };
    let limits = &document.limits;
    let snapshot = Snapshot {
        generation,
        trusted: TrustedProxies::new(document.trusted_proxies.clone()),
        identify: Identify::new(document.tenancy.identify.iter().map(rule).collect(), unknown),
        directory,
        routes: RouteTable::new(
            document
                .routes
                .iter()
                .enumerate()
                .filter_map(|(at, written)| route(at, written, &pool))
                .collect(),
        ),
        pools: pools.pools().map(|pool| (Arc::clone(pool.name()), Arc::clone(pool))).collect(),
        reserved: Arc::new(reserved(document)),
        server: ServerSettings {
            head: HeadLimits {
                head_bytes_max: limits.max_header_bytes,
                target_bytes_max: limits.max_request_target_bytes,
                fields_max: limits.max_headers,
            },
            deadlines: ConnDeadlines {
                header_read: limits.header_read_timeout,
                keep_alive: limits.keep_alive_timeout,
                write_stall: limits.write_timeout,
            },
        },
        access_log: document.access_log.is_some(),
    };
    Compiled { snapshot, pools }
}

fn seat_terms(written: config::Concurrency) -> SeatTerms {
    SeatTerms {
        weight: written.weight.unwrap_or(1),
        max: written.max.unwrap_or(u32::MAX),
        queue: written.queue.unwrap_or(config::Concurrency::QUEUE),
        reserved: written.reserved.unwrap_or(0),
    }
}

fn reserved(document: &Document) -> Reserved {
    let claims = document.tenancy.identify.iter().filter_map(|rule| match rule {
        IdentifyRule::Header(name) => Some(name.clone()),
        IdentifyRule::Host(_) | IdentifyRule::Domain => None,
    });
    Reserved::new(vec![document.identity.header.clone()], claims.collect())
}

fn rule(written: &IdentifyRule) -> Rule {
    match written {
        IdentifyRule::Host(pattern) => {
            Rule::Host(HostPattern { before: pattern.before().into(), after: pattern.after().into() })
        }
        IdentifyRule::Domain => Rule::Domain,
        IdentifyRule::Header(name) => Rule::Header(name.clone()),
    }
}

fn route(
    index: usize,
    written: &config::Route,
    pool: &dyn Fn(&str) -> Option<RouteTarget>,
) -> Option<Route<RouteTarget>> {
    let target = match &written.pool {
        RoutePool::Tenant => Target::Tenant,
        RoutePool::Named(name) => Target::Pool(pool(name)?),
    };
    let path = match &written.matches.path {
        PathMatch::Exact(path) => PathRule::Exact(path.clone()),
        PathMatch::Prefix(path) => PathRule::Prefix(path.clone()),
    };
    Some(Route {
        name: written.name.as_str().into(),
        index,
        rule: MatchRule {
            path,
            methods: written.matches.methods.clone(),
            headers: written.matches.headers.clone(),
            query: written.matches.query.clone(),
        },
        target,
        requires_feature: written.requires_feature.as_deref().map(Into::into),
        cost: written.cost,
        timeout: written.timeout,
        request_headers: header_rules(&written.request_headers),
        response_headers: header_rules(&written.response_headers),
    })
}

fn header_rules(written: &config::HeaderRules) -> HeaderRules {
    HeaderRules { set: written.set.clone(), remove: written.remove.clone() }
}

/// The rules to apply in turn; nothing for what is empty.
fn chain(rules: &[&config::HeaderRules]) -> Arc<[Arc<HeaderRules>]> {
    rules.iter().filter(|rules| !rules.is_empty()).map(|rules| Arc::new(header_rules(rules))).collect()
}

fn features(of_plan: &[String], own: &[String]) -> Arc<[Arc<str>]> {
    let mut all: Vec<Arc<str>> = of_plan.iter().chain(own).map(|name| name.as_str().into()).collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}

fn directory(
    document: &Document,
    pool: &dyn Fn(&str) -> Option<RouteTarget>,
    foundation: &Foundation,
) -> Directory {
    let none = config::HeaderRules::default();
    let mut plans: HashMap<&str, SharedPlan> = HashMap::new();
    for (name, plan) in &document.plans {
        let shared = SharedPlan {
            features: features(&plan.features, &[]),
            request_headers: chain(&[&plan.request_headers]),
            response_headers: chain(&[&plan.response_headers]),
        };
        plans.insert(name, shared);
    }
    let unplanned = SharedPlan {
        features: features(&[], &[]),
        request_headers: chain(&[]),
        response_headers: chain(&[]),
    };
    let mut rates = Rates::new(document, &foundation.metrics, &foundation.clock);
    let mut directory = Directory::default();
    let mut quota_specs = QuotaSpecs::default();
    for written in &document.tenants {
        let plan = document.plan_of(written);
        let shared = plan.and_then(|plan| plans.get(plan.name.as_str())).unwrap_or(&unplanned);
        let account = foundation.accounts.open(&written.id, &foundation.metrics);
        let quotas = quota_specs.of(document, written).into_iter();
        let quotas = Quotas::new(quotas.map(|spec| account.quota(spec, &foundation.roster)).collect());
        account.meter.show_quotas(quotas.gauges());
        let concurrency = document.concurrency_of(written);
        let body_max = written.limits.request_body_max.or(plan.and_then(|plan| plan.request_body_max));
        let rules =
            |own: &config::HeaderRules, of_plan: &config::HeaderRules, shared: &Arc<[Arc<HeaderRules>]>| {
                if own.is_empty() { Arc::clone(shared) } else { chain(&[of_plan, own]) }
            };
        let tenant = Arc::new(Tenant {
            id: written.id.clone(),
            id_line: format!("{}: {}\r\n", document.identity.header, written.id).into_bytes().into(),
            state: match written.state {
                config::TenantState::Active => State::Active,
                config::TenantState::Suspended => State::Suspended,
                config::TenantState::PastDue => State::PastDue,
                config::TenantState::Maintenance => State::Maintenance,
            },
            access: Access::new(written.access.allow.clone(), written.access.deny.clone()),
            features: if written.features.is_empty() {
                Arc::clone(&shared.features)
            } else {
                features(plan.map_or(&[], |plan| &plan.features), &written.features)
            },
            rates: rates.of(written, &account, &quotas),
            quotas: Arc::new(quotas),
            seats: seat_terms(concurrency),
            seat_wait_max: concurrency.max_wait.unwrap_or(config::Concurrency::MAX_WAIT),
            request_body_max: body_max.unwrap_or(u64::MAX),
            pool: document.pool_of(written).and_then(pool),
            request_headers: rules(
                &written.request_headers,
                plan.map_or(&none, |plan| &plan.request_headers),
                &shared.request_headers,
            ),
            response_headers: rules(
                &written.response_headers,
                plan.map_or(&none, |plan| &plan.response_headers),
                &shared.response_headers,
            ),
            account,
        });
        for domain in &written.domains {
            match domain {
                Domain::Exact(name) => directory.claim(name, Arc::clone(&tenant)),
                Domain::Wildcard(name) => directory.claim_below(name, Arc::clone(&tenant)),
            }
        }
        directory.insert(tenant);
    }
    directory
}
