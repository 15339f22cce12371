//! The only place where documents become what runs.

mod compile;
mod fingerprint;
mod limits;
mod quotas;
mod rates;
mod status;

pub use compile::{Compiled, Foundation, PoolSet, compile};
pub use fingerprint::Fingerprint;
pub use limits::limits;
pub use status::{LastReload, Status};
