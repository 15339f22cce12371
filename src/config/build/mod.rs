//! From what was written to the document: defaults, and every check that needs more than one value.
//!
//! Nothing here stops at an error: it is reported, and something harmless takes the place of
//! the value, so that what follows is checked too. Whoever called looks at the findings.

mod acme;
mod answer_file;
mod branding;
mod certificate_usage;
mod concurrency;
mod cors;
mod features;
mod headers;
mod identity;
mod limits;
mod listeners;
mod matches;
mod mirror;
mod page_rules;
mod pem;
mod pem_files;
mod plans;
mod pools;
mod quotas;
mod rate_usage;
mod rates;
mod route_actions;
mod route_overrides;
mod route_terms;
mod routes;
mod run_as;
mod server_certificates;
mod split;
mod tally;
mod telemetry;
mod templates;
mod tenancy;
mod tenants;
mod tls;
mod usage;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::HeaderName;

use super::decode::Spanned;
use super::document::{Document, Domain, Plan, Pool, TenantList};
use super::findings::Findings;
use super::source::Mark;
use super::suggest;
use super::written::{Config, Proxy};
use crate::types::TenantId;

pub(super) use tally::Tally;
pub(super) use tenants::{Candidate, Claims, taken};
pub(super) use usage::lacks_pool;

/// What the parts of a document are built with.
pub(super) struct Builder<'b> {
    pub findings: &'b Findings,
    /// The folder of the configuration file: paths in it are relative to this.
    folder: &'b Path,
    /// Every plan's and pool's name, also of those that are bad.
    plans: Names<'b>,
    pools: Names<'b>,
    /// What the application is told the tenant by.
    identity: Vec<HeaderName>,
    /// Whether it is told the tenant's labels.
    signs: bool,
    /// Files that were read.
    pub watched: Vec<PathBuf>,
    /// Whether what is built comes over the API, which is not to read files here.
    of_api: bool,
    /// What a tenant's regular expressions take so far.
    expressions: Cell<usize>,
}

impl<'b> Builder<'b> {
    /// One for what names nothing of a configuration.
    pub fn bare(findings: &'b Findings) -> Self {
        let nothing = || Names::Written(std::iter::empty().collect());
        Self {
            findings,
            folder: Path::new(""),
            plans: nothing(),
            pools: nothing(),
            identity: Vec::new(),
            signs: false,
            watched: Vec::new(),
            of_api: false,
            expressions: Cell::new(0),
        }
    }

    pub fn new(findings: &'b Findings, folder: &'b Path, config: &'b Config) -> Self {
        Self {
            findings,
            folder,
            plans: Names::Written(config.plans.names().collect()),
            pools: Names::Written(config.pools.names().collect()),
            identity: identity::identity_headers(config.identity.as_ref()),
            signs: config.identity.as_ref().is_some_and(|identity| identity.signed.is_some()),
            watched: Vec::new(),
            of_api: false,
            expressions: Cell::new(0),
        }
    }

    /// What a tenant is built with that is to join a document in force.
    pub fn over(findings: &'b Findings, document: &'b Document) -> Self {
        Self {
            findings,
            folder: Path::new(""),
            plans: Names::OfPlans(&document.plans),
            pools: Names::OfPools(&document.pools),
            identity: document.identity.headers().cloned().collect(),
            signs: document.identity.signed.is_some(),
            watched: Vec::new(),
            of_api: true,
            expressions: Cell::new(0),
        }
    }

