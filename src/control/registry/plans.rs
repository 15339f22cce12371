//! Plans, as they are shown.

use hashbrown::HashMap;
use serde_json::{Value, json};

use super::{Refusal, Registry};
use crate::config::{Document, Plan, plan_json};

impl Registry {
    /// All plans, by name.
    ///
    /// # Errors
    /// [`Refusal`]: no answer of the store.
    pub async fn plans(&self) -> Result<Value, Refusal> {
        let in_force = self.in_force();
        let configured = configured_tenants(in_force.document());
        let mut plans = Vec::new();
        for plan in in_force.document().plans.values() {
            plans.push(self.shown_plan(plan, &configured).await?);
        }
        Ok(json!({ "plans": plans }))
    }

    /// One plan.
    ///
    /// # Errors
    /// [`Refusal`]: there is none of this name, or no answer of the store.
    pub async fn plan(&self, name: &str) -> Result<Value, Refusal> {
        let in_force = self.in_force();
        let document = in_force.document();
        let plan = document.plans.get(name).ok_or_else(|| Refusal::UnknownPlan(name.to_owned()))?;
        self.shown_plan(plan, &configured_tenants(document)).await
    }

    async fn shown_plan(&self, plan: &Plan, configured: &HashMap<&str, u64>) -> Result<Value, Refusal> {
        let mut document = plan_json(plan);
        let mut tenants = configured.get(plan.name.as_str()).copied().unwrap_or_default();
        if let Some(store) = self.readable() {
            tenants = tenants.saturating_add(store.plan_users(&plan.name).await?.count);
        }
        if let Value::Object(members) = &mut document {
            members.insert("tenants".to_owned(), tenants.into());
        }
        Ok(document)
    }
}

/// How many configured tenants each plan has.
fn configured_tenants(document: &Document) -> HashMap<&str, u64> {
    let mut counts = HashMap::new();
    for plan in document.tenants.iter().filter_map(|tenant| tenant.plan.as_deref()) {
        *counts.entry(plan).or_insert(0_u64) += 1;
    }
    counts
}
