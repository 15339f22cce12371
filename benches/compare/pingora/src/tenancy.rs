//! Tenants by host, each with a rate, a bound of requests in flight and a count of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pingora_limits::inflight::{Guard, Inflight};
use pingora_limits::rate::Rate;

pub struct Tenancy {
    by_host: HashMap<String, Arc<Tenant>>,
    rate: Rate,
    rate_max: isize,
    in_flight: Inflight,
    in_flight_max: isize,
}

struct Tenant {
    id: String,
    requests: AtomicU64,
}

/// A request that was let in; dropping it ends its being in flight.
pub struct Seat {
    tenant: Arc<Tenant>,
    _in_flight: Guard,
}

impl Tenancy {
    /// Of lines `host tenant`; `rate_max` is requests a second.
    pub fn new(lines: &str, rate_max: isize, in_flight_max: isize) -> Self {
        let by_host = lines
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(host, id)| {
                let tenant = Tenant { id: id.to_owned(), requests: AtomicU64::new(0) };
                (host.to_owned(), Arc::new(tenant))
            })
            .collect();
        Self {
            by_host,
            rate: Rate::new(Duration::from_secs(1)),
            rate_max,
            in_flight: Inflight::new(),
            in_flight_max,
        }
    }

    /// Whose `host` is and a place for its request, or the status that refuses it.
    pub fn admit(&self, host: &str) -> Result<Seat, u16> {
        let name = host.split(':').next().unwrap_or_default();
        let Some(tenant) = self.by_host.get(name) else { return Err(404) };
        tenant.requests.fetch_add(1, Ordering::Relaxed);
        if self.rate.observe(&tenant.id, 1) > self.rate_max {
            return Err(429);
        }
        let (guard, now) = self.in_flight.incr(&tenant.id, 1);
        if now > self.in_flight_max {
            return Err(429);
        }
        Ok(Seat { tenant: Arc::clone(tenant), _in_flight: guard })
    }
}

impl Seat {
    pub fn tenant(&self) -> &str {
        &self.tenant.id
    }
}
