//! A tenant's JSON in the parts that a store keeps on their own.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::READ_ONLY_KEYS;
use crate::config::document::Tenant;

/// Keys with a place of their own.
const APART: [&str; 5] = ["id", "plan", "state", "labels", "domains"];

/// What a store keeps of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantParts {
    /// Its plan.
    pub plan: Option<Box<str>>,
    /// Its state, as it is written.
    pub state: &'static str,
    /// Free text about it, by name.
    pub labels: BTreeMap<String, String>,
    /// Its domains in lower case; sorted, each once.
    pub domains: Vec<Box<str>>,
    /// All else, as it was written: a JSON object, where there is anything.
    pub settings: Option<Box<str>>,
}

/// The parts of a tenant that was read from this value.
#[must_use]
pub fn split_tenant(tenant: &Tenant, value: &Value) -> TenantParts {
    let mut domains: Vec<Box<str>> =
        tenant.domains.iter().map(|domain| domain.to_string().into_boxed_str()).collect();
    domains.sort_unstable();
    domains.dedup();
    TenantParts {
        plan: tenant.plan.as_deref().map(Box::from),
        state: tenant.state.as_str(),
        labels: tenant.labels.clone(),
        domains,
        settings: settings(value),
    }
}

/// What was written beside the parts, in one spelling: without nulls, and without what is empty as a whole. All of
/// these say the same as nothing.
fn settings(value: &Value) -> Option<Box<str>> {
    let members = value.as_object()?;
    let mut settings = Map::new();
    for (key, value) in members {
        if APART.contains(&key.as_str()) || READ_ONLY_KEYS.contains(&key.as_str()) {
            continue;
        }
        let value = without_nulls(value);
        let is_empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if !is_empty {
            settings.insert(key.clone(), value);
        }
    }
    (!settings.is_empty()).then(|| Value::Object(settings).to_string().into_boxed_str())
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(members.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}
