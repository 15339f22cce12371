//! Tenants of the store: how the cache gets them, and what makes them tenants of a configuration.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use super::mold::Mold;
use super::route_names::RouteNames;
use crate::admission::quota::Holdings;
use crate::config::{self, Document, read_tenant};
use crate::store::{Found, Glance, RouteUse, Store, StoreFault, TenantKey, TenantRecord, Users};
use crate::tenant::{Answer, Cast, Kept, Key, Record, Source, SourceFault, State, Tenant, Texts};
use crate::types::TenantId;

/// The store, as the cache of tenants asks it.
#[derive(Debug)]
pub struct StoredTenants {
    store: Arc<Store>,
    /// The names of plans, each once: a hundred thousand tenants have a handful of them.
    plans: Arc<Mutex<HashSet<Arc<str>>>>,
}

/// Names of plans that are kept, at most: of plans that are gone, too.
const PLANS_MAX: usize = 1_000;

impl StoredTenants {
    /// Over this store.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, plans: Arc::default() }
    }
}

/// The store as it lies on the disk, for whoever only asks what would become of requests: what quotas have used is not looked at.
#[derive(Debug)]
pub(super) struct GlancedTenants {
    pub(super) glance: Arc<Glance>,
}

impl Source for GlancedTenants {
    fn find(&self, key: &Key, answer: Answer) {
        let found = self.glance.find(&tenant_key(key)).map_err(|_| SourceFault::Failed);
        answer(
            found.map(|found| {
                found.map(|found| Kept { holdings: Vec::new(), ..kept(found, &Mutex::default()) })
            }),
        );
    }
}

/// Says that tenants of the store have, or their routes name, what a document has no more: a plan, a pool, a route. Reads the
/// store.
///
/// # Errors
/// What they have, who, and what to do; nothing of it where the store has no answer.
pub fn keeps_what_is_used(before: &Document, after: &Document, store: &Store) -> Result<(), String> {
    fn gone<T>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> Vec<String> {
        before.keys().filter(|name| !after.contains_key(*name)).cloned().collect()
    }
    let (plans, pools) = (gone(&before.plans, &after.plans), gone(&before.pools, &after.pools));
    let (named_before, named) = (RouteNames::of(before), RouteNames::of(after));
    let users = || -> Result<_, StoreFault> {
        let (of_plans, of_pools) = match plans.is_empty() && pools.is_empty() {
            true => Default::default(),
            false => store.users_of(plans.clone(), pools.clone())?,
        };
        let of_routes = match named.have_all_of(&named_before) {
            true => Vec::new(),
            // What was not there before either has done its harm.
            false => store.route_users_here(move |used| named_before.have(used) && !named.have(used))?,
        };
        Ok((of_plans, of_pools, of_routes))
    };
    let (of_plans, of_pools, of_routes) = match users() {
        Ok(users) => users,
        Err(fault) => {
            tracing::warn!(%fault, "whether tenants of the store use what the configuration has no more can't be told");
            return Ok(());
        }
    };
    let told = plans.into_iter().zip(of_plans).filter_map(users_told("plan"));
    let told = told.chain(pools.into_iter().zip(of_pools).filter_map(users_told("pool")));
    let used: Vec<_> = told.chain(of_routes.into_iter().map(route_users_told)).collect();
    match used.is_empty() {
        true => Ok(()),
        false => Err(format!("{}: give them another first, or keep it", used.join("; "))),
    }
}

/// Says that a plan or a pool is gone, and who has it, if anybody has.
pub(super) fn users_told(what: &'static str) -> impl Fn((String, Users)) -> Option<String> {
    move |(name, users)| {
        let some: Vec<_> = users.some.iter().map(TenantId::as_str).collect();
        let more = if users.count > some.len() as u64 { ", …" } else { "" };
        let (count, some) = (users.count, some.join(", "));
        let have = if count == 1 { "has" } else { "have" };
        (count > 0).then(|| {
            format!(
                "the {what} `{name}` is gone, and {count} of the store's tenants {have} it ({some}{more})"
            )
        })
    }
}

/// Says that what routes of tenants name is gone, and whose these are.
pub(super) fn route_users_told((named, users): (RouteUse, Users)) -> String {
    let (what, name, how) = match &named {
        RouteUse::Pool(name) => ("pool", name, "lead to"),
        RouteUse::Route { name, .. } => ("route", name, "change"),
    };
    let some: Vec<_> = users.some.iter().map(TenantId::as_str).collect();
    let more = if users.count > some.len() as u64 { ", …" } else { "" };
    let (count, some) = (users.count, some.join(", "));
    format!(
        "the {what} `{name}` is gone, and routes of {count} of the store's tenants {how} it ({some}{more})"
    )
}