    /// Builds everything but the tenants. `file` stands for the file as a whole.
    pub fn document(&mut self, config: &Config, file: Mark) -> Document {
        self.watched.extend(self.answer_files(config));
        let (user, group) = self.run_as(config);
        Document {
            listeners: self.listeners(&config.listeners, !config.trusted_proxies.0.is_empty()),
            acme: self.acme(config),
            admin: self.admin(config.admin.as_ref()),
            trusted_proxies: config
                .trusted_proxies
                .0
                .iter()
                .filter_map(|proxy| match proxy.0 {
                    Proxy::Network(net) => Some(net),
                    Proxy::Unix => None,
                })
                .collect(),
            trusts_unix: config.trusted_proxies.0.iter().any(|proxy| matches!(proxy.0, Proxy::Unix)),
            tenancy: self.tenancy(config),
            store: self.store(config.store.as_ref()),
            stores_tenants: config.store.is_some(),
            plans: self.plans(&config.plans),
            pools: self.pools(&config.pools),
            routes: self.routes(config.routes.as_ref(), file),
            default_pool: config.default_pool.as_ref().and_then(|pool| self.known_pool(pool)),
            branding: self.watched_branding(config.branding.as_ref()),
            cors: self.cors(config.cors.as_ref()),
            tenants: TenantList::default(),
            identity: self.identity(config.identity.as_ref()),
            metering: self.metering(config.metering.as_ref()),
            audit: telemetry::audit(config.audit.as_ref()),
            metrics: self.metrics(config.metrics.as_ref()),
            access_log: self.access_log(config.access_log.as_ref()),
            limits: self.limits(config.limits.as_ref()),
            user,
            group,
            workers: listeners::workers(config.workers.as_ref()),
        }
    }

    /// Checks how the parts of the configuration file use each other.
    pub fn check(&self, config: &Config, document: &Document, tenants: &[Candidate], claims: &Claims) {
        usage::check(self, config, document, tenants, claims);
    }

    /// Checks how a tenant that does not stand in the configuration file fits the document, as `written` or in force.
    pub fn check_tenant(&self, document: &Document, written: Option<&Config>, tenant: &Candidate) {
        usage::check_tenant(self, document, written, tenant);
    }

    /// Checks what all tenants together use: those of the configuration file, and those of others.
    pub fn check_all(&self, config: &Config, document: &Document, tallies: [&Tally; 2]) {
        usage::check_all(self, config, document, tallies);
    }

    /// Checks whether a tenant can have a domain under the host patterns of a document.
    pub fn check_domain(&self, document: &Document, owner: &TenantId, domain: &Domain, mark: Mark) {
        usage::check_domain(self, document, owner, domain, mark);
    }

    fn known_plan(&self, name: &Spanned<String>) -> Option<String> {
        self.known(name, &self.plans, "unknown-plan", "plan")
    }

    fn known_pool(&self, name: &Spanned<String>) -> Option<String> {
        self.known(name, &self.pools, "unknown-pool", "pool")
    }

    fn known(
        &self,
        name: &Spanned<String>,
        names: &Names<'_>,
        code: &'static str,
        what: &str,
    ) -> Option<String> {
        if names.has(&name.value) {
            return Some(name.value.clone());
        }
        let message = format!("there is no {what} `{}`", name.value);
        let hint = suggest::hint(&name.value, names.all());
        let none = || Some(format!("add it under `{what}s:`"));
        self.findings.error(code, name.mark, message).maybe_hint(hint.or_else(none));
        None
    }

    /// A path that was written in the configuration file.
    fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }
}

/// The names that there are of a kind of thing.
enum Names<'b> {
    Written(Vec<&'b str>),
    OfPlans(&'b BTreeMap<String, Plan>),
    OfPools(&'b BTreeMap<String, Pool>),
}

impl<'b> Names<'b> {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Written(names) => names.contains(&name),
            Self::OfPlans(plans) => plans.contains_key(name),
            Self::OfPools(pools) => pools.contains_key(name),
        }
    }

    fn all(&self) -> Vec<&'b str> {
        match self {
            Self::Written(names) => names.clone(),
            Self::OfPlans(plans) => plans.keys().map(String::as_str).collect(),
            Self::OfPools(pools) => pools.keys().map(String::as_str).collect(),
        }
    }
}
