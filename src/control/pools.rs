//! How pools stand, and what an operator changes of them while they run: `/api/v1/pools`.

use serde_json::{Value, json};

use super::pool_set::PoolSet;
use crate::breaker::Circuit;
use crate::health::Health;
use crate::telemetry::{CircuitReading as _, EjectionCause, EndpointFailure};
use crate::upstream::{Endpoint, Pool};

/// Pools that an error names.
const NAMED_MAX: usize = 20;

/// What an operator changes of an endpoint: until it is changed back, or the gateway ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointChange {
    /// It takes no new requests; those that it has run to their end.
    Drain,
    /// It takes requests again.
    Undrain,
    /// Its part of the requests, beside the others' weights. With 0 it takes no new ones.
    Weight(u32),
}

/// All pools, as of now.
#[must_use]
pub fn pools(set: &PoolSet) -> Value {
    json!({ "pools": set.pools().map(|pool| describe(pool)).collect::<Vec<_>>() })
}

/// One pool, as of now.
///
/// # Errors
/// The problem document: there is no such pool.
pub fn pool(set: &PoolSet, name: &str) -> Result<Value, Value> {
    find(set, name).map(describe)
}

/// Changes an endpoint. The pool as it stands then; what was so already is no error.
///
/// # Errors
/// The problem document: there is no such pool, or no such endpoint in it.
pub fn change_endpoint(
    set: &PoolSet,
    name: &str,
    endpoint: &str,
    change: EndpointChange,
) -> Result<Value, Value> {
    let pool = find(set, name)?;
    let Some(endpoint) = pool.endpoint(endpoint) else {
        let endpoints = pool.endpoints();
        let names: Vec<&str> = endpoints.iter().map(|endpoint| &**endpoint.name()).collect();
        let detail = format!("the pool has no endpoint of this name; it has {}", names.join(", "));
        return Err(json!({ "status": 404, "code": "unknown_endpoint", "detail": detail }));
    };
    match change {
        EndpointChange::Drain => endpoint.set_draining(true),
        EndpointChange::Undrain => endpoint.set_draining(false),
        EndpointChange::Weight(weight) => endpoint.set_weight(weight),
    }
    pool.line_up();
    pool.tell();
    Ok(describe(pool))
}

fn find<'s>(set: &'s PoolSet, name: &str) -> Result<&'s Pool, Value> {
    let found = set.pools().find(|pool| **pool.name() == *name);
    found.map(|pool| &**pool).ok_or_else(|| {
        let names: Vec<&str> = set.pools().map(|pool| &**pool.name()).take(NAMED_MAX).collect();
        let detail = format!("there is no pool of this name; there are {}", names.join(", "));
        json!({ "status": 404, "code": "unknown_pool", "detail": detail })
    })
}

fn describe(pool: &Pool) -> Value {
    let seats = pool.seats();
    let limit = Some(seats.limit()).filter(|limit| *limit < u32::MAX);
    json!({
        "name": &**pool.name(),
        "endpoints": pool.endpoints().iter().map(|endpoint| describe_endpoint(endpoint)).collect::<Vec<_>>(),
        "failed_over": pool.stand_in().map(|other| &**other),
        "panicking": pool.meter().is_panicking(),
        "seats": limit,
        "seats_in_use": seats.in_use(),
        "waiting": seats.waiting(),
        "streams": seats.streams(),
        "circuit_breaker": pool.circuit_terms().map(|_| describe_circuit(pool.circuit())),
    })
}

/// What is bounded, and how much of that is in use.
fn describe_circuit(circuit: &Circuit) -> Value {
    let mut resources = serde_json::Map::new();
    circuit.levels(&mut |level| {
        let state = json!({
            "in_use": level.in_use,
            "limit": level.limit,
            "tripped": level.trips,
            "tenant_limit": level.tenant_limit,
            "tenant_tripped": level.tenant_trips,
        });
        resources.insert(level.resource.to_owned(), state);
    });
    resources.into()
}

fn describe_endpoint(endpoint: &Endpoint) -> Value {
    let meter = endpoint.meter();
    let failures = EndpointFailure::ALL.map(|how| (how.name().to_owned(), meter.failures(how).into()));
    json!({
        "name": &**endpoint.name(),
        "up": meter.is_up(),
        "health": match endpoint.health() {
            Health::Unknown => "unchecked",
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        },
        "ejected_for_ms": endpoint.ejected_for().map(|left| left.as_millis() as u64),
        "ejections": EjectionCause::ALL.iter().map(|cause| meter.ejections(*cause)).sum::<u64>(),
        "draining": meter.is_draining(),
        "weight": endpoint.gauge().map(|gauge| gauge.weight()),
        "latency_ms": endpoint.gauge().and_then(|gauge| gauge.latency()).map(|latency| (latency.as_secs_f64() * 1e6).round() / 1e3),
        "in_flight": meter.in_flight(),
        "requests": meter.requests(),
        "failures": serde_json::Map::from_iter(failures),
    })
}
