//! The configuration as operators write it: what may stand where, and of which type.
//!
//! One file a section. These types make the JSON Schema too, so their doc comments are what
//! editors show. [`Unsupported`] marks keys of the surface that later versions give a meaning.

mod acme;
mod audit;
mod branding;
mod concurrency;
mod cors;
mod features;
mod headers;
mod identity;
mod limits;
mod listeners;
mod matches;
mod plans;
mod pools;
mod quotas;
mod rates;
mod routes;
mod routing_tests;
mod split;
mod telemetry;
mod tenancy;
mod tenants;
mod text;
mod tls;

use schemars::JsonSchema;
use serde::Deserialize;

use super::decode::{Entries, List, Spanned, Unsupported, WordOr};
use super::document::StoreLocation;
use crate::types::TimeSpan;

pub(super) use acme::{Acme, Budgets as AcmeBudgets, Challenge as AcmeChallenge, ExternalAccount};
pub(super) use audit::{Audit, Retain};
pub(super) use branding::{Branding, HtmlRewrite, PageText};
pub(super) use concurrency::{Adaptive, Concurrency, Seats};
pub(super) use cors::{Cors, CorsSetting, CorsWord, NameOrAny};
pub(super) use features::{Feature, FeatureTerms};
pub(super) use headers::HeaderRules;
pub(super) use identity::{Identity, Signed, SigningAlgorithm};
pub(super) use limits::{Limits, MinRate, RateWord};
pub(super) use listeners::{Admin, HttpsRedirect, Listener, Workers};
pub(super) use matches::{Match, ValueCondition, ValueMatch};
pub(super) use plans::Plan;
pub(super) use pools::{
    Backoff, CircuitBreaker, HealthCheck, OutlierDetection, Pool, PoolHost, Retries, RetryOn, Statuses,
    SuccessRate, Timeouts, UpstreamTls,
};
pub(super) use quotas::{Amount, OnExceed, Quota, Threshold};
pub(super) use rates::{NamedRateLimit, RateKey, RateLimit, RouteRateLimit, TenantRateLimit};
pub(super) use routes::{Mirror, Redirect, Respond, Rewrite, Route};
pub(super) use routing_tests::{Action, Asked, Expect, RoutingTest, RoutingTests};
pub(super) use split::Split;
pub(super) use telemetry::{AccessLog, Metering, Metrics, Tracing};
pub(super) use tenancy::{Cache, IdentifyRule, Tenancy, Unknown, Verification};
pub(super) use tenants::{Access, Tenant, TenantFile};
pub(super) use text::{FileMode, FromText, Proxy, Text};
pub(super) use tls::{Alpn, Certificate, ClientAuth, ClientAuthMode, Hsts, Tls, TlsVersion};

/// The configuration of Tollgate, a tenant-aware reverse proxy gateway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tollgate configuration")]
pub(super) struct Config {
    /// Where the gateway listens; at least one.
    #[schemars(length(min = 1))]
    pub listeners: Spanned<List<Listener>>,
    /// Health, metrics and the API: never on a public listener.
    pub admin: Option<Admin>,
    /// Peers whose X-Forwarded-*, Forwarded, tenant and PROXY headers are believed: addresses, networks, or `unix` for those that come
    /// over a Unix socket.
    #[serde(default)]
    pub trusted_proxies: List<Text<Proxy>>,
    /// How a request's tenant is found.
    pub tenancy: Option<Tenancy>,
    /// Where tenants of the API and usage live durably: sqlite:PATH. Default: no store, or, where a quota is configured,
    /// sqlite:state/tollgate.db, which then keeps tenants, too.
    pub store: Option<Spanned<Text<StoreLocation>>>,
    /// Where limits are counted. Not supported yet.
    pub shared_limits: Option<Unsupported<WordOr<SharedLimitsWord, SharedLimits>>>,
    /// What tenants of a tier may use, by name.
    #[serde(default)]
    pub plans: Entries<Plan>,
    /// Where requests go, by name.
    #[serde(default)]
    pub pools: Entries<Pool>,
    /// Routes for every tenant: the most specific match wins, ties go in file order. Default: one
    /// route for everything, to the tenant's pool.
    pub routes: Option<List<Route>>,
    /// The pool of tenants that have none of their own and none from their plan.
    pub default_pool: Option<Spanned<String>>,
    /// How tenants look: a tenant overrides any key of it.
    pub branding: Option<Branding>,
    /// Which pages of other origins may use what, for tenants whose plan and routes don't say. Default: the application's own affair.
    pub cors: Option<Spanned<CorsSetting>>,
    /// Tenants that are kept in this file.
    #[serde(default)]
    pub tenants: List<Tenant>,
    /// A folder with one YAML file a tenant; the file's name without `.yaml` is the tenant's id.
    pub tenants_dir: Option<Spanned<String>>,
    /// What the application is told about the tenant.
    pub identity: Option<Identity>,
    /// Usage records.
    pub metering: Option<Metering>,
    /// The audit log of the tenants that the store has.
    pub audit: Option<Audit>,
    /// Bounds on metric series.
    pub metrics: Option<Metrics>,
    /// Where requests are logged.
    pub access_log: Option<AccessLog>,
    /// Export of traces. Not supported yet.
    pub tracing: Option<Unsupported<Tracing>>,
    /// Bounds on connections and messages.
    pub limits: Option<Limits>,
    /// The user that the gateway becomes once everything is bound: a name or a number. Default: it stays who it is.
    pub user: Option<Spanned<String>>,
    /// The group that it is in then: a name or a number. Default: the user's own.
    pub group: Option<Spanned<String>>,
    /// How many threads serve: `auto` for one a core, or a number. Default auto.
    pub workers: Option<Spanned<Workers>>,
}

/// Limits of one gateway alone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SharedLimitsWord {
    /// Each gateway counts for itself.
    Local,
}

/// Limits that a fleet of gateways shares.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedLimits {
    /// The URL of a Redis server.
    redis: String,
    /// For how long a gateway may use a share without asking again.
    lease: Option<TimeSpan>,
    /// What to do while Redis can't be reached.
    on_outage: Option<OnOutage>,
}

/// What to do while shared limits can't be reached.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnOutage {
    /// Each gateway limits to its share.
    LocalShare,
    /// Every request passes.
    Allow,
    /// No limited request passes.
    Deny,
}
