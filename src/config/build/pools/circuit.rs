//! Circuit breaking.

use super::Builder;
use crate::config::decode::Spanned;
use crate::config::document::{CircuitBreaker, CircuitLimits};
use crate::config::written;

/// What is written as a bound.
type Bound<'w> = Option<&'w Spanned<u32>>;

impl Builder<'_> {
    pub(super) fn circuit_breaker(
        &self,
        written: Option<&Spanned<written::CircuitBreaker>>,
    ) -> CircuitBreaker {
        let Some(written) = written.map(|written| &written.value) else { return CircuitBreaker::default() };
        let own = &written.per_tenant;
        let pairs = [
            ("max_connections", written.max_connections.as_ref(), own.max_connections.as_ref()),
            ("max_pending", written.max_pending.as_ref(), own.max_pending.as_ref()),
            ("max_requests", written.max_requests.as_ref(), own.max_requests.as_ref()),
            ("max_retries", written.max_retries.as_ref(), own.max_retries.as_ref()),
        ];
        for (name, of_pool, of_tenant) in pairs {
            self.tenant_within_pool(name, of_pool, of_tenant);
        }
        let [connections, pending, requests, retries] = pairs;
        CircuitBreaker {
            pool: self.circuit_limits(connections.1, pending.1, requests.1, retries.1),
            per_tenant: self.circuit_limits(connections.2, pending.2, requests.2, retries.2),
        }
    }

    fn circuit_limits(
        &self,
        connections: Bound<'_>,
        pending: Bound<'_>,
        requests: Bound<'_>,
        retries: Bound<'_>,
    ) -> CircuitLimits {
        let none = "a limit of zero lets nothing out";
        CircuitLimits {
            max_connections: self.positive(connections, none),
            // Zero is a bound like any other: nothing waits, nothing is tried again.
            max_pending: pending.map(|max| max.value),
            max_requests: self.positive(requests, none),
            max_retries: retries.map(|max| max.value),
        }
    }

    fn tenant_within_pool(&self, name: &str, of_pool: Bound<'_>, of_tenant: Bound<'_>) {
        let (Some(of_pool), Some(of_tenant)) = (of_pool, of_tenant) else { return };
        if of_tenant.value > of_pool.value {
            let message = format!("a tenant may have more `{name}` than the whole pool ({})", of_pool.value);
            self.findings
                .warning("bound-without-effect", of_tenant.mark, message)
                .hint("lower it, so that one tenant can't trip the pool for the others")
                .see(of_pool.mark, "the pool's is");
        }
    }
}
