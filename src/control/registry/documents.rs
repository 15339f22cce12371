//! What is shown of a tenant.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::{Tenant, TenantParts, tenant_json};
use crate::store::{TenantContent, TenantRecord};

/// A tenant, as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Its JSON.
    pub document: Value,
    /// Its revision; the configuration's tenants have none.
    pub revision: Option<u64>,
}

impl Shown {
    pub(super) fn configured(tenant: &Tenant) -> Self {
        let mut document = tenant_json(tenant);
        if let Value::Object(members) = &mut document {
            members.insert("source".to_owned(), "configuration".into());
            members.insert("origin".to_owned(), tenant.origin.to_string().into());
        }
        Self { document, revision: None }
    }

    pub(super) fn stored(record: &TenantRecord) -> Self {
        let mut members = members(record);
        members.insert("source".to_owned(), "store".into());
        members.insert("revision".to_owned(), record.revision.into());
        members.insert("created_at".to_owned(), time(record.created_ms));
        members.insert("updated_at".to_owned(), time(record.updated_ms));
        Self { document: Value::Object(members), revision: Some(record.revision) }
    }
}

/// The JSON of a stored tenant, with the keys that can be written and no other: what [`crate::config::read_tenant`] reads.
pub(crate) fn written_document(record: &TenantRecord) -> Value {
    Value::Object(members(record))
}

fn members(record: &TenantRecord) -> Map<String, Value> {
    let content = &record.content;
    // Settings that can't be read were not written by this program; what they say can't be told.
    let settings = content.settings.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let mut members: Map<String, Value> = settings.unwrap_or_default();
    members.insert("id".to_owned(), record.id.as_str().into());
    members.insert("state".to_owned(), (*content.state).into());
    if let Some(plan) = &content.plan {
        members.insert("plan".to_owned(), (**plan).into());
    }
    if !content.domains.is_empty() {
        members.insert("domains".to_owned(), json!(content.domains));
    }
    if !content.labels.is_empty() {
        members.insert("labels".to_owned(), json!(content.labels));
    }
    members
}

/// What the store keeps of a tenant.
pub(super) fn content(parts: TenantParts) -> TenantContent {
    let TenantParts { plan, state, labels, domains, settings } = parts;
    TenantContent { plan, state: state.into(), labels, domains, settings }
}

/// A time as it is shown: RFC 3339, with milliseconds.
pub(super) fn time(unix_ms: i64) -> Value {
    Timestamp::from_millisecond(unix_ms).map(|at| format!("{at:.3}")).ok().into()
}
