//! The backup of a store: a file of lines, each a JSON document, that tells by itself whether it is whole.
//!
//! ```text
//! {"tollgate_backup":1,"version":"…","created_at":"…","last_seq":N}
//! {"audit":{…}}                                     the audit log, the oldest entry first
//! {"tenant":{…}} {"domain":{…}} {"key":{…}} {"usage":{…}}   tenants by their ids, each with what it has
//! {"usage":{…}}                                     of tenants that the store doesn't have itself
//! {"end":{"records":N,"sha256":"…"}}                the seal: of all bytes before this line
//! ```
//!
//! So a tenant is brought back by one look through the file, with one tenant in memory.

mod damage;
mod read;
mod record;
mod seal;
mod spool;
mod write;

pub use damage::BadBackup;
pub(crate) use read::{Group, Reader};
pub use seal::{Check, CheckError, Sealed};
pub(crate) use spool::{Spool, SpoolError};
pub(crate) use write::write;

/// The version of the format.
const VERSION: u64 = 1;

/// How long a line may be: a tenant has 256 KiB at most, and the audit log two of it.
const LINE_MAX: usize = 4 << 20;