impl Source for StoredTenants {
    fn find(&self, key: &Key, answer: Answer) {
        let plans = Arc::clone(&self.plans);
        self.store.find(tenant_key(key), move |found| {
            answer(match found {
                Ok(found) => Ok(found.map(|found| kept(found, &plans))),
                Err(StoreFault::Busy) => Err(SourceFault::Busy),
                Err(_) => Err(SourceFault::Failed),
            });
        });
    }

    fn find_now(&self, key: &Key) -> Option<Option<Kept>> {
        let found = self.store.find_now(&tenant_key(key))?;
        Some(found.map(|found| kept(found, &self.plans)))
    }
}

fn tenant_key(key: &Key) -> TenantKey {
    match key {
        Key::Id(id) => TenantKey::Id(id.clone()),
        Key::Host(host) => TenantKey::Host(host.clone()),
        Key::ApiKey(hash) => TenantKey::ApiKey(*hash),
    }
}

fn kept(found: Found, plans: &Mutex<HashSet<Arc<str>>>) -> Kept {
    let Found { record: TenantRecord { id, revision, content, .. }, holdings, key_expires_ms } = found;
    let plan = content.plan.map(|plan| {
        let mut plans = plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = plans.get(&*plan) {
            return Arc::clone(known);
        }
        let plan = Arc::<str>::from(plan);
        if plans.len() < PLANS_MAX {
            plans.insert(Arc::clone(&plan));
        }
        plan
    });
    let settings = with_labels(content.settings, &content.labels);
    let texts = Texts::new(settings.as_deref(), &content.domains);
    let record = Record { id, revision, state: state(&content.state), plan, texts };
    Kept { record, holdings, key_expires_ms }
}

/// The settings with the labels, where those were read, as the configuration would have both.
fn with_labels(settings: Option<Box<str>>, labels: &BTreeMap<String, String>) -> Option<Box<str>> {
    if labels.is_empty() {
        return settings;
    }
    let labels = serde_json::to_string(labels).ok()?;
    let others = settings.as_deref().map(|settings| settings.trim_start().strip_prefix('{'));
    Some(match others {
        // What is no object is told of as such.
        Some(None) => return settings,
        Some(Some(others)) if others.trim() != "}" => format!("{{\"labels\":{labels},{others}").into(),
        _ => format!("{{\"labels\":{labels}}}").into(),
    })
}

/// What nobody has written, and so nobody knows, is not served.
fn state(written: &str) -> State {
    match written {
        "active" => State::Active,
        "maintenance" => State::Maintenance,
        "past_due" => State::PastDue,
        _ => State::Suspended,
    }
}

impl Cast for Mold {
    fn number(&self) -> u32 {
        Self::number(self)
    }

    fn cast(&self, record: &Record, holdings: &[Holdings]) -> Option<Tenant> {
        let cast = match written(self, record) {
            Ok(Some(written)) => self.remembering(holdings, |mold| mold.cast(&written)),
            Ok(None) => {
                self.remembering(holdings, |mold| mold.cast_plain(&record.id, record.plan.as_deref()))
            }
            Err(why) => {
                let (tenant, revision) = (&record.id, record.revision);
                tracing::error!(%tenant, revision, why, "tenant of the store left out: it does not fit the configuration");
                return None;
            }
        };
        Some(Tenant { state: record.state, ..cast })
    }
}

/// The tenant as the configuration would have it, unless it has nothing of its own. Its domains and its state are not looked
/// at.
fn written(mold: &Mold, record: &Record) -> Result<Option<Arc<config::Tenant>>, String> {
    let plan = record.plan.as_deref();
    if let Some(plan) = plan.filter(|plan| !mold.document().plans.contains_key(*plan)) {
        return Err(format!("there is no plan `{plan}`"));
    }
    let Some(settings) = record.texts.settings() else { return Ok(None) };
    let settings: Result<Map<String, Value>, _> = serde_json::from_str(settings);
    let mut settings = settings.map_err(|error| format!("its settings are no JSON object: {error}"))?;
    settings.extend(plan.map(|plan| ("plan".to_owned(), plan.into())));
    let read = read_tenant(mold.document(), &record.id, &Value::Object(settings));
    read.map(|read| Some(read.tenant)).map_err(|faults| {
        let told = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.message));
        told.collect::<Vec<_>>().join("; ")
    })
}
