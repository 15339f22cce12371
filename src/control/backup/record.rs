//! The records of a backup, as JSON. Nothing of what the store keeps of a tenant is lost in it: settings in the spelling
//! of the API are written as the document that they are, and in any other one as a text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::seal::hex;
use crate::store::{AuditEntry, DomainRecord, KeyRecord, TenantContent, TenantRecord, UsageRecord};
use crate::types::{KeyHash, TenantId};

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    Audit(Audit),
    Tenant(Tenant),
    Domain(Domain),
    Key(Key),
    Usage(Usage),
}

/// An entry of the audit log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Audit {
    pub(super) seq: u64,
    at_ms: i64,
    actor: Box<str>,
    action: Box<str>,
    tenant: Option<Box<str>>,
    note: Option<Box<str>>,
    before: Option<Value>,
    after: Option<Value>,
}

/// A tenant, without its domains.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tenant {
    pub(super) id: String,
    revision: u64,
    created_ms: i64,
    updated_ms: i64,
    plan: Option<Box<str>>,
    state: Box<str>,
    labels: BTreeMap<String, String>,
    settings: Option<Value>,
}

/// A domain, owned or claimed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Domain {
    pub(super) tenant: String,
    domain: Box<str>,
    verified: bool,
    method: Option<Box<str>>,
    token: Option<Box<str>>,
    created_ms: i64,
    verified_ms: Option<i64>,
}

/// A key, without what it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    pub(super) tenant: String,
    id: Box<str>,
    name: Box<str>,
    sha256: String,
    hint: Box<str>,
    created_ms: i64,
    expires_ms: Option<i64>,
    replaced_by: Option<Box<str>>,
}

/// What a period of a quota holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Usage {
    pub(super) tenant: String,
    quota: Box<str>,
    series: Box<str>,
    period_ms: i64,
    units: u64,
}

/// What is wrong with a record.
pub(super) type Wrong = &'static str;

impl From<AuditEntry> for Audit {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { seq, at_ms, actor, action, tenant, note, before, after } = entry;
        // Of these it is enough what they say.
        let said = |text: Box<str>| {
            let read = serde_json::from_str(&text).ok().filter(Value::is_object);
            read.unwrap_or_else(|| Value::String(text.into()))
        };
        let (before, after) = (before.map(said), after.map(said));
        Self { seq, at_ms, actor, action, tenant, note, before, after }
    }
}

impl From<Audit> for AuditEntry {
    fn from(entry: Audit) -> Self {
        let Audit { seq, at_ms, actor, action, tenant, note, before, after } = entry;
        let (before, after) = (before.map(text), after.map(text));
        Self { seq, at_ms, actor, action, tenant, note, before, after }
    }
}

impl From<TenantRecord> for Tenant {
    fn from(record: TenantRecord) -> Self {
        let TenantRecord { id, revision, created_ms, updated_ms, content } = record;
        let TenantContent { plan, state, labels, settings, .. } = content;
        let (id, settings) = (id.to_string(), settings.map(document));
        Self { id, revision, created_ms, updated_ms, plan, state, labels, settings }
    }
}

impl TryFrom<Tenant> for TenantRecord {
    type Error = Wrong;

    fn try_from(tenant: Tenant) -> Result<Self, Wrong> {
        let Tenant { id, revision, created_ms, updated_ms, plan, state, labels, settings } = tenant;
        let (id, settings) = (tenant_id(&id)?, settings.map(text));
        let content = TenantContent { plan, state, labels, domains: Vec::new(), settings };
        Ok(Self { id, revision, created_ms, updated_ms, content })
    }
}

impl From<DomainRecord> for Domain {
    fn from(record: DomainRecord) -> Self {
        let DomainRecord { name, tenant, verified, method, token, created_ms, verified_ms } = record;
        let tenant = tenant.to_string();
        Self { tenant, domain: name, verified, method, token, created_ms, verified_ms }
    }
}

impl TryFrom<Domain> for DomainRecord {
    type Error = Wrong;

    fn try_from(record: Domain) -> Result<Self, Wrong> {
        let Domain { tenant, domain, verified, method, token, created_ms, verified_ms } = record;
        let tenant = tenant_id(&tenant)?;
        Ok(Self { name: domain, tenant, verified, method, token, created_ms, verified_ms })
    }
}

