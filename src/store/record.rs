//! What the store keeps of a tenant, and what is asked of it: the words of the seam.
//!
//! A tenant's settings are kept as the JSON that the API was given, checked by whoever writes them; the store itself looks
//! into its own columns only. So what a later version of Tollgate adds to a tenant needs no step of the schema.

use std::collections::BTreeMap;

use crate::types::{KeyHash, TenantId};

/// A tenant as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRecord {
    /// Its id.
    pub id: TenantId,
    /// The number of the change that made it what it is: larger with every change in the store, and the tenant's ETag.
    pub revision: u64,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was changed last, in milliseconds since 1970.
    pub updated_ms: i64,
    /// What it is.
    pub content: TenantContent,
}

/// What of a tenant its owner decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantContent {
    /// Its plan.
    pub plan: Option<Box<str>>,
    /// Its state, as the configuration spells it: `active`, `suspended`, `maintenance`, `past_due`.
    pub state: Box<str>,
    /// Free text about it, by name.
    pub labels: BTreeMap<String, String>,
    /// The domains that are its own, in lower case, wildcards with `*.`; sorted, each once.
    pub domains: Vec<Box<str>>,
    /// All else that it has of its own: a JSON object with the keys of a tenant in the configuration, without those above.
    /// `None` for a tenant that differs in nothing from its plan, as most do.
    pub settings: Option<Box<str>>,
}

/// What a tenant is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TenantKey {
    /// Its id.
    Id(TenantId),
    /// A host, in lower case and without a port: an exact domain of it, or else the longest wildcard above the host.
    Host(Box<str>),
    /// An API key of it, also one that has expired.
    ApiKey(KeyHash),
}

/// Whose change it is, for the audit log: `token`, or `token (alice@laptop)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(pub Box<str>);

/// What a write takes for granted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    #[default]
    Any,
    /// That there is no such tenant.
    Absent,
    /// That there is one.
    Present,
    /// That it is at this revision.
    Revision(u64),
}
