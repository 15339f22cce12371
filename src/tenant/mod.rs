//! A tenant as it is served: immutable, compiled, shared by all workers.

mod account;
mod accounts;
mod cache;
mod client_cert;
mod configured;
mod connections;
mod context;
mod directory;
mod features;
mod identify;
mod per_pool;
mod shards;
mod streams;
mod terms;

use std::sync::Arc;

pub use account::Account;
pub use accounts::Accounts;
pub use cache::{
    Answer, CacheTerms, Cast, Kept, Key, Lookup, Record, Source, SourceFault, TenantCache, Texts,
};
pub use client_cert::{CertPart, ClientCertRule};
pub use configured::Configured;
pub use connections::TenantConnection;
pub use context::{Context, ContextLine, Signer, Signing};
pub use directory::{Directory, KeptTenants, LookedUp};
pub use features::{FeatureList, FeatureTerm, Features, FeaturesNow, is_rolled_out};
pub use identify::{Clues, HostPattern, Identified, Identify, Rule, Said, Unidentified, Witness};
pub use streams::OpenStream;
pub use terms::{Routes, Terms};

use crate::admission::RateLimits;
use crate::admission::quota::Quotas;
use crate::types::{TenantId, prefetch};

/// Everything that a request needs to know of its tenant, resolved when the tenant was loaded.
#[derive(Debug)]
pub struct Tenant {
    /// Whether it is served at all.
    pub state: State,
    /// What holds for its requests; shared by all that differ in nothing from their plan.
    pub terms: Arc<Terms>,
    /// Its rate limits.
    pub rates: Arc<RateLimits>,
    /// Its quotas.
    pub quotas: Arc<Quotas>,
    /// The number of the configuration that it was made under, among those that make different tenants.
    pub mold: u32,
    /// What applications are told of it, signed.
    pub context: Context,
    /// What outlives its configuration: limiter state and meter.
    pub account: Arc<Account>,
}

impl Tenant {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        self.account.id()
    }

    /// Has fetched what will be looked at first of a request of its.
    pub fn prefetch(&self) {
        prefetch(&*self.account);
        prefetch(&*self.rates);
    }

    /// And then what that leads to.
    pub fn prefetch_further(&self) {
        self.account.prefetch_share();
        self.rates.prefetch_first();
    }
}

/// Whether a tenant is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// It is.
    #[default]
    Active,
    /// The operator has shut it off.
    Suspended,
    /// It owes.
    PastDue,
    /// It is being worked on.
    Maintenance,
}
