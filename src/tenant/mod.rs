//! A tenant as it is served: immutable, compiled, shared by all workers.

mod account;
mod directory;
mod identify;
mod per_pool;

use std::sync::Arc;
use std::time::Duration;

pub use account::{Account, Accounts};
pub use directory::Directory;
pub use identify::{HostPattern, Identify, Rule, Unidentified};

use crate::admission::fair_share::SeatTerms;
use crate::admission::quota::Quotas;
use crate::admission::{Access, RateLimits};
use crate::routing::HeaderRules;
use crate::types::TenantId;
use crate::upstream::Pool;

/// Everything that a request needs to know of its tenant, resolved when the tenant was loaded.
#[derive(Debug)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The line that tells the application its id: `x-tenant-id: acme` CR LF.
    pub id_line: Box<[u8]>,
    /// Whether it is served at all.
    pub state: State,
    /// Which clients may come in.
    pub access: Access,
    /// Features that routes may require, sorted.
    pub features: Arc<[Arc<str>]>,
    /// Its rate limits.
    pub rates: Arc<RateLimits>,
    /// Its quotas.
    pub quotas: Arc<Quotas>,
    /// Its part in the seats of each pool.
    pub seats: SeatTerms,
    /// How long a request of it waits for a seat.
    pub seat_wait_max: Duration,
    /// Octets that a request's body may have.
    pub request_body_max: u64,
    /// Its own pool, else its plan's, else the default.
    pub pool: Option<Arc<Pool>>,
    /// Changes to its requests' fields: its plan's, then its own.
    pub request_headers: Arc<[Arc<HeaderRules>]>,
    /// Changes to its responses' fields: its plan's, then its own.
    pub response_headers: Arc<[Arc<HeaderRules>]>,
    /// What outlives its configuration: limiter state and meter.
    pub account: Arc<Account>,
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

impl Tenant {
    /// Whether its plan or itself has a feature.
    #[must_use]
    pub fn has_feature(&self, feature: &str) -> bool {
        self.features.binary_search_by(|own| (**own).cmp(feature)).is_ok()
    }
}
