//! Circuit breaking: how much of a pool may be in use at a time, by everyone and by each tenant.
//!
//! Bounds, as Envoy's circuit breakers: connections, requests that wait for one, requests, retries. What exceeds
//! one is refused at once, so that a pool that slows down doesn't fill the gateway with what waits for it. Nothing is
//! opened or closed by a rate of errors: which endpoint is broken is `health`'s to say.
//!
//! One [`Breaker`] stands for the pool and one for each tenant in it; a request takes of both ([`Fuse`]), or of
//! none. So a tenant's bound keeps it from using up the pool's, and tells whose fault a refusal is. This is not
//! fair sharing: seats (`admission::fair_share`) are waited for in turn and bound what the servers do; a breaker
//! bounds what the gateway holds, and stands behind them as the last line.
//!
//! Atomics, shared by all workers: a count never exceeds its bound, and a bound may change at any time. What is
//! above a lowered one stays until it ends. Only connections are waited for (`turns`); a lock is taken only while
//! somebody does.

mod circuit;
mod counter;
mod turns;

use std::sync::Arc;

pub use circuit::{Circuit, CircuitTerms, Fuse, Permits};
use counter::Counter;
use tokio::sync::Notify;
use tokio::time::Instant;
use turns::Turns;
pub use turns::Waiting;

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Open connections to endpoints, idle ones too.
    Connections,
    /// Requests that wait for a connection.
    Pending,
    /// Requests at endpoints.
    Requests,
    /// Retries among them.
    Retries,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connections, Self::Pending, Self::Requests, Self::Retries];

    /// Its name, as in the metrics' label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Pending => "pending",
            Self::Requests => "requests",
            Self::Retries => "retries",
        }
    }
}

/// The most of each resource. The largest number stands for no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Of connections.
    pub connections: u32,
    /// Of requests that wait for one.
    pub pending: u32,
    /// Of requests.
    pub requests: u32,
    /// Of retries.
    pub retries: u32,
}

impl Default for BreakerLimits {
    /// No bounds.
    fn default() -> Self {
        Self { connections: u32::MAX, pending: u32::MAX, requests: u32::MAX, retries: u32::MAX }
    }
}

impl BreakerLimits {
    /// The bound of a resource.
    #[must_use]
    pub fn of(&self, resource: Resource) -> u32 {
        match resource {
            Resource::Connections => self.connections,
            Resource::Pending => self.pending,
            Resource::Requests => self.requests,
            Resource::Retries => self.retries,
        }
    }
}

/// What is in use of a pool, by all or by one tenant.
#[derive(Debug)]
pub struct Breaker {
    connections: Counter,
    pending: Counter,
    requests: Counter,
    retries: Counter,
    turns: Turns,
}

/// One of a resource, in use. Dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    breaker: Arc<Breaker>,
    resource: Resource,
}

/// A bound has been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Tripped {
    /// The tenant's own.
    #[error("the tenant uses as much of the pool as it may: {0:?}")]
    Tenant(Resource),
    /// The pool's.
    #[error("as much of the pool is used as may be: {0:?}")]
    Pool(Resource),
}

impl Tripped {
    /// Whose bound, and of what: for the access log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tenant(Resource::Connections) => "tenant.connections",
            Self::Tenant(Resource::Pending) => "tenant.pending",
            Self::Tenant(Resource::Requests) => "tenant.requests",
            Self::Tenant(Resource::Retries) => "tenant.retries",
            Self::Pool(Resource::Connections) => "pool.connections",
            Self::Pool(Resource::Pending) => "pool.pending",
            Self::Pool(Resource::Requests) => "pool.requests",
            Self::Pool(Resource::Retries) => "pool.retries",
        }
    }
}

impl Default for Breaker {
    /// Without bounds.
    fn default() -> Self {
        Self::new(BreakerLimits::default())
    }
}

impl Breaker {
    /// Nothing in use yet.
    #[must_use]
    pub fn new(limits: BreakerLimits) -> Self {
        Self {
            connections: Counter::new(limits.connections),
            pending: Counter::new(limits.pending),
            requests: Counter::new(limits.requests),
            retries: Counter::new(limits.retries),
            turns: Turns::default(),
        }
    }

    /// Changes the bounds. Whoever waits and may go on now does.
    pub fn set_limits(self: &Arc<Self>, limits: BreakerLimits) {
        if Resource::ALL.iter().all(|resource| self.limit(*resource) == limits.of(*resource)) {
            return;
        }
        self.connections.set_max(limits.connections);
        self.pending.set_max(limits.pending);
        self.requests.set_max(limits.requests);
        self.retries.set_max(limits.retries);
        self.serve();
        // Idle connections above a lowered bound close.
        self.turns.ring();
    }

    /// One more of a resource, if that is within the bound. What comes of a refusal is the caller's to say, and to
    /// count ([`Breaker::trip`]).
    #[must_use]
    pub fn take(self: &Arc<Self>, resource: Resource) -> Option<Permit> {
        self.counter(resource).take().then(|| Permit { breaker: Arc::clone(self), resource })
    }

    /// Waits for a connection, behind everyone who waits already.
    pub fn wait(self: &Arc<Self>) -> Waiting {
        let waiting = self.turns.join(self);
        // One may have come free meanwhile.
        self.serve();
        waiting
    }

    /// Whether connections that nobody uses are in the way: somebody waits for one, or there are too many.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.turns.len() > 0 || self.is_exceeded()
    }

    /// Whether there are more connections than may be, since the bound was lowered.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.connections.count() > self.connections.max()
    }

    /// Since when the first of those who wait has waited.
    #[must_use]
    pub fn first_since(&self) -> Option<Instant> {
        self.turns.first_since()
    }

    /// This bell is rung by [`Breaker::ring`] from now on, for as long as somebody keeps it: whoever keeps connections
    /// that nobody uses hangs one up.
    pub fn hang(&self, bell: &Arc<Notify>) {
        self.turns.hang(bell);
    }

    /// Tells all who keep connections that nobody uses to look whether they are in the way.
    pub fn ring(&self) {
        self.turns.ring();
    }

    /// A refusal is counted.
    pub fn trip(&self, resource: Resource) {
        self.counter(resource).trip();
    }

    /// How many are in use.
    #[must_use]
    pub fn in_use(&self, resource: Resource) -> u32 {
        self.counter(resource).count()
    }

    /// The most there may be.
    #[must_use]
    pub fn limit(&self, resource: Resource) -> u32 {
        self.counter(resource).max()
    }

    /// How many were refused, in all.
    #[must_use]
    pub fn trips(&self, resource: Resource) -> u64 {
        self.counter(resource).trips()
    }

    /// Gives connections that are free to those who wait.
    fn serve(self: &Arc<Self>) {
        self.turns.serve(|| self.take(Resource::Connections));
    }

    fn counter(&self, resource: Resource) -> &Counter {
        match resource {
            Resource::Connections => &self.connections,
            Resource::Pending => &self.pending,
            Resource::Requests => &self.requests,
            Resource::Retries => &self.retries,
        }
    }
}

impl Permit {
    /// Whose it is.
    #[must_use]
    pub fn breaker(&self) -> &Arc<Breaker> {
        &self.breaker
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.breaker.counter(self.resource).give_back();
        if self.resource == Resource::Connections {
            self.breaker.serve();
        }
    }
}

#[cfg(test)]
mod tests;
