//! The admin listener: health, metrics and the control API, for operators and never on a public address.
//!
//! Layer 6. It runs on the control runtime, knows the gateway only through [`Control`], and has no part in
//! any request that the gateway proxies.
//!
//! `/livez`, `/readyz`, `/metrics` and `/.well-known/jwks.json` are open. All under `/api/v1` needs the bearer token; where none is
//! configured it is refused, whatever address the listener is bound to.

mod audit;
mod auth;
mod backup;
mod body;
mod domains;
mod explain;
mod export;
#[cfg(test)]
mod harness_tests;
mod heed;
mod import;
mod keys;
mod lines;
mod openapi;
mod paths;
mod plans;
mod pools;
mod precondition;
mod problem;
mod query;
mod refused;
mod restore;
mod routes;
mod server;
mod stay;
mod tenants;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use crate::control::registry::Registry;
use crate::control::{EndpointChange, Question};
use crate::telemetry::Metrics;
use crate::tenant::SourceFault;

pub use auth::Token;
pub use server::serve;

/// What the admin listener serves from.
#[derive(Clone)]
pub struct AdminState {
    /// The gateway's metrics.
    pub metrics: Arc<Metrics>,
    /// The gateway itself.
    pub control: Arc<dyn Control>,
    /// The token of the API; without one the API is refused.
    pub token: Option<Token>,
}

/// The gateway, as far as its operators may look into it and steer it.
pub trait Control: Send + Sync + 'static {
    /// Whether the gateway takes traffic.
    ///
    /// # Errors
    /// Why it does not: still starting, or draining. Shown without a token.
    fn ready(&self) -> Result<(), String>;

    /// What `/.well-known/jwks.json` shows: the public keys that applications check with what they are told of tenants.
    /// `None` where nothing is signed.
    fn key_set(&self) -> Option<Arc<str>>;

    /// What `/api/v1/status` shows.
    fn status(&self) -> Value;

    /// What `/api/v1/tenants/{id}/limits` shows: how a tenant stands with each of its limits. `None` where there
    /// is no such tenant.
    ///
    /// # Errors
    /// The store would have to say whether there is, and has no answer.
    fn tenant_limits(&self, id: &str) -> Limits<'_>;

    /// What `/api/v1/explain` shows: what would become of a request, and why. Nothing is charged, taken or sent.
    fn explain(&self, question: Question) -> Explained<'_>;

    /// All that is done with tenants: shown, changed, imported.
    fn registry(&self) -> Arc<Registry>;

    /// What `/api/v1/pools` shows: how all pools stand.
    fn pools(&self) -> Value;

    /// What `/api/v1/pools/{pool}` shows.
    ///
    /// # Errors
    /// The problem document: there is no such pool.
    fn pool(&self, name: &str) -> Result<Value, Value>;

    /// Changes an endpoint of a pool, by both their names. The pool as it stands then.
    ///
    /// # Errors
    /// The problem document: there is no such pool, or no such endpoint in it.
    fn change_endpoint(&self, pool: &str, endpoint: &str, change: EndpointChange) -> Result<Value, Value>;

    /// Reads the configuration anew and takes it into use, or changes nothing. The error is a problem
    /// document (RFC 9457) with the diagnostics; missing standard members are filled in.
    ///
    /// The future is dropped when the client goes away or the request takes too long: dropping it must
    /// leave the gateway either on the old configuration or on the new one.
    fn reload(&self) -> Reload<'_>;
}

/// A look at a tenant's limits under way.
pub type Limits<'a> = Pin<Box<dyn Future<Output = Result<Option<Value>, SourceFault>> + Send + 'a>>;

/// An explanation under way.
pub type Explained<'a> = Pin<Box<dyn Future<Output = Value> + Send + 'a>>;

/// A reload under way.
pub type Reload<'a> = Pin<Box<dyn Future<Output = Result<Value, Value>> + Send + 'a>>;
