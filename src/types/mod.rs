//! Values that the whole gateway speaks in: parsed once at the edge, valid ever after.
//!
//! Layer 0: nothing here imports another module of the crate, does I/O or reads a clock.

mod host;
mod id;

pub use host::{HostName, InvalidHost};
pub use id::{InvalidTenantId, TenantId};
