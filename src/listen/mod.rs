//! Sockets that clients connect to: bound once for every worker, accepted from within bounds.

mod accept;
mod bind;
mod caps;

pub use accept::accept_loop;
pub use bind::{BindFailure, bind};
pub use caps::{ConnectionCaps, ConnectionPermit, Refusal};
