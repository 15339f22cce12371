//! The configuration as the rest of the gateway reads it: plain, typed, complete.
//!
//! What operators write lives in `written`; these are the same things after interpolation,
//! defaults and validation. No name in here dangles: a plan or pool that is named exists.

mod acme;
mod branding;
mod cert_pattern;
mod concurrency;
mod cors;
mod features;
mod identity;
mod labels;
mod listeners;
mod plans;
mod pools;
mod quotas;
mod rates;
mod route_overrides;
mod routes;
mod split;
mod telemetry;
mod tenancy;
mod tenant_list;
mod tenants;
mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

pub use acme::{Acme, AcmeBudgets, AcmeChallenge, ExternalAccount};
pub use branding::{Branding, HtmlRewrite, Image, PageText};
pub use cert_pattern::{CertPart, CertPattern, InvalidCertPattern};
pub use concurrency::{Concurrency, SeatLimit, Seats};
pub use cors::{Cors, CorsNames, CorsSetting};
pub use features::{Feature, Moment};
pub use identity::{Identity, Signed};
pub use listeners::{Admin, Limits, Listener, MinRate, Workers};
pub use plans::{HeaderRules, Plan};
pub use pools::{
    Backoff, CircuitBreaker, CircuitLimits, ClientCertificate, Endpoint, EndpointHost, EndpointTarget,
    HashKey, HealthCheck, HttpProbe, LoadBalancing, OutlierDetection, PemFile, Pool, Probe, Protocol,
    Retries, RetryOn, SuccessRate, Timeouts, UpstreamTls,
};
pub use quotas::{CalendarUnit, Meter, Metering, OnExceed, OnOutage, Quota, StoreLocation, TimeZone, Window};
pub use rates::{DEFAULT_RATE_LIMIT, NamedRateLimit, RateKey, RateLimit, RateLimitOverride};
pub use route_overrides::{PlacedRoute, RouteOverride};
pub use routes::{
    AnswerFile, Mirror, PathMatch, Redirect, Respond, Rewrite, Route, RouteMatch, RouteParts, RoutePool,
};
pub use split::{Split, SplitPart, Sticky};
pub use telemetry::{AccessLog, AccessLogPath, Audit, Metrics};
pub use tenancy::{
    HostPattern, IdentifyRule, InvalidHostPattern, Tenancy, TenantCache, UnknownTenant, Verification,
};
pub use tenant_list::{TenantList, TenantPart, Tenants};
pub use tenants::{Access, Domain, InvalidDomain, Tenant, TenantLimits, TenantState};
pub use tls::{AlpnProtocol, ClientAuth, Hsts, ListenerTls, ServerCertificate};

/// A whole configuration, valid and with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where the gateway listens; at least one.
    pub listeners: Vec<Listener>,
    /// Where certificates of tenants' domains come from, on the listeners that have them so.
    pub acme: Option<Acme>,
    /// The admin listener.
    pub admin: Admin,
    /// Peers whose forwarding and tenant headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether whoever comes over a Unix socket is such a peer.
    pub trusts_unix: bool,
    /// How a request's tenant is found.
    pub tenancy: Tenancy,
    /// The store's file.
    pub store: PathBuf,
    /// Whether the store is written of, so that it keeps tenants, too, and is open whether there are quotas or not.
    pub stores_tenants: bool,
    /// Plans by name.
    pub plans: BTreeMap<String, Plan>,
    /// Pools by name.
    pub pools: BTreeMap<String, Pool>,
    /// Base routes in file order.
    pub routes: Vec<Route>,
    /// The pool of tenants that have none of their own and none from their plan.
    pub default_pool: Option<String>,
    /// How tenants look that differ in nothing.
    pub branding: Branding,
    /// Cross-origin requests of tenants whose plan and routes say nothing of them.
    pub cors: Option<CorsSetting>,
    /// Tenants from the document and from `tenants_dir`, each id once. One that a reload has found as it was before is the
    /// same `Arc` again.
    pub tenants: TenantList,
    /// What the application is told about the tenant.
    pub identity: Identity,
    /// Usage records.
    pub metering: Metering,
    /// The audit log of the store.
    pub audit: Audit,
    /// Bounds on metric series.
    pub metrics: Metrics,
    /// Where requests are logged, if they are.
    pub access_log: Option<AccessLog>,
    /// Connection and message bounds.
    pub limits: Limits,
    /// The user to become once everything is bound, by name or number.
    pub user: Option<String>,
    /// The group to be in then.
    pub group: Option<String>,
    /// How many worker threads serve.
    pub workers: Workers,
}

impl Document {
    /// The pool of a tenant, as the route setting `{tenant.pool}` resolves it: the tenant's own,
    /// else its plan's, else `default_pool`.
    #[must_use]
    pub fn pool_of<'d>(&'d self, tenant: &'d Tenant) -> Option<&'d str> {
        let of_plan = || self.plan_of(tenant).and_then(|plan| plan.pool.as_deref());
        tenant.pool.as_deref().or_else(of_plan).or(self.default_pool.as_deref())
    }

    /// The plan of a tenant, where it has one.
    #[must_use]
    pub fn plan_of(&self, tenant: &Tenant) -> Option<&Plan> {
        tenant.plan.as_ref().and_then(|name| self.plans.get(name))
    }

