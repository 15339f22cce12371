//! The seam to where tenants are kept that the configuration doesn't have.

use std::fmt;
use std::sync::Arc;

use super::texts::Texts;
use crate::admission::quota::Holdings;
use crate::tenant::{State, Tenant};
use crate::types::{KeyHash, TenantId};

/// What a tenant is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// Its id.
    Id(TenantId),
    /// A host: an exact domain of it, or else the longest wildcard above the host.
    Host(Box<str>),
    /// An API key of it.
    ApiKey(KeyHash),
}

/// A tenant as it is kept: only what it has of its own, for there may be a hundred thousand of them in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: TenantId,
    /// The number of the change that made it what it is.
    pub revision: u64,
    /// Whether it is served.
    pub state: State,
    /// Its plan's name; one text for all tenants of the plan.
    pub plan: Option<Arc<str>>,
    /// All else that it has of its own, and its domains.
    pub texts: Texts,
}

/// What a source has found.
#[derive(Debug)]
pub struct Kept {
    /// The tenant.
    pub record: Record,
    /// What it has used of its quotas, as far as that is kept.
    pub holdings: Vec<Holdings>,
    /// From when on the API key that found it finds nobody, in milliseconds since 1970, where that is known. One that has expired is
    /// still found.
    pub key_expires_ms: Option<i64>,
}

/// Why a source has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    /// Too many lookups wait already.
    #[error("too many lookups wait for the store")]
    Busy,
    /// It could not be read.
    #[error("the store can't be read")]
    Failed,
    /// It did not answer in time.
    #[error("the store did not answer in time")]
    Late,
}

/// Takes a source's answer, on whatever thread that comes.
pub type Answer = Box<dyn FnOnce(Result<Option<Kept>, SourceFault>) + Send>;

/// Where tenants are kept.
pub trait Source: Send + Sync + fmt::Debug {
    /// Looks a tenant up. Never waits; every answer is given once, or dropped by one that ends.
    fn find(&self, key: &Key, answer: Answer);

    /// The same on this thread, where it can be told within microseconds and without waiting for anything; `None` where it has
    /// to be asked for with [`find`](Self::find).
    fn find_now(&self, _key: &Key) -> Option<Option<Kept>> {
        None
    }
}

/// What makes a tenant that runs of one that is kept: a configuration, as far as tenants depend on it.
pub trait Cast: Send + Sync + fmt::Debug {
    /// Its number: later configurations have larger ones, and those that make the same tenants have the same.
    fn number(&self) -> u32;

    /// The tenant. `None` where it doesn't fit this configuration, which was told in the log. `holdings` are
    /// forgotten where its quotas are known already.
    fn cast(&self, record: &Record, holdings: &[Holdings]) -> Option<Tenant>;
}