impl From<KeyRecord> for Key {
    fn from(record: KeyRecord) -> Self {
        let KeyRecord { id, tenant, name, hash, hint, created_ms, expires_ms, replaced_by } = record;
        let (tenant, sha256) = (tenant.to_string(), hex(hash.octets()));
        Self { tenant, id, name, sha256, hint, created_ms, expires_ms, replaced_by }
    }
}

impl TryFrom<Key> for KeyRecord {
    type Error = Wrong;

    fn try_from(record: Key) -> Result<Self, Wrong> {
        let Key { tenant, id, name, sha256, hint, created_ms, expires_ms, replaced_by } = record;
        let (tenant, hash) = (tenant_id(&tenant)?, hash(&sha256).ok_or("a key whose hash is no SHA-256")?);
        Ok(Self { id, tenant, name, hash, hint, created_ms, expires_ms, replaced_by })
    }
}

impl From<UsageRecord> for Usage {
    fn from(record: UsageRecord) -> Self {
        let UsageRecord { tenant, quota, series, period_ms, units } = record;
        Self { tenant: tenant.to_string(), quota, series, period_ms, units }
    }
}

impl TryFrom<Usage> for UsageRecord {
    type Error = Wrong;

    fn try_from(record: Usage) -> Result<Self, Wrong> {
        let Usage { tenant, quota, series, period_ms, units } = record;
        Ok(Self { tenant: tenant_id(&tenant)?, quota, series, period_ms, units })
    }
}

fn tenant_id(text: &str) -> Result<TenantId, Wrong> {
    TenantId::parse(text).map_err(|_| "a record of what is no tenant's id")
}

fn hash(text: &str) -> Option<KeyHash> {
    let mut hash = [0; 32];
    let is_hex = text.len() == 2 * hash.len() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for (at, byte) in hash.iter_mut().enumerate().filter(|_| is_hex) {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    is_hex.then_some(hash.into())
}

/// Settings: the document that they are, if they can be made of that again.
fn document(text: Box<str>) -> Value {
    let read: Option<Value> = serde_json::from_str(&text).ok().filter(Value::is_object);
    let same = read.map(|document| (document.to_string(), document)).filter(|(again, _)| **again == *text);
    same.map_or_else(|| Value::String(text.into()), |(_, document)| document)
}

/// The text that a document was made of.
fn text(document: Value) -> Box<str> {
    match document {
        Value::String(text) => text.into(),
        document => document.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn settings_come_back_to_the_byte() {
        for (kept, is_document) in [
            ("{\"a\":1,\"b\":[null]}", true),
            ("{ \"a\": 1 }", false),
            ("{\"b\":1,\"a\":1.50}", false),
            ("no JSON\n", false),
            ("\"text\"", false),
        ] {
            let document = document(kept.into());
            assert_eq!((document.is_object(), &*text(document)), (is_document, kept));
        }
    }

    #[test]
    fn a_hash_has_64_digits() {
        let hash = [0xa7; 32];
        assert_eq!(super::hash(&hex(&hash)), Some(hash.into()));
        for wrong in ["", "a7", &"g7".repeat(32), &"a7".repeat(33), &"é".repeat(32)] {
            assert_eq!(super::hash(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_tenant_comes_back_as_it_was(
            settings in proptest::option::of(".*"),
            labels in proptest::collection::btree_map(".*", ".*", 0..3),
            plan in proptest::option::of(".*"),
            ms in any::<(i64, i64)>(),
        ) {
            let record = TenantRecord {
                id: TenantId::parse("acme").unwrap(),
                revision: 7,
                created_ms: ms.0,
                updated_ms: ms.1,
                content: TenantContent {
                    plan: plan.map(Into::into),
                    state: "active".into(),
                    labels,
                    domains: Vec::new(),
                    settings: settings.map(Into::into),
                },
            };
            let line = serde_json::to_string(&Record::Tenant(record.clone().into())).unwrap();
            prop_assert!(!line.contains('\n'));
            let Record::Tenant(read) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
            prop_assert_eq!(TenantRecord::try_from(read).unwrap(), record);
        }
    }
}
