//! TLS of clients: the handshake, and which certificate it shows.
//!
//! Stands between `listen` and `http` on a connection's way in. Knows names and certificates, neither tenants nor HTTP.

mod certificates;
mod handshake;
mod on_demand;
mod server;

pub use certificates::{CertificatePem, Unusable};
pub use handshake::{HandshakeFailure, Session};
pub use on_demand::{Fetching, OnDemand};
pub use server::{ServerTerms, ServerTls, ServerTlsError};
