//! What turns a tenant's document into the tenant that runs: everything that tenants share, resolved once a configuration.

use std::sync::Arc;

use hashbrown::HashMap;

use super::branding;
use super::compile::Foundation;
use super::cors;
use super::features::{RollOut, features};
use super::identity::signer;
use super::quotas::QuotaSpecs;
use super::rates::Rates;
use super::routes::RouteTables;
use crate::admission::RateRules;
use crate::admission::fair_share::SeatTerms;
use crate::admission::quota::{Holdings, QuotaSpec, Quotas};
use crate::brand::Brand;
use crate::config::{self, Document};
use crate::routing::HeaderRules;
use crate::tenant::{Context, Routes, Signer, Signing, State, Tenant, Terms};
use crate::time::Clock;
use crate::types::{Access, Labels, TenantId};
use crate::upstream::Pool;

/// See the module. The same for as long as nothing changes that a tenant is made of but the tenant itself.
#[derive(Debug)]
pub struct Mold {
    number: u32,
    /// Without tenants.
    document: Document,
    pools: HashMap<Arc<str>, Arc<Pool>>,
    identity: Identity,
    /// Whether what holds for all asks for labels of tenants.
    asks_labels: bool,
    brand: Arc<Brand>,
    routes: RouteTables,
    plans: HashMap<String, Shared>,
    unplanned: Shared,
    rates: Rates,
    quotas: QuotaSpecs,
    unlimited: Arc<Quotas>,
    foundation: Arc<Foundation>,
}

/// What applications are told of tenants, as far as it is the same for all.
#[derive(Debug, Clone)]
struct Identity {
    /// What stands before the id.
    line: Arc<[u8]>,
    /// The field that carries the features.
    features: Option<Arc<str>>,
    /// Who signs the rest, if it is told.
    signer: Option<Arc<Signer>>,
}

/// What the tenants of a plan share that differ in nothing from it.
#[derive(Debug)]
struct Shared {
    name: Option<String>,
    terms: Arc<Terms>,
    signing: Option<Arc<Signing>>,
    /// Where not all of them have the same features.
    roll_out: Option<RollOut>,
    /// Whether a tenant's time zone makes a difference to the features.
    is_local: bool,
    quotas: Vec<Arc<QuotaSpec>>,
    rates: Arc<RateRules>,
}

impl Mold {
    /// The mold of a document with these pools: `previous`, where that makes the same tenants.
    pub(super) fn next(
        document: &Document,
        pools: HashMap<Arc<str>, Arc<Pool>>,
        previous: Option<&Arc<Self>>,
        foundation: &Arc<Foundation>,
    ) -> Arc<Self> {
        match previous.filter(|previous| previous.is_of(document, &pools)) {
            Some(previous) => Arc::clone(previous),
            None => {
                let number = previous.map_or(0, |previous| previous.number + 1);
                Arc::new(Self::new(number, document, pools, foundation))
            }
        }
    }

    fn new(
        number: u32,
        document: &Document,
        pools: HashMap<Arc<str>, Arc<Pool>>,
        foundation: &Arc<Foundation>,
    ) -> Self {
        let identity = Identity {
            line: format!("{}: ", document.identity.header).into_bytes().into(),
            features: document.identity.features_header.as_ref().map(|name| name.as_str().into()),
            signer: document.identity.signed.as_ref().and_then(|signed| signer(signed, &foundation.clock)),
        };
        let brand = branding::default(document);
        let rates = Rates::new(document, &foundation.metrics, &foundation.clock);
        let quotas = QuotaSpecs::default();
        let routes = RouteTables::new(document, &pools);
        let shared = |plan: Option<&config::Plan>| {
            let name = plan.map(|plan| plan.name.as_str());
            let like_plan = like_plan(&TenantId::nobody(), name);
            let quotas = quotas.of(document, &like_plan);
            let signing =
                identity.signer.clone().map(|signer| Signing { signer, plan: name.map(Into::into) });
            let signing = signing.map(Arc::new);
            let routes =
                plan.map_or_else(|| Arc::clone(routes.base()), |plan| routes.of_plan(document, plan, &pools));
            let brand =
                plan.map_or_else(|| Arc::clone(&brand), |plan| branding::of_plan(document, plan, &brand));
            let terms = terms(document, &like_plan, &pools, &identity, &brand, routes, &foundation.clock);
            Shared {
                name: name.map(ToOwned::to_owned),
                terms: Arc::new(Terms {
                    signing: signing.clone(),
                    cors: cors::of_tenant(document, &like_plan),
                    ..terms
                }),
                signing,
                roll_out: plan.and_then(RollOut::of),
                is_local: plan.is_some_and(|plan| plan.features.iter().any(config::Feature::is_local)),
                rates: rates.rules(document, &like_plan, &quotas),
                quotas,
            }
        };
        Self {
            number,
            document: document.without_tenants(),
            plans: document.plans.iter().map(|(name, plan)| (name.clone(), shared(Some(plan)))).collect(),
            unplanned: shared(None),
            pools,
            identity,
            asks_labels: document.asks_labels(),
            brand,
            routes,
            rates,
            quotas,
            unlimited: Arc::new(Quotas::new(Vec::new())),
            foundation: Arc::clone(foundation),
        }
    }

