//! The only place where documents become what runs.

pub mod backup;
mod branding;
mod certificates;
mod clashes;
mod compile;
mod cors;
mod explain;
mod features;
mod identity;
mod left_out;
mod limits;
mod listeners;
mod mold;
mod pool_dns;
mod pool_health;
mod pool_set;
mod pool_terms;
mod pool_tls;
mod pools;
mod proof;
mod quotas;
mod rates;
pub mod registry;
mod route_names;
mod routes;
mod status;
mod stored;
mod tenant_certificates;
mod tenants;

pub use certificates::meter_certificates;
pub use clashes::{Clash, Clashes};
pub use compile::{Compiled, Foundation, Previous, compile};
pub use explain::{
    Failure, Ground, InvalidQuestion, Kept, Live, Local, LocalError, Question, Trial, explain,
};
pub use left_out::LeftOut;
pub use limits::limits;
pub use listeners::{ListenerError, ListenerSet};
pub use mold::Mold;
pub use pool_dns::FirstAddresses;
pub use pool_set::PoolSet;
pub use pool_tls::{PoolTls, PoolTlsError};
pub use pools::{EndpointChange, change_endpoint, pool, pools};
pub use proof::Prover;
pub use status::{LastReload, Status};
pub use stored::{StoredTenants, keeps_what_is_used};
pub use tenant_certificates::{certificates_in_force, keeps_what_is_encrypted, unreadable_under};
pub use tenants::{TenantDifference, TenantSet};
