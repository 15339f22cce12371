//! TLS of clients: the handshake, and which certificate it shows.
//!
//! Stands between `listen` and `http` on a connection's way in. Knows names and certificates, neither tenants nor HTTP.

mod bare;
mod certificates;
mod client_auth;
mod failure;
mod handshake;
mod on_demand;
mod server;
mod turns;

pub use certificates::{CertificatePem, Names, Unusable};
pub use client_auth::{ClientAuthError, ClientAuthTerms};
pub use failure::HandshakeFailure;
pub use handshake::Session;
pub use on_demand::{Fetching, OnDemand};
pub use server::{Alpn, ServerTerms, ServerTls, ServerTlsError, Tickets, TlsVersion};
pub use turns::{PendingHandshakes, Turns};