    fn is_of(&self, document: &Document, pools: &HashMap<Arc<str>, Arc<Pool>>) -> bool {
        let own = &self.document;
        let same_pools = self.pools.len() == pools.len()
            && pools
                .iter()
                .all(|(name, pool)| self.pools.get(name).is_some_and(|own| Arc::ptr_eq(own, pool)));
        same_pools
            && own.plans == document.plans
            && own.routes == document.routes
            && own.default_pool == document.default_pool
            && own.identity == document.identity
            && own.branding == document.branding
            && own.cors == document.cors
    }

    /// The document that it is of, without tenants.
    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    /// How tenants look that differ in nothing.
    pub(super) fn brand(&self) -> &Arc<Brand> {
        &self.brand
    }

    /// The base routes.
    pub(super) fn routes(&self) -> &Arc<Routes> {
        self.routes.base()
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// As `cast` does, where the store has just said what the tenant has used of its quotas.
    pub(super) fn remembering(&self, holdings: &[Holdings], cast: impl FnOnce(&Self) -> Tenant) -> Tenant {
        if holdings.is_empty() {
            return cast(self);
        }
        let roster = &self.foundation.roster;
        roster.remember(holdings.to_vec());
        let tenant = cast(self);
        // Those whose quotas were known already.
        roster.forget_of(holdings);
        tenant
    }

    /// The tenant that runs. Its account is opened, and its quotas and rates go on from where they were.
    pub(super) fn cast(&self, written: &config::Tenant) -> Tenant {
        let plan = self.shared(written.plan.as_deref());
        let own_quotas = !written.limits.quotas.is_empty()
            || written.limits.on_outage.is_some()
            || written.time_zone.is_some();
        let specs = own_quotas.then(|| self.quotas.of(&self.document, written));
        let specs = specs.as_deref().unwrap_or(&plan.quotas);
        let rules = match Rates::are_those_of_plan(written) {
            true => Arc::clone(&plan.rates),
            false => self.rates.rules(&self.document, written, specs),
        };
        let has_times_of_plan = !plan.is_local || written.time_zone.is_none();
        let terms = match written.has_terms_of_plan() && has_times_of_plan {
            true => self.terms_of_plan(plan, &written.id),
            false => Arc::new(self.terms(plan, written)),
        };
        let state = match written.state {
            config::TenantState::Active => State::Active,
            config::TenantState::Suspended => State::Suspended,
            config::TenantState::PastDue => State::PastDue,
            config::TenantState::Maintenance => State::Maintenance,
        };
        let asks = self.asks_labels || written.asks_labels();
        let context = if asks { Context::new(Labels::new(&written.labels)) } else { Context::default() };
        Tenant { state, context, ..self.open(&written.id, terms, &rules, specs) }
    }

    /// As [`cast`](Self::cast), of one that differs in nothing from its plan: at the pace of requests.
    pub(super) fn cast_plain(&self, id: &TenantId, plan: Option<&str>) -> Tenant {
        let plan = self.shared(plan);
        self.open(id, self.terms_of_plan(plan, id), &plan.rates, &plan.quotas)
    }

    fn terms_of_plan(&self, plan: &Shared, id: &TenantId) -> Arc<Terms> {
        match &plan.roll_out {
            None => Arc::clone(&plan.terms),
            Some(roll_out) => roll_out.terms(id, || self.terms(plan, &like_plan(id, plan.name.as_deref()))),
        }
    }

    fn terms(&self, plan: &Shared, written: &config::Tenant) -> Terms {
        let Self { document, pools, identity, foundation, .. } = self;
        let routes = match written.routes.is_empty() {
            true => Arc::clone(&plan.terms.routes),
            false => self.routes.of_tenant(document, written, pools),
        };
        let brand = &plan.terms.brand;
        let terms = terms(document, written, pools, identity, brand, routes, &foundation.clock);
        // One for all that have none of their own.
        let cors = match written.cors {
            None => plan.terms.cors.clone(),
            Some(_) => cors::of_tenant(document, written),
        };
        Terms { signing: plan.signing.clone(), cors, ..terms }
    }

    fn shared(&self, plan: Option<&str>) -> &Shared {
        plan.and_then(|plan| self.plans.get(plan)).unwrap_or(&self.unplanned)
    }

    fn open(
        &self,
        id: &TenantId,
        terms: Arc<Terms>,
        rules: &Arc<RateRules>,
        quotas: &[Arc<QuotaSpec>],
    ) -> Tenant {
        let Foundation { accounts, metrics, roster, .. } = &*self.foundation;
        let account = accounts.open(id, metrics);
        let quotas = match quotas {
            [] => Arc::clone(&self.unlimited),
            specs => {
                let quotas = specs.iter().map(|spec| account.quota(Arc::clone(spec), roster));
                Arc::new(Quotas::new(quotas.collect()))
            }
        };
        account.show_quotas(quotas.gauges());
        let (state, mold, rates) = (State::Active, self.number, account.rates.open(rules));
        Tenant { state, terms, rates, quotas, mold, context: Context::default(), account }
    }
}

/// A tenant that differs in nothing from its plan.
fn like_plan(id: &TenantId, plan: Option<&str>) -> config::Tenant {
    config::Tenant::plain(id.clone(), plan, config::Origin { file: "".into(), line: 0 })
}

fn terms(
    document: &Document,
    written: &config::Tenant,
    pools: &HashMap<Arc<str>, Arc<Pool>>,
    identity: &Identity,
    brand: &Arc<Brand>,
    routes: Arc<Routes>,
    clock: &Clock,
) -> Terms {
    let plan = document.plan_of(written);
    let none = config::HeaderRules::default();
    let concurrency = document.concurrency_of(written);
    let body_max = written.limits.request_body_max.or(plan.and_then(|plan| plan.request_body_max));
    Terms {
        identity: Arc::clone(&identity.line),
        signing: None,
        access: Access::new(written.access.allow.clone(), written.access.deny.clone()),
        features: features(document, written, identity.features.as_ref(), clock),
        seats: seat_terms(concurrency),
        seat_wait_max: concurrency.max_wait.unwrap_or(config::Concurrency::MAX_WAIT),
        request_body_max: body_max.unwrap_or(u64::MAX),
        pool: document.pool_of(written).and_then(|name| pools.get(name)).cloned(),
        brand: branding::of_tenant(document, written, brand),
        cors: None,
        routes,
        request_headers: chain(&[plan.map_or(&none, |plan| &plan.request_headers), &written.request_headers]),
        response_headers: chain(&[
            plan.map_or(&none, |plan| &plan.response_headers),
            &written.response_headers,
        ]),
    }
}

fn seat_terms(written: config::Concurrency) -> SeatTerms {
    SeatTerms {
        weight: written.weight.unwrap_or(1),
        max: written.max.unwrap_or(u32::MAX),
        queue: written.queue.unwrap_or(config::Concurrency::QUEUE),
        reserved: written.reserved.unwrap_or(0),
    }
}

pub(super) fn header_rules(written: &config::HeaderRules) -> HeaderRules {
    HeaderRules { set: written.set.clone(), add: written.add.clone(), remove: written.remove.clone() }
}

/// The rules to apply in turn; nothing for what is empty.
fn chain(rules: &[&config::HeaderRules]) -> Arc<[Arc<HeaderRules>]> {
    rules.iter().filter(|rules| !rules.is_empty()).map(|rules| Arc::new(header_rules(rules))).collect()
}
