//! What is shown of pools' circuit breakers. Nothing is recorded: breakers tell how they stand when they are looked at.

use std::fmt::Debug;
use std::sync::Arc;

use prometheus::proto::MetricFamily;

use super::families::{self, Family, Source};
use super::pools::PoolTable;

/// How one resource of a pool stands.
#[derive(Debug, Clone, Copy)]
pub struct CircuitLevel {
    /// Its name, as in the label.
    pub resource: &'static str,
    /// How many are in use.
    pub in_use: u32,
    /// How many may be; `None`: as many as are wanted.
    pub limit: Option<u32>,
    /// How often that refused something.
    pub trips: u64,
    /// How many each tenant may use.
    pub tenant_limit: Option<u32>,
    /// How often that refused something, of all tenants.
    pub tenant_trips: u64,
}

/// A pool's circuit breaker.
pub trait CircuitReading: Debug + Send + Sync {
    /// Tells of each resource.
    fn levels(&self, tell: &mut dyn FnMut(CircuitLevel));
}

/// Reads the circuit breakers of all pools. Only what is bounded is shown.
pub(super) struct CircuitSource {
    pub(super) pools: Arc<PoolTable>,
}

impl Source for CircuitSource {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 2] = [&families::CIRCUIT_OPEN, &families::CIRCUIT_TRIPPED];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (mut open, mut tripped) = (Vec::new(), Vec::new());
        for (pool, reading) in self.pools.circuits() {
            reading.levels(&mut |level| {
                let name = level.resource;
                if let Some(limit) = level.limit {
                    let is_open = f64::from(u8::from(level.in_use >= limit));
                    open.push(families::CIRCUIT_OPEN.value(&[&pool, name], is_open));
                    let trips = level.trips as f64;
                    tripped.push(families::CIRCUIT_TRIPPED.value(&[&pool, name, "pool"], trips));
                }
                if level.tenant_limit.is_some() {
                    let trips = level.tenant_trips as f64;
                    tripped.push(families::CIRCUIT_TRIPPED.value(&[&pool, name, "tenant"], trips));
                }
            });
        }
        vec![families::CIRCUIT_OPEN.of(open), families::CIRCUIT_TRIPPED.of(tripped)]
    }
}
