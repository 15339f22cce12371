//! What a restore changes, or would change.

use serde_json::{Value, json};

use super::Refusal;
use super::documents::{time, written_document};
use crate::store::{Before, Difference, Part, Restoration, TenantRecord, WriteError};
use crate::types::TenantId;

/// How many changes and errors are told one by one; all of them are counted.
const TOLD_MAX: usize = 1_000;

/// What became of a backup.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RestoreReport {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Tenants.
    pub tenants: Sums,
    /// Their domains.
    pub domains: Sums,
    /// Their keys.
    pub keys: Sums,
    /// Periods of quotas.
    pub usage: Sums,
    /// Entries of the audit log that came back.
    pub audit: u64,
    /// What changes, one by one; not more than are told.
    pub changes: Vec<Value>,
    /// Whether there are more of them.
    pub changes_truncated: bool,
    /// Tenants that were not brought back, and why; not more than are told.
    pub errors: Vec<(TenantId, Refusal)>,
    /// Periods of tenants that the backup's store didn't have itself.
    pub(super) usage_seen: u64,
}

/// How many of a kind came to be, were changed, went, were as they are to be, or could not be brought back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Made.
    pub created: u64,
    /// Changed.
    pub changed: u64,
    /// Removed, for the backup doesn't have them.
    pub deleted: u64,
    /// Left. Of tenants only.
    pub unchanged: u64,
    /// Refused. Of tenants only.
    pub failed: u64,
}

impl RestoreReport {
    pub(super) fn refused(&mut self, id: TenantId, refusal: Refusal) {
        self.tenants.failed += 1;
        if self.errors.len() < TOLD_MAX {
            self.errors.push((id, refusal));
        }
    }

    pub(super) fn add(&mut self, restoration: &Restoration) {
        let written = &restoration.written;
        match (written.created, written.changed) {
            (true, _) => self.tenants.created += 1,
            (false, true) => self.tenants.changed += 1,
            (false, false) => self.tenants.unchanged += 1,
        }
        let id = &written.record.id;
        match &restoration.before {
            None => self.tell(json!({ "action": "create", "kind": "tenant", "tenant": id.as_str() })),
            Some(before) => {
                let members = differing(before, &written.record);
                if !members.is_empty() {
                    self.tell(json!({
                        "action": "change", "kind": "tenant", "tenant": id.as_str(), "members": members,
                    }));
                }
            }
        }
        self.parts(id, &restoration.differences);
    }

    /// Takes usage that was raised without its tenant.
    pub(super) fn differ(&mut self, differences: &[Difference]) {
        for difference in differences {
            if let Part::Usage { now, .. } = &difference.part {
                self.parts(&now.tenant, std::slice::from_ref(difference));
            }
        }
    }

    /// Whether there was nothing that could have been brought back.
    pub(super) fn is_of_nothing(&self) -> bool {
        self.tenants == Sums::default() && self.usage_seen == 0
    }

    fn parts(&mut self, id: &TenantId, differences: &[Difference]) {
        for Difference { part, before } in differences {
            let sums = match part {
                Part::Domain(_) => &mut self.domains,
                Part::Key(_) => &mut self.keys,
                Part::Usage { .. } => &mut self.usage,
            };
            let (sum, action) = match before {
                Before::Absent => (&mut sums.created, "create"),
                Before::Other => (&mut sums.changed, "change"),
                Before::Present => (&mut sums.deleted, "delete"),
            };
            *sum += 1;
            let tenant = id.as_str();
            self.tell(match part {
                Part::Domain(name) => {
                    json!({ "action": action, "kind": "domain", "tenant": tenant, "domain": name })
                }
                Part::Key(key) => json!({ "action": action, "kind": "key", "tenant": tenant, "id": key }),
                Part::Usage { now, units_before } => json!({
                    "action": action, "kind": "usage", "tenant": tenant, "id": now.quota,
                    "period_start": time(now.period_ms), "units": now.units, "units_before": units_before,
                }),
            });
        }
    }

    fn tell(&mut self, change: Value) {
        if self.changes.len() < TOLD_MAX {
            self.changes.push(change);
        } else {
            self.changes_truncated = true;
        }
    }
}

impl Refusal {
    /// What bringing a tenant back was refused for.
    pub(super) fn of_restore(error: WriteError) -> Self {
        match error {
            WriteError::DomainTaken { domain, owner } => Self::DomainTaken { domain: domain.into(), owner },
            WriteError::Exists => Self::KeyTaken,
            WriteError::TooMany { what, max } => Self::TooMany { what, max },
            WriteError::NotExpected { current } => Self::Precondition { current },
            WriteError::Absent => Self::Contended,
            WriteError::Fault(fault) => Self::Store(fault),
        }
    }
}

/// The members of a tenant's document that are not the same, but for domains, which are told one by one.
fn differing(before: &TenantRecord, after: &TenantRecord) -> Vec<String> {
    let (before, after) = (written_document(before), written_document(after));
    let names =
        |document: &Value| document.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
    let mut all: Vec<String> = names(&before);
    all.extend(names(&after));
    all.sort_unstable();
    all.dedup();
    all.retain(|name| name != "domains" && before.get(name) != after.get(name));
    all
}
