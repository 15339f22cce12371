//! Tenants of the store that the configuration has no plan or no pool for, or not what their routes name: they are not served, and the operator is told.
//!
//! A reload that would bring this about is refused. A start is not: the others have to be served.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::route_names::RouteNames;
use super::stored::{route_users_told, users_told};
use crate::config::Document;
use crate::store::{Store, StoreFault};

/// What was found, and under which configuration it was looked for.
#[derive(Debug, Default)]
pub struct LeftOut {
    looked_at: Mutex<Option<Arc<Document>>>,
    told: Mutex<Vec<String>>,
}

impl LeftOut {
    /// Looks for them when the configuration is another one than before. What it finds is told in the log.
    ///
    /// # Errors
    /// The store has no answer; then it is as if nobody had looked.
    pub async fn look(&self, document: &Arc<Document>, store: &Store) -> Result<(), StoreFault> {
        let is_same = |before: &Arc<Document>| Arc::ptr_eq(before, document);
        if locked(&self.looked_at).as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let (plans, pools) = (document.plans.keys().cloned(), document.pools.keys().cloned());
        let (of_plans, of_pools) = store.users_of_others(plans.collect(), pools.collect()).await?;
        let plans = of_plans.into_iter().filter_map(users_told("plan"));
        let named = RouteNames::of(document);
        let of_routes = store.route_users(move |used| !named.have(used)).await?;
        let told = plans.chain(of_pools.into_iter().filter_map(users_told("pool")));
        let told: Vec<String> = told.chain(of_routes.into_iter().map(route_users_told)).collect();
        for one in &told {
            tracing::error!("{one}: they are not served; give them another, or bring it back");
        }
        *locked(&self.told) = told;
        *locked(&self.looked_at) = Some(Arc::clone(document));
        Ok(())
    }

    /// For `/api/v1/status`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!(*locked(&self.told))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
