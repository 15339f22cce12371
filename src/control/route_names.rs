//! What of a configuration the routes of the store's tenants may name.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::config::{Document, PlacedRoute};
use crate::store::RouteUse;

/// The pools and routes of a document.
#[derive(Debug)]
pub(super) struct RouteNames {
    pools: BTreeSet<String>,
    base: HashSet<String>,
    /// Of plans whose routes are not all those of the base.
    of_plans: HashMap<String, HashSet<String>>,
}

impl RouteNames {
    pub(super) fn of(document: &Document) -> Self {
        fn names(routes: Vec<PlacedRoute<'_>>) -> HashSet<String> {
            routes.into_iter().map(|placed| placed.route.name.clone()).collect()
        }
        let own = document.plans.iter().filter(|(_, plan)| !plan.routes.is_empty());
        Self {
            pools: document.pools.keys().cloned().collect(),
            base: names(document.routes_under(&[], &[])),
            of_plans: own.map(|(name, plan)| (name.clone(), names(document.routes_of_plan(plan)))).collect(),
        }
    }

    /// Whether what a tenant's route names is there. What a plan says that is gone is another matter.
    pub(super) fn have(&self, named: &RouteUse) -> bool {
        match named {
            // What stands in braces is filled in by each tenant.
            RouteUse::Pool(pool) => pool.contains('{') || self.pools.contains(pool),
            RouteUse::Route { plan, name } => {
                let of_plan = plan.as_ref().and_then(|plan| self.of_plans.get(plan));
                of_plan.unwrap_or(&self.base).contains(name)
            }
        }
    }

    /// Whether all that others have is there.
    pub(super) fn have_all_of(&self, others: &Self) -> bool {
        self.pools.is_superset(&others.pools) && self.base == others.base && self.of_plans == others.of_plans
    }
}
