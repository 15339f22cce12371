//! The only place where documents become what runs.

mod compile;
mod fingerprint;
mod limits;
mod pools;
mod quotas;
mod rates;
mod status;

pub use compile::{Compiled, Foundation, PoolSet, compile};
pub use fingerprint::Fingerprint;
pub use limits::limits;
pub use pools::{EndpointChange, change_endpoint, pool, pools};
pub use status::{LastReload, Status};
