//! HTTP as the wire has it: framing, connections, and the fields that belong to a hop.
//!
//! Knows nothing of tenants, routes or pools.

pub mod body;
pub mod checks;
pub mod client_addr;
pub mod conn;
pub mod copy;
mod date;
mod ending;
pub mod facade;
pub mod forwarded;
pub mod hop_by_hop;
pub mod http1;
pub mod http2;
pub mod incoming;
pub mod interim;
pub mod kept;
pub mod names;
pub mod pace;
pub mod passing;
mod preface;
mod quiet;
mod reserved;
pub mod secured;
pub mod server;
mod slow;
mod taking;
pub mod timeouts;
pub mod websocket;
pub mod wire;
