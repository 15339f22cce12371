//! What the gateway tells its operators: metrics, access log and its own log.
//!
//! Layer 1: imports only `types`, so that every other layer may record into it. Nothing here
//! decides anything about a request, and nothing here blocks the thread that serves one.

pub mod access_log;
mod acme;
mod cache;
mod circuits;
mod connections;
mod endpoints;
mod families;
mod handshakes;
mod histogram;
pub mod log;
mod metrics;
mod mirrors;
mod pools;
mod process;
mod quotas;
mod reasons;
mod seats;
mod seldom;
mod series;
mod stripe;
mod tenants;
mod workers;

pub use acme::{AcmeMeter, AcmeOrder, CertificateReading, OrderOutcome};
pub use cache::{CacheMeter, CacheReading};
pub use circuits::{CircuitLevel, CircuitReading};
pub use connections::{ListenerMeter, OpenConnection, Protocol};
pub use endpoints::{EjectionCause, EndpointFailure, EndpointMeter};
pub use handshakes::HANDSHAKE_FAILURES;
pub use metrics::{AccessLogMeter, Metrics, MetricsError};
pub use mirrors::{MirrorOutcome, Mirroring};
pub use pools::PoolMeter;
pub use quotas::{QuotaGauge, QuotaMeter, StoreMeter};
pub use seats::SeatReading;
pub use seldom::Seldom;
pub use series::RequestRecord;
pub use tenants::{LimitSlot, Metered, MeteredTenants, TenantMeter, UnknownMeter};
