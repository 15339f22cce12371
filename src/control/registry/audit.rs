//! The audit log, as it is shown.

use serde_json::{Value, json};

use super::documents::time;
use super::{Refusal, Registry};
use crate::store::{AuditEntry, AuditQuery};
use crate::types::TenantId;

/// Which entries are asked for: all that match everything that is given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditFilter {
    /// About this tenant.
    pub tenant: Option<TenantId>,
    /// By this actor.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// Not before, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Before this entry.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: usize,
}

/// A page of the audit log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditPage {
    /// Entries, the newest first.
    pub entries: Vec<Value>,
    /// Before which entry the next page begins, where there may be one.
    pub next: Option<u64>,
    /// When the oldest entry was made that there still is; null where there is none.
    pub oldest_at: Value,
    /// Up to which number entries were removed; 0 where none was.
    pub removed_up_to: u64,
}

impl Registry {
    /// A page of the audit log.
    ///
    /// # Errors
    /// [`Refusal`]: no store, or no answer of it.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<AuditPage, Refusal> {
        let text = |text: &Option<String>| text.as_deref().map(Box::from);
        let query = AuditQuery {
            tenant: filter.tenant.clone(),
            actor: text(&filter.actor),
            action: text(&filter.action),
            since_ms: filter.since_ms,
            before_seq: filter.before,
            limit: filter.limit,
        };
        let found = self.store()?.audit(query).await?;
        let page = &found.page;
        let next = page.records.last().filter(|_| page.may_go_on(filter.limit)).map(|entry| entry.seq);
        Ok(AuditPage {
            entries: page.records.iter().map(shown).collect(),
            next,
            oldest_at: found.oldest_ms.map(time).into(),
            removed_up_to: found.removed_up_to,
        })
    }
}

fn shown(entry: &AuditEntry) -> Value {
    let parsed = |text: &Option<Box<str>>| -> Value {
        text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    json!({
        "seq": entry.seq,
        "at": time(entry.at_ms),
        "actor": entry.actor,
        "action": entry.action,
        "tenant": entry.tenant,
        "reason": entry.note,
        "before": parsed(&entry.before),
        "after": parsed(&entry.after),
    })
}