    /// Which pages of other origins may use a tenant, where its routes don't say: as it says itself, else its plan, else
    /// the document.
    #[must_use]
    pub fn cors_of<'d>(&'d self, tenant: &'d Tenant) -> Option<&'d Cors> {
        let of_plan = || self.plan_of(tenant).and_then(|plan| plan.cors.as_ref());
        match tenant.cors.as_ref().or_else(of_plan).or(self.cors.as_ref())? {
            CorsSetting::Off => None,
            CorsSetting::On(cors) => Some(cors),
        }
    }

    /// A tenant's part in the seats of pools: its plan's with the tenant's own differences.
    #[must_use]
    pub fn concurrency_of(&self, tenant: &Tenant) -> Concurrency {
        let of_plan = self.plan_of(tenant).map(|plan| plan.concurrency);
        tenant.limits.concurrency.over(of_plan.unwrap_or_default())
    }

    /// The rate limit of a tenant: its plan's with the tenant's own differences.
    #[must_use]
    pub fn rate_limit_of(&self, tenant: &Tenant) -> Option<RateLimit> {
        let of_plan = self.plan_of(tenant).and_then(|plan| plan.rate_limit);
        tenant.limits.rate_limit.unwrap_or_default().over(of_plan)
    }

    /// The quotas of a tenant: its plan's, of which its own replace those of the same name, then its own others.
    #[must_use]
    pub fn quotas_of<'d>(&'d self, tenant: &'d Tenant) -> Vec<&'d Quota> {
        let own = &tenant.limits.quotas;
        let of_plan = self.plan_of(tenant).map(|plan| plan.quotas.as_slice()).unwrap_or_default();
        let replaced = |quota: &'d Quota| own.iter().find(|own| own.name == quota.name).unwrap_or(quota);
        let added = own.iter().filter(|own| of_plan.iter().all(|quota| quota.name != own.name));
        of_plan.iter().map(replaced).chain(added).collect()
    }

    /// What becomes of a tenant's requests while the store does not answer.
    #[must_use]
    pub fn on_outage_of(&self, tenant: &Tenant) -> OnOutage {
        let of_plan = || self.plan_of(tenant).and_then(|plan| plan.on_outage);
        tenant.limits.on_outage.or_else(of_plan).unwrap_or_default()
    }

    /// The same without its tenants.
    #[must_use]
    pub fn without_tenants(&self) -> Self {
        Self { tenants: TenantList::default(), ..self.clone() }
    }

    /// Whether there must be a store: it is written, or a tenant has a quota.
    #[must_use]
    pub fn wants_store(&self) -> bool {
        self.stores_tenants || self.has_quotas()
    }

    /// Whether any tenant has a quota, so that there must be a store.
    #[must_use]
    pub fn has_quotas(&self) -> bool {
        self.tenants_with_quotas().next().is_some()
    }

    /// The tenants that have a quota, of their own or of their plan's.
    pub fn tenants_with_quotas(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.iter().map(AsRef::as_ref).filter(|tenant: &&Tenant| {
            !tenant.limits.quotas.is_empty()
                || self.plan_of(tenant).is_some_and(|plan| !plan.quotas.is_empty())
        })
    }

    /// The named rate limits of a tenant: its plan's, with the tenant's own in the place of those of the same name, then
    /// the tenant's other ones, then the routes'.
    #[must_use]
    pub fn rate_limits_of<'d>(&'d self, tenant: &'d Tenant) -> Vec<&'d NamedRateLimit> {
        let plan = self.plan_of(tenant);
        let of_plan = plan.map(|plan| plan.rate_limits.as_slice()).unwrap_or_default();
        let routes = plan.map(|plan| plan.routes.as_slice()).unwrap_or_default();
        let routes = self.route_limits_of(routes, &tenant.routes);
        Self::named_rate_limits(of_plan, &tenant.limits.rate_limits, routes)
    }

    /// As [`Document::rate_limits_of`], for a tenant that has only what its plan has.
    #[must_use]
    pub fn rate_limits_of_plan<'d>(&'d self, plan: &'d Plan) -> Vec<&'d NamedRateLimit> {
        Self::named_rate_limits(&plan.rate_limits, &[], self.route_limits_of(&plan.routes, &[]))
    }

    fn named_rate_limits<'d>(
        of_plan: &'d [NamedRateLimit],
        own: &'d [NamedRateLimit],
        routes: Vec<&'d NamedRateLimit>,
    ) -> Vec<&'d NamedRateLimit> {
        let own_of = |name: &str| own.iter().find(|limit| limit.name == name);
        let mut limits: Vec<_> = of_plan.iter().map(|limit| own_of(&limit.name).unwrap_or(limit)).collect();
        limits.extend(own.iter().filter(|limit| !of_plan.iter().any(|other| other.name == limit.name)));
        limits.extend(routes);
        limits
    }
}

/// Where something was written, for `explain` and messages.
///
/// Two origins always compare equal: moving a pool down by a line does not make it another pool,
/// so a reload keeps its connections.
#[derive(Clone)]
pub struct Origin {
    /// The file as the operator would name it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
